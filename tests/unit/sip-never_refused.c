/* sip-never_refused.c - BYE, CANCEL and ACK end or confirm what stands: none of them is refused or
 * lost for a header that it does not need, be it unreadable or nothing that we could do. */
#include "sip-broken_line.h"
#include "ipc/message_slot.h"

TestSuite(never_refused, .init = worker_set_up_with_bob, .fini = worker_tear_down);

/* Readable lines that another request would be refused for, or that ask for what is not there. */
static const char *const demands[] = {
	"Require: unheard-of\n",
	"Proxy-Require: unheard-of\n",
	"Require: unheard-of\nProxy-Require: sec-agree\n",
	"Max-Forwards: 0\n",
	"Max-Forwards: 300\n",
	"Route: <sip:198.51.100.99;lr>, <sip:198.51.100.98>\n",
	"Record-Route: <sip:198.51.100.99>\n",
	"Content-Encoding: unheard-of\n",
	"Content-Disposition: unheard-of;handling=required\n",
	"Content-Type: unheard/of\n",
	"Accept: unheard/of\n",
	"Expires: 0\n",
	"Contact: *\n",
	"Contact: <mailto:a@b>, <sip:c@198.51.100.1>\n",
	"Session-Expires: 1\nMin-SE: 100000\n",
	"Replaces: nobody;to-tag=1;from-tag=2\n",
	"Join: nobody;to-tag=1;from-tag=2\n",
	"Target-Dialog: nobody;local-tag=1;remote-tag=2\n",
	"Refer-To: <sip:nobody@example.net?Replaces=x>\n",
	"RAck: 9 9 INVITE\n",
	"Event: unheard-of;id=9\n",
	"Authorization: Digest realm=\"example.net\"\n",
	"Proxy-Authorization: unheard-of x\n",
	"Security-Verify: x\n",
	"Privacy: critical\n",
	"Reject-Contact: *\n",
	"Timestamp: soon\n",
};
#define DEMANDS (sizeof(demands) / sizeof(*demands))

/* All lines that are tried, one after the other: those above, then each header broken. NULL: there
 * is none with that number. *id: the header that is broken. */
static const char *line_at(unsigned n, unsigned *id)
{
	*id = HEADER_COUNT;
	if (n < DEMANDS)
		return demands[n];
	*id = (n - DEMANDS) / WAYS;
	if (*id >= HEADER_COUNT)
		return NULL;
	return is_needed(*id) ? "" : broken_line(*id, (n - DEMANDS) % WAYS);
}

/* What passed on has nothing unreadable, and asks for nothing that is not kept. */
static void assert_passed(const struct sent *s, unsigned id)
{
	assert_clean(s, id);
	cr_assert_null(message_first(s->message, HEADER_REQUIRE));
	cr_assert_null(message_first(s->message, HEADER_PROXY_REQUIRE));
	cr_assert_neq(s->message->max_forwards, 0);
}

/* A request of alice with these lines, which has no others than those that it needs. */
static void say(const struct sent *got, const char *method, unsigned cseq, const char *lines)
{
	const struct message *m = got->message;

	receive(&alice,
		"%s %.*s SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKs%u\nFrom: %.*s\n"
		"To: %.*s\nCall-ID: %.*s\nCSeq: %u %s\n%s\n",
		method, STR(message_str(m, m->contact.whole)), ++branch_count,
		STR(value_of(m, HEADER_FROM)), STR(value_of(m, HEADER_TO)),
		STR(message_str(m, m->call_id)), cseq, method, lines);
}

Test(never_refused, a_bye, .timeout = 120)
{
	const char *lines;
	unsigned id;

	for (unsigned n = 0; (lines = line_at(n, &id)); n++) {
		struct call_scene c = call_answered();

		say(c.answered, "BYE", 2, lines);
		struct sent *bye = take_request_to("BYE", BOB);
		assert_passed(bye, id);
		respond(bye, 200);
		take_response_to(200, ALICE);
		assert_over();
		forget();
	}
}

Test(never_refused, a_cancel, .timeout = 120)
{
	const char *lines;
	unsigned id;

	for (unsigned n = 0; (lines = line_at(n, &id)); n++) {
		register_phone("bob", BOB, NULL);
		struct said *invite = ask(.method = "INVITE");
		const struct message *m = invite->message;
		struct sent *out = take_request("INVITE");

		respond(out, 180, .tag = "b");
		take_response(180);
		receive(&alice,
			"CANCEL %.*s SIP/2.0\nVia: %.*s\nFrom: %.*s\nTo: %.*s\nCall-ID: %.*s\n"
			"CSeq: 1 CANCEL\n%s\n",
			STR(message_str(m, m->request_uri.whole)), STR(message_str(m, m->via)),
			STR(value_of(m, HEADER_FROM)), STR(value_of(m, HEADER_TO)),
			STR(message_str(m, m->call_id)), lines);
		cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_CANCEL);
		take_response_to(487, ALICE);
		assert_passed(take_request_to("CANCEL", BOB), id);
		assert_over();
		forget();
	}
}

Test(never_refused, an_ack, .timeout = 120)
{
	const char *lines;
	unsigned id;

	for (unsigned n = 0; (lines = line_at(n, &id)); n++) {
		register_phone("bob", BOB, NULL);
		struct call_scene c = call_unacknowledged_scene("offer");

		say(c.answered, "ACK", 1, lines);
		assert_passed(take_request_to("ACK", BOB), id);
		pass(4 * T1);
		quiet(); /* the 200 is not repeated */
		hang_up(&c, 2);
		forget();
	}
}

/* One that does not fit a message once the other leg's names are in it. */
Test(never_refused, a_bye_that_is_too_large_for_the_other_leg)
{
	struct call_scene c = call_answered();
	const struct message *m = c.answered->message;
	static char text[MESSAGE_RAW_MAX + 1];
	struct said *s = &said[said_count++];
	int n = snprintf(text, sizeof(text),
		"BYE %.*s SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKlarge\r\n"
		"From: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: 2 BYE\r\n"
		"Content-Type: text/plain\r\n\r\n",
		STR(message_str(m, m->contact.whole)), STR(value_of(m, HEADER_FROM)),
		STR(value_of(m, HEADER_TO)), STR(message_str(m, m->call_id)));

	memset(text + n, 'x', sizeof(text) - (size_t)n);
	s->flow = alice;
	s->message = message_of_text(text, MESSAGE_RAW_MAX);
	s->message->flow = alice;
	core_message(&worker->sip, s->message,
		slot_of_message(s->message, &worker->sip.keys.slot_key, worker->sip.settings));
	settle();
	take_response_to(200, ALICE);
	struct sent *bye = take_request_to("BYE", BOB);
	cr_assert_eq(bye->message->body.length, 0);
	respond(bye, 200);
	assert_over();
}
