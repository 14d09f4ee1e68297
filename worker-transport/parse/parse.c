/* parse.c - the strict parser (parse.h): start line, header lines, and what they must be together.
 *
 * Relies on parse_line.c (ends of lines, octets), parse_value.c (the values of known headers),
 * parse_needs.c (which of them are needed) and ipc/syntax.h.
 * The header table is written in place, the raw bytes behind it once its size is known. After a
 * fault it goes on through the lines, so that a 400 can carry the Via, From, To, Call-ID and CSeq
 * that it must carry; the first fault is the one that the answer names.
 */
#include "parse.h"
#include "ipc/octet.h"
#include "ipc/syntax.h"
#include "parse_line.h"
#include "parse_needs.h"
#include "parse_value.h"

#include <assert.h>
#include <errno.h>

#define SIP_VERSION S("SIP/2.0")

static bool parse_starts_nocase(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_equal_nocase((struct str){s.p, prefix.n}, prefix);
}

/* Whether s is "SIP/" 1*DIGIT "." 1*DIGIT, of whatever version. */
static bool parse_is_version(struct str s)
{
	const char *end = s.p + s.n, *dot, *last;

	if (!parse_starts_nocase(s, S("SIP/")))
		return false;
	dot = octet_span(s.p + 4, end, OCTET_DIGIT);
	if (dot == s.p + 4 || dot == end || *dot != '.')
		return false;
	last = octet_span(dot + 1, end, OCTET_DIGIT);
	return last > dot + 1 && last == end;
}

/* Notes the fault of a line. False where nothing can be read behind that line. */
static bool parse_note_fault(struct parser *p, enum line_fault fault)
{
	switch (fault) {
	case LINE_OK: return true;
	case LINE_OPEN: parse_fail(p, 400, COUNTER_PARSE_LINE, "Headers Without End"); return false;
	case LINE_NUL: parse_fail(p, 400, COUNTER_PARSE_CONTROL, "NUL in Headers"); return true;
	case LINE_BARE:
		parse_fail(p, 400, COUNTER_PARSE_LINE, "Line End Other Than CRLF");
		return false;
	case LINE_CONTROL:
		parse_fail(p, 400, COUNTER_PARSE_CONTROL, "Control Byte in Headers");
		return true;
	case LINE_UTF8:
		if (p->any_octets)
			return true;
		parse_fail(p, 400, COUNTER_PARSE_CONTROL, "Headers Not in UTF-8");
		return true;
	}
	assert(!"a fault of parse_line.h");
	return false;
}

/* Reads the Status-Line (RFC 3261 section 7.2). It is more lenient than the grammar: without a
 * reason phrase the space before it may be missing as well. */
static void parse_status_line(struct parser *p, struct str line, enum line_fault fault)
{
	struct message *m = p->message;
	uint64_t status;

	if (!parse_starts_nocase(line, S("SIP/2.0")) ||
		(line.n > 7 && octet_is(line.p[7], OCTET_DIGIT))) {
		parse_fail(p, 0, COUNTER_PARSE_VERSION, "Version Not Supported");
		return;
	}
	if (line.n < 11 || line.p[7] != ' ' ||
		str_number((struct str){line.p + 8, 3}, 699, &status) || status < 100 ||
		(line.n > 11 && line.p[11] != ' ')) {
		parse_fail(p, 0, COUNTER_PARSE_START_LINE, "Malformed Status-Line");
		return;
	}
	m->status = (uint16_t)status;
	if (line.n > 12 && fault == LINE_OK) /* nobody needs a phrase that cannot be read */
		m->reason = span_of(p, str_from(line, 12));
}

/* Reads the Request-Line (RFC 3261 section 7.1), with one space each between method, request URI
 * and version. False where it is the line of another protocol. */
static bool parse_request_line(struct parser *p, struct str line, enum line_fault fault)
{
	struct message *m = p->message;
	const char *end = line.p + line.n, *space = octet_span(line.p, end, OCTET_TOKEN);
	struct str method = {line.p, (size_t)(space - line.p)}, version;
	struct uri_parts uri;
	int error;

	m->is_request = 1;
	if (!method.n || space == end || *space != ' ')
		return false;
	m->method_name = span_of(p, method);
	m->method = method_of(method);
	struct str rest = str_from(line, method.n + 1);
	size_t uri_end = str_find(rest, ' ');

	version = uri_end < rest.n ? str_from(rest, uri_end + 1) : (struct str){end, 0};
	rest.n = uri_end;
	if (!str_equal_nocase(version, SIP_VERSION)) {
		if (parse_is_version(version))
			parse_fail(p, 505, COUNTER_PARSE_VERSION, "Version Not Supported");
		else if (memmem(line.p, line.n, " SIP/", 5))
			parse_fail(p, 400, COUNTER_PARSE_START_LINE, "Malformed Request-Line");
		else
			return false;
	}
	error = uri_parse(rest, &uri);
	/* headers have no place in a request URI (RFC 3261 section 19.1.1) */
	if (error || uri.headers.n)
		parse_fail(p, 400, COUNTER_PARSE_URI, "Malformed Request-URI");
	else
		m->request_uri = uri_spans(p, &uri);
	if (fault != LINE_OK)
		parse_note_fault(p, fault);
	return true;
}

/* Reads the value of a line whose name is known, into *h. */
static inline void parse_header_value(
	struct parser *p, uint8_t id, struct str value, struct message_header *h)
{
	if (!header_takes_nul(id) && value.n && memchr(value.p, 0, value.n)) {
		parse_fail(p, 400, COUNTER_PARSE_CONTROL, "NUL in Headers");
		return;
	}
	h->id = id;
	h->value = (struct span){(uint16_t)(value.p - p->raw), (uint16_t)value.n};
	parse_value(p, id, value, id != HEADER_OTHER && p->message->first[id] != 0xff);
}

/* The name of a header line, empty where it does not begin with a token, and its value; STR_NONE
 * where the name is not followed by a colon. */
static inline struct str parse_name_and_value(struct str line, struct str *name)
{
	const char *end = line.p + line.n, *colon = octet_span(line.p, end, OCTET_TOKEN);

	*name = (struct str){line.p, (size_t)(colon - line.p)};
	while (colon < end && (*colon == ' ' || *colon == '\t'))
		colon++;
	return colon < end && *colon == ':'
	               ? str_trim((struct str){colon + 1, (size_t)(end - colon) - 1})
	               : STR_NONE;
}

/* Reads one header line, [line, end) without its CRLF, of which line_end has said fault. The line
 * of a header that is not needed for certain is marked as unreadable where it has a fault. */
static void parse_header(struct parser *p, const char *line, const char *end, enum line_fault fault)
{
	struct message *m = p->message;
	struct str name;
	const struct str value = parse_name_and_value(
		(struct str){line, (size_t)(end - line)}, &name);
	const uint8_t id = name.n && name.n <= UINT8_MAX ? header_of(name) : HEADER_OTHER;
	const unsigned items = p->items;

	if (m->header_count == MESSAGE_HEADERS_MAX) {
		const bool first = !p->failed;

		parse_fail(p, 400, COUNTER_PARSE_LIMIT, "Too Many Headers");
		p->error.crowded |= first;
		return;
	}
	struct message_header *h = (struct message_header *)(void *)(m + 1) + m->header_count;

	*h = (struct message_header){
		.id = HEADER_UNREADABLE,
		.name_length = (uint8_t)(name.n < UINT8_MAX ? name.n : UINT8_MAX),
		.line = (uint16_t)(line - p->raw),
		.end = (uint16_t)(end + 2 - p->raw),
	};
	/* a response ends what its Via names, whatever else of it cannot be read */
	p->spared = m->is_request ? !parse_always_needs(id) : id != HEADER_VIA;
	p->left_out = p->empty = false;
	if (fault != LINE_OK)
		parse_note_fault(p, fault);
	if (!name.n || name.n > UINT8_MAX || !value.p)
		parse_fail(p, 400, COUNTER_PARSE_LINE, "Malformed Header Line");
	else if (fault == LINE_OK || (fault == LINE_UTF8 && p->any_octets))
		parse_header_value(p, id, value, h);
	p->spared = false;
	if (p->left_out) {
		h->id = HEADER_UNREADABLE;
		h->value = (struct span){0, 0};
		m->unreadable++;
		p->items = items;
	} else if (h->id == HEADER_UNREADABLE) {
		return; /* the fault of a line that is needed: it is not even there */
	} else {
		m->empty_elements |= p->empty;
		if (id != HEADER_OTHER && m->first[id] == 0xff)
			m->first[id] = (uint8_t)m->header_count;
	}
	m->header_count++;
}

/* Reads the header lines from at to the blank line. Returns the first octet of the body, or NULL
 * where the lines cannot be followed to their end. */
static const char *parse_headers(struct parser *p, const char *at, const char *limit)
{
	for (;;) {
		const char *end;

		if (limit - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return at + 2;
		enum line_fault fault = line_end(at, limit, &end);

		if (fault == LINE_OPEN || fault == LINE_BARE) {
			parse_note_fault(p, fault);
			return NULL;
		}
		parse_header(p, at, end, fault);
		at = end + 2;
	}
}

/* Whether a value says again what another header with its name has said. */
static bool parse_is_repetition(const struct parser *p, uint8_t id, struct str value)
{
	const struct message *m = p->message;

	if (m->first[id] == 0xff || !value.p)
		return false;
	struct span first =
		((const struct message_header *)(const void *)(m + 1))[m->first[id]].value;

	return str_equal(value, (struct str){p->raw + first.at, first.length});
}

/* Reads a line that was left out again, whose fault is the message's, unless it repeats another. */
static void parse_again(struct parser *p, uint8_t id, struct str line)
{
	struct message_header h = {.id = HEADER_UNREADABLE};
	struct str name;
	const struct str value = parse_name_and_value(line, &name);
	const char *end;

	if (parse_is_repetition(p, id, value))
		return;
	p->unsized |= id == HEADER_CONTENT_LENGTH;
	p->left_out = true; /* nothing of it gets into the block */
	enum line_fault fault = line_end(line.p, line.p + line.n + 2, &end);

	if (fault != LINE_OK)
		parse_note_fault(p, fault);
	else if (value.p)
		parse_header_value(p, id, value, &h);
	parse_fail(p, 400, COUNTER_PARSE_LINE, "Malformed Header Line");
}

/* Reads the lines that were left out again, now that it is known what the message needs: the fault
 * of one that is needed is the message's. */
static void parse_needed(struct parser *p, bool has_body)
{
	struct message *m = p->message;
	const struct message_header *h = (const struct message_header *)(const void *)(m + 1);

	for (unsigned i = 0; i < m->header_count && !p->failed; i++, h++) {
		if (h->id != HEADER_UNREADABLE || !h->name_length)
			continue;
		const struct str line = {p->raw + h->line, (size_t)(h->end - h->line) - 2};
		const uint8_t id = header_of((struct str){line.p, h->name_length});
		const bool of_body = id == HEADER_CONTENT_TYPE || id == HEADER_CONTENT_ENCODING;

		if (of_body ? has_body && parse_needs_body(m) : parse_needs(m, id))
			parse_again(p, id, line);
	}
}

/* Checks what the headers must be together (RFC 3261 section 8.1.1), and that the body is as long
 * as they say. */
static void parse_whole(struct parser *p, const char *body, const char *limit)
{
	struct message *m = p->message;
	size_t length = (size_t)(limit - body);

	if (m->unreadable)
		parse_needed(p, p->has_length ? p->content_length != 0 : length != 0);
	for (uint8_t id = 0; header_is_mandatory(id); id++)
		if (m->first[id] == 0xff)
			parse_fail(p, 400, COUNTER_PARSE_MISSING, parse_missing_reason(id));
	/* we are the only hop of what we send (RFC 3261 section 8.1.3.3) */
	if (!m->is_request && m->via_count > 1)
		parse_fail(p, 0, COUNTER_PARSE_VALUE, "More Than One Via");
	if (m->is_request && m->method == METHOD_INVITE) {
		if (!m->contact_count)
			parse_fail(p, 400, COUNTER_PARSE_MISSING,
				parse_missing_reason(HEADER_CONTACT));
		else if (m->contact_count > 1 && p->sip_contacts != 1)
			parse_fail(p, 400, COUNTER_PARSE_DUPLICATE, "More Than One Contact");
	}
	if (p->has_length && p->content_length > length) {
		parse_fail(p, 400, COUNTER_PARSE_LENGTH, "Body Shorter Than Content-Length");
		p->unsized = true;
	} else if (p->has_length) {
		length = (size_t)p->content_length;
	}
	if (p->unsized && !m->is_request)
		length = 0; /* what is passed on of a broken response has no body of any size */
	if (length && m->first[HEADER_CONTENT_TYPE] == 0xff && parse_needs_body(m))
		parse_fail(
			p, 400, COUNTER_PARSE_MISSING, parse_missing_reason(HEADER_CONTENT_TYPE));
	m->body = (struct span){(uint16_t)(body - p->raw), (uint16_t)length};
	m->raw_size = (uint32_t)(body - p->raw) + (uint32_t)length;
}

/* Puts the raw bytes behind the header table. */
static void parse_finish(struct parser *p)
{
	struct message *m = p->message;
	char *raw = (char *)(m + 1) + m->header_count * sizeof(struct message_header);

	m->size = (uint32_t)message_block_size(m->header_count, m->raw_size);
	memcpy(raw, p->raw, m->raw_size);
	memset(raw + m->raw_size, 0, m->size - (size_t)(raw + m->raw_size - (char *)m));
}

/* Whether an answer can be sent: it needs the top Via. A header that is missing from the request is
 * missing from its answer (RFC 4475 section 3.3.1). */
static bool parse_is_answerable(const struct parser *p)
{
	const struct message *m = p->message;

	return m->is_request && m->method != METHOD_ACK && m->method_name.length && m->via.length;
}

/* Gives the first fault to the caller, without a status where no answer can be sent. */
static int parse_refuse(struct parser *p, bool answerable, struct parse_error *error)
{
	p->error.answerable = answerable;
	if (!answerable)
		p->error.status = 0;
	*error = p->error;
	return -EBADMSG;
}

bool parse_keepalive(const char *raw, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (raw[i] && raw[i] != '\r' && raw[i] != '\n')
			return false;
	return true;
}

/* Whether a line that may be a start line stands at raw, and ends at *end; *fault: what its octets
 * are. */
static bool parse_find_start_line(
	const char *raw, const char *limit, const char **end, enum line_fault *fault)
{
	if (raw == limit || !octet_is(*raw, OCTET_TOKEN))
		return false;
	*fault = line_end_unfolded(raw, limit, end);
	return *fault != LINE_OPEN && *fault != LINE_BARE;
}

int parse_message(
	const char *raw, size_t size, void *buffer, size_t buffer_size, struct parse_error *error)
{
	return parse_message_octets(raw, size, false, buffer, buffer_size, error);
}

int parse_message_octets(const char *raw, size_t size, bool any_octets, void *buffer,
	size_t buffer_size, struct parse_error *error)
{
	const char *limit = raw + size, *end, *body = NULL;

	assert(size <= MESSAGE_RAW_MAX && !((uintptr_t)buffer & 7));
	if (buffer_size < message_block_size(MESSAGE_HEADERS_MAX, size))
		return -ENOBUFS;
	while (limit - raw >= 2 && raw[0] == '\r' && raw[1] == '\n')
		raw += 2;
	struct message *m = buffer;
	struct parser p = {.raw = raw, .message = m, .any_octets = any_octets};
	enum line_fault fault = LINE_OK;

	memset(m, 0, sizeof(*m));
	memset(m->first, 0xff, sizeof(m->first));
	m->version = MESSAGE_VERSION;
	m->max_forwards = -1;
	m->expires = -1;

	if (!parse_find_start_line(raw, limit, &end, &fault)) {
		parse_fail(&p, 0, COUNTER_PARSE_NOT_SIP, "Not SIP");
		return parse_refuse(&p, false, error);
	}
	struct str line = {raw, (size_t)(end - raw)};

	m->start_line = span_of(&p, line);
	if (fault == LINE_UTF8 && any_octets)
		fault = LINE_OK;
	if (parse_starts_nocase(line, S("SIP/"))) {
		parse_status_line(&p, line, fault);
	} else if (!parse_request_line(&p, line, fault)) {
		parse_fail(&p, 0, COUNTER_PARSE_NOT_SIP, "Not SIP");
		return parse_refuse(&p, false, error);
	}
	if (!p.failed || m->is_request)
		body = parse_headers(&p, end + 2, limit);
	const bool framed = body && !p.failed;

	if (body)
		parse_whole(&p, body, limit);
	if (p.failed && framed && !m->is_request && m->via.length) {
		m->broken = 1;
		*error = p.error;
		error->status = 0;
	} else if (p.failed) {
		bool answerable = body && parse_is_answerable(&p);

		if (answerable)
			parse_finish(&p);
		return parse_refuse(&p, answerable, error);
	}
	parse_finish(&p);
	return 0;
}
