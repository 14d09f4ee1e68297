/* What is decided of a request: at the level debug a line for its route and for each target, and at
 * every level a counter for the reason why it went nowhere. */
#include "sip-worker.h"

static char lines[16][LOG_LINE_MAX + 1];
static unsigned line_count;

static void note_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	if (level != LOG_DEBUG || (!strstr(line, " request-routed ") && !strstr(line, " target-")))
		return;
	cr_assert_lt(line_count, 16);
	memcpy(lines[line_count], line, length);
	lines[line_count++][length] = 0;
}

static void set_up(void)
{
	worker_set_up();
	log_init("sip", 0, LOG_DEBUG, note_line, NULL);
}

TestSuite(decision_log, .init = set_up, .fini = worker_tear_down);

#define COUNTED(id) (counters_page->counter[COUNTER_##id])

/* The next line says that. */
static void line_says(const char *part)
{
	static unsigned next;

	cr_assert_lt(next, line_count);
	cr_assert(strstr(lines[next], part), "\"%s\" is not in: %s", part, lines[next]);
	next++;
}

Test(decision_log, a_call_over_a_trunk_with_its_targets)
{
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	respond(take_request("INVITE"), 503, .tag = "one");
	line_says(" request-routed call-id=call-of-alice method=INVITE "
		  "uri=sip:+4930123@example.org zone=open route=out status=0 targets=3 to-self=no");
	line_says(" target-tried call-id=call-of-alice to=10.0.0.11:5060 transport=UDP zone=core "
		  "trunk=carrier sent=yes out=");
	line_says(
		" target-failed call-id=call-of-alice trunk=carrier status=503 response=yes out=");
	line_says(" target-tried call-id=call-of-alice to=10.0.0.12:5060 ");
	pass(ANSWER);
	line_says(" target-failed call-id=call-of-alice trunk=carrier status=408 response=no out=");
	line_says(" target-tried call-id=call-of-alice to=10.0.0.13:5060 ");
	cr_assert_eq(line_count, 6);
}

Test(decision_log, nothing_of_it_at_the_level_info)
{
	log_set_level(LOG_INFO);
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	respond(take_request("INVITE"), 503, .tag = "one");
	cr_assert_eq(line_count, 0);
}

Test(decision_log, each_reason_to_go_nowhere_has_its_counter)
{
	ask(.method = "MESSAGE", .uri = "sip:carol@example.org", .call_id = "1");
	take_response(403);
	cr_assert_eq(COUNTED(ROUTE_NONE), 1);
	line_says(" route=\"\" status=403 targets=0 ");
	ask(.method = "MESSAGE", .uri = "sip:no@example.org", .call_id = "2");
	take_response(410);
	cr_assert_eq(COUNTED(ROUTE_REFUSED), 1);
	line_says(" route=no status=410 ");
	ask(.method = "MESSAGE", .uri = "sip:bob@example.net", .call_id = "3");
	take_response(480);
	cr_assert_eq(COUNTED(ROUTE_USER_AWAY), 1);
	line_says(" route=users status=480 ");
	/* a trunk that leads back to us is none */
	for (unsigned i = 0; i < CARRIER_TARGETS; i++)
		worker->image.target[i].endpoint = fixture_endpoint("10.0.0.1:5062");
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	ask(.method = "MESSAGE", .uri = "sip:+4930123@example.org", .call_id = "4");
	take_response(482);
	cr_assert_eq(COUNTED(ROUTE_NO_TARGET), 1);
	line_says(" route=out status=482 ");
	cr_assert_eq(COUNTED(ROUTE_NONE), 1);
}
