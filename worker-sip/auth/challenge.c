/* challenge.c - reading and answering a digest challenge (challenge.h). The hashes are digest.c's.
 */
#include "challenge.h"

#include "digest.h"

#include <errno.h>

struct challenge_params {
	struct str realm, nonce, opaque, algorithm, qop, stale;
};

static struct str *challenge_place(struct challenge_params *p, struct str name)
{
	return str_equal_nocase(name, S("realm"))       ? &p->realm
	       : str_equal_nocase(name, S("nonce"))     ? &p->nonce
	       : str_equal_nocase(name, S("opaque"))    ? &p->opaque
	       : str_equal_nocase(name, S("algorithm")) ? &p->algorithm
	       : str_equal_nocase(name, S("qop"))       ? &p->qop
	       : str_equal_nocase(name, S("stale"))     ? &p->stale
	                                                : NULL;
}

/* What is given back within quotes must not end them, nor the line. */
static bool challenge_is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == '"' ||
			s.p[i] == '\\')
			return false;
	return true;
}

static int challenge_read(struct str rest, struct challenge_params *p)
{
	struct str name, text;
	int error;

	while ((error = auth_param_next(&rest, &name, &text)) == 0) {
		struct str *at = challenge_place(p, name);

		if (!at)
			continue; /* RFC 7616 section 3.3: unknown ones are ignored */
		if (at->p)
			return -EINVAL;
		*at = text;
	}
	return error == -ENOENT ? 0 : -EINVAL;
}

int challenge_parse(struct str value, struct challenge *out)
{
	struct str scheme = S("Digest");
	struct challenge_params p = {.realm = STR_NONE};

	if (value.n <= scheme.n || !str_equal_nocase((struct str){value.p, scheme.n}, scheme))
		return -EINVAL;
	struct str rest = str_from(value, scheme.n);

	if (str_trim(rest).p == rest.p || challenge_read(str_trim(rest), &p))
		return -EINVAL;
	if (!p.realm.p || !p.nonce.n || !challenge_is_plain(p.realm) ||
		!challenge_is_plain(p.nonce) || !challenge_is_plain(p.opaque))
		return -EINVAL;
	struct challenge c = {.realm = p.realm,
		.nonce = p.nonce,
		.opaque = p.opaque,
		.qop = p.qop.p && list_has(p.qop, S("auth")),
		.stale = str_equal_nocase(p.stale, S("true"))};

	if (!p.algorithm.p || str_equal_nocase(p.algorithm, S("MD5")))
		c.algorithm = DIGEST_MD5;
	else if (str_equal_nocase(p.algorithm, S("SHA-256")))
		c.algorithm = DIGEST_SHA256;
	else if (str_equal_nocase(p.algorithm, S("SHA-512-256")))
		c.algorithm = DIGEST_SHA512_256;
	if (!c.algorithm || (p.qop.p && !c.qop))
		return -ENOTSUP;
	*out = c;
	return 0;
}

static void challenge_write_quoted(struct writer *w, const char *name, struct str value)
{
	write_str(w, str_of(name));
	write_literal(w, "=\"");
	write_str(w, value);
	write_literal(w, "\"");
}

void challenge_answer(struct writer *w, const struct challenge *c, struct str username,
	struct str ha1, struct str method, struct str uri, uint32_t nc, struct str cnonce)
{
	char count[9], response[65];
	static const char digit[] = "0123456789abcdef";

	for (unsigned i = 0; i < 8; i++)
		count[i] = digit[nc >> (28 - 4 * i) & 15];
	const struct digest_parts parts = {.algorithm = c->algorithm,
		.ha1 = ha1,
		.nonce = c->nonce,
		.nc = {count, 8},
		.cnonce = cnonce,
		.qop = c->qop ? S("auth") : STR_EMPTY,
		.method = method,
		.uri = uri};
	size_t length = digest_response(&parts, response);

	if (!length)
		w->full = true;
	write_literal(w, "Digest ");
	challenge_write_quoted(w, "username", username);
	challenge_write_quoted(w, ", realm", c->realm);
	challenge_write_quoted(w, ", nonce", c->nonce);
	challenge_write_quoted(w, ", uri", uri);
	challenge_write_quoted(w, ", response", (struct str){response, length});
	write_str(w, c->algorithm == DIGEST_MD5      ? S(", algorithm=MD5")
		     : c->algorithm == DIGEST_SHA256 ? S(", algorithm=SHA-256")
						     : S(", algorithm=SHA-512-256"));
	if (c->qop) {
		challenge_write_quoted(w, ", cnonce", cnonce);
		write_literal(w, ", qop=auth, nc=");
		write_bytes(w, count, 8);
	}
	if (c->opaque.p)
		challenge_write_quoted(w, ", opaque", c->opaque);
}
