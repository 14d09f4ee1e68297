/* digest_uri.c - the uri of credentials against what is asked (digest_uri.h). */
#include "digest_uri.h"

#include "worker-sip/routing/telephone.h"

static uint16_t digest_uri_port(const struct uri_parts *uri)
{
	return uri->port ? uri->port : uri->scheme == URI_SIPS ? 5061 : 5060;
}

/* Whether two URIs name one user at one host, whatever else they say. */
static bool digest_uri_same_place(const struct uri_parts *a, const struct uri_parts *b)
{
	struct uri_parts x = {.scheme = URI_SIP, .user = a->user, .host = a->host},
			 y = {.scheme = URI_SIP, .user = b->user, .host = b->host};

	return a->host.n && digest_uri_port(a) == digest_uri_port(b) && uri_equal(&x, &y);
}

/* Whether two URIs name one telephone number, at one host where both name a host. */
static bool digest_uri_same_number(const struct uri_parts *a, const struct uri_parts *b)
{
	char x[AOR_MAX], y[AOR_MAX];
	long n = telephone_digits(a, x, sizeof(x)), m = telephone_digits(b, y, sizeof(y));
	struct uri_parts at_a = {.scheme = URI_SIP, .host = a->host, .port = a->port},
			 at_b = {.scheme = URI_SIP, .host = b->host, .port = b->port};

	if (n <= 0 || n != m || memcmp(x, y, (size_t)n) != 0)
		return false;
	return !a->host.n || !b->host.n || digest_uri_same_place(&at_a, &at_b);
}

enum digest_uri_match digest_uri_match(struct str named, const struct message *m)
{
	struct str whole = message_str(m, m->request_uri.whole);
	struct uri_parts uri, asked = uri_of(m, &m->request_uri);

	if (str_equal(named, whole))
		return DIGEST_URI_SAME;
	if (uri_parse(named, &uri))
		return DIGEST_URI_SPELLING; /* no place at all */
	if (uri_equal(&uri, &asked))
		return DIGEST_URI_SAME;
	return digest_uri_same_place(&uri, &asked) || digest_uri_same_number(&uri, &asked)
	               ? DIGEST_URI_SPELLING
	               : DIGEST_URI_OTHER;
}
