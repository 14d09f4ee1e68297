/* Messages that an operator has picked are logged at the level debug, and no others. */
#include "sip-worker.h"

static unsigned debug_lines, taken, refused;
static char last[LOG_LINE_MAX + 1], all[1 << 16];
static size_t all_n;

static void note_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	refused += memmem(line, length, " request-refused ", 17) != NULL;
	if (level != LOG_DEBUG)
		return;
	debug_lines++;
	taken += memmem(line, length, " message-taken ", strlen(" message-taken ")) != NULL;
	memcpy(last, line, length);
	last[length] = '\0';
	if (all_n + length + 2 < sizeof(all)) {
		memcpy(all + all_n, line, length);
		all_n += length;
		all[all_n++] = '\n';
	}
}

/* A line that was written has that in it. */
static void says(const char *text)
{
	cr_assert(strstr(all, text), "%s in\n%s", text, all);
}

static void set_up(void)
{
	worker_set_up();
	log_init("sip", 0, LOG_INFO, note_line, NULL);
}

TestSuite(debug_watch, .init = set_up, .fini = worker_tear_down);

static void watch(uint8_t kind, const char *value)
{
	struct lifeline_debug_watch *w = &worker->sip.debug.watch[0];

	worker->sip.debug.count = 1;
	*w = (struct lifeline_debug_watch){
		.kind = kind, .until = loop_now(worker->sip.loop) + 60000};
	snprintf(w->value, sizeof(w->value), "%s", value);
	if (kind == DEBUG_SOURCE)
		cr_assert_eq(prefix_parse(str_of(value), &w->sources), 0);
}

/* How many messages of a call of alice's are logged. */
static unsigned call_logs(const char *call_id)
{
	unsigned before = taken;

	ask(.method = "MESSAGE", .uri = "sip:xyz@example.net", .call_id = call_id);
	take_response(403);
	cr_assert_eq(log_level(), LOG_INFO);
	return taken - before;
}

Test(debug_watch, by_call_user_and_source)
{
	static const struct {
		uint8_t kind;
		const char *value;
		bool fits;
	} table[] = {{DEBUG_CALL, "1", true}, {DEBUG_CALL, "2", false}, {DEBUG_USER, "alice", true},
		{DEBUG_USER, "alice@Example.net", true}, {DEBUG_USER, "alic", false},
		{DEBUG_USER, "alice@example.com", false}, {DEBUG_USER, "xyz", true},
		{DEBUG_USER, "bob", true}, {DEBUG_SOURCE, "198.51.100.0/24", true},
		{DEBUG_SOURCE, "198.51.100.2", false}};

	cr_assert_eq(call_logs("1"), 0);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		watch(table[i].kind, table[i].value);
		cr_assert_eq(call_logs("1"), table[i].fits, "%s", table[i].value);
	}
	pass(60001);
	watch(DEBUG_CALL, "1");
	pass(60001);
	cr_assert_eq(call_logs("1"), 0, "its time is over");
	cr_assert_eq(worker->sip.debug.count, 1);
}

/* What is decided later, by timers and by responses of the other leg, is logged, too. */
Test(debug_watch, the_targets_of_a_call)
{
	watch(DEBUG_CALL, "call-of-alice");
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	cr_assert(strstr(last, " target-tried "), "%s", last);
	respond(take_request("INVITE"), 503, .tag = "one");
	cr_assert(strstr(last, " to=10.0.0.12:5060 "), "%s", last);
	pass(ANSWER);
	cr_assert(strstr(last, " to=10.0.0.13:5060 "), "%s", last);
	unsigned before = debug_lines;
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org", .call_id = "another");
	cr_assert_eq(debug_lines, before);
}

/* Who it is of, which dialog it is in, what bindings change, and what it is answered. */
Test(debug_watch, each_decision)
{
	register_phone("bob", "198.51.100.2:5060", NULL);
	watch(DEBUG_USER, "alice");
	ask(.method = "REGISTER", .uri = "sip:example.net", .to = "<sip:alice@example.net>",
		.call_id = "register");
	says(" request-authorized call-id=register method=REGISTER user=\"\" domain=\"\" "
	     "by=nobody-is-asked");
	says(" bindings-change call-id=register aor=sip:alice@example.net changed=1 bindings=1");
	pass(10);
	take_response(200);
	ask(.method = "OPTIONS", .uri = "sip:example.net", .call_id = "options");
	take_response(200);
	says(" request-answered call-id=options method=OPTIONS status=200");
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 200, .tag = "b");
	struct sent *ok = take_response(200);
	caller_asks(ok, "ACK", 1);
	caller_asks(ok, "INFO", 2);
	says(" request-in-dialog call-id=call-of-alice method=INFO cseq=2 from=caller other=sw");
	/* each refusal, where others have some lines a second */
	for (unsigned i = 0; i < 20; i++)
		call_logs("refused");
	cr_assert_eq(refused, 20);
}

/* The callee's side of it has another Call-ID. */
Test(debug_watch, what_the_other_side_says_in_a_call)
{
	watch(DEBUG_CALL, "call-of-alice");
	ask(.method = "INVITE", .uri = "sip:+4930123@example.org");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "one");
	struct sent *answer = take_response(200);
	caller_asks(answer, "ACK", 1);
	unsigned before = taken;
	callee_asks(out, "one", "INFO", 1);
	cr_assert_eq(taken, before + 1);
	watch(DEBUG_CALL, "another");
	callee_asks(out, "one", "INFO", 2);
	cr_assert_eq(taken, before + 1);
}

Test(debug_watch, no_more_than_some_a_second)
{
	watch(DEBUG_USER, "alice");
	for (unsigned i = 0; i < 220; i++) {
		char call_id[16];

		snprintf(call_id, sizeof(call_id), "%u", i);
		call_logs(call_id);
	}
	cr_assert_eq(taken, 200);
}

static char taken_line[LOG_LINE_MAX + 1];
static void note_taken(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	(void)level;
	if (memmem(line, length, " message-taken ", strlen(" message-taken ")))
		snprintf(taken_line, sizeof(taken_line), "%.*s", (int)length, line);
}

/* The token of a Contact at a trunk is a secret. */
Test(debug_watch, says_no_token)
{
	log_init("sip", 0, LOG_INFO, note_taken, NULL);
	watch(DEBUG_USER, "alice");
	ask(.method = "MESSAGE",
		.uri = "sip:xyz@example.net;line=0123456789abcdef0123456789abcdef");
	take_response(403);
	cr_assert(strstr(taken_line, "MESSAGE sip:xyz@example.net;line="), "%s", taken_line);
	cr_assert_not(strstr(taken_line, "0123456789"), "%s", taken_line);
}
