/* The record of a call: what its line in the log says of each kind of end, and which calls have
 * one. */
#include "sip-scene.h"

#include "worker-sip/call/call_record.h"
#include "worker-sip/call/call_trace.h"
#include "worker-sip/cdr.h"

#include <sys/socket.h>

static char lines[64][LOG_LINE_MAX + 1];
static unsigned line_count;

/* Keeps the lines about calls that have ended. */
static void note_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	(void)level;
	if (!memmem(line, length, " call-ended ", strlen(" call-ended ")))
		return;
	cr_assert_lt(line_count, 64);
	memcpy(lines[line_count], line, length);
	lines[line_count++][length] = 0;
}

static void set_up(void)
{
	worker_set_up_with_bob();
	log_init("sip", 0, LOG_INFO, note_line, NULL);
}

TestSuite(call_record, .init = set_up, .fini = worker_tear_down);

#define COUNTED(id) (counters_page->counter[COUNTER_##id])

/* One call has ended, and its line says that. */
static void line_says(const char *part)
{
	cr_assert_eq(line_count, 1, "%u lines", line_count);
	cr_assert(strstr(lines[0], part), "\"%s\" is not in: %s", part, lines[0]);
}

/* Each call has ended in one way, and all memory is back. */
static void assert_counted(unsigned answered, unsigned failed, unsigned refused)
{
	cr_assert_eq(COUNTED(CALLS_ENDED), answered);
	cr_assert_eq(COUNTED(CALLS_FAILED), failed);
	cr_assert_eq(COUNTED(CALLS_REFUSED), refused);
	cr_assert_eq(COUNTED(CALLS), answered + failed);
	cr_assert_null(worker->sip.call_records);
}

/* ---- answered calls ---- */

Test(call_record, a_call_that_the_caller_ends)
{
	ask(.method = "INVITE", .more = "User-Agent: Phone 1\n");
	struct sent *out = take_request("INVITE");
	pass(300);
	respond(out, 180, .tag = "b");
	take_response(180);
	pass(1700);
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	pass(60000);
	cr_assert_eq(line_count, 0);
	caller_asks(answered, "BYE", 2, .more = "Reason: Q.850;cause=16;text=\"Done\"\n");
	/* it ends when the BYE comes, however late its answer is */
	pass(400);
	respond(take_request("BYE"), 200);
	take_response(200);
	line_says(" call-ended call-id=call-of-alice status=200 received=200 by=caller why=bye "
		  "ring-ms=300 answer-ms=2000 duration-ms=60000 total-ms=62000 zone=open "
		  "callee-zone=open route=users route-line=7 trunk=\"\" targets=1 "
		  "from=sip:alice@example.net to=sip:bob@example.net callee-call-id=");
	line_says(" reason=\"Q.850;cause=16;text=\\\"Done\\\"\"");
	struct str call_id = message_str(out->message, out->message->call_id);
	char id[128];
	snprintf(id, sizeof(id), " callee-call-id=%.*s ", STR(call_id));
	line_says(id);
	assert_counted(1, 0, 0);
}

Test(call_record, a_call_that_the_callee_ends)
{
	struct call_scene c = call_answered();

	callee_asks(c.out, "b", "BYE", 1);
	respond(take_request("BYE"), 200);
	take_response(200);
	line_says(" status=200 received=200 by=callee why=bye ");
	line_says(" reason=\"\"");
	assert_counted(1, 0, 0);
}

Test(call_record, a_bye_that_is_challenged_ends_nothing)
{
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	caller_asks(answered, "BYE", 2);
	respond(take_request("BYE"), 401);
	take_response(401);
	cr_assert_eq(line_count, 0);
	pass(1000);
	callee_asks(out, "b", "BYE", 1);
	respond(take_request("BYE"), 200);
	take_response(200);
	line_says(" by=callee why=bye ");
	line_says(" duration-ms=1000 ");
	assert_counted(1, 0, 0);
}

Test(call_record, a_call_whose_leg_does_not_know_it_any_more)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 2);
	respond(take_request("INFO"), 481);
	take_response(481);
	line_says(" by=gateway why=ended ");
	line_says(" reason=\"SIP;cause=481;text=\\\"Leg gone\\\"\"");
	assert_counted(1, 0, 0);
}

Test(call_record, a_call_that_is_never_acknowledged)
{
	call_unacknowledged_scene("offer");
	pass(64 * T1);
	line_says(" status=200 received=200 by=gateway why=ended ");
	line_says("ACK missing");
	assert_counted(1, 0, 0);
}

Test(call_record, a_call_that_the_worker_has_when_it_stops)
{
	call_answered();
	ask(.method = "INVITE", .call_id = "second");
	call_records_stop(&worker->sip);
	cr_assert_eq(line_count, 2);
	cr_assert(strstr(lines[0], " call-id=second status=0 received=0 by=gateway why=stopped "));
	cr_assert(strstr(lines[1], " status=200 received=200 by=gateway why=stopped "));
}

/* ---- calls without an answer ---- */

Test(call_record, a_call_that_the_caller_cancels)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	pass(100);
	respond(out, 180, .tag = "b");
	take_response(180);
	pass(5000);
	cancel(invite);
	take_response(200);
	take_response(487);
	line_says(" status=487 received=0 by=caller why=cancelled ring-ms=100 total-ms=5100 ");
	cr_assert_eq(COUNTED(CALLS_CANCELLED), 1);
	assert_counted(0, 1, 0);
}

Test(call_record, a_call_whose_caller_hangs_up_before_the_answer)
{
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 180, .tag = "b");
	struct sent *ringing = take_response(180);
	caller_asks(ringing, "BYE", 2);
	take_response(487);
	line_says(" status=487 received=0 by=caller why=cancelled ");
	assert_counted(0, 1, 0);
}

Test(call_record, a_call_whose_caller_has_gone)
{
	struct flow tcp = flow_of(OPEN_TCP, "198.51.100.1:5060", FLOW_ID(0, 1, 5));

	ask(.by = &tcp, .method = "INVITE");
	take_request("INVITE");
	call_flow_closed(&worker->sip, tcp.id);
	line_says(" by=caller why=gone ");
	assert_counted(0, 1, 0);
}

Test(call_record, a_call_that_the_callee_refuses)
{
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 486, .tag = "b", .more = "Reason: SIP;cause=486\n");
	take_response(486);
	line_says(" status=486 received=486 by=callee why=refused ");
	cr_assert_eq(COUNTED(CALLS_REJECTED), 1);
	line_says(" reason=\"SIP;cause=486\"");
	assert_counted(0, 1, 0);
}

Test(call_record, a_status_that_does_not_pass_is_told_as_it_came)
{
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 407, .tag = "b");
	take_response(403);
	line_says(" status=403 received=407 by=callee why=refused ");
}

Test(call_record, a_call_that_nobody_answers_in_time)
{
	ask(.method = "INVITE");
	pass(64 * T1);
	take_response(480);
	line_says(" status=480 received=0 by=gateway why=timeout total-ms=32000 ");
	cr_assert_eq(COUNTED(CALLS_TIMEOUT), 1);
	assert_counted(0, 1, 0);
}

Test(call_record, a_call_that_cannot_be_sent)
{
	struct flow tcp = flow_of(OPEN_TCP, "198.51.100.1:5060", FLOW_ID(0, 1, 5));

	ask(.by = &tcp, .method = "INVITE", .uri = "sip:+4930123@example.org");
	transactions_send_failed(
		worker->sip.transactions, 0, take_request("INVITE")->cookie, -ECONNREFUSED);
	settle();
	transactions_send_failed(
		worker->sip.transactions, 0, take_request("INVITE")->cookie, -ECONNREFUSED);
	settle();
	transactions_send_failed(
		worker->sip.transactions, 0, take_request("INVITE")->cookie, -ECONNREFUSED);
	settle();
	take_response(500);
	line_says(" status=500 received=0 by=gateway why=unreachable ");
	cr_assert_eq(COUNTED(CALLS_UNREACHABLE), 1);
	line_says(" route=out ");
	line_says(" trunk=carrier targets=3 ");
	assert_counted(0, 1, 0);
}

Test(call_record, a_call_that_the_third_target_answers)
{
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	take_request("INVITE");
	pass(ANSWER);
	take_all("CANCEL");
	while (true) {
		struct sent *out = take_request("INVITE");

		if (!sent_to(out, "10.0.0.12:5060"))
			continue;
		respond(out, 503, .tag = "two");
		break;
	}
	struct sent *third = take_request("INVITE");
	respond(third, 200, .tag = "three", .more = "Server: Switch\n");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	callee_asks(third, "three", "BYE", 1);
	respond(take_request("BYE"), 200);
	line_says(" answer-ms=4000 ");
	line_says(" callee-zone=core route=out ");
	line_says(" trunk=carrier targets=3 ");
	assert_counted(1, 0, 0);
}

/* ---- refused before there is a call ---- */

Test(call_record, of_a_refused_invite_whose_sender_is_trusted)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	ask(.by = &core, .method = "INVITE", .uri = "sip:nobody@example.net");
	take_response(404);
	line_says(" call-ended call-id=call-of-alice status=404 received=0 by=gateway why=refused "
		  "total-ms=0 zone=core callee-zone=\"\" route=\"\" route-line=0 trunk=\"\" "
		  "targets=0 ");
	assert_counted(0, 0, 1);
}

Test(call_record, of_an_invite_that_its_route_refuses)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	ask(.by = &core, .method = "INVITE", .uri = "sip:alice@example.net");
	take_response(480);
	line_says(" status=480 received=0 by=gateway why=refused ");
	line_says(" route=users route-line=7 ");
	assert_counted(0, 0, 1);
}

Test(call_record, of_an_invite_over_the_limit_of_calls)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	worker->image.s.calls_max = 0;
	ask(.by = &core, .method = "INVITE");
	take_response(503);
	line_says(" status=503 received=0 by=gateway why=refused ");
	assert_counted(0, 0, 1);
}

Test(call_record, of_strangers_there_is_none)
{
	struct flow access = flow_of(ACCESS_UDP, "198.51.100.1:5060", 0);

	ask(.by = &access, .method = "INVITE");
	take_response(407);
	ask(.method = "INVITE", .uri = "sip:carol@example.org", .call_id = "open");
	take_response(403);
	cr_assert_eq(line_count, 0);
	assert_counted(0, 0, 0);
}

Test(call_record, long_texts_are_cut)
{
	static char name[2000], from[2100];

	memset(name, 'x', sizeof(name) - 1);
	snprintf(from, sizeof(from), "<sip:%s@example.net>", name);
	ask(.method = "INVITE", .from = from);
	respond(take_request("INVITE"), 486, .tag = "b");
	take_response(486);
	line_says(" from=sip:xxxx");
	cr_assert_leq(strlen(lines[0]), LOG_LINE_MAX);
	assert_counted(0, 1, 0);
}

/* ---- the JSON line ---- */

static int records = -1;

static void nobody(void *arg)
{
	(void)arg;
}

static void set_up_json(void)
{
	int pair[2];

	set_up();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert_eq(cdr_new(&worker->sip.cdr, worker->sip.loop, nobody, NULL), 0);
	cdr_use(worker->sip.cdr, pair[1]);
	records = pair[0];
}

static void tear_down_json(void)
{
	cdr_use(worker->sip.cdr, -1);
	worker_tear_down();
	close(records);
}

TestSuite(call_record_json, .init = set_up_json, .fini = tear_down_json);

/* The one record that was written, which ends with its newline. */
static const char *take_record(void)
{
	static char text[65536];

	settle();
	ssize_t n = recv(records, text, sizeof(text) - 1, 0);
	cr_assert_gt(n, 0);
	cr_assert_eq(text[n - 1], '\n');
	text[n - 1] = 0;
	cr_assert_eq(recv(records, text + n, 1, 0), -1, "there is another one");
	return text;
}

static void record_says(const char *record, const char *part)
{
	cr_assert(strstr(record, part), "\"%s\" is not in: %s", part, record);
}

#define NOT_FORWARDED ",\"forwarded-by\":\"\",\"forwarded-because\":\"\""

Test(call_record_json, an_answered_call_with_three_targets)
{
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org",
		.more = "User-Agent: \"Phone\" \\ 1\n");
	struct sent *first = take_request("INVITE");
	respond(first, 503, .tag = "one");
	pass(ANSWER);
	take_all("CANCEL");
	struct sent *third = take_request("INVITE");
	while (!sent_to(third, "10.0.0.13:5060"))
		third = take_request("INVITE");
	pass(100);
	respond(third, 180, .tag = "three");
	pass(400);
	respond(third, 200, .tag = "three", .more = "Server: Switch\n");
	take_response(180);
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	pass(10000);
	callee_asks(third, "three", "BYE", 1, .more = "Reason: SIP;cause=200\n");
	respond(take_request("BYE"), 200);
	const char *r = take_record();

	record_says(r, "{\"start\":\"2026-01-01T00:00:10.010Z\",\"call-id\":\"call-of-alice\",");
	record_says(r,
		",\"from\":\"sip:alice@example.net\",\"to\":\"sip:bob@example.net\","
		"\"request-uri\":\"sip:+4930123@example.org\",\"user\":\"\",\"domain\":\"\","
		"\"caller\":\"198.51.100.1:5060\",\"transport\":\"UDP\",\"zone\":\"open\","
		"\"caller-trunk\":\"\","
		"\"route\":\"out\",\"route-line\":0,\"rules\":\"\",\"callee\":\"10.0.0.13:5060\","
		"\"callee-zone\":\"core\",\"trunk\":\"carrier\","
		"\"user-agent\":\"\\\"Phone\\\" \\\\ 1\",\"callee-user-agent\":\"Switch\","
		"\"status\":200,\"status-received\":200,\"ended-by\":\"callee\","
		"\"why\":\"bye\",\"reason\":\"SIP;cause=200\",\"ring-ms\":4100,"
		"\"answer-ms\":4500,\"duration-ms\":10000,\"total-ms\":14500,\"targets\":[");
	record_says(r,
		"{\"trunk\":\"carrier\",\"address\":\"10.0.0.11:5060\",\"transport\":\"UDP\","
		"\"zone\":\"core\",\"call-id\":\"");
	record_says(r,
		",\"outcome\":\"answered\",\"status\":503,\"start-ms\":0,\"ms\":0" NOT_FORWARDED
		"}");
	record_says(r,
		",\"outcome\":\"timeout\",\"status\":0,\"start-ms\":0,\"ms\":4000" NOT_FORWARDED
		"}");
	record_says(r, ",\"outcome\":\"answered\",\"status\":200,\"start-ms\":4000,"
		       "\"ms\":500" NOT_FORWARDED "}]}");
	cr_assert_eq(COUNTED(CDR_WRITTEN), 1);
}

Test(call_record_json, the_trunk_that_it_comes_from)
{
	struct flow target = flow_of(CORE_UDP, "10.0.0.12:5999", 0),
		    other = flow_of(CORE_UDP, "10.0.0.9:5060", 0);

	ask(.by = &target, .method = "INVITE", .uri = "sip:nobody@example.net");
	take_response(404);
	record_says(take_record(), ",\"zone\":\"core\",\"caller-trunk\":\"carrier\",");
	ask(.by = &other, .method = "INVITE", .uri = "sip:nobody@example.net", .call_id = "b");
	take_response(404);
	record_says(take_record(), ",\"zone\":\"core\",\"caller-trunk\":\"\",");
	/* in a zone that names no sources anybody may have that address */
	worker->image.zone[ZONE_CORE].sources.count = 0;
	ask(.by = &target, .method = "INVITE", .uri = "sip:nobody@example.net", .call_id = "c");
	take_response(404);
	record_says(take_record(), ",\"zone\":\"core\",\"caller-trunk\":\"\",");
}

Test(call_record_json, what_rules_have_changed)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	zone_rules("from user ^al(.*) 4930$1\nfrom user ^4 4\nheader set X-A zone");
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	respond(take_request("INVITE"), 486, .tag = "one");
	take_response(486);
	record_says(take_record(),
		",\"rules\":\"zone open (line 1): \\\"from user ^al(.*) 4930$1\\\": alice becomes "
		"4930ice\\u000azone open (line 3): \\\"header set X-A zone\\\"\",");
	/* nothing of it is left for another one */
	ask(.by = &core, .method = "INVITE", .uri = "sip:nobody@example.net", .call_id = "b");
	take_response(404);
	record_says(take_record(), ",\"rules\":\"\",");
}

/* Whole lines, as many as there is room for. */
Test(call_record_json, more_rules_than_are_told)
{
	static char rules[4096];

	for (unsigned i = 0; i < 12; i++)
		sprintf(rules + strlen(rules), "%sheader add X-%u %s", i ? "\n" : "", i,
			"a-value-that-is-some-bytes-long-so-that-not-all-of-them-find-room-in-it");
	zone_rules(rules);
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	respond(take_request("INVITE"), 486, .tag = "one");
	take_response(486);
	const char *r = take_record();
	record_says(r, "(line 7): \\\"header add X-6 a-value");
	cr_assert_null(strstr(r, "header add X-11"));
	record_says(r, "-find-room-in-it\\\"\",\"callee\":");
}

/* The record moves to a larger block, with all that it has. */
Test(call_record_json, a_forwarded_call)
{
	ask(.method = "INVITE", .more = "User-Agent: Phone\n");
	respond(take_request("INVITE"), 302, .tag = "b", .contact = "<sip:5551000@example.net>");
	struct sent *out = take_request("INVITE");
	pass(100);
	respond(out, 200, .tag = "t");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	callee_asks(out, "t", "BYE", 1);
	respond(take_request("BYE"), 200);
	const char *r = take_record();

	record_says(r, ",\"from\":\"sip:alice@example.net\",\"to\":\"sip:bob@example.net\","
		       "\"request-uri\":\"sip:bob@example.net\",");
	record_says(r,
		"\"route\":\"users\",\"route-line\":7,\"rules\":\"\",\"callee\":\"10.0.0.11:5060\","
		"\"callee-zone\":\"core\",\"trunk\":\"carrier\",");
	record_says(r, "\"targets\":[{\"trunk\":\"\",\"address\":\"");
	record_says(r, "\"outcome\":\"answered\",\"status\":302,\"start-ms\":0,"
		       "\"ms\":0" NOT_FORWARDED "},{\"trunk\":\"carrier\",");
	record_says(r, "\"status\":200,\"start-ms\":0,\"ms\":100,"
		       "\"forwarded-by\":\"bob@example.net\","
		       "\"forwarded-because\":\"redirected\"}]}");
}

static unsigned traced;

static void take_traced(void *arg, struct str json)
{
	(void)arg;
	traced++;
	cr_assert(has(json, "\"forwarded-by\":\"bob@example.net\""));
}

/* What is kept of a call that is over has nothing of the record, which is gone. */
Test(call_record_json, a_forwarded_call_in_the_trace)
{
	const struct trace_filter all = {.kind = TRACE_ALL};

	worker->image.s.trace_ring = 1 << 20;
	call_trace_settings(&worker->sip);
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 302, .tag = "b", .contact = "<sip:5551000@example.net>");
	respond(take_request("INVITE"), 486, .tag = "t");
	take_response(486);
	take_record();
	call_trace_list(&worker->sip, &all, take_traced, NULL);
	cr_assert_eq(traced, 1);
	call_trace_free(&worker->sip);
}

Test(call_record_json, a_refused_invite)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	ask(.by = &core, .method = "INVITE", .uri = "sip:nobody@example.net");
	take_response(404);
	const char *r = take_record();
	record_says(r, ",\"callee-call-id\":\"\",");
	record_says(r, "\"callee\":\"\",\"callee-zone\":\"\",\"trunk\":\"\",");
	record_says(r, "\"status\":404,\"status-received\":0,\"ended-by\":\"gateway\","
		       "\"why\":\"refused\",\"reason\":\"\",\"ring-ms\":null,\"answer-ms\":null,"
		       "\"duration-ms\":null,\"total-ms\":0,\"targets\":[]}");
}
