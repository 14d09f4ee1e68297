/* sip-number_list.c - who may call which numbers: lists by zone and group, what they permit before
 * what they block, and the first list that has a number. */
#include "sip-worker.h"

#include "ipc/limit_page.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/routing/number_list.h"

#include <sys/mman.h>

static struct identity caller;
static unsigned numbers, groups;

static void set_up(void)
{
	worker_set_up();
	caller = (struct identity){.authenticated = true, .domain = 0, .name_length = 5};
	memcpy(caller.name, "alice", 5);
}

static void tear_down(void)
{
	number_lists_free(worker->sip.number_lists);
	worker->sip.number_lists = NULL;
	worker_tear_down();
}

TestSuite(number_list, .init = set_up, .fini = tear_down);

static struct array patterns(const char *text)
{
	struct image *i = &worker->image;

	if (!text)
		return (struct array){0};
	i->list_number[numbers] = fixture_text(i, text);
	return (struct array){offsetof(struct image, list_number) +
				      numbers++ * (unsigned)sizeof(i->list_number[0]),
		1};
}

/* One more list; group, permit and block may be NULL. */
static void list(
	const char *name, unsigned zone, const char *group, const char *permit, const char *block)
{
	struct image *i = &worker->image;
	struct array *lists = &i->s.number_lists;
	struct number_list_settings *l = &i->number_list[lists->count];

	*l = (struct number_list_settings){.name = fixture_text(i, name),
		.from = 1u << zone,
		.permit = patterns(permit),
		.block = patterns(block)};
	if (group) {
		i->group[groups] = (struct group_settings){
			.name = fixture_text(i, group), .id = group_id(str_of(group))};
		l->groups = (struct array){
			offsetof(struct image, group) + groups++ * (unsigned)sizeof(i->group[0]),
			1};
	}
	*lists = (struct array){offsetof(struct image, number_list), lists->count + 1};
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
	number_lists_free(worker->sip.number_lists);
	cr_assert_eq(number_lists_new(&worker->sip.number_lists, &i->s), 0);
}

static void user_is_in(const char *name, const char *group)
{
	struct user_row *row = (struct user_row *)users_find(&worker->users.head, 0, str_of(name));

	row->group[0] = group_id(S("another"));
	row->group[1] = group_id(str_of(group));
}

static struct number_verdict verdict(const char *number)
{
	return number_lists_decide(&worker->sip, ZONE_OPEN, &caller, str_of(number));
}

Test(number_list, without_one_everything_may_be_called)
{
	cr_assert_eq(number_lists_new(&worker->sip.number_lists, &worker->image.s), 0);
	cr_assert_null(worker->sip.number_lists);
	cr_assert_not(verdict("0049301").blocked);
	cr_assert_eq(verdict("0049301").list, NONE_INDEX);
}

Test(number_list, what_it_permits_comes_before_what_it_blocks)
{
	list("abroad", ZONE_OPEN, NULL, "^0049", "^00");
	cr_assert(verdict("0033144").blocked);
	cr_assert_eq(verdict("0033144").list, 0);
	cr_assert_not(verdict("0049301").blocked);
	cr_assert_eq(verdict("0049301").list, 0, "the list has decided");
	cr_assert_eq(verdict("0301").list, NONE_INDEX);
}

Test(number_list, is_for_its_zone_alone)
{
	list("abroad", ZONE_ACCESS, NULL, NULL, "^00");
	cr_assert_not(verdict("0033144").blocked);
	cr_assert(number_lists_decide(&worker->sip, ZONE_ACCESS, &caller, S("0033144")).blocked);
}

Test(number_list, is_for_its_group_alone)
{
	list("guests", ZONE_OPEN, "guests", NULL, "^00");
	cr_assert_not(verdict("0033144").blocked);
	user_is_in("alice", "guests");
	struct number_verdict v = verdict("0033144");
	cr_assert(v.blocked);
	cr_assert_eq(v.group, 0);
	cr_assert_eq(verdict("0301").group, NONE_INDEX);
	caller.authenticated = false;
	cr_assert_not(verdict("0033144").blocked, "who has not shown himself is in no group");
}

Test(number_list, the_first_one_decides)
{
	list("managers", ZONE_OPEN, "managers", "^00", NULL);
	list("all", ZONE_OPEN, NULL, NULL, "^00");
	cr_assert(verdict("0033144").blocked);
	cr_assert_eq(verdict("0033144").list, 1);
	cr_assert_eq(verdict("0033144").group, NONE_INDEX);
	user_is_in("alice", "managers");
	cr_assert_not(verdict("0033144").blocked);
	cr_assert_eq(verdict("0033144").list, 0);
}

/* A number that is made to cost much evades no list. */
Test(number_list, a_match_that_is_given_up_permits_nothing)
{
	char long_number[401];

	memset(long_number, '1', sizeof(long_number) - 1);
	long_number[399] = 'x';
	long_number[400] = '\0';
	list("slow", ZONE_OPEN, NULL, "^(1+)+$", "^(1+)+$");
	struct number_verdict v = verdict(long_number);
	cr_assert(v.blocked);
	cr_assert_eq(counters_page->counter[COUNTER_ROUTE_PATTERN_LIMIT], 2);
}

Test(number_list, the_answer_and_the_counter_say_it)
{
	list("abroad", ZONE_OPEN, NULL, NULL, "^\\+?33");
	for (unsigned i = 0; i < 2; i++) {
		ask(.method = i ? "MESSAGE" : "INVITE", .uri = "sip:+33-144@example.net",
			.call_id = i ? "1" : "2");
		struct sent *answer = take_response(403);
		cr_assert(raw_has(answer, "Warning: 399 gateway \"number is blocked\""));
	}
	cr_assert_eq(counters_page->counter[COUNTER_NUMBERS_BLOCKED], 2);
	ask(.method = "INVITE", .uri = "sip:+49-301@example.net", .call_id = "3");
	take_request("INVITE");
}

/* It is the list that refuses what is for a server, not the package that nobody here knows. */
Test(number_list, the_answer_says_it_of_a_package_too)
{
	list("abroad", ZONE_OPEN, NULL, NULL, "^\\+?33");
	ask(.method = "PUBLISH", .uri = "sip:+33-144@example.net", .more = "Event: presence\n");
	cr_assert(raw_has(take_response(403), "Warning: 399 gateway \"number is blocked\""));
	cr_assert_eq(counters_page->counter[COUNTER_EVENTS_REFUSED], 0);
}

Test(number_list, an_emergency_call_is_never_blocked)
{
	list("none", ZONE_OPEN, NULL, NULL, ".");
	fixture_emergency(&worker->image, "112", "");
	ask(.method = "INVITE", .uri = "sip:112@example.net");
	take_request("INVITE");
	cr_assert_eq(counters_page->counter[COUNTER_NUMBERS_BLOCKED], 0);
}

/* A stolen password costs so many calls an hour, and no more. */
Test(number_list, calls_an_hour)
{
	struct limit_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	cr_assert_neq(page, MAP_FAILED);
	worker->sip.limits = page;
	list("abroad", ZONE_OPEN, NULL, "^00", NULL);
	worker->image.number_list[0].calls_per_hour = 2;
	pass(3600000 - virtual_clock_ms() % 3600000);
	for (unsigned i = 0; i < 3; i++) {
		char call_id[16];

		snprintf(call_id, sizeof(call_id), "call-%u", i);
		ask(.method = "INVITE", .uri = "sip:0033144@example.net", .call_id = call_id);
		if (i < 2) {
			respond(take_request("INVITE"), 486, .tag = "b");
			take_response(486);
		}
	}
	cr_assert(raw_has(take_response(403), "limit of calls an hour"));
	cr_assert_eq(counters_page->counter[COUNTER_LIMIT_NUMBERS_HOUR], 1);
	ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = "4");
	take_request("INVITE");
	alice = flow_of(OPEN_UDP, "198.51.100.2:5060", 0);
	ask(.method = "INVITE", .uri = "sip:0033144@example.net", .call_id = "5");
	take_request("INVITE");
	pass(3600000);
	for (struct sent *s; (s = take("INVITE", 0));)
		;
	alice = flow_of(OPEN_UDP, "198.51.100.1:5060", 0);
	ask(.method = "INVITE", .uri = "sip:0033144@example.net", .call_id = "6");
	take_request("INVITE");
	worker->sip.limits = NULL;
	munmap(page, sizeof(*page));
}

/* A reload may give another place to the domain of who calls. */
Test(number_list, calls_an_hour_are_of_a_domain_by_its_name)
{
	struct limit_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct domain_settings *domain = worker->image.domain, first = domain[0];
	struct message m = {.flow = alice};
	struct incoming in = {.sip = &worker->sip,
		.message = &m,
		.zone = ZONE_OPEN,
		.sender = caller,
		.number_list = 0};
	uint64_t before[LIMIT_KEYS], after[LIMIT_KEYS];

	cr_assert_neq(page, MAP_FAILED);
	worker->sip.limits = page;
	list("abroad", ZONE_OPEN, NULL, "^00", NULL);
	worker->image.number_list[0].calls_per_hour = 2;
	cr_assert(limits_admit(&in, before));
	domain[0] = domain[1];
	domain[1] = first;
	in.sender.domain = 1;
	cr_assert(limits_admit(&in, after));
	cr_assert_eq(after[LIMIT_HOURLY], before[LIMIT_HOURLY]);
	in.sender.domain = 0;
	cr_assert(limits_admit(&in, after));
	cr_assert_neq(after[LIMIT_HOURLY], before[LIMIT_HOURLY], "another one's alice");
	worker->sip.limits = NULL;
}
