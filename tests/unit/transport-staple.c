/* transport-staple.c - OCSP responses shown in handshakes (RFC 6066 section 8), and those that are
 * refused when they are taken. */
#include "transport-tls.h"
#include "worker-transport/tls/staple.h"

#include <openssl/ocsp.h>

struct answer {
	X509 *about, *issuer, *signer;
	EVP_PKEY *key;
	int status;
	long from, until; /* seconds from now */
	const EVP_MD *hash;
	unsigned long flags;
};

/* Writes the response that an authority gives; returns its size. */
static size_t respond(const struct answer *a, unsigned char *der)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(a->hash, a->about, a->issuer);
	ASN1_TIME *from = X509_gmtime_adj(NULL, a->from), *until = X509_gmtime_adj(NULL, a->until);
	ASN1_TIME *revoked = a->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL;

	cr_assert_not_null(OCSP_basic_add1_status(basic, id, a->status, 0, revoked, from, until));
	cr_assert_eq(OCSP_basic_sign(basic, a->signer, a->key, EVP_sha256(), NULL, a->flags), 1);
	OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	int n = i2d_OCSP_RESPONSE(r, &der);
	cr_assert_gt(n, 0);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	return (size_t)n;
}

static struct answer good_answer(const struct secure *s)
{
	const struct authority *a = &s->authority;

	return (struct answer){.about = s->x[0],
		.issuer = a->certificate,
		.signer = a->certificate,
		.key = a->key,
		.status = V_OCSP_CERTSTATUS_GOOD,
		.from = -60,
		.until = DAY,
		.hash = EVP_sha1()};
}

static int attach(X509 *leaf, X509 *extra, const void *der, size_t size, char why[STAPLE_TEXT_MAX])
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	STACK_OF(X509) *chain = sk_X509_new_null();
	if (extra)
		sk_X509_push(chain, extra);
	int error = staple_attach(context, (struct str){der, size}, leaf, chain, "c0", why);
	sk_X509_free(chain);
	SSL_CTX_free(context);
	return error;
}

static unsigned char der[4096];

static void refused(const struct secure *s, const struct answer *a, const char *text)
{
	char why[STAPLE_TEXT_MAX] = "";
	size_t n = respond(a, der);

	cr_expect_eq(attach(s->x[0], s->authority.certificate, der, n, why), -EBADMSG);
	cr_expect_not_null(strstr(why, text), "\"%s\" and not \"%s\"", why, text);
}

Test(staple, what_is_refused)
{
	struct secure *s = secure_new(NULL);
	struct authority other = make_authority("Other");
	char why[STAPLE_TEXT_MAX];
	struct answer a = good_answer(s);
	size_t n = respond(&a, der);

	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, n, why), 0);
	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, n - 1, why), -EBADMSG);
	cr_assert_str_eq(why, "cannot be parsed as DER");
	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, n + 1, why), -EBADMSG);
	cr_assert_eq(attach(s->x[0], NULL, der, n, why), -EBADMSG);
	cr_assert_not_null(strstr(why, "the chain does not hold"), "%s", why);
	a.flags = OCSP_NOCERTS;
	n = respond(&a, der);
	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, n, why), 0);
	der[n - 1] ^= 1; /* of the signature */
	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, n, why), -EBADMSG);

	a.about = s->x[1];
	refused(s, &a, "another certificate");
	a = good_answer(s);
	a.issuer = other.certificate;
	refused(s, &a, "another certificate");
	a = good_answer(s);
	a.status = V_OCSP_CERTSTATUS_REVOKED;
	refused(s, &a, "is revoked");
	a.status = V_OCSP_CERTSTATUS_UNKNOWN;
	refused(s, &a, "does not know");
	a = good_answer(s);
	a.signer = other.certificate;
	a.key = other.key;
	refused(s, &a, "was not signed by the authority");
	/* one that the authority signed, and has not charged with answers */
	a.signer = s->x[1];
	a.key = s->key[1];
	refused(s, &a, "was not signed by the authority");
	authority_free(&other);
	secure_free(s);
}

Test(staple, any_hash_and_any_date_is_taken)
{
	struct secure *s = secure_new(NULL);
	struct answer a = good_answer(s);
	char why[STAPLE_TEXT_MAX];

	a.hash = EVP_sha256();
	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, respond(&a, der), why), 0);
	a.until = -1;
	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, respond(&a, der), why), 0);
	secure_free(s);
}

Test(staple, an_error_of_the_authority_is_none)
{
	struct secure *s = secure_new(NULL);
	OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
	unsigned char *at = der;
	char why[STAPLE_TEXT_MAX];
	int n = i2d_OCSP_RESPONSE(r, &at);

	cr_assert_eq(attach(s->x[0], s->authority.certificate, der, (size_t)n, why), -EBADMSG);
	cr_assert_str_eq(why, "is an error that the authority answered");
	OCSP_RESPONSE_free(r);
	secure_free(s);
}

/* ---- in handshakes ---- */

/* Hands over certificate 0 of a generation with its authority and a response, and takes it into
 * use. */
static void hand_over_stapled(struct secure *s, uint32_t generation, const struct answer *a)
{
	static _Alignas(8) char buffer[16384];
	struct lifeline_certificate *head = (void *)buffer;
	char *at = (char *)(head + 1);
	size_t n = pem_of(s->x[0], at, 4000);

	n += pem_of(s->authority.certificate, at + n, 4000);
	*head = (struct lifeline_certificate){.generation = generation,
		.name = "c0",
		.chain_size = (uint32_t)n,
		.staple_size = (uint32_t)respond(a, (unsigned char *)at + n)};
	n += head->staple_size;
	cr_assert_eq(certificates_take(s->f->t.certificates, buffer, sizeof(*head) + n), 0);
	cr_assert_eq(certificates_commit(s->f->t.certificates, generation), 0);
}

/* What a client of that version gets: the size of the response, -1 for none. */
static long shown(struct secure *s, int version, bool asks)
{
	struct peer *p = client_new(&s->authority, version);
	const unsigned char *response;

	if (asks)
		SSL_CTX_set_tlsext_status_type(p->context, TLSEXT_STATUSTYPE_ocsp);
	client_dial(p, s->f->port[ACCESS_TLS], "sip.example.net");
	UNTIL(s->f, peer_step(p) || p->result < 0);
	cr_assert_eq(p->result, 1);
	long n = SSL_get_tlsext_status_ocsp_resp(p->ssl, &response);
	peer_free(p);
	return n;
}

#define COUNTED(id) (counters_page->counter[COUNTER_##id])

Test(staple, clients_that_ask_are_shown_it)
{
	struct secure *s = secure_new(NULL);
	struct answer a = good_answer(s);

	cr_assert_eq(shown(s, TLS1_3_VERSION, true), -1, "none is configured");
	hand_over_stapled(s, 2, &a);
	cr_assert_gt(shown(s, TLS1_3_VERSION, true), 100);
	cr_assert_gt(shown(s, TLS1_2_VERSION, true), 100);
	cr_assert_eq(shown(s, TLS1_3_VERSION, false), -1);
	cr_assert_eq(COUNTED(TLS_STAPLED), 2);
	a.until = -1;
	hand_over_stapled(s, 3, &a);
	cr_assert_eq(shown(s, TLS1_3_VERSION, true), -1, "it is out of date");
	a.from = DAY;
	a.until = 2 * DAY;
	hand_over_stapled(s, 4, &a);
	cr_assert_eq(shown(s, TLS1_3_VERSION, true), -1, "it is not valid yet");
	cr_assert_eq(COUNTED(TLS_STAPLED), 2);
	cr_assert_eq(COUNTED(TLS_STAPLE_STALE), 2);
	secure_free(s);
}

Test(staple, a_handshake_keeps_that_of_its_generation)
{
	struct secure *s = secure_new(NULL);
	struct answer a = good_answer(s);
	struct peer *p = client_new(&s->authority, TLS1_2_VERSION);
	const unsigned char *response;

	hand_over_stapled(s, 2, &a);
	SSL_CTX_set_tlsext_status_type(p->context, TLSEXT_STATUSTYPE_ocsp);
	s->signer[0].mute = true; /* the handshake waits for its signature */
	client_dial(p, s->f->port[ACCESS_TLS], "sip.example.net");
	unsigned asked = s->signer[0].asked;
	UNTIL(s->f, (peer_step(p), s->signer[0].asked > asked));
	cr_assert_eq(certificates_commit(s->f->t.certificates, 1), 0);
	certificates_drop(s->f->t.certificates, 2);
	signer_die(&s->signer[0]);
	s->signer[0].mute = false;
	signer_live(&s->signer[0], s->f->t.loop, s->f->t.sign_client, 0);
	UNTIL(s->f, peer_step(p) || p->result < 0);
	if (p->result == 1)
		cr_assert_gt(SSL_get_tlsext_status_ocsp_resp(p->ssl, &response), 100);
	peer_free(p);
	secure_free(s);
}
