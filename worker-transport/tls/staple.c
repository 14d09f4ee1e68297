/* staple.c - see staple.h. A response belongs to the SSL_CTX that shows it, which handshakes that
 * run may keep longer than its generation of certificates lasts. Relies on OpenSSL's OCSP. */
#include "staple.h"

#include "common/clock.h"
#include "common/counters.h"
#include "common/log.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds by which the clock of the authority may be ahead. */
#define STAPLE_SKEW_S 300

struct staple {
	char name[64];       /* of the certificate */
	int64_t from, until; /* unix seconds of its thisUpdate and nextUpdate */
	bool told;           /* that it is out of date */
	int size;
	unsigned char der[];
};

static int staple_fault(char why[STAPLE_TEXT_MAX], const char *text)
{
	snprintf(why, STAPLE_TEXT_MAX, "%s", text);
	return -EBADMSG;
}

static int64_t staple_unix_time(const ASN1_GENERALIZEDTIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* The certificate that signed leaf, or NULL where chain does not hold it. */
static X509 *staple_issuer(X509 *leaf, STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i), leaf) == X509_V_OK)
			return sk_X509_value(chain, i);
	return X509_check_issued(leaf, leaf) == X509_V_OK ? leaf : NULL;
}

/* Whether the authority, or whom it has charged with it, signed the response. */
static bool staple_verifies(OCSP_BASICRESP *basic, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();

	STACK_OF(X509) *known = sk_X509_new_null();
	bool good = store && known && X509_STORE_add_cert(store, issuer) == 1 &&
	            sk_X509_push(known, issuer) > 0 &&
	            X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
	            OCSP_basic_verify(basic, known, store, 0) == 1;

	sk_X509_free(known);
	X509_STORE_free(store);
	return good;
}

/* Whether an answer is about leaf, whatever hash it was asked with. */
static bool staple_is_about(const OCSP_CERTID *id, X509 *leaf, X509 *issuer)
{
	ASN1_OBJECT *hash = NULL;
	/* OpenSSL takes what it only reads as not const */
	OCSP_CERTID *asked = (OCSP_CERTID *)(uintptr_t)id, *mine = NULL;
	bool same = false;

	if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, asked) == 1 && EVP_get_digestbyobj(hash))
		mine = OCSP_cert_to_id(EVP_get_digestbyobj(hash), leaf, issuer);
	if (mine)
		same = OCSP_id_cmp(mine, asked) == 0;
	OCSP_CERTID_free(mine);
	return same;
}

static OCSP_SINGLERESP *staple_answer(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);

		if (staple_is_about(OCSP_SINGLERESP_get0_id(one), leaf, issuer))
			return one;
	}
	return NULL;
}

static int staple_check(struct staple *s, OCSP_BASICRESP *basic, X509 *leaf, STACK_OF(X509) * chain,
	char why[STAPLE_TEXT_MAX])
{
	X509 *issuer = staple_issuer(leaf, chain);
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;

	if (!issuer)
		return staple_fault(why,
			"cannot be checked: the chain does not hold the certificate of the "
			"authority");
	OCSP_SINGLERESP *one = staple_answer(basic, leaf, issuer);
	if (!one)
		return staple_fault(why, "is about another certificate");
	if (!staple_verifies(basic, issuer))
		return staple_fault(why, "was not signed by the authority of the certificate");
	int status = OCSP_single_get0_status(one, NULL, NULL, &from, &until);
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		return staple_fault(why, "says that the certificate is revoked");
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return staple_fault(why, "says that the authority does not know the certificate");
	s->from = staple_unix_time(from);
	s->until = until ? staple_unix_time(until) : INT64_MAX;
	return 0;
}

static int staple_read(
	struct staple *s, X509 *leaf, STACK_OF(X509) * chain, char why[STAPLE_TEXT_MAX])
{
	const unsigned char *at = s->der;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, s->size);
	OCSP_BASICRESP *basic = NULL;
	int error;

	if (!response || at != s->der + s->size)
		error = staple_fault(why, "cannot be parsed as DER");
	else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		error = staple_fault(why, "is an error that the authority answered");
	else if (!(basic = OCSP_response_get1_basic(response)))
		error = staple_fault(why, "is of another kind than basic");
	else
		error = staple_check(s, basic, leaf, chain, why);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return error;
}

static bool staple_is_fresh(struct staple *s)
{
	int64_t now = clock_realtime_s();

	if (now < s->until && now + STAPLE_SKEW_S >= s->from) {
		s->told = false;
		return true;
	}
	if (!s->told)
		log_warn("staple-stale",
			"certificate=%s reason=\"its OCSP response is %s, and is not shown\"",
			s->name, now < s->until ? "not valid yet" : "out of date");
	s->told = true;
	return false;
}

/* ---- at the SSL_CTX ---- */

static void staple_free(
	void *parent, void *staple, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argument;
	(void)pointer;
	free(staple);
}

/* Where an SSL_CTX keeps its response; -1: no memory. */
static int staple_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, staple_free);
	return index;
}

/* OpenSSL asks for the response, where the client wants one. */
static int staple_show(SSL *ssl, void *arg)
{
	struct staple *s = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), staple_index());
	unsigned char *copy;

	(void)arg;
	if (!s || !staple_is_fresh(s)) {
		count(TLS_STAPLE_STALE);
		return SSL_TLSEXT_ERR_NOACK;
	}
	copy = OPENSSL_memdup(s->der, (size_t)s->size);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, s->size) != 1) {
		OPENSSL_free(copy);
		return SSL_TLSEXT_ERR_NOACK;
	}
	count(TLS_STAPLED);
	return SSL_TLSEXT_ERR_OK;
}

int staple_attach(SSL_CTX *context, struct str der, X509 *leaf, STACK_OF(X509) * chain,
	const char *name, char why[STAPLE_TEXT_MAX])
{
	struct staple *s = calloc(1, sizeof(*s) + der.n);
	int error;

	if (!s || staple_index() < 0) {
		free(s);
		snprintf(why, STAPLE_TEXT_MAX, "finds no memory");
		return -ENOMEM;
	}
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->size = (int)der.n;
	memcpy(s->der, der.p, der.n);
	error = staple_read(s, leaf, chain, why);
	if (error == 0 && SSL_CTX_set_ex_data(context, staple_index(), s) != 1) {
		snprintf(why, STAPLE_TEXT_MAX, "finds no memory");
		error = -ENOMEM;
	}
	if (error) {
		free(s);
		return error;
	}
	staple_is_fresh(s); /* says so where it is not */
	SSL_CTX_set_tlsext_status_cb(context, staple_show);
	return 0;
}
