/* sip-subscription_limits.c - how long subscriptions may stand, and how many there may be. */
#include "sip-subscription.h"

#include "ipc/limit_page.h"
#include "worker-sip/subscription/subscription_limits.h"

#include <sys/mman.h>

static void set_up(void)
{
	worker_set_up_with_bob();
	alice_comes_by_stream();
}

TestSuite(subscription_limits, .init = set_up, .fini = worker_tear_down);

/* Both sides are told of the shorter time, and it is what holds. */
Test(subscription_limits, of_its_time)
{
	worker->image.s.subscription_expires = 300;
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);
	cr_assert(raw_has(out, "\r\nExpires: 300\r\n"));
	respond(out, 200, .tag = "b", .more = "Expires: 600\n");
	struct sent *answer = take_response_to(200, ALICE);
	cr_assert(raw_has(answer, "\r\nExpires: 300\r\n"));
	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE);
	notify_accepted();
	caller_asks(answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT "Expires: 86400\n");
	struct sent *refresh = take_request_to("SUBSCRIBE", BOB);
	cr_assert(raw_has(refresh, "\r\nExpires: 300\r\n"));
	respond(refresh, 200, .more = "Expires: 299\n");
	cr_assert(raw_has(take_response_to(200, ALICE), "\r\nExpires: 299\r\n"));
	pass(299000 + 64 * T1 - 1);
	cr_assert_eq(standing(), 1);
	pass(1);
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_EXPIRED), 1);
}

/* RFC 6665 section 4.2.1.1. What asks for the state once, or ends it, is not too brief. */
Test(subscription_limits, of_the_least_time)
{
	worker->image.s.subscription_expires_least = 60;
	subscribe_to_bob("59");
	cr_assert(raw_has(take_response_to(423, ALICE), "\r\nMin-Expires: 60\r\n"));
	quiet();
	struct subscribed s = subscribed_to_bob();
	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT "Expires: 1\n");
	cr_assert(raw_has(take_response_to(423, ALICE), "\r\nMin-Expires: 60\r\n"));
	cr_assert_eq(standing(), 1, "a refresh that is refused so ends nothing");
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_TOO_BRIEF), 2);
	caller_asks(s.answer, "SUBSCRIBE", 3, .more = DIALOG_EVENT "Expires: 0\n");
	respond(take_request_to("SUBSCRIBE", BOB), 200, .more = "Expires: 0\n");
	take_response_to(200, ALICE);
	quiet();
}

/* ---- how many ---- */

static void map_limits(void)
{
	worker->sip.limits = mmap(NULL, sizeof(struct limit_page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(worker->sip.limits, MAP_FAILED);
	worker->image.s.workers[PEER_SIP] = 2;
}

static void refused(unsigned status, const char *call_id)
{
	ask(.method = "SUBSCRIBE", .call_id = call_id, .more = DIALOG_EVENT "Expires: 600\n");
	cr_assert(raw_has(take_response_to(status, ALICE), "\r\nRetry-After: 30\r\n"));
	cr_assert_null(take("SUBSCRIBE", 0));
}

/* What another SIP worker has counts as well; one that is over does not. */
Test(subscription_limits, of_all_workers_together)
{
	map_limits();
	worker->image.s.subscriptions_in_all = 2;
	worker->sip.index = 1;
	subscribed_to_bob();
	worker->sip.index = 0;
	ask(.method = "SUBSCRIBE", .call_id = "2", .more = DIALOG_EVENT "Expires: 600\n");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);
	respond(out, 200, .tag = "b2", .more = "Expires: 600\n");
	take_response_to(200, ALICE);
	refused(503, "3");
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_LIMIT), 1);
	callee_asks(out, "b2", "NOTIFY", 1, .more = TERMINATED);
	notify_accepted();
	ask(.method = "SUBSCRIBE", .call_id = "4", .more = DIALOG_EVENT "Expires: 600\n");
	take_request_to("SUBSCRIBE", BOB);
}

/* Those of one user; what is on its way when the last place is taken is not made. */
Test(subscription_limits, of_a_user)
{
	struct message m = {.flow = alice};
	struct incoming in = {.sip = &worker->sip, .message = &m, .zone = ZONE_OPEN};
	struct subscription_limits limits;

	map_limits();
	worker->image.domain[0].subscriptions_per_user = 1;
	subscription_limits_of(&in, &limits);
	cr_assert_eq(subscription_limits_admit(&worker->sip, &limits), 0, "he has no user");
	in.sender = (struct identity){.authenticated = true, .domain = 0, .name_length = 5};
	memcpy(in.sender.name, "alice", 5);
	subscription_limits_of(&in, &limits);
	cr_assert_eq(subscription_limits_admit(&worker->sip, &limits), 0);
	subscription_limits_hold(&worker->sip, &limits);
	cr_assert_eq(subscription_limits_admit(&worker->sip, &limits), 480);
	cr_assert_eq(counted(COUNTER_LIMIT_USER_SUBSCRIPTIONS), 1);
	struct subscription_limits bobs;
	memcpy(in.sender.name, "carol", 5);
	subscription_limits_of(&in, &bobs);
	cr_assert_eq(subscription_limits_admit(&worker->sip, &bobs), 0);
	subscription_limits_release(&worker->sip, &limits);
	memcpy(in.sender.name, "alice", 5);
	subscription_limits_of(&in, &limits);
	cr_assert_eq(subscription_limits_admit(&worker->sip, &limits), 0);
}

Test(subscription_limits, of_all_hold_for_answers_on_their_way)
{
	map_limits();
	worker->image.s.subscriptions_in_all = 1;
	ask(.method = "SUBSCRIBE", .call_id = "1", .more = DIALOG_EVENT "Expires: 600\n");
	struct sent *first = take_request_to("SUBSCRIBE", BOB);
	ask(.method = "SUBSCRIBE", .call_id = "2", .more = DIALOG_EVENT "Expires: 600\n");
	struct sent *second = take_request_to("SUBSCRIBE", BOB);
	respond(first, 200, .tag = "1", .more = "Expires: 600\n");
	take_response_to(200, ALICE);
	respond(second, 200, .tag = "2", .more = "Expires: 600\n");
	take_response_to(500, ALICE);
	cr_assert_eq(standing(), 1);
}
