/* sip-scene.h - calls from alice to the phone of bob, over sip-worker.h: a call brought to where a
 * test of it begins, how it is hung up, and that nothing is left of it. Each of the two is a user
 * agent with a dialog of its own with us. */
#ifndef SIPWARD_TESTS_UNIT_SIP_SCENE_H
#define SIPWARD_TESTS_UNIT_SIP_SCENE_H

#include "sip-worker.h"

#define ALICE "198.51.100.1:5060"
#define BOB "198.51.100.11:5060"

/* A worker that bob has registered his phone with. */
static inline void worker_set_up_with_bob(void)
{
	worker_set_up();
	register_phone("bob", BOB, NULL);
}

/* ---- what was sent, and to whom ---- */

static inline struct sent *take_request_to(const char *method, const char *endpoint)
{
	struct sent *s = take_request(method);

	cr_assert(sent_to(s, endpoint), "%s to port %u", method, s->to.peer.port);
	return s;
}

static inline struct sent *take_response_to(unsigned status, const char *endpoint)
{
	struct sent *s = take_response(status);

	cr_assert(sent_to(s, endpoint), "%u to port %u", status, s->to.peer.port);
	return s;
}

static inline bool same_branch(const struct sent *a, const struct sent *b)
{
	return str_equal(message_str(a->message, a->message->via_branch),
		message_str(b->message, b->message->via_branch));
}

/* ---- how a call comes to be ---- */

struct call_scene {
	struct said *invite;
	struct sent *out;             /* as bob got it */
	struct sent *answered;        /* the 200 that alice got */
	struct sent *ack, *cancelled; /* the ACK and the CANCEL, as bob got them */
};

static inline struct call_scene call_answered(void)
{
	struct call_scene c = {0};

	register_phone("bob", BOB, NULL);
	c.invite = ask(.method = "INVITE");
	c.out = take_request("INVITE");
	respond(c.out, 180, .tag = "b");
	take_response(180);
	respond(c.out, 200, .tag = "b", .body = "answer");
	c.answered = take_response(200);
	caller_asks(c.answered, "ACK", 1);
	c.ack = take_request("ACK");
	quiet();
	return c;
}

/* A call that bob has answered and alice has not acknowledged. */
static inline struct call_scene call_unacknowledged_scene(const char *offer)
{
	struct call_scene c = {.invite = ask(.method = "INVITE", .body = offer)};

	c.out = take_request("INVITE");
	respond(c.out, 200, .tag = "b", .body = "sdp");
	c.answered = take_response_to(200, ALICE);
	quiet();
	return c;
}

/* A call that alice has cancelled while bob's phone rang. */
static inline struct call_scene call_cancelled(void)
{
	struct call_scene c = {.invite = ask(.method = "INVITE")};

	c.out = take_request("INVITE");
	respond(c.out, 180, .tag = "b");
	take_response(180);
	cancel(c.invite);
	take_response(200);
	acknowledge_failure(c.invite, take_response_to(487, ALICE));
	c.cancelled = take_request_to("CANCEL", BOB);
	return c;
}

/* bob's answer comes once more: the same ACK goes out, and nothing else. */
static inline void answer_again(struct call_scene *c, const struct sent *ack)
{
	respond(c->out, 200, .tag = "b", .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	quiet();
}

/* ---- how it ends ---- */

/* bob answers the BYE, and alice, who sent it, gets his answer. */
static inline void bye_answered(const struct sent *bye)
{
	respond(bye, 200);
	take_response_to(200, ALICE);
}

/* alice's BYE passes to bob, and his answer back. */
static inline void hang_up(const struct call_scene *c, unsigned cseq)
{
	caller_asks(c->answered, "BYE", cseq);
	bye_answered(take_request_to("BYE", BOB));
}

/* Nothing else was sent, and nothing is left of any call. */
static inline void assert_over(void)
{
	quiet();
	cr_assert_null(worker->sip.call_list);
	cr_assert_eq(worker->sip.calls, 0);
	cr_assert_eq(dialogs_count(worker->sip.dialogs), 0);
}

/* So it stays, and no transaction or dialog is kept for it. */
static inline void assert_gone(void)
{
	assert_over();
	pass(4 * 64 * T1);
	quiet();
	cr_assert_eq(dialogs_retired(worker->sip.dialogs), 0);
	cr_assert_eq(counters_page->counter[COUNTER_TRANSACTIONS], 0);
}

#endif
