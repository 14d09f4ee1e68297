/* sip-limits.c - limits of calls at once, a second and of their duration: who is refused how, what
 * other SIP workers have counts as well, and what a call held is given back however it ends. */
#include "sip-scene.h"
#include "worker-sip/call/limits.h"

#include <sys/mman.h>

static void set_up(void)
{
	worker_set_up_with_bob();
	worker->sip.limits = mmap(NULL, sizeof(struct limit_page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(worker->sip.limits, MAP_FAILED);
	worker->image.s.workers[PEER_SIP] = 2;
}

static void tear_down(void)
{
	struct limit_page *page = worker->sip.limits;

	worker_tear_down();
	munmap(page, sizeof(*page));
}

TestSuite(limits, .init = set_up, .fini = tear_down);

static struct zone_settings *open_zone(void)
{
	return &worker->image.zone[ZONE_OPEN];
}

/* What this worker's column has of calls. */
static uint64_t held(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LIMIT_ROWS; i++)
		n += worker->sip.limits->row[0][i].calls;
	return n;
}

/* A Call-ID that no other call has. */
static const char *another(void)
{
	static char text[32];
	static unsigned number;

	snprintf(text, sizeof(text), "call-%u@phone", number++);
	return text;
}

/* A new call that rings at bob's. */
static struct sent *rings(void)
{
	struct sent *out;

	ask(.method = "INVITE", .call_id = another());
	out = take_request("INVITE");
	respond(out, 180, .tag = "b");
	take_response(180);
	return out;
}

static void refused(unsigned status, const char *warning)
{
	ask(.method = "INVITE", .call_id = another());
	struct sent *s = take_response(status);
	cr_assert(raw_has(s, "Retry-After: 2\r\n"));
	cr_assert(raw_has(s, warning), "%s", warning);
	cr_assert_eq(take_all("INVITE"), 0);
}

Test(limits, of_a_zone_at_once)
{
	open_zone()->max_calls = 1;
	struct sent *out = rings();

	cr_assert_eq(held(), 1);
	refused(503, "limit of the zone");
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_ZONE_CALLS], 1);
	respond(out, 486, .tag = "b");
	take_response(486);
	cr_assert_eq(held(), 0, "a call that failed counts no more");
	rings();
}

Test(limits, of_who_is_called)
{
	worker->image.domain[0].max_calls_to_user = 1;
	struct sent *out = rings();
	ask(.method = "INVITE", .call_id = another(), .uri = "sip:%62ob@EXAMPLE.net");
	struct sent *answer = take_response(486);
	cr_assert(raw_has(answer, "limit of the called user"));
	cr_assert(raw_has(answer, "Retry-After: 2"));
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_CALLEE_CALLS], 1);
	ask(.method = "INVITE", .call_id = another(), .uri = "sip:5551000@example.net");
	take_request("INVITE");
	respond(out, 486, .tag = "b");
	take_response(486);
	rings();
}

/* Who takes over the call that somebody has with bob brings him no second one (RFC 3891). */
Test(limits, of_who_is_called_let_a_call_take_over)
{
	char more[256];

	worker->image.domain[0].max_calls_to_user = 1;
	struct call_scene c = call_answered();
	cr_assert_eq(held(), 1);
	snprintf(more, sizeof(more), "Replaces: call-of-alice;to-tag=%.*s;from-tag=a\n",
		STR(message_str(c.answered->message, c.answered->message->to_tag)));
	ask(.method = "INVITE", .from_tag = "c", .call_id = another(), .more = more);
	struct sent *out = take_request("INVITE");
	cr_assert_eq(held(), 2);
	respond(out, 486, .tag = "d");
	take_response(486);
	cr_assert_eq(held(), 1);
}

/* The shortest of zone, domain and trunk holds. */
Test(limits, of_a_duration)
{
	struct image *i = &worker->image;
	const struct sip *sip = &worker->sip;

	cr_assert_eq(limits_duration(sip, ZONE_OPEN, 0, 0), 0);
	i->trunk[0].max_duration = 60;
	cr_assert_eq(limits_duration(sip, ZONE_OPEN, 0, 0), 60);
	cr_assert_eq(limits_duration(sip, ZONE_OPEN, 0, NONE_INDEX), 0);
	i->domain[0].max_duration = 50;
	cr_assert_eq(limits_duration(sip, ZONE_OPEN, 0, 0), 50);
	cr_assert_eq(limits_duration(sip, ZONE_OPEN, NONE_INDEX, 0), 60);
	open_zone()->max_duration = 55;
	cr_assert_eq(limits_duration(sip, ZONE_OPEN, NONE_INDEX, 0), 55);
	cr_assert_eq(limits_duration(sip, ZONE_OPEN, 0, NONE_INDEX), 50);
}

Test(limits, of_a_source_at_once)
{
	open_zone()->max_calls_per_source = 1;
	rings();
	refused(503, "limit of the source");
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_SOURCE_CALLS], 1);
	alice = flow_of(OPEN_UDP, "198.51.100.2:5060", 0);
	rings();
}

Test(limits, of_a_zone_a_second)
{
	open_zone()->calls_per_second = 2;
	rings();
	rings();
	refused(503, "limit of the zone");
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_ZONE_RATE], 1);
	pass(1000);
	take_all("INVITE");
	rings();
}

Test(limits, of_other_workers)
{
	open_zone()->max_calls = 2;
	rings();
	memcpy(worker->sip.limits->row[1], worker->sip.limits->row[0],
		sizeof(worker->sip.limits->row[0]));
	refused(503, "limit of the zone");
	/* what a killed one held is gone with its column */
	memset(worker->sip.limits->row[1], 0, sizeof(worker->sip.limits->row[1]));
	rings();
}

/* The config has no more of it, and its slots have not all moved. */
Test(limits, of_a_worker_that_leaves)
{
	open_zone()->max_calls = 2;
	worker->sip.slots.worker[7] = 3;
	limits_slots_changed(&worker->sip);
	rings();
	memcpy(worker->sip.limits->row[3], worker->sip.limits->row[0],
		sizeof(worker->sip.limits->row[0]));
	refused(503, "limit of the zone");
	worker->sip.slots.worker[7] = 0;
	limits_slots_changed(&worker->sip);
	rings();
}

Test(limits, an_emergency_call_passes)
{
	open_zone()->max_calls = 1;
	fixture_emergency(&worker->image, "bob", "");
	rings();
	rings();
	cr_assert_eq(counters_page->counter[COUNTER_EMERGENCY_CALLS], 2);
}

Test(limits, a_call_lasts_no_longer)
{
	open_zone()->max_duration = 60;
	call_answered();
	pass(59999);
	quiet();
	pass(1);
	for (int i = 0; i < 2; i++) {
		struct sent *bye = take_request("BYE");

		cr_assert(raw_has(bye, "Reason: Q.850;cause=31"));
		respond(bye, 200, .tag = "x");
	}
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_DURATION], 1);
	cr_assert_eq(worker->sip.calls, 0);
}

Test(limits, a_call_that_ended_earlier_has_no_end)
{
	open_zone()->max_duration = 60;
	open_zone()->max_calls = 1;
	struct call_scene c = call_answered();

	cr_assert_eq(held(), 1);
	caller_asks(c.answered, "BYE", 2);
	respond(take_request("BYE"), 200, .tag = "b");
	take_response(200);
	cr_assert_eq(held(), 0);
	pass(100000);
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_DURATION], 0);
}

Test(limits, of_a_trunk)
{
	uint64_t key;

	worker->image.trunk[0].max_calls = 1;
	key = limits_trunk_key(&worker->sip, 0);
	cr_assert(limits_admit_trunk(&worker->sip, 0));
	limits_take(&worker->sip, key);
	ask(.method = "INVITE", .call_id = another(), .uri = "sip:+4930123456@example.net");
	cr_assert(raw_has(take_response(503), "limit of the trunk"));
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_TRUNK_CALLS], 1);
	limits_give(&worker->sip, key);
	ask(.method = "INVITE", .call_id = another(), .uri = "sip:+4930123456@example.net");
	take_request("INVITE");
	cr_assert_eq(held(), 1, "the target that is tried counts");
}

/* A call that found no room in the page is not counted, and gives back nothing that another one has
 * taken since. */
Test(limits, what_was_not_taken_is_not_given_back)
{
	struct limit_row *column = worker->sip.limits->row[0];

	open_zone()->max_calls = 10;
	for (unsigned i = 0; i < LIMIT_ROWS; i++)
		column[i] = (struct limit_row){.key = UINT64_MAX - i, .calls = 1};
	struct sent *uncounted = rings();
	cr_assert_geq(counters_page->counter[COUNTER_LIMITS_FULL], 1);
	memset(column, 0, sizeof(worker->sip.limits->row[0]));
	rings();
	cr_assert_eq(held(), 1);
	respond(uncounted, 486, .tag = "b");
	take_response(486);
	cr_assert_eq(held(), 1, "the other one goes on");
}

/* The page that the master gives: of its size, with a row of this worker's, which is empty then. */
Test(limits_page, is_taken_if_it_is_one)
{
	struct limit_page *page = NULL;
	int fd = memfd_create("limits", MFD_CLOEXEC);
	const uint64_t calls = 7;

	cr_assert_eq(limits_map(&page, -1, 0), -EBADF);
	cr_assert_eq(limits_map(&page, fd, 0), -EBADMSG);
	cr_assert_eq(ftruncate(fd, sizeof(*page) - 1), 0);
	cr_assert_eq(limits_map(&page, fd, 0), -EBADMSG);
	cr_assert_eq(ftruncate(fd, sizeof(*page)), 0);
	cr_assert_eq(limits_map(&page, fd, ROLE_WORKERS_MAX), -EBADMSG);
	cr_assert_null(page);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(pwrite(fd, &calls, sizeof(calls),
				     (off_t)offsetof(struct limit_page, row[i][0].calls)),
			sizeof(calls));
	cr_assert_eq(limits_map(&page, fd, 1), 0);
	cr_assert_eq(page->row[0][0].calls, 7, "of another worker");
	cr_assert_eq(page->row[1][0].calls, 0);
	munmap(page, sizeof(*page));
	close(fd);
}
