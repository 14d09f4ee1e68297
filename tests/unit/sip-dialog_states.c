/* sip-dialog_states.c - every request of either side in every state of a call's dialogs: the states
 * of RFC 5407 section 2, as RFC 3261 and those that extend it want them answered. */
#include "sip-scene.h"

TestSuite(dialog_states, .init = worker_set_up, .fini = worker_tear_down);

enum state {
	EARLY,
	MORATORIUM,       /* answered, and not acknowledged */
	ESTABLISHED,      /* acknowledged */
	MORTAL_BY_CALLER, /* the caller's BYE is on its way */
	MORTAL_BY_CALLEE,
	MORGUE, /* the BYE is answered */
	STATES
};
static const char *const state_name[STATES] = {
	"early", "moratorium", "established", "caller's bye", "callee's bye", "morgue"};

/* What becomes of a request where it is not answered here with a status. */
enum { PASSES = 1, WAITS = 2 };

static const struct {
	const char *method;
	uint16_t caller[STATES], callee[STATES];
} row[] = {
	/* RFC 3261 section 14.1: one offer at a time, by INVITE */
	{"INVITE", {491, PASSES, PASSES, 481, 481, 481}, {491, 491, PASSES, 481, 481, 481}},
	{"UPDATE", {PASSES, PASSES, PASSES, 481, 481, 481},
		{PASSES, PASSES, PASSES, 481, 481, 481}},
	{"INFO", {PASSES, PASSES, PASSES, 481, 481, 481}, {PASSES, PASSES, PASSES, 481, 481, 481}},
	{"MESSAGE", {PASSES, PASSES, PASSES, 481, 481, 481},
		{PASSES, PASSES, PASSES, 481, 481, 481}},
	{"OPTIONS", {PASSES, PASSES, PASSES, 481, 481, 481},
		{PASSES, PASSES, PASSES, 481, 481, 481}},
	{"REFER", {PASSES, PASSES, PASSES, 481, 481, 481}, {PASSES, PASSES, PASSES, 481, 481, 481}},
	{"NOTIFY", {PASSES, PASSES, PASSES, 481, 481, 481},
		{PASSES, PASSES, PASSES, 481, 481, 481}},
	{"SUBSCRIBE", {PASSES, PASSES, PASSES, 481, 481, 481},
		{PASSES, PASSES, PASSES, 481, 481, 481}},
	{"FOO", {PASSES, PASSES, PASSES, 481, 481, 481}, {PASSES, PASSES, PASSES, 481, 481, 481}},
	/* section 15: the callee ends no dialog before the ACK; BYEs that cross have their 200 each
         * (RFC 5407 section 3.2.1) */
	{"BYE", {200, PASSES, PASSES, 200, 200, 481}, {481, WAITS, PASSES, 200, 200, 481}},
};

static void bring(struct call_scene *c, enum state state)
{
	register_phone("bob", BOB, NULL); /* again, for time passes in these tests */
	*c = (struct call_scene){.invite = ask(.method = "INVITE", .body = "offer")};
	c->out = take_request("INVITE");
	respond(c->out, 180, .tag = "b");
	c->answered = take_response_to(180, ALICE);
	if (state == EARLY)
		return;
	respond(c->out, 200, .tag = "b", .body = "sdp");
	c->answered = take_response_to(200, ALICE);
	if (state == MORATORIUM)
		return;
	caller_asks(c->answered, "ACK", 1);
	take_request_to("ACK", BOB);
	if (state == ESTABLISHED)
		return;
	if (state == MORTAL_BY_CALLEE) {
		callee_asks(c->out, "b", "BYE", 600);
		take_request_to("BYE", ALICE);
		return;
	}
	caller_asks(c->answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	if (state == MORGUE)
		bye_answered(bye);
}

/* Ends what is left of it, whatever that is: what rings by timer C, what stands without a BYE. */
static void leave(void)
{
	pass(4 * 64 * T1 + TIMER_C);
	while (worker->sip.call_list)
		call_free(worker->sip.call_list);
	pass(4 * 64 * T1);
}

/* Forgets all messages. */
static void forget(void)
{
	while (sent_count)
		free(sent[--sent_count].message);
	while (said_count)
		free(said[--said_count].message);
}

static void asked(size_t i, enum state state, bool by_caller)
{
	const char *method = row[i].method, *other = by_caller ? BOB : ALICE;
	const unsigned wanted = (by_caller ? row[i].caller : row[i].callee)[state];
	struct call_scene c;
	struct sent *passed;

	bring(&c, state);
	if (by_caller)
		caller_asks(c.answered, method, 3);
	else
		callee_asks(c.out, "b", method, 700);
	/* an INVITE or a BYE that passes is preceded by the ACK that is still owed */
	if (state == MORATORIUM)
		take("ACK", 0);
	passed = take(method, 0);
	if (wanted == PASSES) {
		cr_expect(passed && sent_to(passed, other), "%s of the %s, %s: %s", method,
			by_caller ? "caller" : "callee", state_name[state], untaken());
	} else {
		cr_expect_null(passed, "%s of the %s, %s passes", method,
			by_caller ? "caller" : "callee", state_name[state]);
		if (wanted != WAITS)
			cr_expect_not_null(take(NULL, wanted), "%s of the %s, %s: no %u but %s",
				method, by_caller ? "caller" : "callee", state_name[state], wanted,
				untaken());
	}
	leave();
	forget();
}

Test(dialog_states, every_request_of_the_caller)
{
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		for (enum state s = EARLY; s < STATES; s++)
			asked(i, s, true);
}

Test(dialog_states, every_request_of_the_callee)
{
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		for (enum state s = EARLY; s < STATES; s++)
			asked(i, s, false);
}

/* Section 9.2: while the INVITE's transaction is there its CANCEL has a 200, and changes nothing
 * after the answer. */
Test(dialog_states, every_cancel)
{
	for (enum state s = EARLY; s < STATES; s++) {
		struct call_scene c;

		bring(&c, s);
		cancel(c.invite);
		cr_expect_not_null(take(NULL, 200), "%s: %s", state_name[s], untaken());
		cr_expect_eq(take(NULL, 487) != NULL, s == EARLY, "%s", state_name[s]);
		cr_expect_eq(take("CANCEL", 0) != NULL, s == EARLY, "%s", state_name[s]);
		leave();
		cancel(c.invite);
		cr_expect_not_null(take(NULL, 481), "after %s: %s", state_name[s], untaken());
		forget();
	}
}

/* An ACK is never answered. It passes, and repeated again: the callee may lack it, too. */
Test(dialog_states, every_ack)
{
	for (enum state s = EARLY; s < STATES; s++) {
		struct call_scene c;

		bring(&c, s);
		caller_asks(c.answered, "ACK", 1);
		if (s != EARLY && s != MORGUE)
			take_request_to("ACK", BOB);
		callee_asks(c.out, "b", "ACK", 1);
		quiet();
		leave();
		forget();
	}
}
