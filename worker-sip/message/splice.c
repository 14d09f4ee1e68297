/* splice.c - outgoing messages cut and spliced from received ones. What passes between the legs is
 * said in policy.def and option-tags.def; this file obeys them.
 *
 * Lines that pass are copied as runs of raw bytes, so that their order, spelling and folding stay.
 */
#include "splice.h"

#include "ipc/octet.h"
#include "ipc/token.h"
#include "multipart.h"
#include "response.h"

#include <errno.h>

enum policy {
	POLICY_PASS = 0,
	POLICY_OURS,
	POLICY_NEVER,
	POLICY_TRUSTED,
	POLICY_MAPPED,
	POLICY_OPTIONS,
	POLICY_CREDENTIALS,
	POLICY_CHALLENGE,
	POLICY_WARNING,
	/* what becomes of a line that the receiver may not see as it is */
	POLICY_HOSTS,
	POLICY_SOFTWARE,
	POLICY_ELEMENTS /* a list that has to be written without its empty elements */
};

enum receiver {
	RECEIVER_HOSTS = 0,
	RECEIVER_WHOLE,
	RECEIVER_IDENTITY,
	RECEIVER_NETWORK,
	RECEIVER_SOFTWARE,
	RECEIVER_UNKNOWN,
	RECEIVER_NOBODY,
	RECEIVERS
};

struct policy_row {
	uint8_t what, receiver;
};

static const struct policy_row policies[HEADER_COUNT] = {
#define POLICY(header, what, receiver) [HEADER_##header] = {POLICY_##what, RECEIVER_##receiver},
#include "policy.def"
#undef POLICY
};

static bool splice_option_bridged(struct str tag)
{
	enum { STRIPPED, BRIDGED };
	static const struct {
		struct str tag;
		uint8_t what;
	} table[] = {
#define OPTION(tag, what) {{tag, sizeof(tag) - 1}, what},
#include "option-tags.def"
#undef OPTION
	};
	const char first = tag.n ? octet_lower(tag.p[0]) : 0;

	/* lengths and first letters tell most of them apart; those of the table are lower case */
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (tag.n == table[i].tag.n && first == table[i].tag.p[0] &&
			str_equal_nocase(table[i].tag, tag))
			return table[i].what == BRIDGED;
	return false;
}

static struct policy_row splice_policy(const struct message *m, const struct message_header *h)
{
	if (h->id < HEADER_COUNT)
		return policies[h->id];
	if (h->id == HEADER_UNREADABLE)
		return (struct policy_row){POLICY_NEVER, RECEIVER_NOBODY};
	/* Private headers (RFC 3427, RFC 7315) of a carrier's network mean something only where
	 * they are trusted. */
	struct str name = message_header_name(m, h);
	if (name.n > 2 && (name.p[0] | 0x20) == 'p' && name.p[1] == '-')
		return (struct policy_row){POLICY_TRUSTED, RECEIVER_NETWORK};
	return (struct policy_row){POLICY_PASS, RECEIVER_UNKNOWN};
}

/* The next octet of a realm from *rest, in lower case: of a quoted string (behind its quote)
 * without the quoted-pairs, or of a token; white space is one blank. -1 at its end (RFC 3261
 * section 25.1). */
static int splice_realm_next(struct str *rest, bool quoted)
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
static bool splice_realm_is(struct str value, struct str realm)
{
	bool quoted = value.n && value.p[0] == '"';
	struct str rest = quoted ? str_trim(str_from(value, 1)) : value;
	int c;

	while ((c = splice_realm_next(&rest, quoted)) >= 0) {
		if (!realm.n || c != octet_lower(realm.p[0]))
			return false;
		realm = str_from(realm, 1);
	}
	return realm.n == 0;
}

/* Whether credentials or a challenge are for a realm of ours. Any parameter realm counts: whoever
 * reads it may take the last one of two, or find in a quoted string what we do not. */
static bool splice_our_realm(const struct settings *s, struct str value)
{
	for (; value.n > 5; value = str_from(value, 1)) {
		if ((value.p[0] | 0x20) != 'r' || strncasecmp(value.p, "realm", 5) != 0)
			continue;
		struct str rest = str_trim(str_from(value, 5));

		if (!rest.n || rest.p[0] != '=')
			continue;
		rest = str_trim(str_from(rest, 1));
		for (unsigned i = 0; i < s->domains.count; i++)
			if (splice_realm_is(rest, settings_str(s, settings_domain(s, i)->realm)))
				return true;
	}
	return false;
}

/* Whether credentials are what their grammar says, to their end: nothing passes that we cannot
 * read. The parser has left that to whoever asked for them. */
static bool splice_credentials_readable(struct str value)
{
	const char *end = value.p + value.n, *scheme = octet_span(value.p, end, OCTET_TOKEN),
		   *rest = octet_span(scheme, end, OCTET_LWS);
	struct str params = {rest, (size_t)(end - rest)}, name, item;
	int error;

	if (scheme == value.p || rest == scheme || !params.n)
		return false;
	if (!str_equal_nocase((struct str){value.p, (size_t)(scheme - value.p)}, S("Digest")))
		return true;
	while (!(error = auth_param_next(&params, &name, &item)))
		;
	return error == -ENOENT;
}

/* Software on the other leg may end its strings at a NUL, and read another name or another header
 * than we did. */
static bool splice_has_nul(struct str s)
{
	return s.n && memchr(s.p, 0, s.n);
}

static bool splice_line_has_nul(const struct message *m, const struct message_header *h)
{
	return splice_has_nul((struct str){message_raw(m) + h->line, (size_t)(h->end - h->line)});
}

/* "name: value CRLF" with the name as it was received. */
static void splice_write_line(
	struct writer *w, const struct message *m, const struct message_header *h, struct str value)
{
	write_str(w, message_header_name(m, h));
	write_literal(w, ": ");
	write_str(w, value);
	write_literal(w, "\r\n");
}

/* A list of option tags without those that are not bridged; nothing where none is left. */
static void splice_write_options(
	struct writer *w, const struct message *m, const struct message_header *h)
{
	struct str rest = message_header_value(m, h), item;
	bool any = false;

	while (list_next(&rest, &item) == 0) {
		if (!splice_option_bridged(item))
			continue;
		if (!any) {
			write_str(w, message_header_name(m, h));
			write_literal(w, ": ");
		} else {
			write_literal(w, ", ");
		}
		any = true;
		write_str(w, item);
	}
	if (any)
		write_literal(w, "\r\n");
}

/* Whether a header is a list with an empty element. Where nobody knows what a header is, a comma
 * separates nothing. */
static bool splice_has_empty(const struct message_header *h, struct str value)
{
	return h->id != HEADER_OTHER && !header_is_text(h->id) && list_has_empty(value);
}

/* A list without its empty elements, which RFC 3261 lets nobody write; nothing where none is left
 * of it. */
static void splice_write_elements(
	struct writer *w, const struct message *m, const struct message_header *h)
{
	struct str rest = message_header_value(m, h), element;
	bool any = false, closed;

	while (list_element_next(&rest, &element, &closed)) {
		if (any) {
			write_literal(w, ", ");
		} else {
			write_str(w, message_header_name(m, h));
			write_literal(w, ": ");
		}
		any = true;
		write_str(w, element);
	}
	if (any)
		write_literal(w, "\r\n");
}

/* Warning values with a pseudonym in the place of the host (RFC 3261 section 20.43); a value that
 * does not parse is dropped with all after it. */
static void splice_write_warning(struct writer *w, const struct message *m,
	const struct message_header *h, const struct hosts *hosts)
{
	struct str rest = str_trim(message_header_value(m, h));

	for (;;) {
		while (rest.n && rest.p[0] == ',') /* an empty element */
			rest = str_trim(str_from(rest, 1));
		if (!rest.n)
			return;
		size_t space = str_find(rest, ' ');
		struct str code = {rest.p, space};
		uint64_t number;

		if (space == rest.n || str_number(code, 999, &number))
			return;
		rest = str_trim(str_from(rest, space));
		space = str_find(rest, ' ');
		if (space == rest.n)
			return;
		rest = str_trim(str_from(rest, space));
		if (!rest.n || rest.p[0] != '"')
			return;
		size_t end = 1;
		while (end < rest.n && rest.p[end] != '"')
			end += rest.p[end] == '\\' ? 2 : 1;
		if (end >= rest.n)
			return;
		struct str text = {rest.p, end + 1};
		write_str(w, message_header_name(m, h));
		write_literal(w, ": ");
		write_str(w, code);
		write_literal(w, " sipward ");
		write_without_hosts(w, hosts, text);
		write_literal(w, "\r\n");
		rest = str_trim(str_from(rest, end + 1));
		if (rest.n && rest.p[0] == ',')
			rest = str_trim(str_from(rest, 1));
		else
			return;
	}
}

/* Event with its id mapped (RFC 6665 section 8.2.1): the id of a refer subscription is a CSeq
 * number of the leg. */
static void splice_write_event(struct writer *w, const struct splice *s,
	const struct message_header *h, const struct hosts *hosts)
{
	struct str value = message_header_value(s->in, h);
	size_t semicolon = str_find(value, ';');
	struct str params = semicolon < value.n ? str_from(value, semicolon + 1) : STR_EMPTY, name,
		   item;

	write_str(w, message_header_name(s->in, h));
	write_literal(w, ": ");
	write_str(w, str_trim((struct str){value.p, semicolon}));
	while (param_next(&params, &name, &item) == 0) {
		bool id = str_equal_nocase(name, S("id"));

		if (id && s->event_id.n)
			item = s->event_id;
		write_literal(w, ";");
		write_str(w, name);
		if (item.p) {
			write_literal(w, "=");
			write_without_hosts(w, hosts, item);
		}
	}
	write_literal(w, "\r\n");
}

/* RFC 3325 section 7: whoever asked for it has no asserted identity of his shown to those who are
 * not trusted. */
static bool splice_identity_private(const struct message *m)
{
	for (const struct message_header *h = message_first(m, HEADER_PRIVACY); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);

		while (rest.n) {
			size_t end = 0;

			while (end < rest.n && rest.p[end] != ';' && rest.p[end] != ',')
				end++;
			if (str_equal_nocase(str_trim((struct str){rest.p, end}), S("id")))
				return true;
			rest = end < rest.n ? str_from(rest, end + 1) : STR_EMPTY;
		}
	}
	return false;
}

/* The facts that decide on the headers of one message. */
struct splice_sides {
	const struct zone_settings *from, *to; /* of its sender and its receiver */
	struct hosts hosts;                    /* of its sender, as the receiver gets them */
	bool hide_identity;                    /* its asserted identity stays behind */
	bool has_nul;                          /* somewhere in its headers */
	bool has_empty;                        /* somewhere in its lists */
};

static struct splice_sides splice_sides(const struct splice *s, const struct flow *way)
{
	const struct settings *settings = s->sip->settings;
	const struct zone_settings *from = settings_zone(settings, s->from_zone),
				   *to = settings_zone(settings, s->to_zone);

	return (struct splice_sides){.from = from,
		.to = to,
		.hosts = hosts_between(s->sip, s->from_zone, s->to_zone, way),
		.hide_identity = from->trust && !to->trust && splice_identity_private(s->in),
		.has_nul = splice_has_nul((struct str){message_raw(s->in), s->in->body.at}),
		.has_empty = s->in->empty_elements};
}

/* What the receiver's zone says, an enum zone_leaving. */
static uint32_t splice_leaving(const struct zone_settings *to, uint8_t receiver)
{
	switch (receiver) {
	case RECEIVER_HOSTS: return to->hosts;
	case RECEIVER_WHOLE: return to->hosts == LEAVING_PASS ? LEAVING_PASS : LEAVING_DROP;
	case RECEIVER_IDENTITY: return to->identities;
	case RECEIVER_NETWORK: return to->network_headers;
	case RECEIVER_SOFTWARE: return to->software;
	case RECEIVER_UNKNOWN: return to->unknown_headers;
	default: return LEAVING_DROP;
	}
}

static bool splice_options_bridged(struct str list)
{
	struct str item;

	while (list_next(&list, &item) == 0)
		if (!splice_option_bridged(item))
			return false;
	return true;
}

/* Whether a header line passes as it is. */
static bool splice_passes(const struct splice *s, const struct splice_sides *sides,
	const struct message_header *h, uint8_t policy)
{
	const struct settings *settings = s->sip->settings;
	struct str value = message_header_value(s->in, h);

	switch (policy) {
	case POLICY_PASS: return true;
	case POLICY_TRUSTED:
		return sides->from->trust &&
		       !(h->id == HEADER_P_ASSERTED_IDENTITY && sides->hide_identity);
	case POLICY_CREDENTIALS:
		return splice_credentials_readable(value) && !splice_our_realm(settings, value);
	case POLICY_CHALLENGE: return sides->from->trust && !splice_our_realm(settings, value);
	case POLICY_OPTIONS: return splice_options_bridged(value);
	case POLICY_MAPPED: return h->id == HEADER_EVENT && !s->event_id.n;
	default: return false;
	}
}

/* What becomes of a line that passes by its sender: POLICY_PASS, or what is written in its place.
 */
static uint8_t splice_received(const struct splice *s, const struct splice_sides *sides,
	const struct message_header *h, uint8_t receiver)
{
	uint32_t leaving = splice_leaving(sides->to, receiver);
	bool by_host = receiver == RECEIVER_HOSTS || receiver == RECEIVER_WHOLE;
	struct str value = message_header_value(s->in, h);

	if (leaving == LEAVING_PASS)
		return POLICY_PASS;
	if (leaving == LEAVING_DROP && !by_host)
		return POLICY_NEVER;
	if (receiver == RECEIVER_SOFTWARE)
		return POLICY_SOFTWARE;
	if (receiver == RECEIVER_UNKNOWN)
		value = (struct str){message_raw(s->in) + h->line, (size_t)(h->end - h->line)};
	if (!hosts_suspected(&sides->hosts, value))
		return POLICY_PASS;
	struct hosts hosts = sides->hosts;

	hosts.keep = false; /* the option of this receiver says so, and not the zone's hosts */
	hosts.any_of_ours = receiver == RECEIVER_WHOLE;
	if (receiver == RECEIVER_UNKNOWN && hosts_named(&hosts, message_header_name(s->in, h)))
		return POLICY_NEVER;
	if (!hosts_named(&hosts, message_header_value(s->in, h)))
		return POLICY_PASS;
	return leaving == LEAVING_DROP ? POLICY_NEVER : POLICY_HOSTS;
}

/* What becomes of a header line: POLICY_PASS where it passes as it is, or what is written in its
 * place. */
static uint8_t splice_decide(
	const struct splice *s, const struct splice_sides *sides, const struct message_header *h)
{
	const struct policy_row policy = splice_policy(s->in, h);
	uint8_t what;

	if (sides->has_nul && splice_line_has_nul(s->in, h)) {
		count(HEADERS_WITH_NUL);
		/* A line that is written anew is clean; this one does not pass. */
		return policy.what == POLICY_OURS || policy.what == POLICY_MAPPED ? policy.what
		                                                                  : POLICY_NEVER;
	}
	if (!splice_passes(s, sides, h, policy.what))
		return policy.what;
	what = splice_received(s, sides, h, policy.receiver);
	if (what != POLICY_PASS)
		count(HEADERS_KEPT_BACK);
	if (!sides->has_empty || (what != POLICY_PASS && what != POLICY_HOSTS) ||
		!splice_has_empty(h, message_header_value(s->in, h)))
		return what;
	if (what == POLICY_HOSTS || policy.what == POLICY_CREDENTIALS ||
		policy.what == POLICY_CHALLENGE)
		return POLICY_NEVER;
	return POLICY_ELEMENTS;
}

/* Writes a header that names something of the other leg with the name that it has on this one. */
static void splice_write_mapped(struct writer *w, const struct splice *s,
	const struct message_header *h, const struct hosts *hosts)
{
	struct str mapped = STR_EMPTY;

	switch (h->id) {
	case HEADER_RACK: mapped = s->rack; break;
	case HEADER_REFER_TO: mapped = s->refer_to; break;
	case HEADER_REFERRED_BY: mapped = s->referred_by; break;
	case HEADER_REPLACES: mapped = s->replaces; break;
	case HEADER_TARGET_DIALOG: mapped = s->target_dialog; break;
	case HEADER_EVENT: splice_write_event(w, s, h, hosts); break;
	}
	if (mapped.n && !splice_has_nul(mapped))
		splice_write_line(w, s->in, h, mapped);
}

/* Writes each header of ours at the place of the received one. */
typedef void (*splice_ours)(
	struct writer *w, const struct splice *s, const struct message_header *h);

/* Software is named by our own text, or not at all. */
static void splice_write_software(
	struct writer *w, const struct splice *s, const struct message_header *h)
{
	const struct settings *settings = s->sip->settings;
	struct str server = settings_str(settings, settings->server);

	if (server.n)
		splice_write_line(w, s->in, h, server);
}

static void splice_write_hosts(struct writer *w, const struct splice *s,
	const struct message_header *h, const struct hosts *hosts)
{
	struct hosts hidden = *hosts;

	hidden.keep = false; /* whatever the zone's hosts says of other headers */
	write_str(w, message_header_name(s->in, h));
	write_literal(w, ": ");
	write_without_hosts(w, &hidden, message_header_value(s->in, h));
	write_literal(w, "\r\n");
}

/* Writes what stands in the place of a line that does not pass. */
static void splice_write_instead(struct writer *w, const struct splice *s,
	const struct splice_sides *sides, const struct message_header *h, uint8_t what,
	splice_ours ours)
{
	switch (what) {
	case POLICY_OURS:
		if (ours)
			ours(w, s, h);
		break;
	case POLICY_OPTIONS: splice_write_options(w, s->in, h); break;
	case POLICY_SOFTWARE: splice_write_software(w, s, h); break;
	case POLICY_WARNING: splice_write_warning(w, s->in, h, &sides->hosts); break;
	case POLICY_MAPPED: splice_write_mapped(w, s, h, &sides->hosts); break;
	case POLICY_HOSTS: splice_write_hosts(w, s, h, &sides->hosts); break;
	case POLICY_ELEMENTS: splice_write_elements(w, s->in, h); break;
	}
}

/* Writes all headers of s->in, as it is decided of each. */
static void splice_write_headers(struct writer *w, const struct splice *s,
	const struct splice_sides *sides, splice_ours ours)
{
	const struct message *m = s->in;
	const struct message_header *h = message_headers(m), *last = h + m->header_count;
	const char *raw = message_raw(m);
	size_t run = 0, run_end = 0;

	for (; h < last; h++) {
		uint8_t what = splice_decide(s, sides, h);
		bool pass = what == POLICY_PASS;

		if (pass && run_end == h->line && run != run_end) {
			run_end = h->end;
			continue;
		}
		write_bytes(w, raw + run, run_end - run);
		run = pass ? h->line : 0;
		run_end = pass ? h->end : 0;
		if (!pass)
			splice_write_instead(w, s, sides, h, what, ours);
	}
	write_bytes(w, raw + run, run_end - run);
}

/* sips: the dialog's other side was called by a sips: URI, and gets one back (RFC 3261
 * section 12.1.1); such a URI needs no word of its TLS. */
static void splice_write_contact(
	struct writer *w, const struct splice *s, const struct flow *flow, bool sips)
{
	if (sips)
		write_literal(w, "Contact: <sips:");
	else
		write_literal(w, "Contact: <sip:");
	write_str(w, s->contact_user);
	write_literal(w, "@");
	write_sent_by(w, s->sip, flow);
	if (flow->transport == TRANSPORT_TCP)
		write_literal(w, ";transport=tcp");
	else if (flow->transport == TRANSPORT_TLS && !sips)
		write_literal(w, ";transport=tls");
	else if (flow->transport == TRANSPORT_WS || flow->transport == TRANSPORT_WSS)
		write_literal(w, ";transport=ws");
	write_literal(w, ">\r\n");
}

/* A body of which nobody could say what it is does not pass. */
static void splice_write_body(
	struct writer *w, const struct splice *s, const struct splice_sides *sides)
{
	const struct message *m = s->in;
	struct str type = message_str(m, m->content_type),
		   body = type.n ? message_str(m, m->body) : STR_EMPTY;

	if (body.n && multipart_is(type) && !sides->hosts.keep) {
		struct writer parts = WRITER(s->sip->scratch.body);

		write_multipart(&parts, &sides->hosts, type, body);
		if (parts.full)
			w->full = true;
		body = writer_text(&parts);
	}
	write_literal(w, "Content-Length: ");
	write_number(w, body.n);
	write_literal(w, "\r\n\r\n");
	write_str(w, body);
}

static struct str splice_method(const struct message *m)
{
	return message_str(m, m->method_name);
}

static bool splice_is_sips(struct str uri)
{
	return uri.n > 5 && strncasecmp(uri.p, "sips:", 5) == 0;
}

static void splice_write_ours(
	struct writer *w, const struct splice *s, const struct message_header *h)
{
	const struct message *m = s->in;
	char buffer[TOKEN_LENGTH];

	if (message_first(m, h->id) != h)
		return; /* the further Vias of the other side; any other header of ours stands
		         * once */
	switch (h->id) {
	case HEADER_VIA:
		write_str(w, message_header_name(m, h));
		write_literal(w, ": SIP/2.0/");
		write_str(w, str_of(transport_name(s->to->transport)));
		write_literal(w, " ");
		write_sent_by(w, s->sip, s->to);
		write_literal(w, ";branch=" BRANCH_COOKIE);
		token_mint(&s->sip->keys.minting, TOKEN_BRANCH, s->slot, s->branch, buffer);
		write_bytes(w, buffer, sizeof(buffer));
		write_literal(w, "\r\n");
		if (s->route.n) {
			write_literal(w, "Route: ");
			write_str(w, s->route);
			write_literal(w, "\r\n");
		}
		if (m->max_forwards < 0) {
			write_literal(w, "Max-Forwards: ");
			write_number(w, s->sip->settings->max_forwards);
			write_literal(w, "\r\n");
		}
		break;
	case HEADER_MAX_FORWARDS:
		write_str(w, message_header_name(m, h));
		write_literal(w, ": ");
		write_number(w, m->max_forwards > 0 ? (uint64_t)m->max_forwards - 1 : 0);
		write_literal(w, "\r\n");
		break;
	case HEADER_FROM: splice_write_line(w, m, h, s->from); break;
	case HEADER_TO: splice_write_line(w, m, h, s->to_value); break;
	case HEADER_CALL_ID: splice_write_line(w, m, h, s->call_id); break;
	case HEADER_CSEQ:
		write_str(w, message_header_name(m, h));
		write_literal(w, ": ");
		write_number(w, s->cseq);
		write_literal(w, " ");
		write_str(w, splice_method(m));
		write_literal(w, "\r\n");
		break;
	case HEADER_CONTACT:
		if (s->contact_user.n)
			splice_write_contact(w, s, s->to, splice_is_sips(s->request_uri));
		break;
	}
}

int splice_request(const struct splice *s, struct wire **out)
{
	struct writer w = scratch_message(&s->sip->scratch);
	const struct splice_sides sides = splice_sides(s, s->to);

	write_str(&w, splice_method(s->in));
	write_literal(&w, " ");
	write_str(&w, s->request_uri);
	write_literal(&w, " SIP/2.0\r\n");
	splice_write_headers(&w, s, &sides, splice_write_ours);
	if (s->contact_user.n && !message_first(s->in, HEADER_CONTACT))
		splice_write_contact(&w, s, s->to, splice_is_sips(s->request_uri));
	splice_write_body(&w, s, &sides);
	return scratch_wire(&s->sip->scratch, &w, out);
}

int splice_response(const struct splice *s, const struct message *request, unsigned status,
	struct str to_tag, struct wire **out)
{
	struct writer w = scratch_message(&s->sip->scratch);
	const struct message *m = s->in;
	const struct splice_sides sides = splice_sides(s, &request->flow);
	struct str reason = status && status != m->status ? str_of(status_reason(status))
	                                                  : message_str(m, m->reason);

	/* It is free text: a gateway behind the peer may have put its address there. */
	if (hosts_suspected(&sides.hosts, reason) && hosts_named(&sides.hosts, reason))
		reason = str_of(status_reason(status ? status : m->status));
	response_write_head(&w, request, status ? status : m->status, reason, to_tag);
	/* A dialog's route set is the request's Record-Route (RFC 3261 section 12.1.1). */
	if (s->contact_user.n && m->status > 100 && m->status < 300)
		for (const struct message_header *h = message_first(request, HEADER_RECORD_ROUTE);
			h; h = message_next(request, h))
			write_bytes(&w, message_raw(request) + h->line, (size_t)(h->end - h->line));
	if (s->contact_user.n)
		splice_write_contact(
			&w, s, &request->flow, request->request_uri.scheme == URI_SIPS);
	splice_write_headers(&w, s, &sides, NULL);
	splice_write_body(&w, s, &sides);
	return scratch_wire(&s->sip->scratch, &w, out);
}

unsigned splice_require(const struct message *m, struct writer *unsupported)
{
	static const uint8_t ids[] = {HEADER_REQUIRE, HEADER_PROXY_REQUIRE};
	bool any = false;

	for (size_t i = 0; i < sizeof(ids); i++)
		for (const struct message_header *h = message_first(m, ids[i]); h;
			h = message_next(m, h)) {
			struct str rest = message_header_value(m, h), item;

			while (list_next(&rest, &item) == 0) {
				/* A back-to-back user agent must understand all that a proxy must:
				 * nothing of Proxy-Require can be kept. */
				if (ids[i] == HEADER_REQUIRE && splice_option_bridged(item))
					continue;
				if (any)
					write_literal(unsupported, ", ");
				else
					write_literal(unsupported, "Unsupported: ");
				write_str(unsupported, item);
				any = true;
			}
		}
	if (any)
		write_literal(unsupported, "\r\n");
	return any ? 420 : 0;
}

void write_party(struct writer *w, const struct hosts *hosts, struct str value, struct str tag)
{
	struct writer hidden = WRITER(hosts->sip->scratch.party);

	if (hosts_suspected(hosts, value)) {
		write_without_hosts(&hidden, hosts, value);
		if (hidden.full)
			w->full = true;
		value = writer_text(&hidden);
	}
	write_address_tag(w, value, tag);
}

void write_address_tag(struct writer *w, struct str value, struct str tag)
{
	struct str rest = value, params, name, item;
	struct address a;

	if (address_next(&rest, &a)) {
		w->full = true; /* the parser lets no such From or To through */
		return;
	}
	params = a.params;
	if (splice_has_nul(a.display)) {
		write_literal(w, "<");
		write_str(w, a.uri.whole);
		write_literal(w, ">");
	} else {
		/* everything before the parameters, as written */
		size_t head = params.n ? (size_t)(params.p - value.p) : value.n;

		while (params.n && head && value.p[head - 1] != ';')
			head--;
		write_str(w, str_trim((struct str){value.p, params.n && head ? head - 1 : head}));
	}
	while (param_next(&params, &name, &item) == 0) {
		if (str_equal_nocase(name, S("tag")) || splice_has_nul(item))
			continue;
		write_literal(w, ";");
		write_str(w, name);
		if (item.p) {
			write_literal(w, "=");
			write_str(w, item);
		}
	}
	if (tag.n) {
		write_literal(w, ";tag=");
		write_str(w, tag);
	}
}
