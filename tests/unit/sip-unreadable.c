/* sip-unreadable.c - headers that cannot be read, in calls: none reaches the other leg, and no
 * request or response is lost for one that it does not need (RFC 3261 sections 8.2.2 and 16.3). */
#include "sip-broken_line.h"

TestSuite(unreadable, .init = worker_set_up, .fini = worker_tear_down);

/* A 486 is passed on whatever stands in it. */
Test(unreadable, a_failure_is_never_lost)
{
	char call_id[32];
	unsigned n = 0;

	for (unsigned id = 0; id < HEADER_COUNT; id++) {
		register_phone("bob", "198.51.100.11:5060", NULL);
		for (unsigned way = 0; way < WAYS && !is_needed(id); way++) {
			snprintf(call_id, sizeof(call_id), "failure-%u", n++);
			ask(.method = "INVITE", .call_id = call_id);
			respond(take_request("INVITE"), 486, .tag = "b",
				.more = broken_line(id, way));
			take_request("ACK");
			assert_clean(take_response(486), id);
			forget();
		}
	}
	cr_assert_eq(n, (HEADER_COUNT - 6) * WAYS);
}

/* A BYE ends the call, a CANCEL the ringing, whatever stands in them. */
Test(unreadable, a_bye_is_never_refused)
{
	struct call_scene c = call_answered();
	unsigned cseq = 2;

	/* INFO passes, and so does what can be read of it */
	for (unsigned way = 0; way < WAYS; way++) {
		caller_asks(c.answered, "INFO", cseq++, .more = broken_line(HEADER_ALLOW, way));
		struct sent *info = take_request("INFO");

		assert_clean(info, HEADER_ALLOW);
		if (way == EMPTY_ELEMENTS)
			cr_assert(str_equal(value_of(info->message, HEADER_ALLOW), S("a, b")));
		respond(info, 200, .more = broken_line(HEADER_DATE, way));
		assert_clean(take_response(200), HEADER_DATE);
	}
	caller_asks(c.answered, "BYE", cseq, .more = "Supported: ,x y\nRequire: \"\nRoute: x\n");
	struct sent *bye = take_request("BYE");
	assert_clean(bye, HEADER_SUPPORTED);
	respond(bye, 200);
	take_response(200);
	quiet();
	cr_assert_null(worker->sip.call_list);
}

Test(unreadable, a_200_with_an_empty_element_is_the_answer)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE", .body = "offer");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b", .body = "answer",
		.more = "Allow: INVITE, ACK,\nDate: soon\n");
	struct sent *answered = take_response(200);

	assert_clean(answered, HEADER_ALLOW);
	cr_assert(str_equal(value_of(answered->message, HEADER_ALLOW), S("INVITE, ACK")));
	cr_assert_null(message_first(answered->message, HEADER_DATE));
	caller_asks(answered, "ACK", 1, .more = "Supported: ,,\nRoute: \x01\n");
	take_request("ACK");
	quiet();
}

/* Nobody here reads credentials for others. Those that a sender must not write are not passed on,
 * whether or not another list of the message has an empty element. */
Test(unreadable, credentials_with_an_empty_element_stay_behind)
{
	static const char *const lists[] = {"realm=\"elsewhere\",,nonce=\"n\"",
		"realm=\"elsewhere\", nonce=\"n\",", "realm=\"elsewhere\", nonce=\"n,,\""};
	char line[128], call_id[] = "credentials-0";

	register_phone("bob", "198.51.100.11:5060", NULL);
	for (size_t i = 0; i < 3; i++) {
		call_id[sizeof(call_id) - 2]++;
		snprintf(line, sizeof(line), "Authorization: Digest %s\n", lists[i]);
		ask(.method = "MESSAGE", .call_id = call_id, .body = "x", .more = line);
		struct sent *out = take_request("MESSAGE");

		cr_assert_eq(message_first(out->message, HEADER_AUTHORIZATION) != NULL, i == 2);
		respond(out, 200);
		take_response(200);
	}
}
