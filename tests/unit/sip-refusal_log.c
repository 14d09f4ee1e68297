/* sip-refusal_log.c - what is said of requests that are refused here: a counter for each status,
 * and log lines with source and header, not more than some a second. */
#include "sip-worker.h"

#include "worker-sip/message/refusal_budget.h"
#include "worker-sip/message/refusal_log.h"

static char lines[64][LOG_LINE_MAX];
static unsigned line_count;

static void note_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	(void)level;
	if (memmem(line, length, " call-ended ", strlen(" call-ended ")))
		return; /* not a refusal's */
	cr_assert_lt(line_count, 64);
	memcpy(lines[line_count], line, length);
	lines[line_count++][length] = 0;
}

static void set_up(void)
{
	worker_set_up();
	log_init("sip", 0, LOG_INFO, note_line, NULL);
}

TestSuite(refusal_log, .init = set_up, .fini = worker_tear_down);

#define COUNTED(id) (counters_page->counter[COUNTER_##id])

static void assert_said(const char *part)
{
	cr_assert_eq(line_count, 1);
	cr_assert(strstr(lines[0], part), "%s", lines[0]);
	cr_assert(strstr(lines[0], "peer=198.51.100.1:5060"), "%s", lines[0]);
	line_count = 0;
	pass(LOG_LIMIT_SECOND);
}

Test(refusal_log, each_status_has_its_counter_and_line)
{
	ask(.method = "MESSAGE", .uri = "sip:example.net");
	take_response(404);
	cr_assert_eq(COUNTED(ANSWERED_404), 1);
	assert_said("request-refused");
	ask(.method = "MESSAGE", .uri = "mailto:a@b", .call_id = "2");
	take_response(416);
	cr_assert_eq(COUNTED(ANSWERED_416), 1);
	assert_said("status=416");
	ask(.method = "MESSAGE", .more = "Require: unheard-of\n", .call_id = "3");
	take_response(420);
	cr_assert_eq(COUNTED(ANSWERED_420), 1);
	assert_said("header=\"Unsupported: unheard-of\"");
	ask(.method = "MESSAGE", .call_id = "4");
	take_response(480);
	cr_assert_eq(COUNTED(ANSWERED_480), 1);
	assert_said("method=MESSAGE host=example.net status=480");
	ask(.method = "MESSAGE", .uri = "sip:no@example.org", .call_id = "5");
	take_response(410);
	cr_assert_eq(COUNTED(ANSWERED_OTHER), 1);
	assert_said("status=410");
}

/* Every final status that this worker says of its own; a route may be told to say any other. */
Test(refusal_log, no_status_without_its_counter)
{
	static const struct {
		unsigned status;
		enum counter counter;
	} table[] = {{400, COUNTER_ANSWERED_400}, {403, COUNTER_ANSWERED_403},
		{404, COUNTER_ANSWERED_404}, {405, COUNTER_ANSWERED_405},
		{408, COUNTER_ANSWERED_408}, {414, COUNTER_ANSWERED_414},
		{416, COUNTER_ANSWERED_416}, {420, COUNTER_ANSWERED_420},
		{421, COUNTER_ANSWERED_421}, {423, COUNTER_ANSWERED_423},
		{480, COUNTER_ANSWERED_480}, {481, COUNTER_ANSWERED_481},
		{482, COUNTER_ANSWERED_482}, {483, COUNTER_ANSWERED_483},
		{486, COUNTER_ANSWERED_486}, {489, COUNTER_ANSWERED_489},
		{491, COUNTER_ANSWERED_491}, {500, COUNTER_ANSWERED_500},
		{501, COUNTER_ANSWERED_501}, {502, COUNTER_ANSWERED_502},
		{503, COUNTER_ANSWERED_503}, {302, COUNTER_ANSWERED_OTHER},
		{488, COUNTER_ANSWERED_OTHER}, {603, COUNTER_ANSWERED_OTHER}};
	const struct message *m = ask(.method = "MESSAGE", .uri = "sip:example.net")->message;
	char status[16];

	take_response(404);
	line_count = 0;
	pass(LOG_LIMIT_SECOND);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t before = counters_page->counter[table[i].counter];

		refusal_log_request(&worker->sip, m, table[i].status, STR_EMPTY);
		cr_assert_eq(counters_page->counter[table[i].counter], before + 1, "%u",
			table[i].status);
		snprintf(status, sizeof(status), "status=%u", table[i].status);
		assert_said(status);
	}
}

/* Nobody was told: neither a counter nor a line says so. */
Test(refusal_log, a_refusal_that_is_not_sent_is_none)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);

	send_error = -EPIPE;
	ask(.method = "MESSAGE", .uri = "sip:example.net");
	ask(.by = &core, .method = "MESSAGE", .uri = "sip:example.net", .call_id = "2");
	send_error = 0;
	cr_assert_eq(COUNTED(ANSWERED_404), 0);
	cr_assert_eq(line_count, 0);
}

/* What another one says is no refusal of ours. */
Test(refusal_log, an_answer_that_passes_is_none)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	struct said *invite = ask(.method = "INVITE");
	respond(take_request("INVITE"), 486, .tag = "b");
	acknowledge_failure(invite, take_response(486));
	invite = ask(.method = "INVITE", .call_id = "2");
	respond(take_request("INVITE"), 180, .tag = "b");
	cancel(invite);
	take_response(487);
	cr_assert_eq(line_count, 0);
	cr_assert_eq(COUNTED(ANSWERED_OTHER), 0);
}

Test(refusal_log, lines_have_a_rate)
{
	char call_id[16];

	for (unsigned i = 0; i < 3 * REFUSAL_LOG_LINES; i++) {
		snprintf(call_id, sizeof(call_id), "%u", i);
		ask(.method = "MESSAGE", .uri = "sip:example.net", .call_id = call_id);
	}
	cr_assert_eq(COUNTED(ANSWERED_404), 3 * REFUSAL_LOG_LINES);
	cr_assert_eq(line_count, REFUSAL_LOG_LINES);
	pass(LOG_LIMIT_SECOND);
	ask(.method = "MESSAGE", .uri = "sip:example.net", .call_id = "later");
	cr_assert_eq(line_count, REFUSAL_LOG_LINES + 2);
	cr_assert(strstr(lines[REFUSAL_LOG_LINES], "left_out=10"), "%s", lines[REFUSAL_LOG_LINES]);
}

/* What does not go out is no answer. */
Test(refusal_log, an_answer_over_budget_is_none)
{
	struct flow stranger = flow_of(ACCESS_UDP, "203.0.113.7:5060", 0);

	cr_assert_eq(refusal_budget_new(&worker->sip.refusal_budget), 0);
	worker->image.zone[ZONE_ACCESS].refusals_per_source = 1;
	worker->image.zone[ZONE_ACCESS].refusals_per_prefix = 9;
	ask(.by = &stranger, .method = "MESSAGE", .last_hop = true);
	take_response(483);
	cr_assert_eq(line_count, 1);
	ask(.by = &stranger, .method = "MESSAGE", .last_hop = true, .call_id = "2");
	quiet();
	cr_assert_eq(COUNTED(ANSWERS_OVER_BUDGET), 1);
	cr_assert_eq(COUNTED(ANSWERED_483), 1);
	cr_assert_eq(line_count, 2);
	cr_assert(strstr(lines[1], "refusals-over-budget"), "%s", lines[1]);
	refusal_budget_free(worker->sip.refusal_budget);
	worker->sip.refusal_budget = NULL;
}

Test(refusal_log, an_answer_that_is_too_large_is_none)
{
	struct flow stranger = flow_of(ACCESS_UDP, "203.0.113.7:5060", 0);
	char realm[201];

	memset(realm, 'r', 200);
	realm[200] = '\0';
	worker->image.domain[0].realm = fixture_text(&worker->image, realm);
	receive(&stranger,
		"INVITE x:y SIP/2.0\nv:SIP/2.0/UDP h\nf:x:y\nt:x:y\ni:1\nCSeq:1 INVITE\nm:x:y\n\n");
	quiet();
	cr_assert_eq(COUNTED(ANSWERS_TOO_LARGE), 1);
	cr_assert_eq(line_count, 1);
	cr_assert(strstr(lines[0], "request-unanswered"), "%s", lines[0]);
	cr_assert(strstr(lines[0], "status=407 reason=\"answer too large\""), "%s", lines[0]);
}

/* A response that is not for us. */
Test(refusal_log, a_dropped_response_is_said)
{
	receive(&alice,
		"SIP/2.0 200 OK\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\n"
		"To: <sip:a@b>;tag=2\nCall-ID: 1\nCSeq: 1 INVITE\n\n");
	cr_assert_eq(COUNTED(RESPONSE_FORGED), 1);
	assert_said("response-dropped");
}

/* What belongs to nothing that stands. */
Test(refusal_log, what_belongs_to_nothing_is_said)
{
	struct flow outside = flow_of(CORE_UDP, "10.0.1.9:5060", 0);

	ask(.method = "ACK", .to = "<sip:bob@example.net>;tag=x");
	cr_assert_eq(COUNTED(ACK_UNMATCHED), 1);
	assert_said("request-dropped peer=198.51.100.1:5060 method=ACK reason=");
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "MESSAGE");
	struct sent *out = take_request("MESSAGE");
	respond(out, 404, .tag = "b");
	take_response(404);
	pass(64 * T1);
	line_count = 0;
	respond(out, 404, .tag = "b");
	cr_assert_eq(COUNTED(RESPONSES_UNMATCHED), 1);
	cr_assert_eq(line_count, 1);
	cr_assert(strstr(lines[0], "response-dropped peer=198.51.100.11:5060 status=404"), "%s",
		lines[0]);
	line_count = 0;
	pass(LOG_LIMIT_SECOND);
	ask(.by = &outside, .method = "MESSAGE");
	cr_assert_eq(COUNTED(SOURCE_REFUSED), 1);
	cr_assert(strstr(lines[0], "request-dropped peer=10.0.1.9:5060 method=MESSAGE"), "%s",
		lines[0]);
}
