/* realm.c - the realms that credentials and challenges name: see realm.h. */
#include "realm.h"

#include "ipc/octet.h"
#include "ipc/syntax.h"

#include <errno.h>

/* The next octet of a realm from *rest, in lower case: of a quoted string (behind its quote)
 * without the quoted-pairs, or of a token; white space is one blank. -1 at its end (RFC 3261
 * section 25.1). */
static int realm_next(struct str *rest, bool quoted)
{
	bool blank = false;
	char c;

	for (; quoted && rest->n; *rest = str_from(*rest, 1), blank = true) {
		if (rest->n > 1 && rest->p[0] == '\\' && octet_is(rest->p[1], OCTET_LWS))
			*rest = str_from(*rest, 1);
		if (!octet_is(rest->p[0], OCTET_LWS))
			break;
	}
	if (!rest->n || (quoted ? rest->p[0] == '"' : !octet_is(rest->p[0], OCTET_TOKEN)))
		return -1;
	if (blank)
		return ' ';
	if (quoted && rest->p[0] == '\\' && rest->n > 1)
		*rest = str_from(*rest, 1);
	c = octet_lower(rest->p[0]);
	*rest = str_from(*rest, 1);
	return (uint8_t)c;
}

/* Whether value, which stands behind "realm=", begins with that realm. */
static bool realm_is(struct str value, struct str realm)
{
	bool quoted = value.n && value.p[0] == '"';
	struct str rest = quoted ? str_trim(str_from(value, 1)) : value;
	int c;

	while ((c = realm_next(&rest, quoted)) >= 0) {
		if (!realm.n || c != octet_lower(realm.p[0]))
			return false;
		realm = str_from(realm, 1);
	}
	return realm.n == 0;
}

bool realm_is_ours(const struct settings *s, struct str value)
{
	for (; value.n > 5; value = str_from(value, 1)) {
		if ((value.p[0] | 0x20) != 'r' || strncasecmp(value.p, "realm", 5) != 0)
			continue;
		struct str rest = str_trim(str_from(value, 5));

		if (!rest.n || rest.p[0] != '=')
			continue;
		rest = str_trim(str_from(rest, 1));
		for (unsigned i = 0; i < s->domains.count; i++)
			if (realm_is(rest, settings_str(s, settings_domain(s, i)->realm)))
				return true;
	}
	return false;
}

bool realm_credentials_readable(struct str value)
{
	const char *end = value.p + value.n, *scheme = octet_span(value.p, end, OCTET_TOKEN),
		   *rest = octet_span(scheme, end, OCTET_LWS);
	struct str params = {rest, (size_t)(end - rest)}, name, item;
	int error;

	if (scheme == value.p || rest == scheme || !params.n)
		return false;
	if (!str_equal_nocase((struct str){value.p, (size_t)(scheme - value.p)}, S("Digest")))
		return true;
	while ((error = auth_param_next(&params, &name, &item)) == 0)
		;
	return error == -ENOENT;
}
