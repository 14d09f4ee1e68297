/* sip-minutes.c - minutes a day of lists of numbers: who is refused when they are used up, what
 * calls that stand do, what other SIP workers have counted, and what outlives a worker. */
#include "sip-worker.h"

#include "common/clock.h"
#include "ipc/limit_page.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/call/minutes.h"
#include "worker-sip/routing/number_list.h"

#include <sys/mman.h>

#define ABROAD "sip:0033144@example.net"
#define HERE "sip:5551000@example.net"
#define DAY_MS UINT64_C(86400000)

static int page_fd;
static struct number_list_settings *list;
static char told[4096];

static void map_page(void)
{
	if (worker->sip.limits)
		munmap(worker->sip.limits, sizeof(struct limit_page));
	cr_assert_eq(limits_map(&worker->sip.limits, page_fd, worker->sip.index), 0);
}

static void set_up(void)
{
	struct image *i;

	worker_set_up();
	page_fd = memfd_create("limits", 0);
	cr_assert_eq(ftruncate(page_fd, sizeof(struct limit_page)), 0);
	map_page();
	i = &worker->image;
	i->s.workers[PEER_SIP] = 2;
	i->list_number[0] = fixture_text(i, "^00");
	list = &i->number_list[0];
	*list = (struct number_list_settings){.name = fixture_text(i, "abroad"),
		.from = 1u << ZONE_OPEN,
		.permit = {offsetof(struct image, list_number), 1},
		.minutes_per_day_per_user = 1};
	i->s.number_lists = (struct array){offsetof(struct image, number_list), 1};
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
	cr_assert_eq(number_lists_new(&worker->sip.number_lists, &i->s), 0);
}

static void tear_down(void)
{
	struct limit_page *page = worker->sip.limits;

	number_lists_free(worker->sip.number_lists);
	worker->sip.number_lists = NULL;
	worker_tear_down();
	munmap(page, sizeof(*page));
	close(page_fd);
}

TestSuite(minutes, .init = set_up, .fini = tear_down);

/* A call that is answered; returns the answer as the caller got it. */
static struct sent *call(const char *uri, const char *call_id, struct sent **invite)
{
	ask(.method = "INVITE", .uri = uri, .call_id = call_id);
	*invite = take_request("INVITE");
	respond(*invite, 200, .tag = "b");
	struct sent *answer = take_response(200);
	caller_asks(answer, "ACK", 1);
	take_request("ACK");
	return answer;
}

static void hang_up(const struct sent *answer)
{
	caller_asks(answer, "BYE", 2);
	respond(take_request("BYE"), 200);
	take_response(200);
}

static void refused(const char *call_id)
{
	uint64_t before = counters_page->counter[COUNTER_LIMIT_NUMBERS_DAY];

	ask(.method = "INVITE", .uri = ABROAD, .call_id = call_id);
	cr_assert(raw_has(take_response(403), "limit of minutes a day"));
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_NUMBERS_DAY], before + 1);
	cr_assert_null(take("INVITE", 0));
}

static void tell(void *arg, struct str json)
{
	(void)arg;
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%.*s\n", STR(json));
}

static void tells(const char *arguments, const char *wanted)
{
	*told = '\0';
	minutes_list(&worker->sip, arguments, tell, NULL);
	cr_assert_str_eq(told, wanted);
}

static void resets(const char *arguments, const char *wanted)
{
	*told = '\0';
	minutes_reset(&worker->sip, arguments, tell, NULL);
	cr_assert_str_eq(told, wanted);
}

/* The call that stands goes on, though it has used up what there is. */
Test(minutes, of_a_user_refuse_his_next_call)
{
	struct sent *invite, *answer = call(ABROAD, "1", &invite);

	pass(55000);
	call(ABROAD, "2", &invite);
	pass(20000);
	refused("3");
	quiet();
	hang_up(call(HERE, "4", &invite));
	hang_up(answer);
	refused("5");
	alice = flow_of(OPEN_UDP, "198.51.100.2:5060", 0);
	hang_up(call(ABROAD, "6", &invite));
}

/* Each begun second counts, and none while it rings. */
Test(minutes, are_those_of_standing_calls)
{
	struct sent *invite;

	ask(.method = "INVITE", .uri = ABROAD, .call_id = "rings");
	invite = take_request("INVITE");
	respond(invite, 180, .tag = "b");
	take_response(180);
	pass(100000);
	respond(invite, 486, .tag = "b");
	take_response(486);
	for (unsigned i = 0; i < 60; i++) {
		char call_id[8];

		snprintf(call_id, sizeof(call_id), "%u", i);
		struct sent *answer = call(ABROAD, call_id, &invite);
		pass(500);
		hang_up(answer);
	}
	refused("last");
}

Test(minutes, are_those_of_a_day)
{
	struct sent *invite, *answer;

	pass(DAY_MS - 65000 - clock_realtime_ms() % DAY_MS);
	answer = call(ABROAD, "1", &invite);
	pass(61000);
	refused("2");
	pass(5000);
	hang_up(answer);
	hang_up(call(ABROAD, "3", &invite));
	tells("", "{\"list\":\"abroad\",\"user\":\"198.51.100.1\",\"minutes\":0,\"of\":1}\n");
}

Test(minutes, of_all_callers_together)
{
	struct sent *invite;

	list->minutes_per_day_per_user = 0;
	list->minutes_per_day = 2;
	call(ABROAD, "1", &invite);
	alice = flow_of(OPEN_UDP, "198.51.100.2:5060", 0);
	call(ABROAD, "2", &invite);
	pass(59000);
	hang_up(call(ABROAD, "3", &invite));
	pass(1000);
	refused("4");
	fixture_emergency(&worker->image, "0033144", "");
	call(ABROAD, "5", &invite);
	tells("", "{\"list\":\"abroad\",\"user\":\"\",\"minutes\":2,\"of\":2}\n");
}

static void ended_by_us(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sent *bye = take_request("BYE");

		cr_assert(raw_has(bye, "Minutes of the day used up"));
		respond(bye, 200);
	}
	quiet();
}

Test(minutes, end_calls_where_the_list_says_so)
{
	struct sent *invite;

	list->minutes_end_calls = 1;
	list->minutes_per_day = 100;
	call(ABROAD, "1", &invite);
	pass(44500);
	call(ABROAD, "2", &invite);
	pass(9999);
	quiet();
	pass(1); /* its tick sees both */
	ended_by_us();
	pass(5500);
	ended_by_us();
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_DAY_ENDED], 2);
	refused("3");
	quiet();
}

/* What is counted outlives the worker, to the last tick; what stands at once does not. */
Test(minutes, outlive_a_worker)
{
	struct sent *invite;

	worker->image.zone[ZONE_OPEN].max_calls = 5;
	call(ABROAD, "1", &invite);
	pass(60000);
	map_page();
	refused("2");
	for (unsigned i = 0; i < LIMIT_ROWS; i++)
		cr_assert_eq(worker->sip.limits->row[0][i].key, 0);
}

/* Of other workers, too: of one that has died, and of one that there is no more. */
Test(minutes, are_those_of_all_workers)
{
	struct sent *invite, *answer;

	worker->sip.index = 5;
	answer = call(ABROAD, "1", &invite);
	pass(31000);
	hang_up(answer);
	worker->sip.index = 0;
	answer = call(ABROAD, "2", &invite);
	pass(28000);
	hang_up(answer);
	tells("", "{\"list\":\"abroad\",\"user\":\"198.51.100.1\",\"minutes\":0,\"of\":1}\n");
	answer = call(ABROAD, "3", &invite);
	pass(1000);
	hang_up(answer);
	refused("4");
	tells("user=198.51.100.1\n",
		"{\"list\":\"abroad\",\"user\":\"198.51.100.1\",\"minutes\":1,\"of\":1}\n");
	tells("user=198.51.100.2\n", "");
	resets("user=alice@example.net\n", "{\"reset\":0}\n");
	resets("", "");
	refused("5");
	resets("user=198.51.100.1\n", "{\"reset\":2}\n");
	tells("", "");
	answer = call(ABROAD, "6", &invite);
	pass(1);
	hang_up(answer);
	resets("user=all\n", "{\"reset\":1}\n");
}
