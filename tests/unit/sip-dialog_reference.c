/* INVITEs that name another dialog: Replaces (RFC 3891) and Join (RFC 3911), of calls that stand
 * and of those that ring yet, as the one who is to take them over knows it. */
#include "sip-scene.h"

TestSuite(dialog_reference, .init = worker_set_up_with_bob, .fini = worker_tear_down);

static char reference[512], wanted[512];

/* A header line that names alice's dialog with us, which that response has made. */
static const char *dialog_of_alice(
	const char *header, const struct sent *response, const char *more)
{
	snprintf(reference, sizeof(reference), "%s: call-of-alice;to-tag=%.*s;from-tag=a%s\n",
		header, STR(message_str(response->message, response->message->to_tag)), more);
	return reference;
}

/* The same of bob's dialog with us, which he has made with the tag b, as he is named there. */
static const char *dialog_of_bob(const char *header, const struct sent *invite, const char *more)
{
	const struct message *m = invite->message;

	snprintf(reference, sizeof(reference), "%s: %.*s;to-tag=%.*s;from-tag=b%s\n", header,
		STR(message_str(m, m->call_id)), STR(message_str(m, m->from_tag)), more);
	return reference;
}

/* carol's INVITE to that URI. */
static struct said *carol_asks(const char *uri, const char *more)
{
	static unsigned calls;
	struct flow carol = flow_of(OPEN_TCP, "198.51.100.3:5060", FLOW_ID(0, 1, 8));
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-of-carol-%u", ++calls);
	return ask(.by = &carol, .method = "INVITE", .uri = uri, .from = "<sip:carol@example.net>",
		.from_tag = "c", .call_id = call_id, .contact = "<sip:carol@198.51.100.3>",
		.more = more);
}

static void assert_named(const struct sent *out, enum header id)
{
	cr_assert(str_equal(value_of(out->message, id), str_of(wanted)), "%.*s",
		STR(value_of(out->message, id)));
}

Test(dialog_reference, join_names_the_dialog_of_the_far_leg)
{
	struct call_scene c = call_answered();
	const struct message *leg = c.out->message;

	snprintf(wanted, sizeof(wanted), "%.*s;to-tag=b;from-tag=%.*s",
		STR(message_str(leg, leg->call_id)), STR(message_str(leg, leg->from_tag)));
	carol_asks("sip:bob@example.net", dialog_of_alice("Join", c.answered, ""));
	struct sent *out = take_request_to("INVITE", BOB);
	assert_named(out, HEADER_JOIN);
	respond(out, 200, .tag = "joined");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	quiet();
	cr_assert_eq(worker->sip.calls, 2, "the call that is joined stands as well");
	caller_asks(c.answered, "INVITE", 2, .more = dialog_of_alice("Join", c.answered, ""));
	assert_named(take_request("INVITE"), HEADER_JOIN);
}

Test(dialog_reference, join_of_no_dialog_is_481)
{
	carol_asks("sip:bob@example.net", "Join: nobody;to-tag=1;from-tag=2\n");
	take_response(481);
	quiet();
}

Test(dialog_reference, join_and_replaces_exclude_each_other)
{
	struct call_scene c = call_answered();
	char both[1024];

	snprintf(both, sizeof(both), "%s", dialog_of_alice("Join", c.answered, ""));
	strcat(both, dialog_of_alice("Replaces", c.answered, ""));
	carol_asks("sip:bob@example.net", both);
	take_response(400);
	quiet();
}

/* Nobody has called the phone by a route, and so nobody's rights lead on from it. */
Test(dialog_reference, a_redirection_by_the_far_leg_is_not_followed)
{
	struct call_scene c = call_answered();

	carol_asks("sip:bob@example.net", dialog_of_alice("Replaces", c.answered, ""));
	respond(take_request_to("INVITE", BOB), 302, .tag = "r",
		.contact = "<sip:5551000@example.net>");
	take_request_to("ACK", BOB);
	take_response(480);
	quiet();
	cr_assert_eq(counted(COUNTER_REDIRECTIONS_REFUSED), 1);
}

/* A call is picked up from a phone that rings: carol has been told bob's dialog, and that its
 * target is our Contact; alice gets the INVITE, in the words of her dialog with us. */
Test(dialog_reference, a_call_that_rings_is_picked_up)
{
	char contact[256];

	alice_comes_by_stream();
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");
	respond(out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	snprintf(contact, sizeof(contact), "%.*s",
		STR(message_str(out->message, out->message->contact.whole)));
	snprintf(wanted, sizeof(wanted), "call-of-alice;to-tag=a;from-tag=%.*s;early-only",
		STR(message_str(ringing->message, ringing->message->to_tag)));

	carol_asks(contact, dialog_of_bob("Replaces", out, ";early-only"));
	struct sent *picked = take_request_to("INVITE", ALICE);
	assert_named(picked, HEADER_REPLACES);
	/* she answers carol, and gives bob up */
	respond(picked, 200, .tag = "a2");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request_to("ACK", ALICE);
	cancel(invite);
	take_response(200);
	take_response(487);
	take_request_to("CANCEL", BOB);
	quiet();
}
