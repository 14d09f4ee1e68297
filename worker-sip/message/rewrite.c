/* rewrite.c - see rewrite.h. */
#include "rewrite.h"

#include "policy.h"

const struct party_change *rewrite_party(
	const struct rewrite *r, enum rule_part first, struct party_change *out)
{
	if (!r || !(r->part[first].at || r->part[first + 1].at || r->part[first + 2].at))
		return NULL;
	*out = (struct party_change){.user = rewrite_str(r, r->part[first]),
		.host = rewrite_str(r, r->part[first + 1]),
		.display = rewrite_str(r, r->part[first + 2])};
	return out;
}
_Static_assert(RULE_FROM_HOST == RULE_FROM_USER + 1 && RULE_FROM_DISPLAY == RULE_FROM_USER + 2 &&
		       RULE_TO_HOST == RULE_TO_USER + 1 && RULE_TO_DISPLAY == RULE_TO_USER + 2,
	"user, host and display follow each other");

void rewrite_uri_user(struct uri_parts *uri, struct str text)
{
	uri->user = text;
	uri->password = STR_EMPTY;
	if (uri->scheme != URI_TEL)
		return;
	uri->user.n = str_find(text, ';');
	uri->params = uri->user.n < text.n ? str_from(text, uri->user.n + 1) : STR_EMPTY;
}

void rewrite_uri(const struct rewrite *r, struct uri_parts *uri)
{
	if (r && r->part[RULE_REQUEST_USER].at)
		rewrite_uri_user(uri, rewrite_str(r, r->part[RULE_REQUEST_USER]));
}

static bool rewrite_removes(
	const struct rewrite *r, const struct message *m, const struct message_header *h)
{
	struct str rest = rewrite_str(r, r->removed);

	while (rest.n >= 2) {
		uint8_t id = (uint8_t)rest.p[0], length = (uint8_t)rest.p[1];
		struct str name = {rest.p + 2, length};

		if (rule_same_header(id, name, h->id, message_header_name(m, h)))
			return true;
		rest = str_from(rest, 2u + length);
	}
	return false;
}

/* Whether a line of P-Asserted-Identity from h to before end may not show its hosts. */
static bool rewrite_identity_hidden(
	const struct message_header *h, const struct message_header *end, const uint8_t *what)
{
	for (; h < end; h++, what++)
		if (h->id == HEADER_P_ASSERTED_IDENTITY &&
			(*what == POLICY_HOSTS || *what == POLICY_ELEMENTS_HOSTS))
			return true;
	return false;
}

/* What stands in the place of a line of P-Asserted-Identity: all its values in that of the first
 * line, if that passes; without hosts where they would be hidden in one of its lines. */
static uint8_t rewrite_identity(const struct message *m, const struct message_header *h,
	const struct message_header *end, const uint8_t *what)
{
	if (message_first(m, HEADER_P_ASSERTED_IDENTITY) != h)
		return POLICY_NEVER;
	switch (*what) {
	case POLICY_PASS:
	case POLICY_ELEMENTS:
	case POLICY_HOSTS:
	case POLICY_ELEMENTS_HOSTS:
		return rewrite_identity_hidden(h, end, what) ? POLICY_IDENTITY_HOSTS
		                                             : POLICY_IDENTITY;
	default: return *what;
	}
}

void rewrite_decide(const struct rewrite *r, const struct message *m,
	const struct message_header *h, const struct message_header *end, uint8_t *what)
{
	bool identity = r->part[RULE_IDENTITY_USER].at;

	for (; h < end; h++, what++) {
		if (r->removed.n && rewrite_removes(r, m, h))
			*what = POLICY_NEVER;
		else if (identity && h->id == HEADER_P_ASSERTED_IDENTITY)
			*what = rewrite_identity(m, h, end, what);
	}
}
