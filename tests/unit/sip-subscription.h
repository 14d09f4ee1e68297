/* sip-subscription.h - over sip-scene.h: a subscription of alice to bob's phone, and that nothing
 * is left of it. */
#ifndef SIPWARD_TESTS_UNIT_SIP_SUBSCRIPTION_H
#define SIPWARD_TESTS_UNIT_SIP_SUBSCRIPTION_H

#include "sip-scene.h"

#define DIALOG_EVENT "Event: dialog;call-id=x\n"
#define ACTIVE DIALOG_EVENT "Subscription-State: active;expires=600\n"
#define TERMINATED DIALOG_EVENT "Subscription-State: terminated;reason=timeout\n"
#define XML "<dialog-info/>"

static inline uint64_t standing(void)
{
	return counted(COUNTER_SUBSCRIPTIONS_ACTIVE);
}

/* A subscription of alice to bob's phone. */
struct subscribed {
	struct said *subscribe;
	struct sent *out;    /* as bob's phone got it */
	struct sent *answer; /* as alice got it */
	struct sent *notify; /* the first one, as alice got it */
};

static inline struct said *subscribe_to_bob(const char *expires)
{
	char more[128];

	snprintf(more, sizeof(more), DIALOG_EVENT "Expires: %s\n", expires);
	return ask(.method = "SUBSCRIBE", .more = more);
}

/* bob's phone accepts alice's SUBSCRIBE, which is returned as it got it. */
static inline struct sent *accepted_by_bob(const char *expires)
{
	struct sent *out;
	char more[32];

	subscribe_to_bob(expires);
	out = take_request_to("SUBSCRIBE", BOB);
	snprintf(more, sizeof(more), "Expires: %s\n", expires);
	respond(out, 200, .tag = "b", .more = more);
	take_response_to(200, ALICE);
	return out;
}

/* alice accepts bob's NOTIFY, which is returned as she got it. */
static inline struct sent *notify_accepted(void)
{
	struct sent *notify = take_request_to("NOTIFY", ALICE);

	respond(notify, 200);
	take_response_to(200, BOB);
	return notify;
}

static inline struct subscribed subscribed_to_bob(void)
{
	struct subscribed s = {.subscribe = subscribe_to_bob("600")};

	s.out = take_request_to("SUBSCRIBE", BOB);
	respond(s.out, 202, .tag = "b", .more = "Expires: 600\n");
	s.answer = take_response_to(202, ALICE);
	callee_asks(s.out, "b", "NOTIFY", 1, .more = ACTIVE, .body = XML);
	s.notify = notify_accepted();
	quiet();
	cr_assert_eq(standing(), 1);
	return s;
}

/* Nothing stands, and nothing is left of it. */
static inline void assert_ended(void)
{
	quiet();
	cr_assert_eq(standing(), 0);
	pass(2 * 64 * T1 + 1000);
	quiet();
	cr_assert_null(worker->sip.subscription_over_list);
	cr_assert_eq(dialogs_count(worker->sip.dialogs), 0);
	cr_assert_eq(counters_page->counter[COUNTER_TRANSACTIONS], 0);
}

/* bob's NOTIFY is answered 481: there is no such subscription. */
static inline void assert_unknown_to_bob(const struct sent *out, const char *tag, unsigned cseq)
{
	callee_asks(out, tag, "NOTIFY", cseq, .more = ACTIVE);
	take_response_to(481, BOB);
	quiet();
}

#endif
