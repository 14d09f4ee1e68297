/* differential.c - fuzz target that compares the parser's block with a second, plain reading of the
 * same bytes (plain.h).
 *
 * Of what parses: each header line stands in the block, under its name and with its value, or was
 * left out, which was counted once under its header's counter; no line came from anywhere else.
 * What a plain look finds good is not left out, what it finds broken is, and what the message needs
 * is not, unless it repeats another line. The start line, the body and the typed fields are the
 * same in both readings. The message without the lines that were left out reads as if they had not
 * been there. A stream is cut where the parser ends the message, and a repair of line ends changes
 * nothing but line ends.
 */
#include "plain.h"

#include "common/counters.h"
#include "common/log.h"
#include "worker-transport/fault_log.h"
#include "worker-transport/parse/frame.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/repair.h"

#include <stdlib.h>

/* Headers that stand once, and are no list: a second line of one cannot be read. */
#define SINGLE                                                                                     \
	"Max-Forwards Content-Type Content-Disposition Expires Min-Expires Event "                 \
	"Subscription-State Refer-To Referred-By Replaces Join Target-Dialog RAck RSeq "           \
	"Session-Expires Min-SE SIP-ETag SIP-If-Match Date MIME-Version Timestamp Retry-After "    \
	"Reply-To Flow-Timer Refer-Sub "
/* Any text may be their value, any token one of theirs. */
#define TEXTS "Subject User-Agent Server Organization Priority "
#define TOKENS "Require Proxy-Require Supported Unsupported Allow Allow-Events "
#define LISTS                                                                                      \
	TOKENS "Accept Accept-Encoding Accept-Language Content-Language In-Reply-To Warning "      \
	       "Reason Privacy Call-Info Alert-Info Error-Info Diversion History-Info "            \
	       "Accept-Contact Security-Client Recv-Info "
/* A request other than BYE, CANCEL and ACK needs them, whatever else it is. */
#define NEEDED "Max-Forwards Route Require Proxy-Require Authorization Proxy-Authorization "
#define MANDATORY "Via From To Call-ID CSeq "

static _Alignas(8) char buffer[MESSAGE_BLOCK_MAX], again[MESSAGE_BLOCK_MAX];
static struct plain reading, other;

static bool same(const struct message *m, struct span span, struct str s)
{
	return span.length == s.n && (!s.n || message_raw(m) + span.at == s.p);
}

/* The first line of that header that the block can read, or NULL. */
static const struct plain_line *line_of(const struct message *m, const char *name)
{
	for (unsigned i = 0; i < reading.count; i++)
		if (message_headers(m)[i].id != HEADER_UNREADABLE &&
			plain_is(&reading.line[i], name))
			return &reading.line[i];
	return NULL;
}

static bool is_repetition(const struct message *m, const struct plain_line *l)
{
	const char *known = plain_known(l->name);
	const struct plain_line *first = known ? line_of(m, known) : NULL;

	return first && str_equal(first->value, l->value);
}

/* Whether no one can doubt that the line can be read. */
static bool is_good(const struct plain_line *l)
{
	size_t commas = 0;

	for (unsigned i = 0; i < reading.count; i++) /* all lists have a bound together */
		for (size_t at = 0; at < reading.line[i].whole.n; at++)
			commas += reading.line[i].whole.p[at] == ',';
	if (!plain_is_token(l->name) || l->name.n > UINT8_MAX || !plain_printable(l->whole))
		return false;
	if (!plain_known(l->name))
		return commas < 256;
	return plain_is_of(l, TEXTS) ||
	       (plain_is_of(l, LISTS) && plain_is_token(l->value) && commas < 256);
}

/* Whether no one can doubt that it cannot. */
static bool is_bad(const struct plain_line *l, bool second, bool any_octets)
{
	struct str rest = l->value, item;

	if (!plain_is_token(l->name) || (!any_octets && !plain_utf8(l->whole)))
		return true;
	for (size_t i = 0; i < l->whole.n; i++)
		if ((uint8_t)l->whole.p[i] < 0x20 && !plain_blank(l->whole.p[i]) &&
			!memchr(l->whole.p, '\\', l->whole.n))
			return true;
	if (second && plain_is_of(l, SINGLE MANDATORY) && !plain_is(l, "Via"))
		return true;
	while (plain_is_of(l, TOKENS) && plain_take(&rest, ',', false, &item))
		if (item.n && !plain_is_token(item))
			return true;
	return false;
}

static void check_lines(const struct message *m, bool any_octets)
{
	const bool ends = m->is_request && (m->method == METHOD_BYE || m->method == METHOD_CANCEL ||
						   m->method == METHOD_ACK);
	const struct message_header *h = message_headers(m);
	unsigned unreadable = 0;

	CHECK(reading.ended && m->header_count == reading.count);
	CHECK(same(m, m->start_line, reading.start));
	for (unsigned i = 0; i < reading.count; i++, h++) {
		const struct plain_line *l = &reading.line[i];
		const char *known = plain_known(l->name);

		CHECK(message_raw(m) + h->line == l->whole.p &&
			(size_t)(h->end - h->line) == l->whole.n + 2);
		for (size_t at = 0; at < l->whole.n; at++) /* no line is hidden in it */
			CHECK(l->whole.p[at] != '\n' || (at && l->whole.p[at - 1] == '\r'));
		if (h->id == HEADER_UNREADABLE) {
			unreadable++;
			CHECK(!is_good(l));
			if (!m->broken &&
				(plain_is_of(l, MANDATORY "Content-Length ") ||
					(m->is_request && !ends && plain_is_of(l, NEEDED))))
				CHECK(is_repetition(m, l));
			continue;
		}
		CHECK(!is_bad(l, known && line_of(m, known) != l, any_octets));
		CHECK(str_equal(message_header_name(m, h), l->name));
		CHECK(same(m, h->value, l->value) || (!l->value.n && !h->value.length));
		CHECK(known ? h->id < HEADER_COUNT && !strcmp(header_name(h->id), known)
			    : h->id == HEADER_OTHER);
		CHECK(m->empty_elements || !plain_is_of(l, LISTS) || !plain_has_empty(l->value));
	}
	CHECK(unreadable == m->unreadable);
}

/* The counter of a line that was left out, by its name. */
static unsigned counter_of(struct str line)
{
	struct str name = line;
	char text[64] = "left_out_";

	for (name.n = 0; name.n < line.n && name.n < UINT8_MAX && plain_token(line.p[name.n]);)
		name.n++;
	const char *known = plain_known(name);

	for (size_t i = 0; known && i <= strlen(known); i++)
		text[9 + i] = known[i] == '-' ? '_' : (char)tolower((unsigned char)known[i]);
	for (unsigned c = 0; known && c < COUNTER_COUNT; c++)
		if (strcmp(counter_rows[c].name, text) == 0)
			return c;
	return COUNTER_LEFT_OUT_OTHER;
}

/* What was left out is what is counted, each once. */
static void check_counters(const struct message *m)
{
	static const struct hash_key key;
	static struct fault_log log;
	uint64_t expected[COUNTER_COUNT];

	memcpy(expected, counters_page->counter, sizeof(expected));
	for (unsigned i = 0; i < reading.count; i++)
		if (message_headers(m)[i].id == HEADER_UNREADABLE)
			expected[counter_of(reading.line[i].whole)]++;
	if (!m->is_request && reading.start.n > 12 && !m->reason.length)
		expected[COUNTER_LEFT_OUT_REASON_PHRASE]++;
	fault_log_left_out(&log, &key, &(struct fault_source){.flow = &m->flow, .now = 1}, m, 0);
	CHECK(memcmp(expected, counters_page->counter, sizeof(expected)) == 0);
}

static void check_start_line(const struct message *m)
{
	struct str line = reading.start;
	const size_t space = str_find(line, ' ');

	if (!m->is_request) {
		CHECK(m->status == atoi(line.p + 8) && line.p + 7 == line.p + space);
		if (m->reason.length)
			CHECK(same(m, m->reason, str_from(line, 12)));
		else
			CHECK(line.n <= 12 || !plain_printable(line) || !plain_utf8(line));
		return;
	}
	const struct str uri = str_from(line, space + 1);

	CHECK(same(m, m->method_name, (struct str){line.p, space}));
	CHECK(same(m, m->request_uri.whole, (struct str){uri.p, str_find(uri, ' ')}));
	CHECK(str_equal_nocase(str_from(uri, str_find(uri, ' ')), S(" SIP/2.0")));
	CHECK(plain_printable(line));
}

/* The URI and the tag of From and To. */
static void check_party(
	const struct message *m, const char *name, const struct uri *uri, struct span tag)
{
	const struct plain_line *l = line_of(m, name);
	struct str value, params;

	if (!l)
		return; /* of a broken response */
	value = l->value;
	size_t open = plain_find(value, '<', false);

	if (open < value.n) {
		value = str_from(value, open + 1);
		params = str_from(value, str_find(value, '>') + 1);
		value.n = str_find(value, '>');
	} else {
		size_t end = strcspn(value.p, ";? \t\r\n");

		params = str_from(value, end < value.n ? end : value.n);
		value.n = end < value.n ? end : value.n;
	}
	CHECK(same(m, uri->whole, value));
	value = plain_param(params, "tag");
	CHECK(same(m, tag, value));
}

static void check_via(const struct message *m)
{
	struct str rest, item, params;
	unsigned count = 0;

	for (unsigned i = 0; i < reading.count; i++) {
		if (!plain_is(&reading.line[i], "Via"))
			continue;
		for (rest = reading.line[i].value; plain_take(&rest, ',', false, &item); count++) {
			if (count)
				continue;
			const size_t semicolon = str_find(item, ';');

			params = str_from(item, semicolon);
			CHECK(same(m, m->via, item));
			CHECK(same(m, m->via_params, params));
			CHECK(same(m, m->via_branch, plain_param(params, "branch")));
		}
	}
	CHECK(m->via_count == count);
}

static void check_contacts(const struct message *m)
{
	struct str rest, item;
	unsigned count = 0;
	bool star = false;

	for (unsigned i = 0; i < reading.count; i++) {
		if (message_headers(m)[i].id != HEADER_CONTACT)
			continue;
		rest = reading.line[i].value;
		star |= str_equal(rest, S("*"));
		while (!star && plain_take(&rest, ',', true, &item))
			count += item.n != 0;
	}
	CHECK(m->contact_count == count && m->contact_star == star);
}

static uint64_t number_of(struct str s)
{
	char text[32] = "";

	memcpy(text, s.p, s.n < 31 ? s.n : 31);
	return strtoull(text, NULL, 10);
}

static void check_fields(const struct message *m)
{
	const struct plain_line *l;

	check_start_line(m);
	check_party(m, "From", &m->from, m->from_tag);
	check_party(m, "To", &m->to, m->to_tag);
	check_via(m);
	check_contacts(m);
	l = line_of(m, "Call-ID");
	CHECK(same(m, m->call_id, l ? l->value : STR_EMPTY));
	l = line_of(m, "Content-Type");
	CHECK(same(m, m->content_type, l ? l->value : STR_EMPTY));
	l = line_of(m, "Max-Forwards");
	CHECK(m->max_forwards == (l ? (int)number_of(l->value) : -1));
	l = line_of(m, "CSeq");
	if (l) {
		size_t space = strcspn(l->value.p, " \t\r\n");
		struct str method = plain_trim(str_from(l->value, space)),
			   name = message_str(m, m->method_name);

		CHECK(m->cseq == number_of((struct str){l->value.p, space}));
		CHECK(str_equal(name, method) && m->method == method_of(method));
	}
}

static void check_body(const struct message *m, struct str raw)
{
	const struct str body = reading.rest;

	CHECK(message_raw(m) + m->body.at == body.p && m->body.length <= body.n);
	bool said = false;

	for (unsigned i = 0; i < reading.count && !m->broken; i++) {
		if (!plain_is(&reading.line[i], "Content-Length"))
			continue;
		said = true; /* who reads any of them reads the same */
		CHECK(m->body.length == number_of(reading.line[i].value));
	}
	CHECK(m->broken || said || m->body.length == body.n);
	CHECK(m->raw_size == (size_t)(reading.rest.p - reading.start.p) + m->body.length);
	CHECK(reading.rest.p + m->body.length <= raw.p + raw.n);
}

/* The message without the lines that were left out is the same. */
static void check_without(const struct message *m, bool any_octets)
{
	static char text[MESSAGE_RAW_MAX];
	const struct message_header *h = message_headers(m), *other_h;
	struct message *n = (struct message *)(void *)again;
	struct parse_error error;
	size_t size = m->start_line.length + 2u;

	if (!m->unreadable || m->broken)
		return;
	memcpy(text, message_raw(m), size);
	for (unsigned i = 0; i < m->header_count; i++, h++) {
		if (h->id == HEADER_UNREADABLE)
			continue;
		memcpy(text + size, message_raw(m) + h->line, (size_t)(h->end - h->line));
		size += (size_t)(h->end - h->line);
	}
	memcpy(text + size, message_raw(m) + m->body.at - 2, m->body.length + 2u);
	size += m->body.length + 2u;
	CHECK(parse_message_octets(text, size, any_octets, again, sizeof(again), &error) == 0);
	CHECK(!n->unreadable && !n->broken && n->header_count + m->unreadable == m->header_count);
	CHECK(n->raw_size == size && n->body.length == m->body.length);
	CHECK(n->method == m->method && n->status == m->status && n->cseq == m->cseq &&
		n->max_forwards == m->max_forwards && n->via_count == m->via_count &&
		n->contact_count == m->contact_count && n->contact_star == m->contact_star &&
		n->via_port == m->via_port && n->rport == m->rport &&
		n->empty_elements == m->empty_elements && n->expires == m->expires);
	other_h = message_headers(n);
	h = message_headers(m);
	for (unsigned i = 0; i < m->header_count; i++, h++) {
		if (h->id == HEADER_UNREADABLE)
			continue;
		CHECK(other_h->id == h->id &&
			str_equal(message_header_value(n, other_h), message_header_value(m, h)));
		other_h++;
	}
	const struct span a[] = {m->call_id, m->from_tag, m->to_tag, m->via, m->via_branch,
		m->from.whole, m->to.whole, m->contact.whole, m->content_type, m->reason},
			  b[] = {n->call_id, n->from_tag, n->to_tag, n->via, n->via_branch,
				  n->from.whole, n->to.whole, n->contact.whole, n->content_type,
				  n->reason};

	for (size_t i = 0; i < sizeof(a) / sizeof(*a); i++)
		CHECK(str_equal(message_str(m, a[i]), message_str(n, b[i])));
}

static void check_octets(struct str raw, bool any_octets)
{
	struct message *m = (struct message *)(void *)buffer;
	struct parse_error error;

	if (parse_message_octets(raw.p, raw.n, any_octets, buffer, sizeof(buffer), &error))
		return;
	m->flow.transport = TRANSPORT_UDP;
	m->flow.peer.family = 4;
	/* the block has the bytes with it: it is read on its own copy of them */
	struct str copy = {message_raw(m), m->raw_size};

	CHECK(m->raw_size <= raw.n);
	plain_of(copy, false, &reading);
	check_lines(m, any_octets);
	check_counters(m);
	check_fields(m);
	check_body(m, copy);
	check_without(m, any_octets);
}

/* The copy in the block is what came, and nothing of the head is missing in it. */
static void check_copied(struct str raw)
{
	const struct message *m = (const struct message *)(void *)buffer;
	struct parse_error error;
	size_t skipped = 0;

	if (parse_message(raw.p, raw.n, buffer, sizeof(buffer), &error))
		return;
	while (raw.n - skipped > 1 && raw.p[skipped] == '\r' && raw.p[skipped + 1] == '\n')
		skipped += 2;
	CHECK(m->raw_size <= raw.n - skipped &&
		!memcmp(message_raw(m), raw.p + skipped, m->raw_size));
	plain_of(raw, false, &other);
	CHECK(other.ended && other.count == m->header_count &&
		other.rest.p == raw.p + skipped + m->body.at);
}

/* A stream's message ends where the parser ends it: what is body to one is no request to the
 * other. */
static void check_framed(struct str raw)
{
	const struct message *m = (const struct message *)(void *)buffer;
	struct frame frame = {.scanned = 0};
	struct frame_step step;
	struct parse_error error;

	if (frame_next(&frame, raw.p, raw.n, MESSAGE_RAW_MAX, &step) != FRAME_MESSAGE)
		return;
	if (parse_message(raw.p, step.consume, buffer, sizeof(buffer), &error) == 0 && !m->broken)
		CHECK(m->raw_size == step.consume);
	if (parse_message(raw.p, raw.n, buffer, sizeof(buffer), &error) == 0 && !m->broken)
		CHECK(m->raw_size == step.consume);
}

static void check_repaired(struct str raw)
{
	static char out[MESSAGE_RAW_MAX];
	const size_t n = repair_line_ends(raw, out, sizeof(out));
	size_t used = 0;

	if (!n)
		return;
	plain_of((struct str){out, n}, false, &reading);
	plain_of(raw, true, &other);
	if (reading.count > MESSAGE_HEADERS_MAX)
		return;
	/* what has no empty line gets one, and its last line an end; all else is the same */
	CHECK(reading.ended && (other.ended || reading.rest.n == 0));
	CHECK(str_equal(reading.rest, other.rest));
	for (unsigned i = 0; i < reading.count; i++) {
		struct str l = reading.line[i].whole;

		CHECK(i >= other.count || other.line[i].whole.n <= l.n);
		used += l.n + 2;
	}
	CHECK(!other.ended || reading.count == other.count);
	CHECK(reading.start.n + 2 + used + 2 + reading.rest.n == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	const struct str raw = {(const char *)data, size};

	if (!started)
		log_init("fuzz", -1, LOG_ERROR, NULL, NULL);
	started = true;
	if (size > MESSAGE_RAW_MAX)
		return 0;
	check_octets(raw, false);
	check_octets(raw, true);
	check_copied(raw);
	check_framed(raw);
	check_repaired(raw);
	return 0;
}
