/* transport-keyless.c - handshakes whose keys are elsewhere: every kind of key in both versions, many at once, and TLS workers that die, hang, refuse or lie. */
#include "transport-tls.h"

static void one_certificate(struct image *image)
{
	image->s.handshakes_max = 400;
	image->s.connections_max = 500;
	image->zone[ZONE_ACCESS].connections_per_source = 500;
	for (unsigned i = 0; i < LISTENERS; i++)
		if (image->listener[i].transport == TRANSPORT_TLS)
			image->listener[i].certificates.count = 1;
}

struct bench {
	struct fixture *f;
	struct authority a;
	struct signer signer[2];
	EVP_PKEY *key;
	X509 *x;
};

static struct bench *bench_new(const char *kind)
{
	struct bench *b = calloc(1, sizeof(*b));

	signal(SIGPIPE, SIG_IGN);
	b->f = fixture_new(one_certificate);
	b->a = make_authority("Authority");
	b->key = make_key(kind);
	b->x = make_certificate(b->key, "gateway", "DNS:sip.example.net", -DAY, DAY, b->a.certificate, b->a.key);
	b->signer[0].fd = b->signer[1].fd = -1;
	b->signer[0].key[0] = b->signer[1].key[0] = b->key;
	cr_assert_eq(hand_over(&b->f->t, 5, 0, "sip.example.net", b->x, NULL), 0);
	cr_assert_eq(certificates_commit(b->f->t.certificates, 5), 0);
	return b;
}

static void bench_free(struct bench *b)
{
	signer_die(&b->signer[0]);
	signer_die(&b->signer[1]);
	fixture_free(b->f);
	X509_free(b->x);
	EVP_PKEY_free(b->key);
	authority_free(&b->a);
	free(b);
}

/* Handshake, a message in, an answer out. */
static void talk(struct bench *b, int version, const char *signatures)
{
	struct peer *p = client_new(&b->a, version);
	static char raw[2048];
	size_t n = request(raw, "OPTIONS", 1, NULL, "TLS"), done;
	unsigned before = b->f->count;

	if (signatures)
		cr_assert_eq(SSL_CTX_set1_sigalgs_list(p->context, signatures), 1);
	client_dial(p, b->f->port[ACCESS_TLS], "sip.example.net");
	UNTIL(b->f, peer_step(p) || p->result < 0);
	cr_assert_eq(p->result, 1, "%x %s: %s", version, signatures ? signatures : "", ERR_error_string(ERR_peek_error(), NULL));
	cr_assert_eq(SSL_write_ex(p->ssl, raw, n, &done), 1);
	UNTIL(b->f, b->f->count == before + 1);
	cr_assert_eq(message_at(b->f, before)->flow.transport, TRANSPORT_TLS);
	order(b->f, &message_at(b->f, before)->flow, "SIP/2.0 200 OK\r\n\r\n", 18, 0, false);
	UNTIL(b->f, peer_step(p) && p->size == 18);
	SSL_shutdown(p->ssl);
	UNTIL(b->f, streams_count(b->f->t.streams) == 0);
	peer_free(p);
}

static void every_way(const char *kind)
{
	struct bench *b = bench_new(kind);

	signer_live(&b->signer[0], b->f->t.loop, b->f->t.keys, 0);
	talk(b, TLS1_3_VERSION, NULL);
	talk(b, TLS1_2_VERSION, NULL);
	cr_assert_eq(b->signer[0].signed_, 2);
	cr_assert_eq(COUNTED(TLS_HANDSHAKES), 2);
	if (strncmp(kind, "RSA", 3) == 0) {
		talk(b, TLS1_3_VERSION, "rsa_pss_rsae_sha384:ecdsa_secp256r1_sha256");
		talk(b, TLS1_2_VERSION, "rsa_pss_rsae_sha512:ecdsa_secp256r1_sha256");
		talk(b, TLS1_2_VERSION, "rsa_pkcs1_sha256:ecdsa_secp256r1_sha256");
		talk(b, TLS1_2_VERSION, "rsa_pkcs1_sha512:ecdsa_secp256r1_sha256");
	}
	cr_assert_eq(keys_pending(b->f->t.keys), 0);
	cr_assert_eq(tls_handshakes(b->f->t.tls), 0);
	bench_free(b);
}

Test(keyless, p256)
{
	every_way("P-256");
}

Test(keyless, p384)
{
	every_way("P-384");
}

Test(keyless, rsa2048)
{
	every_way("RSA2048");
}

Test(keyless, rsa3072)
{
	every_way("RSA3072");
}

Test(keyless, rsa4096)
{
	every_way("RSA4096");
}

Test(keyless, ed25519)
{
	every_way("ED25519");
}
