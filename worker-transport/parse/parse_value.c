/* parse_value.c - the values of known header fields (parse_value.h). Relies on ipc/syntax.h, and on
 * parse_list.h for lists that are only checked.
 *
 * Values that the gateway reads later, and values that servers behind it are known to stumble over,
 * are checked here. Other headers pass as the octets they are, within the limits of parse_list.h.
 */
#include "parse_value.h"
#include "ipc/octet.h"
#include "ipc/syntax.h"
#include "parse_list.h"
#include "parse_needs.h"

#include <errno.h>

/* Headers that may stand once: they are no comma list, so there is no second line (RFC 3261
 * section 7.3.1). */
static const bool single[HEADER_COUNT] = {
	[HEADER_FROM] = true,
	[HEADER_TO] = true,
	[HEADER_CALL_ID] = true,
	[HEADER_CSEQ] = true,
	[HEADER_MAX_FORWARDS] = true,
	[HEADER_CONTENT_TYPE] = true,
	[HEADER_CONTENT_DISPOSITION] = true,
	[HEADER_EXPIRES] = true,
	[HEADER_MIN_EXPIRES] = true,
	[HEADER_EVENT] = true,
	[HEADER_SUBSCRIPTION_STATE] = true,
	[HEADER_REFER_TO] = true,
	[HEADER_REFERRED_BY] = true,
	[HEADER_REPLACES] = true,
	[HEADER_JOIN] = true,
	[HEADER_TARGET_DIALOG] = true,
	[HEADER_RACK] = true,
	[HEADER_RSEQ] = true,
	[HEADER_SESSION_EXPIRES] = true,
	[HEADER_MIN_SE] = true,
	[HEADER_SIP_ETAG] = true,
	[HEADER_SIP_IF_MATCH] = true,
	[HEADER_DATE] = true,
	[HEADER_MIME_VERSION] = true,
	[HEADER_TIMESTAMP] = true,
	[HEADER_RETRY_AFTER] = true,
	[HEADER_REPLY_TO] = true,
	[HEADER_FLOW_TIMER] = true,
	[HEADER_REFER_SUB] = true,
};

static void value_via(struct parser *p, struct str value)
{
	struct message *m = p->message;
	const struct str whole = value;
	struct via via;
	int error;
	bool any = false;

	while ((error = via_next(&value, &via)) == 0 || error == -EPROTONOSUPPORT) {
		any = true;
		/* the start line of a request of that version was its first fault, and its 505
		 * is sent by this Via */
		if (error)
			parse_fail(
				p, 400, COUNTER_PARSE_VERSION, parse_malformed_reason(HEADER_VIA));
		if (m->via_count == PARSE_VIAS_MAX) {
			parse_fail(p, 400, COUNTER_PARSE_LIMIT, "Too Many Via");
			return;
		}
		if (m->via_count++)
			continue;
		m->via = span_of(p, via.whole);
		m->via_host = span_of(p, via.host);
		m->via_port = via.port;
		m->via_branch = span_of(p, via.branch);
		m->via_params = span_of(p, via.params);
		m->via_transport = transport_of(via.transport);
		m->rport = via.rport;
	}
	if (error == -ENOENT && any)
		return;
	parse_fail_value(p, HEADER_VIA, error);
	/* a refusal finds its way back by a Via of which only the sent-by can be read */
	if (!m->via_count++ && via_front(whole, &via) == 0) {
		m->via = span_of(p, via.whole);
		m->via_host = span_of(p, via.host);
		m->via_port = via.port;
		m->via_params = span_of(p, via.params);
	}
}

/* Reads a value that is one address and no list. */
static int value_only_address(struct str value, struct address *a)
{
	struct str rest = value;
	int error = address_next(&rest, a);

	if (error)
		return error == -ENOENT ? -EINVAL : error;
	return a->whole.p == value.p && a->whole.n == value.n ? 0 : -EINVAL;
}

/* Reads From or To: one address, with a tag that is a token and stands once (RFC 3261 sections 19.3
 * and 20.20). */
static void value_party(
	struct parser *p, uint8_t id, struct str value, struct uri *uri, struct span *tag_out)
{
	struct address a;
	struct str name, tag, found = STR_NONE;
	int error = value_only_address(value, &a);

	if (error) {
		parse_fail_value(p, id, error);
		return;
	}
	for (struct str params = a.params; param_next(&params, &name, &tag) == 0;) {
		if (name.n != 3 || !str_equal_nocase(name, S("tag")))
			continue;
		if (found.n || !is_token(tag)) {
			parse_fail_value(p, id, -EINVAL);
			return;
		}
		found = tag;
	}
	*uri = uri_spans(p, &a.uri);
	*tag_out = span_of(p, found);
}

/* Whether "*" may stand here: as the only Contact of a REGISTER (RFC 3261 section 10.2.2). */
static bool value_may_be_star(const struct message *m)
{
	bool first = !m->contact_count && !m->contact_star;

	return first && m->is_request && m->method == METHOD_REGISTER;
}

static void value_contact(struct parser *p, struct str value)
{
	struct message *m = p->message;
	struct address a;
	struct uri first = m->contact;
	unsigned count = m->contact_count, sip_contacts = p->sip_contacts;
	int error = m->contact_star ? -EINVAL : 0;

	if (str_equal(value, S("*"))) {
		if (value_may_be_star(m))
			m->contact_star = 1;
		else
			parse_fail_value(p, HEADER_CONTACT, -EINVAL);
		return;
	}
	while (error == 0 && (error = contact_next(&value, &a)) == 0) {
		bool sip = a.uri.scheme == URI_SIP || a.uri.scheme == URI_SIPS;

		if (!parse_list_count(p))
			return;
		/* the one that requests can be sent to stands for all */
		if (!count++ || (sip && !sip_contacts))
			first = uri_spans(p, &a.uri);
		sip_contacts += sip;
	}
	if (error != -ENOENT || count == m->contact_count) {
		parse_fail_value(p, HEADER_CONTACT, error);
		return;
	}
	m->contact = first;
	m->contact_count = (uint16_t)count;
	p->sip_contacts = sip_contacts;
}

static void value_address(struct parser *p, uint8_t id, struct str value)
{
	struct address a;
	int error = value_only_address(value, &a);

	if (error)
		parse_fail_value(p, id, error);
}

static void value_call_id(struct parser *p, struct str value)
{
	const char *end = value.p + value.n, *at = octet_span(value.p, end, OCTET_WORD);
	bool fits = at > value.p;

	if (fits && at < end) {
		fits = *at == '@' && at + 1 < end;
		if (fits)
			fits = octet_span(at + 1, end, OCTET_WORD) == end;
	}
	if (fits)
		p->message->call_id = span_of(p, value);
	else
		parse_fail_value(p, HEADER_CALL_ID, -EINVAL);
}

/* Whether the start line of a request has the method of its CSeq behind other octets: the rest of a
 * body, which its Content-Length cut short. */
static bool value_method_is_behind(const struct parser *p, struct str method)
{
	const char *end = memchr(p->raw, '\r', (size_t)(method.p - p->raw));
	const char *at = end ? memmem(p->raw, (size_t)(end - p->raw), method.p, method.n) : NULL;

	return at && at != p->raw && at[method.n] == ' ';
}

static void value_cseq(struct parser *p, struct str value)
{
	struct message *m = p->message;
	const char *end = value.p + value.n, *digits = octet_span(value.p, end, OCTET_DIGIT),
		   *method = octet_span(digits, end, OCTET_LWS);
	struct str name = {method, (size_t)(end - method)},
		   sequence = {value.p, (size_t)(digits - value.p)};
	uint64_t number;

	if (method == digits || !is_token(name) || str_number(sequence, INT32_MAX, &number)) {
		parse_fail_value(p, HEADER_CSEQ, -EINVAL);
		return;
	}
	m->cseq = (uint32_t)number;
	if (!m->is_request) {
		m->method_name = span_of(p, name);
		m->method = method_of(name);
	} else if (!str_equal(name, (struct str){p->raw, m->method_name.length})) {
		parse_fail(p, 400, COUNTER_PARSE_VALUE, "CSeq of Another Method");
		p->error.adrift = value_method_is_behind(p, name);
	}
}

static void value_max_forwards(struct parser *p, struct str value)
{
	uint64_t number;

	if (str_number(value, 255, &number))
		parse_fail_value(p, HEADER_MAX_FORWARDS, -EINVAL);
	else
		p->message->max_forwards = (int16_t)number;
}

/* A value that is no number counts as one hour (RFC 3261 section 10.2.1.1, as of expires
 * parameters), one that is too large as the largest. */
static void value_expires(struct parser *p, struct str value)
{
	uint64_t number;
	bool digits = value.n &&
	              octet_span(value.p, value.p + value.n, OCTET_DIGIT) == value.p + value.n;

	if (!digits)
		number = 3600;
	else if (str_number(value, UINT32_MAX, &number))
		number = UINT32_MAX;
	/* only the registrar knows how to read it; nobody else gets it */
	if (!digits && p->spared && !parse_needs(p->message, HEADER_EXPIRES))
		p->left_out = true;
	else
		p->message->expires = (int64_t)number;
}

/* The same length may be said twice; two of them are two messages to two readers. */
static void value_content_length(struct parser *p, struct str value)
{
	uint64_t length;

	if (str_number(value, MESSAGE_RAW_MAX, &length)) {
		parse_fail(p, 400, COUNTER_PARSE_LENGTH,
			parse_malformed_reason(HEADER_CONTENT_LENGTH));
	} else if (p->has_length && length != p->content_length) {
		parse_fail(p, 400, COUNTER_PARSE_DUPLICATE,
			parse_duplicate_reason(HEADER_CONTENT_LENGTH));
	} else {
		p->content_length = length;
		p->has_length = true;
	}
}

/* Checks *(";" generic-param), which follow what was taken from the front of the value. */
static void value_params(struct parser *p, uint8_t id, struct str rest)
{
	int error;

	rest = str_trim(rest);
	if (!rest.n)
		return;
	error = rest.p[0] == ';' ? params_check(str_from(rest, 1)) : -EINVAL;
	if (error)
		parse_fail_value(p, id, error);
}

static void value_content_type(struct parser *p, struct str value)
{
	const char *end = value.p + value.n, *type = octet_span(value.p, end, OCTET_TOKEN),
		   *slash = octet_span(type, end, OCTET_LWS);

	if (type == value.p || slash == end || *slash != '/') {
		parse_fail_value(p, HEADER_CONTENT_TYPE, -EINVAL);
		return;
	}
	const char *subtype = octet_span(slash + 1, end, OCTET_LWS),
		   *rest = octet_span(subtype, end, OCTET_TOKEN);

	if (rest == subtype) {
		parse_fail_value(p, HEADER_CONTENT_TYPE, -EINVAL);
		return;
	}
	value_params(p, HEADER_CONTENT_TYPE, (struct str){rest, (size_t)(end - rest)});
	if (!p->left_out)
		p->message->content_type = span_of(p, value);
}

/* Checks octets of those classes (a token, a number) with parameters: Event, Session-Expires and
 * the like. */
static void value_with_params(struct parser *p, uint8_t id, struct str value, unsigned classes)
{
	const char *end = value.p + value.n, *rest = octet_span(value.p, end, classes);

	if (rest == value.p)
		parse_fail_value(p, id, -EINVAL);
	else
		value_params(p, id, (struct str){rest, (size_t)(end - rest)});
}

/* Checks RAck: response-num CSeq-num Method (RFC 3262 section 7.2). */
static void value_rack(struct parser *p, struct str value)
{
	const char *end = value.p + value.n, *at = value.p;

	for (unsigned i = 0; i < 2; i++) {
		const char *digits = octet_span(at, end, OCTET_DIGIT);
		uint64_t number;

		if (str_number((struct str){at, (size_t)(digits - at)}, UINT32_MAX, &number)) {
			parse_fail_value(p, HEADER_RACK, -EINVAL);
			return;
		}
		at = octet_span(digits, end, OCTET_LWS);
		if (at == digits) {
			parse_fail_value(p, HEADER_RACK, -EINVAL);
			return;
		}
	}
	if (!is_token((struct str){at, (size_t)(end - at)}))
		parse_fail_value(p, HEADER_RACK, -EINVAL);
}

/* Checks an rfc1123-date, whose zone is GMT: "Sat, 13 Nov 2010 23:29:00 GMT" (RFC 3261
 * section 20.17). */
static void value_date(struct parser *p, struct str value)
{
	static const char shape[] = "aaa, dd aaa dddd dd:dd:dd GMT";
	bool fits = value.n == sizeof(shape) - 1;

	for (size_t i = 0; fits && i < value.n; i++) {
		if (shape[i] == 'a')
			fits = octet_is(value.p[i], OCTET_ALPHA);
		else if (shape[i] == 'd')
			fits = octet_is(value.p[i], OCTET_DIGIT);
		else
			fits = value.p[i] == shape[i];
	}
	if (!fits)
		parse_fail_value(p, HEADER_DATE, -EINVAL);
}

void parse_value(struct parser *p, uint8_t id, struct str value, bool again)
{
	struct message *m = p->message;

	if (id >= HEADER_COUNT) {
		parse_list_bounded(p, value);
		p->empty = false; /* nobody knows whether it is a list */
		return;
	}
	if (again && single[id]) {
		parse_fail(p, 400, COUNTER_PARSE_DUPLICATE, parse_duplicate_reason(id));
		return;
	}
	switch (id) {
	case HEADER_VIA: value_via(p, value); break;
	case HEADER_FROM: value_party(p, id, value, &m->from, &m->from_tag); break;
	case HEADER_TO: value_party(p, id, value, &m->to, &m->to_tag); break;
	case HEADER_CALL_ID: value_call_id(p, value); break;
	case HEADER_CSEQ: value_cseq(p, value); break;
	case HEADER_CONTACT: value_contact(p, value); break;
	case HEADER_MAX_FORWARDS: value_max_forwards(p, value); break;
	case HEADER_CONTENT_LENGTH: value_content_length(p, value); break;
	case HEADER_CONTENT_TYPE: value_content_type(p, value); break;
	case HEADER_EXPIRES: value_expires(p, value); break;
	case HEADER_DATE: value_date(p, value); break;
	case HEADER_RACK: value_rack(p, value); break;
	case HEADER_ROUTE:
	case HEADER_RECORD_ROUTE:
	case HEADER_PATH:
	case HEADER_SERVICE_ROUTE: parse_list_addresses(p, id, value, true); break;
	case HEADER_P_ASSERTED_IDENTITY:
	case HEADER_P_PREFERRED_IDENTITY: parse_list_addresses(p, id, value, false); break;
	case HEADER_REFER_TO:
	case HEADER_REFERRED_BY:
	case HEADER_REPLY_TO: value_address(p, id, value); break;
	case HEADER_CONTENT_DISPOSITION:
	case HEADER_EVENT:
	case HEADER_SUBSCRIPTION_STATE: value_with_params(p, id, value, OCTET_TOKEN); break;
	case HEADER_SESSION_EXPIRES:
	case HEADER_MIN_SE:
	case HEADER_MIN_EXPIRES:
	case HEADER_RSEQ:
	case HEADER_FLOW_TIMER: value_with_params(p, id, value, OCTET_DIGIT); break;
	case HEADER_REPLACES:
	case HEADER_JOIN:
	case HEADER_TARGET_DIALOG:
		value_with_params(p, id, value, OCTET_TOKEN | OCTET_WORD | OCTET_URIC);
		break;
	case HEADER_REQUIRE:
	case HEADER_PROXY_REQUIRE:
	case HEADER_SUPPORTED:
	case HEADER_UNSUPPORTED:
	case HEADER_ALLOW:
	case HEADER_ALLOW_EVENTS: parse_list_tokens(p, id, value); break;
	case HEADER_AUTHORIZATION:
	case HEADER_PROXY_AUTHORIZATION: parse_list_bounded(p, value); break;
	case HEADER_WWW_AUTHENTICATE:
	case HEADER_PROXY_AUTHENTICATE: parse_list_challenge(p, id, value); break;
	case HEADER_AUTHENTICATION_INFO:
	case HEADER_PROXY_AUTHENTICATION_INFO: parse_list_auth_params(p, id, value); break;
	case HEADER_SUBJECT:
	case HEADER_USER_AGENT:
	case HEADER_SERVER:
	case HEADER_ORGANIZATION:
	case HEADER_TIMESTAMP:
	case HEADER_PRIORITY: break; /* text: a comma in it separates nothing */
	default: parse_list_known(p, id, value); break;
	}
}
