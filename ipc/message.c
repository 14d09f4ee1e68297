/* message.c - checking and reading the block of a parsed message.
 *
 * message_check stands between a process that reads the network and one that trusts its block: it
 * believes nothing, reads nothing before it has been found to lie inside, and reads the raw bytes
 * of the header part once. What has passed is safe to read through the typed fields; whether values
 * keep the grammar is the parser's word, and the reader's to doubt.
 */
#include "message.h"

#include "octet.h"
#include "syntax.h"

#include <errno.h>

static bool span_inside(struct span s, uint32_t from, uint32_t to)
{
	return s.at >= from && s.at <= to && s.length <= to - s.at;
}
static bool span_absent(struct span s)
{
	return s.length == 0;
}
static bool span_within(struct span s, struct span whole)
{
	return span_inside(s, whole.at, (uint32_t)whole.at + whole.length);
}
static bool span_same(struct span a, struct span b)
{
	return a.at == b.at && a.length == b.length;
}
/* within whole, or absent; an absent one must still not point out of the block, since pointers are
 * made of it */
static bool span_optional(const struct message *m, struct span s, struct span whole)
{
	return span_absent(s) ? s.at <= m->raw_size : span_within(s, whole);
}

static bool message_check_endpoint(const struct endpoint *e, bool may_be_none)
{
	static const uint8_t none[16];

	if (e->zero)
		return false;
	switch (e->family) {
	case 0: return may_be_none && !e->port && !e->scope && !memcmp(e->address, none, 16);
	case 4: return !e->scope && !memcmp(e->address + 4, none, 12);
	case 6: return true;
	default: return false;
	}
}

static bool message_check_flow(const struct flow *f)
{
	static const uint8_t zero[sizeof(f->zero)];

	return f->transport >= TRANSPORT_UDP && f->transport < TRANSPORT_COUNT &&
	       !memcmp(f->zero, zero, sizeof(zero)) && message_check_endpoint(&f->peer, false) &&
	       message_check_endpoint(&f->local, true);
}

static bool message_check_uri(const struct message *m, const struct uri *u, struct span whole)
{
	const struct span part[] = {u->user, u->host, u->params, u->headers};
	const bool none = span_absent(u->whole);

	if (u->zero || u->scheme > URI_OTHER || none != (u->scheme == URI_NONE) ||
		!span_optional(m, u->whole, whole) || (none && u->port))
		return false;
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++)
		if (!span_optional(m, part[i], u->whole) || (none && !span_absent(part[i])))
			return false;
	return true;
}

/* The NULs of a header line: in quoted-pairs of its value, and only where a reader expects them. */
static bool message_check_nul(
	const struct message *m, const struct message_header *h, const char *raw)
{
	const uint32_t value_end = (uint32_t)h->value.at + h->value.length;

	if (!memchr(raw + h->line, 0, (size_t)(h->end - h->line)))
		return true;
	return header_takes_nul(h->id) &&
	       !memchr(raw + h->line, 0, (size_t)(h->value.at - h->line)) &&
	       !memchr(raw + value_end, 0, h->end - value_end) &&
	       controls_quoted(message_header_value(m, h));
}

/* Whether the message cannot be without its headers of that id. */
static bool message_is_kept(const struct message *m, uint8_t id)
{
	return m->is_request ? header_is_mandatory(id) : id == HEADER_VIA;
}

/* Whether a line that is said to be unreadable has no value, and the name that it starts with. */
static bool message_check_unreadable(const struct message *m, const struct message_header *h)
{
	const char *line = message_raw(m) + h->line, *end = message_raw(m) + h->end - 2;
	size_t name = (size_t)(octet_span(line, end, OCTET_TOKEN) - line);

	return *line != '\r' && !h->value.at && !h->value.length &&
	       h->name_length == (name < UINT8_MAX ? name : UINT8_MAX) &&
	       !message_is_kept(m, message_unreadable_id(m, h));
}

/* Whether a header line begins where the one before it ended, and its parts lie within it. */
static bool message_check_line(const struct message *m, const struct message_header *h, uint32_t at)
{
	if (h->line != at || h->end < at + 3 || h->end > m->raw_size)
		return false;
	if (h->id == HEADER_UNREADABLE)
		return message_check_unreadable(m, h);
	if (!h->name_length)
		return false;
	return at + h->name_length < h->end - 2u &&
	       span_inside(h->value, at + h->name_length + 1u, h->end - 2u);
}

/* The header lines follow each other without a gap from the start line to the blank line, each ends
 * with the one CRLF that is no fold, and id says what the name says: who strips headers by id must
 * not miss one. Returns the start of the body, 0 where anything is wrong. */
static uint32_t message_check_headers(const struct message *m, const char *raw)
{
	const struct message_header *h = message_headers(m);
	uint32_t at = (uint32_t)m->start_line.length + 2;
	uint8_t first[HEADER_COUNT];
	unsigned unreadable = 0;
	const bool nul = memchr(raw, 0, m->body.at <= m->raw_size ? m->body.at : m->raw_size);

	memset(first, 0xff, sizeof(first));
	for (unsigned i = 0; i < m->header_count; i++, h++) {
		if (!message_check_line(m, h, at))
			return 0;
		/* one line feed, or several with a space or tab behind all but the last */
		for (const char *p = raw + at, *end = raw + h->end;;) {
			p = memchr(p, '\n', (size_t)(end - p));
			if (!p || p[-1] != '\r')
				return 0;
			if (++p == end)
				break;
			if (*p != ' ' && *p != '\t')
				return 0;
		}
		at = h->end;
		if (h->id == HEADER_UNREADABLE) {
			unreadable++;
			continue;
		}
		if (h->id != header_of(message_header_name(m, h)) ||
			(nul && !message_check_nul(m, h, raw)))
			return 0;
		if (h->id != HEADER_OTHER && first[h->id] == 0xff)
			first[h->id] = (uint8_t)i;
	}
	if (unreadable != m->unreadable || memcmp(first, m->first, sizeof(first)) != 0 ||
		m->raw_size - at < 2 || raw[at] != '\r' || raw[at + 1] != '\n')
		return 0;
	return at + 2;
}

static bool message_check_start_line(const struct message *m, const char *raw)
{
	struct span line = m->start_line;

	if (line.at || !line.length || line.length + 4u > m->raw_size)
		return false;
	if (memchr(raw, '\n', line.length))
		return false;
	/* a reason phrase that cannot be read is none: nothing of it passes */
	if (memchr(raw, 0,
		    m->is_request || m->reason.length || line.length < 12 ? line.length : 12))
		return false;
	if (memcmp(raw + line.length, "\r\n", 2) != 0)
		return false;
	if (!m->is_request)
		return m->status >= 100 && m->status <= 699 && span_optional(m, m->reason, line) &&
		       span_absent(m->request_uri.whole);
	return !m->status && span_absent(m->reason) && m->reason.at <= m->raw_size &&
	       !m->method_name.at && span_within(m->method_name, line) &&
	       !span_absent(m->request_uri.whole);
}

static struct span message_first_value(const struct message *m, enum header id)
{
	return message_headers(m)[m->first[id]].value;
}

static bool message_check_via(const struct message *m)
{
	return m->via_count && !span_absent(m->via) &&
	       span_within(m->via, message_first_value(m, HEADER_VIA)) &&
	       !span_absent(m->via_host) && span_within(m->via_host, m->via) &&
	       span_optional(m, m->via_params, m->via) &&
	       span_optional(m, m->via_branch, m->via_params);
}

static bool message_check_party(
	const struct message *m, enum header id, const struct uri *uri, struct span tag)
{
	struct span value = message_first_value(m, id);

	return !span_absent(uri->whole) && message_check_uri(m, uri, value) &&
	       span_optional(m, tag, value);
}

/* The value of the Contact line that the URI stands in: the first one that is a SIP URI may be in
 * any. */
static struct span message_contact_value(const struct message *m)
{
	const struct message_header *first = message_first(m, HEADER_CONTACT), *h = first;

	while (h && !span_within(m->contact.whole, h->value))
		h = message_next(m, h);
	return h ? h->value : first ? first->value : (struct span){0, 0};
}

static bool message_check_contact(const struct message *m)
{
	const bool there = m->first[HEADER_CONTACT] != 0xff, uri = !span_absent(m->contact.whole);

	return message_check_uri(m, &m->contact, message_contact_value(m)) &&
	       uri == (m->contact_count != 0) && (!m->contact_star || (there && !uri));
}

/* A request's method stands in its start line, a response's in its CSeq. */
static bool message_check_method(const struct message *m)
{
	return !span_absent(m->method_name) &&
	       (m->is_request ||
		       span_within(m->method_name, message_first_value(m, HEADER_CSEQ))) &&
	       method_of(message_str(m, m->method_name)) == m->method;
}

/* The same where the header may be missing. */
static bool message_check_party_optional(
	const struct message *m, enum header id, const struct uri *uri, struct span tag)
{
	const struct span none = {0, 0};

	if (m->first[id] != 0xff)
		return message_check_party(m, id, uri, tag);
	return span_absent(uri->whole) && message_check_uri(m, uri, none) && span_same(tag, none);
}

/* The headers of a broken response: of each what is there. */
static bool message_check_broken(const struct message *m)
{
	const struct span none = {0, 0};
	const bool method = m->first[HEADER_CSEQ] != 0xff,
		   call_id = m->first[HEADER_CALL_ID] != 0xff;

	return m->first[HEADER_VIA] != 0xff && message_check_via(m) &&
	       span_same(m->call_id, call_id ? message_first_value(m, HEADER_CALL_ID) : none) &&
	       message_check_party_optional(m, HEADER_FROM, &m->from, m->from_tag) &&
	       message_check_party_optional(m, HEADER_TO, &m->to, m->to_tag) &&
	       (method ? message_check_method(m)
		       : span_same(m->method_name, none) && m->method == METHOD_UNKNOWN);
}

static bool message_check_fields(const struct message *m)
{
	const bool typed = m->first[HEADER_CONTENT_TYPE] != 0xff;

	if (!message_check_uri(m, &m->request_uri, m->start_line) || !message_check_contact(m) ||
		!(typed ? span_same(m->content_type, message_first_value(m, HEADER_CONTENT_TYPE))
			: span_absent(m->content_type)) ||
		m->content_type.at > m->raw_size)
		return false;
	if (m->broken)
		return message_check_broken(m);
	for (uint8_t id = 0; header_is_mandatory(id); id++)
		if (m->first[id] == 0xff)
			return false;
	return message_check_via(m) && !span_absent(m->call_id) &&
	       span_same(m->call_id, message_first_value(m, HEADER_CALL_ID)) &&
	       message_check_party(m, HEADER_FROM, &m->from, m->from_tag) &&
	       message_check_party(m, HEADER_TO, &m->to, m->to_tag) && message_check_method(m);
}

/* The numbers of the fixed part, which stand for themselves. */
static bool message_check_numbers(const struct message *m)
{
	return m->is_request <= 1 && m->method < METHOD_COUNT && m->cseq <= INT32_MAX &&
	       m->max_forwards >= -1 && m->max_forwards <= 255 &&
	       m->via_transport < TRANSPORT_COUNT && m->expires >= -1 && m->expires <= UINT32_MAX &&
	       m->contact_star <= 1 && m->rport <= 1 && m->empty_elements <= 1 &&
	       m->broken <= !m->is_request;
}

int message_check(const void *block, size_t size)
{
	const struct message *m = block;

	if (size < sizeof(*m) || size > MESSAGE_BLOCK_MAX || m->size != size ||
		m->version != MESSAGE_VERSION)
		return -EBADMSG;
	if (m->header_count > MESSAGE_HEADERS_MAX || !m->raw_size ||
		m->raw_size > MESSAGE_RAW_MAX || m->grown >= m->raw_size)
		return -EBADMSG;
	if (message_block_size(m->header_count, m->raw_size) != size || !message_check_numbers(m) ||
		!message_check_flow(&m->flow))
		return -EBADMSG;
	const char *raw = message_raw(m);

	for (const char *p = raw + m->raw_size; p < (const char *)block + size; p++)
		if (*p)
			return -EBADMSG;
	if (!message_check_start_line(m, raw))
		return -EBADMSG;
	uint32_t body = message_check_headers(m, raw);

	if (!body || m->body.at != body || m->body.at + (uint32_t)m->body.length != m->raw_size)
		return -EBADMSG;
	return message_check_fields(m) ? 0 : -EBADMSG;
}

struct str message_raw_unchecked(const void *block, size_t size)
{
	const struct message *m = block;
	size_t at;

	if (size < sizeof(*m))
		return STR_NONE;
	at = sizeof(*m) + m->header_count * sizeof(struct message_header);
	if (m->raw_size == 0 || m->raw_size > MESSAGE_RAW_MAX || at > size ||
		m->raw_size > size - at)
		return STR_NONE;
	return (struct str){(const char *)block + at, m->raw_size};
}

const struct message_header *message_first(const struct message *m, enum header id)
{
	return m->first[id] == 0xff ? NULL : &message_headers(m)[m->first[id]];
}

const struct message_header *message_next(const struct message *m, const struct message_header *h)
{
	const struct message_header *end = message_headers(m) + m->header_count;

	for (const struct message_header *next = h + 1; next < end; next++)
		if (next->id == h->id)
			return next;
	return NULL;
}

struct str message_value(const struct message *m, enum header id)
{
	const struct message_header *h = message_first(m, id);

	return h ? message_header_value(m, h) : STR_NONE;
}

struct uri_parts uri_of(const struct message *m, const struct uri *uri)
{
	struct uri_parts u = {
		.whole = message_str(m, uri->whole),
		.user = message_str(m, uri->user),
		.host = message_str(m, uri->host),
		.params = message_str(m, uri->params),
		.headers = message_str(m, uri->headers),
		.port = uri->port,
		.scheme = uri->scheme,
	};

	/* the password is not carried over; it stands between the user part and the '@' before the
	 * host */
	if (u.scheme != URI_TEL && u.user.n && u.host.p > u.user.p + u.user.n + 1)
		u.password = (struct str){
			u.user.p + u.user.n + 1, (size_t)(u.host.p - u.user.p) - u.user.n - 2};
	return u;
}
