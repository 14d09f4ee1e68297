/* identity.c - names of certificates. Relies on OpenSSL for taking subjectAltName apart. A name
 * that it gives may hold NUL bytes, and is compared as a whole. */
#include "identity.h"

#include <openssl/x509v3.h>
#include <string.h>

static struct str identity_text_of(const ASN1_STRING *s)
{
	return (struct str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

/* A name in a certificate must be one: without control bytes, spaces or a NUL in the middle. */
static bool identity_sound(struct str name)
{
	if (name.n == 0 || name.n > IDENTITY_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f)
			return false;
	return true;
}

/* The name without the dot of the root. */
static struct str identity_unrooted(struct str name)
{
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	return name;
}

/* The domain of a URI sip:DOMAIN; n == 0 where it is another URI, or that of a user, which is never
 * to be taken for a domain's (RFC 5922 section 7.1). */
static struct str identity_sip_domain(struct str uri)
{
	struct str host;
	size_t end;

	if (uri.n <= 4 || strncasecmp(uri.p, "sip:", 4) != 0)
		return STR_NONE;
	host = str_from(uri, 4);
	if (str_find(host, '@') < host.n)
		return STR_NONE;
	for (end = 0; end < host.n && !strchr(";?:", host.p[end]); end++)
		;
	host.n = end;
	return host;
}

/* Walks over the names of a certificate in the order of RFC 5922 section 7.1, until visit returns
 * true. all: visits DNS names even where there are SIP domains. */
static bool identity_walk(
	X509 *certificate, bool all, bool (*visit)(void *arg, struct str name), void *arg)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool sip = false, found = false;

	if (!names) {
		X509_NAME *subject = X509_get_subject_name(certificate);
		int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

		/* a certificate whose subjectAltName cannot be read has no names at all */
		if (at < 0 || X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0)
			return false;
		struct str name = identity_text_of(
			X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
		return identity_sound(name) && visit(arg, name);
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		struct str name;

		if (g->type != GEN_URI)
			continue;
		name = identity_sip_domain(identity_text_of(g->d.uniformResourceIdentifier));
		if (!name.n || !identity_sound(name))
			continue;
		sip = true;
		found = visit(arg, name);
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found && (all || !sip); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS && identity_sound(identity_text_of(g->d.dNSName)))
			found = visit(arg, identity_text_of(g->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	return found;
}

static bool identity_same(void *arg, struct str name)
{
	return str_find(name, '*') == name.n &&
	       str_equal_nocase(identity_unrooted(name), *(const struct str *)arg);
}

static bool identity_is_address(X509 *certificate, const struct endpoint *address)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t size = address->family == 4 ? 4 : 16;
	bool found = false;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		struct str bytes;

		if (g->type != GEN_IPADD)
			continue;
		bytes = identity_text_of(g->d.iPAddress);
		found = bytes.n == size && memcmp(bytes.p, address->address, size) == 0;
	}
	GENERAL_NAMES_free(names);
	return found;
}

bool identity_is(X509 *certificate, struct str name)
{
	struct endpoint address;

	if (endpoint_parse_host(name, 0, &address) == 0)
		return identity_is_address(certificate, &address);
	name = identity_unrooted(name);
	return identity_sound(name) && identity_walk(certificate, false, identity_same, &name);
}

struct identity_visitor {
	void (*visit)(void *arg, struct str name);
	void *arg;
};

static bool identity_visit(void *arg, struct str name)
{
	struct identity_visitor *e = arg;

	e->visit(e->arg, identity_unrooted(name));
	return false;
}

void identity_each(X509 *certificate, void (*visit)(void *arg, struct str name), void *arg)
{
	identity_walk(certificate, true, identity_visit, &(struct identity_visitor){visit, arg});
}

bool identity_covers(struct str pattern, struct str name)
{
	pattern = identity_unrooted(pattern);
	name = identity_unrooted(name);
	if (pattern.n > 2 && pattern.p[0] == '*' && pattern.p[1] == '.') {
		size_t dot = str_find(name, '.');

		if (dot == 0 || dot == name.n)
			return false;
		return str_equal_nocase(str_from(pattern, 1), str_from(name, dot));
	}
	return name.n && str_equal_nocase(pattern, name);
}
