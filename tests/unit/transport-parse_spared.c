/* transport-parse_spared.c - every header of headers.def broken in six ways, in requests of every
 * method and in responses: what the message does not need costs it nothing and is marked, what it
 * needs is refused (RFC 3261 sections 8.2.2 and 16.3; RFC 4475 section 3.1.2.12). */
#include "transport-parse.h"

enum { TWICE, GARBAGE, CONTROL, LATIN, OPEN, WITHOUT_COLON, WAYS };
#define MARK "broken7"

/* A line with that header, broken in that way; what stands before it belongs to the way. */
static void break_line(char *line, size_t size, const char *name, unsigned way)
{
	static const char *const rest[WAYS] = {
		[TWICE] = ": <" MARK "\r\n",
		[GARBAGE] = ": ,;=" MARK "\"<@\r\n",
		[CONTROL] = ": " MARK "\x01\r\n",
		[LATIN] = ": " MARK "\xfc\r\n",
		[OPEN] = ": \"" MARK "\r\n",
		[WITHOUT_COLON] = " " MARK "\r\n",
	};
	size_t n = (size_t)snprintf(line, size, "%s%s", name, rest[way]);

	if (way == TWICE)
		snprintf(line + n, size - n, "%s: " MARK "2>\r\n", name);
}

/* Nothing of a broken line is in the block but in lines that are marked. Text, and lines that
 * nobody knows, are what they are. */
static void assert_marked(uint8_t id, const char *text)
{
	const struct message *m = block();
	const struct message_header *h = message_headers(m);

	for (unsigned i = 0; i < m->header_count; i++, h++) {
		struct str line = {message_raw(m) + h->line, (size_t)(h->end - h->line)};
		bool marked = h->id == HEADER_UNREADABLE;

		if (marked)
			cr_assert(memmem(line.p, line.n, MARK, strlen(MARK)), "%s", text);
		else
			cr_assert(h->id == id || !memmem(line.p, line.n, MARK, strlen(MARK)), "%s",
				text);
		for (size_t at = 0; at < line.n && !marked; at++)
			cr_assert((uint8_t)line.p[at] < 0x80 && line.p[at] != 1, "%s", text);
	}
}

/* RFC 3261 sections 8.1.1 and 20.14: all messages need them. */
static bool is_always_needed(uint8_t id)
{
	return id == HEADER_VIA || id == HEADER_FROM || id == HEADER_TO || id == HEADER_CALL_ID ||
	       id == HEADER_CSEQ || id == HEADER_CONTENT_LENGTH;
}

static unsigned messages;

static void sweep(const char *start, const char *fields, const char *method, bool ends)
{
	for (unsigned id = 0; id < HEADER_COUNT; id++) {
		for (unsigned way = 0; way < WAYS; way++) {
			char line[256], text[2048];

			break_line(line, sizeof(line), header_name(id), way);
			snprintf(text, sizeof(text), "%s\r\n%sCSeq: 1 %s\r\n%s\r\n", start, fields,
				method, line);
			int error = parse(text);

			messages++;
			const bool response = str_starts(str_of(start), S("SIP/"));

			if (is_always_needed((uint8_t)id) && (!response || id == HEADER_VIA)) {
				cr_assert_eq(error, -EBADMSG, "%s", text);
				continue;
			}
			/* a response is never lost: it is marked */
			if (response) {
				cr_assert_eq(error, 0, "'%s': %s", failure.reason, text);
				if (is_always_needed((uint8_t)id) || !ends)
					assert_marked((uint8_t)id, text);
				cr_assert(
					is_always_needed((uint8_t)id) || !ends || !block()->broken,
					"%s", text);
				continue;
			}
			/* BYE, CANCEL and ACK end what stands: no other header refuses them */
			if (ends)
				cr_assert_eq(error, 0, "'%s': %s", failure.reason, text);
			if (!error)
				assert_marked((uint8_t)id, text);
			else
				cr_assert(strstr(failure.reason, header_name(id)) ||
						  failure.counter == COUNTER_PARSE_LINE ||
						  failure.counter == COUNTER_PARSE_CONTROL,
					"'%s': %s", failure.reason, text);
		}
	}
}

#define SWEEP_FIELDS V F T C "Max-Forwards: 70\r\nContact: <sip:a@b>\r\nContent-Length: 0\r\n"

Test(parse_spared, requests_of_every_method)
{
	for (uint8_t method = METHOD_UNKNOWN + 1; method < METHOD_COUNT; method++) {
		char start[64];
		bool ends = method == METHOD_BYE || method == METHOD_CANCEL || method == METHOD_ACK;

		snprintf(start, sizeof(start), "%s sip:b SIP/2.0", method_name(method));
		sweep(start, SWEEP_FIELDS, method_name(method), ends);
	}
	cr_assert_eq(messages, (METHOD_COUNT - 1) * HEADER_COUNT * WAYS);
}

/* What makes a dialog needs Contact and Record-Route; no other response needs anything. */
Test(parse_spared, responses)
{
	static const char *const failures[] = {
		"100 Trying", "302 Moved", "407 Proxy", "486 Busy", "503 Service", "603 Decline"};
	char start[64];

	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		snprintf(start, sizeof(start), "SIP/2.0 %s", failures[i]);
		sweep(start, SWEEP_FIELDS, "INVITE", true);
	}
	for (uint8_t method = METHOD_UNKNOWN + 1; method < METHOD_COUNT; method++)
		sweep("SIP/2.0 200 OK", SWEEP_FIELDS, method_name(method), method != METHOD_INVITE);
	sweep("SIP/2.0 180 Ringing", SWEEP_FIELDS, "INVITE", false);
}

/* What is there twice and says the same costs nothing, needed or not. */
Test(parse_spared, said_twice)
{
	static const char *const lines[] = {"Date: Sat, 13 Nov 2010 23:29:00 GMT", "Subject: a",
		"Timestamp: 5", "Reply-To: <sip:a@b>", "Content-Type: a/b", "Content-Length: 1",
		"Max-Forwards: 70", "Event: reg", "Expires: 7", "Content-Disposition: render"};
	char text[1024];

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(text, sizeof(text),
			"PUBLISH sip:b SIP/2.0\r\n" V F T C "CSeq: 1 PUBLISH\r\n%s\r\n%s\r\n%s\r\n"
			"%s\r\n\r\nx",
			strstr(lines[i], "Content-Type") ? "X: y" : "Content-Type: a/b", lines[i],
			lines[i], "X: y");
		cr_assert_eq(parse(text), 0, "'%s': %s", failure.reason, lines[i]);
		cr_assert_eq(block()->body.length, 1);
	}
	/* other dates are nobody's affair; the first one passes */
	cr_assert_eq(parse(REQUEST("Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n"
				   "Date: Sat, 13 Nov 2010 23:29:01 GMT\r\n")),
		0);
	cr_assert_eq(block()->unreadable, 1);
	cr_assert(
		str_equal(message_value(block(), HEADER_DATE), S("Sat, 13 Nov 2010 23:29:00 GMT")));
}

/* The route set of a dialog is learnt once (RFC 3261 section 12.2.2). */
Test(parse_spared, record_route_within_a_dialog)
{
	refused("INVITE sip:b SIP/2.0\r\n" V F T C
		"CSeq: 1 INVITE\r\nContact: <sip:a@b>\r\nRecord-Route: x\r\n\r\n",
		400, "Malformed Record-Route");
	left_out("INVITE sip:b SIP/2.0\r\n" V F "Record-Route: x\r\nTo: <sip:a@b>;tag=2\r\n" C
		 "CSeq: 1 INVITE\r\nContact: <sip:a@b>\r\n\r\n",
		"Record-Route");
}
