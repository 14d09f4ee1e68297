/* transport-stateless_answer.c - stateless answers: what they copy, what they add, and that their
 * ACK is known again. */
#include "transport-fixture.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/stateless_answer.h"

static const struct hash_key key = {{1, 2, 3}};
static unsigned char block[MESSAGE_BLOCK_MAX] __attribute__((aligned(8)));
static char text[STATELESS_ANSWER_MAX + 1];

static const struct message *parsed(const char *raw)
{
	struct parse_error error = {0};
	int result = parse_message(raw, strlen(raw), block, sizeof(block), &error);

	cr_assert(result == 0 || error.answerable, "%s", error.reason);
	return (const struct message *)block;
}

static const char *answer(const char *raw, const char *from, int port, struct stateless_answer why)
{
	struct endpoint peer = at(from, port);
	long n = stateless_answer_write(&key, parsed(raw), &peer, &why, text, sizeof(text) - 1);

	cr_assert_gt(n, 0, "%ld", n);
	text[n] = 0;
	return text;
}

#define REST                                                                                       \
	"From: \"A, B;tag=no\" "                                                                   \
	"<sip:alice@example.net;tag=uri>;x=\"y;tag=quoted\";tag=right\r\nTo: "                     \
	"<sip:bob@example.net>\r\nCall-ID: one@two\r\nCSeq: 7 INVITE\r\nMax-Forwards: "            \
	"70\r\nContent-Length: 0\r\n\r\n"

Test(refuse, copies_what_rfc_3261_asks_for)
{
	const char *a = answer("INVITE sip:bob@example.net SIP/2.0\r\nv: SIP/2.0/UDP "
			       "192.0.2.1:5070;branch=z9hG4bKx;rport, SIP/2.0/UDP "
			       "192.0.2.7;branch=z9hG4bKy\r\nSubject: secret\r\nVia: SIP/2.0/TCP "
			       "192.0.2.8;branch=z9hG4bKz\r\n" REST,
		"198.51.100.4", 1024,
		(struct stateless_answer){.status = 503, .retry_after = 4, .server = S("Edge")});

	cr_assert(strncmp(a, "SIP/2.0 503 Service Unavailable\r\n", 33) == 0, "%s", a);
	cr_assert(strstr(a, "Via: SIP/2.0/UDP "
			    "192.0.2.1:5070;branch=z9hG4bKx;received=198.51.100.4;rport=1024, "
			    "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKy\r\nVia: SIP/2.0/TCP "
			    "192.0.2.8;branch=z9hG4bKz\r\n"),
		"%s", a);
	cr_assert(strstr(a, "\r\nFrom: \"A, B;tag=no\" "
			    "<sip:alice@example.net;tag=uri>;x=\"y;tag=quoted\";tag=right\r\n"),
		"%s", a);
	cr_assert(strstr(a, "\r\nTo: <sip:bob@example.net>;tag=st"), "%s", a);
	cr_assert(strstr(a, "\r\nCall-ID: one@two\r\nCSeq: 7 INVITE\r\nServer: "
			    "Edge\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n"),
		"%s", a);
	cr_assert_null(strstr(a, "secret"));
}

Test(refuse, what_the_sender_says_of_its_address_is_left_out)
{
	const char *a = answer(
		"OPTIONS sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
		"[2001:db8::1];received=203.0.113.5;branch=z9hG4bKx;rport=99\r\nFrom: "
		"<sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=theirs\r\nCall-ID: c\r\nCSeq: 1 "
		"OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		"2001:db8::2", 5061,
		(struct stateless_answer){.status = 400, .reason = "Bad Something"});

	cr_assert(strncmp(a, "SIP/2.0 400 Bad Something\r\n", 27) == 0, "%s", a);
	cr_assert(strstr(a, "Via: SIP/2.0/UDP "
			    "[2001:db8::1];branch=z9hG4bKx;received=2001:db8::2;rport=5061\r\n"),
		"%s", a);
	cr_assert(strstr(a, "\r\nTo: <sip:b@b>;tag=theirs\r\n"), "%s",
		a); /* it has a tag: no second one */
	cr_assert_null(strstr(a, "Retry-After"));
	cr_assert_null(strstr(a, "Server"));
}

Test(refuse, a_malformed_request_is_answered_from_what_it_has)
{
	const char *a = answer("INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
			       "192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: many\r\n"
			       "From: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 "
			       "INVITE\r\nContent-Length: 0\r\n\r\n",
		"198.51.100.4", 5060, (struct stateless_answer){.status = 400});

	cr_assert(strncmp(a, "SIP/2.0 400 Bad Request\r\n", 25) == 0, "%s", a);
	cr_assert(strstr(a, ";received=198.51.100.4\r\n"), "%s", a); /* no rport asked for */
}

Test(refuse, what_is_missing_is_missing_from_the_answer)
{
	const char *a = answer("INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\nVia: "
			       "SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\nl: 0\r\n\r\n",
		"198.51.100.4", 5060,
		(struct stateless_answer){.status = 400, .reason = "Missing From"});

	cr_assert_str_eq(a, "SIP/2.0 400 Missing From\r\nVia: SIP/2.0/UDP "
			    "192.0.2.95;branch=z9hG4bKkdj.insuf;received=198.51.100.4\r\nCSeq: "
			    "193942 INVITE\r\nContent-Length: 0\r\n\r\n");
	a = answer("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:a@b>\r\n\r\n",
		"198.51.100.4", 5060, (struct stateless_answer){.status = 400});
	cr_assert(strstr(a, "\r\nTo: <sip:a@b>;tag=st"), "%s", a);
}

Test(refuse, by_a_via_that_is_broken_behind_its_host)
{
	const char *a = answer(
		"OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.15:9;rport;x;;y,;,,\r\nVia: "
		"SIP/2.0/UDP second\r\nCall-ID: c\r\n\r\n",
		"198.51.100.4", 1024, (struct stateless_answer){.status = 400});

	cr_assert_str_eq(a, "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP "
			    "192.0.2.15:9;x;;y;received=198.51.100.4;rport=1024\r\nVia: "
			    "SIP/2.0/UDP second\r\nCall-ID: c\r\nContent-Length: 0\r\n\r\n");
	a = answer("OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP h\"\r\n\r\n", "2001:db8::1", 1024,
		(struct stateless_answer){.status = 400});
	cr_assert(strstr(a, "Via: SIP/2.0/UDP h;received=2001:db8::1\r\n"), "%s", a);
	a = answer("OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP h;branch=b,\r\n\r\n", "2001:db8::1",
		1024, (struct stateless_answer){.status = 400});
	cr_assert(strstr(a, "Via: SIP/2.0/UDP h;branch=b;received=2001:db8::1\r\n"), "%s", a);
}

Test(refuse, never_an_ack_nor_a_response)
{
	struct endpoint peer = at("192.0.2.1", 5060);
	struct stateless_answer why = {.status = 400};
	const struct message *m;

	m = parsed("ACK sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
		   "192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
		   "<sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 ACK\r\nMax-Forwards: "
		   "70\r\nContent-Length: 0\r\n\r\n");
	cr_assert_eq(stateless_answer_write(&key, m, &peer, &why, text, sizeof(text)), -EPERM);
	m = parsed("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: "
		   "<sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 "
		   "INVITE\r\nContent-Length: 0\r\n\r\n");
	cr_assert_eq(stateless_answer_write(&key, m, &peer, &why, text, sizeof(text)), -EPERM);
}

Test(refuse, too_little_room)
{
	struct endpoint peer = at("192.0.2.1", 5060);
	struct stateless_answer why = {.status = 400};
	const struct message *m = parsed("INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
					 "192.0.2.1;branch=z9hG4bKx\r\n" REST);
	long whole = stateless_answer_write(&key, m, &peer, &why, text, sizeof(text));

	cr_assert_gt(whole, 0);
	cr_assert_eq(stateless_answer_write(&key, m, &peer, &why, text, (size_t)whole), whole);
	cr_assert_eq(
		stateless_answer_write(&key, m, &peer, &why, text, (size_t)whole - 1), -ENOBUFS);
}

static bool acknowledged(const char *call_id, const char *from_tag, const char *branch,
	const char *to_tag, const char *method)
{
	char raw[1024];

	snprintf(raw, sizeof(raw),
		"%s sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
		"192.0.2.1:5070;branch=%s\r\nFrom: <sip:a@b>;tag=%s\r\nTo: "
		"<sip:bob@example.net>;tag=%s\r\nCall-ID: %s\r\nCSeq: 7 %s\r\n"
		"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		method, branch, from_tag, to_tag, call_id, method);
	return stateless_answer_is_ack(&key, parsed(raw));
}

Test(refuse, its_ack_is_known_again)
{
	const char *a = answer("INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
			       "192.0.2.1:5070;branch=z9hG4bKx\r\n" REST,
		"192.0.2.1", 5070, (struct stateless_answer){.status = 503});
	char tag[STATELESS_ANSWER_TAG_LENGTH + 1], wrong[STATELESS_ANSWER_TAG_LENGTH + 1];

	memcpy(tag, strstr(a, "tag=st") + 4, STATELESS_ANSWER_TAG_LENGTH);
	tag[STATELESS_ANSWER_TAG_LENGTH] = 0;
	cr_assert(acknowledged("one@two", "right", "z9hG4bKx", tag, "ACK"));
	cr_assert_not(acknowledged("one@three", "right", "z9hG4bKx", tag, "ACK"));
	cr_assert_not(acknowledged("one@two", "left", "z9hG4bKx", tag, "ACK"));
	cr_assert_not(acknowledged("one@two", "right", "z9hG4bKy", tag, "ACK"));
	cr_assert_not(acknowledged("one@two", "right", "z9hG4bKx", tag, "BYE"));
	strcpy(wrong, tag);
	wrong[STATELESS_ANSWER_TAG_LENGTH - 1] ^= 1;
	cr_assert_not(acknowledged("one@two", "right", "z9hG4bKx", wrong, "ACK"));
	cr_assert_not(acknowledged("one@two", "right", "z9hG4bKx", "theirs", "ACK"));
}
