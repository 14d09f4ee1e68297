/* transport-parse_limits.c - the parser at its limits: repeated parts, refusals that can be
 * answered, small buffers, and messages that end anywhere. */
#include "transport-parse.h"

/* Repeated parts, each many times over, that cost a parser much. */
static char *repeat(const char *before, const char *part, size_t count, const char *after)
{
	char *text = malloc(strlen(before) + count * strlen(part) + strlen(after) + 1), *at = text;

	at = stpcpy(at, before);
	while (count--)
		at = stpcpy(at, part);
	stpcpy(at, after);
	return text;
}
static void repeated(
	const char *before, const char *part, size_t fits, const char *after, const char *reason)
{
	char *text = repeat(before, part, fits, after);

	cr_assert_eq(parse(text), 0, "%zu times '%s': %s", fits, part, failure.reason);
	free(text);
	if (!reason) { /* nobody needs it: it costs nothing but itself */
		text = repeat(before, part, fits + 1, after);
		cr_assert_eq(parse(text), 0);
		cr_assert_eq(block()->unreadable, 1);
		free(text);
		return;
	}
	text = repeat(before, part, fits + 1, after);
	refused(text, 400, reason);
	cr_assert_eq(failure.counter, COUNTER_PARSE_LIMIT);
	free(text);
	text = repeat(before, part,
		(MESSAGE_RAW_MAX - strlen(before) - strlen(after)) / strlen(part), after);
	refused(text, 400, reason);
	free(text);
}

Test(parse_limits, limits)
{
	const char *before = "OPTIONS sip:b SIP/2.0\r\n" V F T C Q;

	repeated(L V F T C Q "Supported: a", ",a", PARSE_ITEMS_MAX - 1, "\r\n\r\n", NULL);
	repeated(L V F T C Q "X-Any: a", ",", PARSE_ITEMS_MAX - 1, "\r\n\r\n", NULL);
	repeated(L V F T C Q "Contact: <sip:a@b>", ",<sip:a@b>", PARSE_ITEMS_MAX - 1, "\r\n\r\n",
		NULL);
	repeated(L V F T C Q "Route: <sip:a>", ",<sip:a>", PARSE_ITEMS_MAX - 1, "\r\n\r\n",
		"Too Many List Elements");
	repeated(L V F T C Q "Via: SIP/2.0/UDP a", ";a", PARAMS_MAX, "\r\n\r\n",
		"Too Many Parameters");
	repeated(L V T C Q "From: <sip:a@b>", ";a", PARAMS_MAX, "\r\n\r\n", "Too Many Parameters");
	repeated(L V T C Q "From: <sip:a@b", ";a", PARAMS_MAX, ">\r\n\r\n", "Too Many Parameters");
	repeated(L V F T C Q "Contact: <sip:a@b?a=b", "&a=b", PARAMS_MAX - 1, ">\r\n\r\n", NULL);
	repeated(L V F T C Q "Content-Type: a/b", ";a=b", PARAMS_MAX, "\r\n\r\n", NULL);
	repeated(L V F T C Q "WWW-Authenticate: Digest a=b", ",a=b", PARSE_PARAMS_MAX - 1,
		"\r\n\r\n", NULL);
	repeated(before, "X-Any: y\r\n", MESSAGE_HEADERS_MAX - 5, "\r\n", "Too Many Headers");
	repeated(L V F T C Q "Via: SIP/2.0/UDP a", ", SIP/2.0/UDP a", PARSE_VIAS_MAX - 2,
		"\r\n\r\n", "Too Many Via");
	char *commas = repeat(L V F T C Q "Subject: ", ",", 60000, "\r\n\r\n");
	cr_assert_eq(parse(commas), 0, "text has no elements");
	free(commas);
}

Test(parse_limits, refused_but_answerable)
{
	cr_assert_eq(parse("INVITE sip:b SIP/2.0\r\n" V "Via: SIP/2.0/UDP second\r\n" F
			   "To: <sip:a@b>;tag=t\r\nMax-Forwards: x\r\n" C
			   "CSeq: 1 INVITE\r\nContact: <sip:a@b>\r\n\r\nbody"),
		-EBADMSG);
	const struct message *m = block();

	cr_assert(failure.answerable);
	cr_assert_eq(failure.status, 400);
	cr_assert_str_eq(failure.reason, "Malformed Max-Forwards");
	cr_assert_eq(failure.counter, COUNTER_PARSE_VALUE);
	cr_assert(str_equal(message_value(m, HEADER_VIA), S("SIP/2.0/UDP a;branch=z9hG4bK1")));
	cr_assert(str_equal(message_header_value(m, message_next(m, message_first(m, HEADER_VIA))),
		S("SIP/2.0/UDP second")));
	cr_assert(str_equal(message_value(m, HEADER_FROM), S("<sip:a@b>;tag=1")));
	cr_assert(str_equal(message_value(m, HEADER_TO), S("<sip:a@b>;tag=t")));
	cr_assert(str_equal(message_value(m, HEADER_CALL_ID), S("1")));
	cr_assert(str_equal(message_value(m, HEADER_CSEQ), S("1 INVITE")));
	eq(m->via_branch, "z9hG4bK1");
	eq(m->to_tag, "t");
	eq(m->method_name, "INVITE");
}

/* The way back is the sent-by of the top Via, whatever stands behind it; a further Via does not
 * take its place. */
Test(parse_limits, answerable_by_a_broken_via)
{
	cr_assert_eq(parse(L "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" V F T C Q "\r\n"), -EBADMSG);
	cr_assert(failure.answerable);
	cr_assert_str_eq(failure.reason, "Malformed Via");
	eq(block()->via, "SIP/2.0/UDP 192.0.2.15;;,;,,");
	eq(block()->via_host, "192.0.2.15");
	eq(block()->via_params, ";;,;,,");
	cr_assert_eq(block()->via_branch.length, 0);
	static const char *const none[] = {"Via: SIP/2.0/UDP\r\n", "Via: SIP/2.0/UDP ;branch=x\r\n",
		"Via: SIP/2.0/UDP a:0\r\n", "Via:\r\n", "Via: ,\r\n", "Via: HTTP/1.1/TCP a\r\n"};
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		char text[1024];

		snprintf(text, sizeof(text), L "%s" V F T C Q "\r\n", none[i]);
		refused(text, 0, "Malformed Via");
	}
}

Test(parse_limits, small_buffer)
{
	const char *text = REQUEST("");
	size_t need = message_block_size(MESSAGE_HEADERS_MAX, strlen(text));

	cr_assert_eq(parse_message(text, strlen(text), buffer, need - 1, &failure), -ENOBUFS);
	cr_assert_eq(parse_message(text, strlen(text), buffer, need, &failure), 0);
}

Test(parse_limits, every_prefix)
{
	const char *text = "INVITE sip:b SIP/2.0\r\n" V F T C
			   "CSeq: 1 INVITE\r\nContact: \"x\\\"\" "
			   "<sip:[::1]:5060;a=b?c=d>;e=\"f\"\r\nAuthorization: Digest "
			   "a=\"b\"\r\nContent-Type: a/b\r\n\r\nx";
	size_t head = (size_t)(strstr(text, "\r\n\r\n") - text) + 4;

	for (size_t n = 0; n < strlen(text); n++) {
		char *copy = malloc(
			n +
			1); /* of exactly this size: a read behind it is seen by the sanitizers */

		memcpy(copy, text, n);
		cr_assert_eq(parse_bytes(copy, n), n < head ? -EBADMSG : 0, "prefix of %zu", n);
		free(copy);
	}
}

Test(parse_limits, keepalive)
{
	cr_assert(parse_keepalive("\r\n\r\n", 4));
	cr_assert(parse_keepalive("\0\0\0\0", 4));
	cr_assert_not(parse_keepalive("\r\nx", 3));
}
