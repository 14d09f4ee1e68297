/* transport-tls.h - what tests of TLS need besides a transport worker: an authority that makes
 * certificates, a TLS worker that signs as told, peers of OpenSSL's. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_TLS_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_TLS_H

#include "ipc/sign_packet.h"
#include "transport-fixture.h"
#include "worker-transport/tls/certificates.h"
#include "worker-transport/tls/tls_context.h"
#include "worker-transport/tls/sign_provider.h"
#include "worker-transport/tls/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define DAY 86400L

/* ---- the authority ---- */

static inline EVP_PKEY *make_key(const char *kind)
{
	EVP_PKEY *key = strncmp(kind, "RSA", 3) == 0   ? EVP_RSA_gen((unsigned)atoi(kind + 3))
	                : strcmp(kind, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
	                                               : EVP_EC_gen(kind);

	cr_assert_not_null(key, "%s", kind);
	return key;
}

static inline void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *e;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	cr_assert_not_null(e, "%s", value);
	cr_assert(X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

/* names: subjectAltName as openssl.cnf has it, or NULL for none; valid from now + begin to now +
 * end, seconds. issuer NULL: signed by itself, an authority. */
static inline X509 *make_certificate(EVP_PKEY *key, const char *common, const char *names,
	long begin, long end, X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial;
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	EVP_PKEY *signer = issuer ? issuer_key : key;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), begin);
	X509_gmtime_adj(X509_getm_notAfter(x), end);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject);
	X509_set_pubkey(x, key);
	extend(x, issuer ? issuer : x, NID_basic_constraints,
		issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (names)
		extend(x, issuer ? issuer : x, NID_subject_alt_name, names);
	cr_assert_gt(
		X509_sign(x, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_sha256()), 0);
	return x;
}

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

static inline struct authority make_authority(const char *common)
{
	struct authority a = {.key = make_key("P-256")};

	a.certificate = make_certificate(a.key, common, NULL, -DAY, 10 * DAY, NULL, NULL);
	return a;
}

static inline void authority_free(struct authority *a)
{
	X509_free(a->certificate);
	EVP_PKEY_free(a->key);
}

static inline size_t pem_of(X509 *x, char *buffer, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *p;
	long n;

	PEM_write_bio_X509(out, x);
	n = BIO_get_mem_data(out, &p);
	cr_assert_lt((size_t)n, size);
	memcpy(buffer, p, (size_t)n);
	buffer[n] = 0;
	BIO_free(out);
	return (size_t)n;
}

/* ---- a TLS worker ---- */

#define SIGNERS_MAX 8
struct signer {
	struct loop *loop;
	struct loop_source *source;
	int fd;                     /* -1: it is dead */
	EVP_PKEY *key[SIGNERS_MAX]; /* by certificate */
	unsigned signed_, asked;
	bool mute; /* takes requests and never answers */
	int error; /* answers this instead */
};

/* 0: the scheme does not fit the key. */
static inline size_t sign_as(EVP_PKEY *key, uint16_t scheme, const unsigned char *text, size_t size,
	unsigned char buffer[SIGNATURE_MAX])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p;
	bool pss = scheme >= 0x0804 && scheme <= 0x0806, pkcs1 = (scheme & 0xff) == 1;
	unsigned hash = pss ? scheme - 0x0804u : (scheme >> 8) - 4u;
	const EVP_MD *digest = scheme == 0x0807 ? NULL
	                       : hash == 0      ? EVP_sha256()
	                       : hash == 1      ? EVP_sha384()
	                                        : EVP_sha512();
	size_t n = SIGNATURE_MAX;

	if (EVP_PKEY_is_a(key, "RSA") != (pss || pkcs1) ||
		EVP_PKEY_is_a(key, "ED25519") != (scheme == 0x0807)) {
		EVP_MD_CTX_free(c);
		return 0;
	}
	cr_assert_eq(EVP_DigestSignInit(c, &p, digest, NULL, key), 1);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST);
	}
	cr_assert_eq(EVP_DigestSign(c, buffer, &n, text, size), 1);
	EVP_MD_CTX_free(c);
	return n;
}

static inline void signer_die(struct signer *s)
{
	if (s->fd < 0)
		return;
	loop_remove(s->loop, s->source);
	close(s->fd);
	s->fd = -1;
}

static inline void signer_event(void *arg, uint32_t events)
{
	struct signer *s = arg;
	unsigned char packet[SIGN_PACKET_MAX], signature[SIGNATURE_MAX];
	const unsigned char *text;
	struct sign_request r;
	ssize_t n;

	(void)events;
	while (s->fd >= 0 && (n = sign_packet_receive(s->fd, packet)) != -EAGAIN) {
		if (n < 0) {
			signer_die(s);
			return;
		}
		cr_assert_eq(sign_request_decode(packet, (size_t)n, &r, &text), 0);
		s->asked++;
		if (s->mute)
			continue;
		if (s->error || r.certificate >= SIGNERS_MAX || !s->key[r.certificate]) {
			n = (ssize_t)sign_reply_encode(
				r.id, s->error ? s->error : -ENOENT, NULL, 0, packet);
		} else {
			size_t size = sign_as(
				s->key[r.certificate], r.scheme, text, r.size, signature);

			n = (ssize_t)sign_reply_encode(
				r.id, size ? 0 : -EACCES, signature, size, packet);
			s->signed_ += size != 0;
		}
		cr_assert_eq(sign_packet_send(s->fd, packet, (size_t)n), 0);
	}
}

/* A new life of the TLS worker with that index. */
static inline void signer_live(
	struct signer *s, struct loop *loop, struct sign_client *keys, unsigned index)
{
	int pair[2];

	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	s->loop = loop;
	s->fd = pair[0];
	cr_assert_eq(loop_add(loop, s->fd, EPOLLIN, signer_event, s, &s->source), 0);
	cr_assert_eq(sign_client_edge(keys, PEER(PEER_TLS, index), pair[1]), 0);
}

/* ---- certificates for the worker ---- */

/* Hands it certificate index of a generation. extra: another of the chain, or NULL. */
static inline int hand_over(struct transport_worker *t, uint32_t generation, uint16_t index,
	const char *names, X509 *x, X509 *extra)
{
	static _Alignas(8) char buffer[16384];
	struct lifeline_certificate *head = (void *)buffer;
	size_t n = strlen(names), chain;

	*head = (struct lifeline_certificate){
		.generation = generation, .index = index, .names_size = (uint16_t)n};
	snprintf(head->name, sizeof(head->name), "c%u", index);
	memcpy(head + 1, names, n);
	chain = pem_of(x, (char *)(head + 1) + n, sizeof(buffer) - sizeof(*head) - n);
	if (extra)
		chain += pem_of(extra, (char *)(head + 1) + n + chain,
			sizeof(buffer) - sizeof(*head) - n - chain);
	head->chain_size = (uint32_t)chain;
	return certificates_take(t->certificates, buffer, sizeof(*head) + n + chain);
}

/* ---- peers ---- */

struct peer {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
	int result;      /* of the handshake: 0 under way, 1 done, -1 failed */
	char text[4096]; /* what has been read */
	size_t size;
	bool closed; /* by close_notify */
};

/* One step of handshake or reading; true where it is open. */
static inline bool peer_step(struct peer *p)
{
	size_t n;

	ERR_clear_error();
	if (p->result == 0) {
		int r = SSL_do_handshake(p->ssl), e = SSL_get_error(p->ssl, r);

		p->result = r == 1                                                  ? 1
		            : e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0
		                                                                    : -1;
	}
	if (p->result == 1) {
		int r;

		while (p->size < sizeof(p->text) - 1 &&
			(r = SSL_read_ex(p->ssl, p->text + p->size, sizeof(p->text) - 1 - p->size,
				 &n)) == 1)
			p->size += n;
		p->text[p->size] = 0;
		if (p->size < sizeof(p->text) - 1) {
			int e = SSL_get_error(p->ssl, 0);

			if (e == SSL_ERROR_ZERO_RETURN)
				p->closed = true;
			else if (e != SSL_ERROR_WANT_READ)
				p->result = -1;
		}
	}
	return p->result == 1;
}

static inline void peer_begin(struct peer *p, int fd, bool server)
{
	p->fd = fd;
	p->ssl = SSL_new(p->context);
	SSL_set_fd(p->ssl, fd);
	if (server)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
}

static inline struct peer *client_new(const struct authority *a, int version)
{
	struct peer *p = calloc(1, sizeof(*p));

	p->context = SSL_CTX_new(TLS_client_method());
	p->fd = -1;
	if (a) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(p->context), a->certificate);
		SSL_CTX_set_verify(p->context, SSL_VERIFY_PEER, NULL);
	}
	if (version) {
		SSL_CTX_set_min_proto_version(p->context, version);
		SSL_CTX_set_max_proto_version(p->context, version);
	}
	return p;
}

static inline void client_dial(struct peer *p, int port, const char *name)
{
	peer_begin(p, dial("127.0.0.1", port), false);
	if (name)
		SSL_set_tlsext_host_name(p->ssl, name);
}

static inline void peer_free(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->context);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

/* A fixture with three certificates (P-256 sip.example.net, RSA phones.example.net, Ed25519
 * *.example.org) in generation 1 and a TLS worker. */
struct secure {
	struct fixture *f;
	struct authority authority;
	struct signer signer[2];
	EVP_PKEY *key[4];
	X509 *x[4];
};

static const char *const secure_kinds[3] = {"P-256", "RSA2048", "ED25519"};
static const char *const secure_names[3] = {
	"sip.example.net", "phones.example.net", "*.example.org"};
static const char *const secure_alternatives[3] = {
	"DNS:sip.example.net,URI:sip:example.net", "DNS:phones.example.net", "DNS:*.example.org"};

static inline struct secure *secure_new(void (*adjust)(struct image *image))
{
	struct secure *s = calloc(1, sizeof(*s));
	static char pem[8192];

	signal(SIGPIPE, SIG_IGN);
	memset(counters_page->counter, 0, sizeof(counters_page->counter));
	s->f = fixture_new(adjust);
	s->authority = make_authority("Authority");
	s->signer[0].fd = s->signer[1].fd = -1;
	for (uint16_t i = 0; i < 3; i++) {
		s->key[i] = make_key(secure_kinds[i]);
		s->x[i] = make_certificate(s->key[i], secure_names[i], secure_alternatives[i], -DAY,
			DAY, s->authority.certificate, s->authority.key);
		cr_assert_eq(hand_over(&s->f->t, 1, i, secure_names[i], s->x[i], NULL), 0);
		s->signer[0].key[i] = s->signer[1].key[i] = s->key[i];
	}
	signer_live(&s->signer[0], s->f->t.loop, s->f->t.sign_client, 0);
	cr_assert_eq(certificates_commit(s->f->t.certificates, 1), 0);
	cr_assert_eq(tls_authorities(s->f->t.tls, NONE_INDEX,
			     (struct str){pem, pem_of(s->authority.certificate, pem, sizeof(pem))}),
		0);
	cr_assert_eq(tls_authorities(s->f->t.tls, ACCESS_TLS,
			     (struct str){pem, pem_of(s->authority.certificate, pem, sizeof(pem))}),
		0);
	return s;
}

static inline void secure_free(struct secure *s)
{
	struct loop *loop = s->f->t.loop;

	signer_die(&s->signer[0]);
	signer_die(&s->signer[1]);
	(void)loop;
	fixture_free(s->f);
	for (unsigned i = 0; i < 4; i++) {
		X509_free(s->x[i]);
		EVP_PKEY_free(s->key[i]);
	}
	authority_free(&s->authority);
	free(s);
}

#endif
