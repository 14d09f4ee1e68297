/* certificate.c - reads a certificate chain. Relies on libcrypto; opens no file. */
#include "certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#define NAME_BYTES_MAX 256

static bool certificate_seconds(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

/* Whether a URI sip:NAME is among the alternative names. */
static bool certificate_covers_domain(X509 *x, const char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	size_t n = strlen(name);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		struct str uri;

		if (g->type != GEN_URI)
			continue;
		uri = (struct str){
			(const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier),
			(size_t)ASN1_STRING_length(g->d.uniformResourceIdentifier)};
		found = uri.n == n + 4 && strncasecmp(uri.p, "sip:", 4) == 0 &&
		        strncasecmp(uri.p + 4, name, n) == 0;
	}
	GENERAL_NAMES_free(names);
	return found;
}

static bool certificate_covers(X509 *x, struct str name)
{
	char text[NAME_BYTES_MAX], probe[NAME_BYTES_MAX + 16];

	if (str_copy(name, text, sizeof(text)) < 0)
		return false;
	/* "*.NAME" is covered where some label in its place is. */
	snprintf(probe, sizeof(probe), "%s%s", str_starts(name, S("*.")) ? "any-label" : "",
		str_starts(name, S("*.")) ? text + 1 : text);
	return X509_check_host(x, probe, 0, 0, NULL) == 1 || X509_check_ip_asc(x, text, 0) == 1 ||
	       certificate_covers_domain(x, text);
}

static int certificate_check_names(X509 *x, struct str names, char text[CERTIFICATE_TEXT_MAX])
{
	while (names.n) {
		size_t n = str_find(names, ' ');
		struct str name = {names.p, n};

		names = str_from(names, n < names.n ? n + 1 : n);
		if (name.n && !certificate_covers(x, name)) {
			snprintf(text, CERTIFICATE_TEXT_MAX,
				"the first certificate of the chain does not name \"%.*s\"",
				(int)(name.n < 200 ? name.n : 200), name.p);
			return -EBADMSG;
		}
	}
	return 0;
}

static int certificate_take(X509 *x, int number, struct str names, struct certificate_facts *f,
	char text[CERTIFICATE_TEXT_MAX])
{
	int64_t from, to;

	if (!certificate_seconds(X509_get0_notBefore(x), &from) ||
		!certificate_seconds(X509_get0_notAfter(x), &to)) {
		snprintf(text, CERTIFICATE_TEXT_MAX,
			"certificate %d of the chain has malformed dates", number);
		return -EBADMSG;
	}
	if (from > f->not_before)
		f->not_before = from;
	if (to < f->not_after)
		f->not_after = to;
	if (number > 1)
		return 0;
	f->public = X509_get_pubkey(x);
	if (!f->public) {
		snprintf(text, CERTIFICATE_TEXT_MAX,
			"the first certificate of the chain has a public key of an unknown kind");
		return -EBADMSG;
	}
	return certificate_check_names(x, names, text);
}

int certificate_read(struct str chain, struct str names, struct certificate_facts *out,
	char text[CERTIFICATE_TEXT_MAX])
{
	struct certificate_facts f = {.not_before = INT64_MIN, .not_after = INT64_MAX};
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.n);
	int number = 0, error = bio ? 0 : -ENOMEM;

	while (error == 0) {
		X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!x) {
			/* The end of the text, or a block that is none. */
			if (number == 0 || ERR_GET_LIB(ERR_peek_last_error()) != ERR_LIB_PEM ||
				ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
				snprintf(text, CERTIFICATE_TEXT_MAX,
					number ? "certificate %d of the chain cannot be parsed"
					       : "the chain holds no certificate in PEM form",
					number + 1);
				error = -EBADMSG;
			}
			break;
		}
		number++;
		if (number > CHAIN_DEPTH_MAX) {
			snprintf(text, CERTIFICATE_TEXT_MAX,
				"the chain has more than %d certificates", CHAIN_DEPTH_MAX);
			error = -EBADMSG;
		} else {
			error = certificate_take(x, number, names, &f, text);
		}
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (error) {
		EVP_PKEY_free(f.public);
		return error;
	}
	*out = f;
	return 0;
}
