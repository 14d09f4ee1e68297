/* sip-refusal.c - refusals to sources that have not shown themselves (RFC 3261 sections 8.2.7 and
 * 26.3.2.4): sent once, without a transaction, in no more bytes than the request deserves, within a
 * budget; and who keeps transactions. */
#include "sip-scene.h"

#include "worker-sip/message/refusal_budget.h"
#include "worker-sip/message/response.h"

static struct flow stranger; /* at a zone that asks for credentials */

static void refusal_set_up(void)
{
	worker_set_up();
	stranger = flow_of(ACCESS_UDP, "203.0.113.7:5060", 0);
}
TestSuite(refusal, .init = refusal_set_up, .fini = worker_tear_down);

static struct str tag_of(const struct sent *s)
{
	return message_str(s->message, s->message->to_tag);
}

/* Says the request, and again when nothing can come of the first any more: each brings one answer
 * with that status and the same tag, and nothing is kept. */
static void refused_once(struct asking a, unsigned status)
{
	uint64_t transactions = counted(COUNTER_TRANSACTIONS_SERVER),
		 absorbed = counted(COUNTER_ACKS_ABSORBED),
		 unmatched = counted(COUNTER_ACK_UNMATCHED);
	char branch[32];

	snprintf(branch, sizeof(branch), "z9hG4bKr%u", ++branch_count);
	a.branch = branch;
	a.call_id = branch;
	struct said *first = asking_say(a);
	struct sent *answer = take_response(status);
	cr_assert_leq(answer->message->raw_size, ANSWER_RATIO * first->message->raw_size);
	cr_assert(tag_of(answer).n);
	pass(64 * T1);
	quiet();
	struct said *second = asking_say(a);
	struct sent *again = take_response(status);
	cr_assert(str_equal(tag_of(answer), tag_of(again)), "%s %u", a.method, status);
	/* a tag that is not ours cannot be told from that of a dialog which is gone */
	if (second->message->method == METHOD_INVITE && !second->message->to_tag.length) {
		acknowledge_failure(second, again);
		cr_assert_eq(
			counted(COUNTER_ACKS_ABSORBED), absorbed + 1, "%s %u", a.method, status);
		cr_assert_eq(counted(COUNTER_ACK_UNMATCHED), unmatched);
	}
	pass(64 * T1);
	quiet();
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_SERVER), transactions, "%s %u", a.method, status);
}

Test(refusal, challenges_go_out_once)
{
	static const struct {
		struct asking asking;
		unsigned status;
	} row[] = {
		{{.method = "INVITE"}, 407},
		{{.method = "MESSAGE"}, 407},
		{{.method = "SUBSCRIBE"}, 407},
		{{.method = "FOO"}, 407},
		{{.method = "OPTIONS"}, 407},
		{{.method = "OPTIONS", .uri = "sip:example.net"}, 401},
		{{.method = "REGISTER", .uri = "sip:example.net"}, 401},
		{{.method = "INVITE", .last_hop = true}, 483},
		{{.method = "MESSAGE", .last_hop = true}, 483},
		{{.method = "INVITE", .to = "<sip:bob@example.net>;tag=no"}, 481},
		{{.method = "BYE", .to = "<sip:bob@example.net>;tag=no"}, 481},
		{{.method = "INVITE", .uri = "foo:bar"}, 407},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct asking a = row[i].asking;

		a.by = &stranger;
		refused_once(a, row[i].status);
	}
}

Test(refusal, so_do_those_of_a_zone_that_asks_nobody)
{
	static const struct {
		struct asking asking;
		unsigned status;
	} row[] = {
		{{.method = "INVITE"}, 480},
		{{.method = "MESSAGE"}, 480},
		{{.method = "INVITE", .uri = "sip:x@elsewhere.example"}, 403},
		{{.method = "INVITE", .uri = "sip:no1@elsewhere.example"}, 410},
		{{.method = "INVITE", .uri = "foo:bar"}, 416},
		{{.method = "INVITE", .uri = "sips:bob@example.net"}, 416},
		{{.method = "INVITE", .more = "Require: nothing\n"}, 420},
		{{.method = "INVITE",
			 .more = "Replaces: a;to-tag=b;from-tag=c\n",
			 .uri = "sip:+493012345@example.net"},
			481},
		{{.method = "INVITE", .uri = "sip:192.0.2.1:5064"}, 404},
		{{.method = "FOO", .uri = "sip:192.0.2.1:5064"}, 501},
		{{.method = "PUBLISH", .uri = "sip:192.0.2.1:5064"}, 405},
		{{.method = "SUBSCRIBE", .uri = "sip:+493012345@example.net"}, 489},
		{{.method = "NOTIFY", .uri = "sip:+493012345@example.net"}, 481},
		{{.method = "INVITE", .last_hop = true}, 483},
		{{.method = "REGISTER",
			 .uri = "sip:example.net",
			 .to = "<sip:x@elsewhere.example>"},
			403},
		/* no refusal, but it goes to whoever is named as its source all the same */
		{{.method = "OPTIONS", .uri = "sip:192.0.2.1:5064"}, 200},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		refused_once(row[i].asking, row[i].status);
	worker->image.s.calls_max = 0;
	refused_once((struct asking){.method = "INVITE", .uri = "sip:+493012345@example.net"}, 503);
}

/* ---- what is passed on for a stranger, by a zone that asks nobody ---- */

static const struct asking stranger_calls = {.method = "INVITE", .branch = "z9hG4bKstranger"};

/* The failure of a call goes out once, and again when the INVITE comes again, until its ACK. */
static void failure_goes_out_once(struct said *invite, struct sent *failure, unsigned status)
{
	struct str tag = tag_of(failure);

	pass(16 * T1);
	quiet();
	asking_say(stranger_calls);
	cr_assert(str_equal(tag_of(take_response(status)), tag));
	pass(16 * T1);
	quiet();
	acknowledge_failure(invite, failure);
	asking_say(stranger_calls);
	quiet();
}

Test(refusal, a_request_that_passes_on_has_a_transaction)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	uint64_t before = counted(COUNTER_TRANSACTIONS_SERVER);
	struct said *invite = asking_say(stranger_calls);

	respond(take_request("INVITE"), 486, .tag = "b");
	take_request("ACK");
	failure_goes_out_once(invite, take_response(486), 486);
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_SERVER), before + 1);
}

Test(refusal, so_does_a_failure_of_our_own_after_it_was_passed_on)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	struct said *invite = asking_say(stranger_calls);
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	cancel(invite);
	take_response(200);
	struct sent *terminated = take_response(487);
	respond(take_request("CANCEL"), 200);
	respond(out, 487, .tag = "b");
	take_request("ACK");
	failure_goes_out_once(invite, terminated, 487);
}

/* It keeps its status, and loses what makes it long. */
Test(refusal, a_long_failure_of_another_is_cut)
{
	static char line[2048];
	struct said *asked;

	snprintf(line, sizeof(line), "X-Long: %01500d\n", 0);
	register_phone("bob", "198.51.100.11:5060", NULL);
	for (unsigned i = 0; i < 2; i++) {
		asked = ask(.method = i ? "MESSAGE" : "INVITE");
		respond(take_request(i ? "MESSAGE" : "INVITE"), 486, .tag = "b", .more = line);
		if (!i)
			take_request("ACK");
		struct sent *failure = take_response(486);
		cr_assert_leq(failure->message->raw_size, ANSWER_RATIO * asked->message->raw_size);
		if (!i)
			acknowledge_failure(asked, failure);
	}
}

/* Who has shown itself in a dialog gets what there is. */
Test(refusal, a_long_failure_within_a_dialog_is_whole)
{
	static char line[2048];
	struct call_scene c = call_answered();

	snprintf(line, sizeof(line), "X-Long: %01500d\n", 0);
	caller_asks(c.answered, "INVITE", 2, .body = "hold");
	respond(take_request("INVITE"), 488, .more = line);
	take_request("ACK");
	cr_assert_gt(take_response(488)->message->raw_size, 1500);
	pass(T1);
	take_response(488);
}

/* ---- credentials ---- */

/* The nonce of a challenge. */
static struct str nonce_of(const struct sent *challenge)
{
	struct str value = value_of(challenge->message, HEADER_PROXY_AUTHENTICATE);
	const char *at = memmem(value.p, value.n, "nonce=\"", 7);

	cr_assert_not_null(at);
	at += 7;
	return (struct str){at, strcspn(at, "\"")};
}

/* An INVITE with the MD5 credentials of alice for that password. */
static const char *credentials(struct str nonce, const char *password)
{
	static char text[512];
	char ha1[65], a2[65], rest[256], response[65];

	digest_ha1(DIGEST_MD5, S("alice"), S("example.net"), str_of(password), ha1);
	/* three parts with colons between them, as the response has more of */
	digest_ha1(DIGEST_MD5, S("INVITE"), S("sip"), S("bob@example.net"), a2);
	snprintf(rest, sizeof(rest), "00000001:c0:auth:%s", a2);
	digest_ha1(DIGEST_MD5, (struct str){ha1, 32}, nonce, str_of(rest), response);
	snprintf(text, sizeof(text),
		"Proxy-Authorization: Digest username=\"alice\", realm=\"example.net\", "
		"nonce=\"%.*s\", uri=\"sip:bob@example.net\", response=\"%.32s\", "
		"algorithm=MD5, cnonce=\"c0\", qop=auth, nc=00000001\n",
		STR(nonce), response);
	return text;
}

static struct str challenged(void)
{
	ask(.by = &stranger, .method = "INVITE");
	return nonce_of(take_response(407));
}

Test(refusal, a_wrong_password_counts_once_however_often_it_comes)
{
	const char *wrong = credentials(challenged(), "guess");

	for (unsigned i = 0; i < 3; i++) {
		ask(.by = &stranger, .method = "INVITE", .more = wrong, .cseq = 2,
			.branch = "z9hG4bKsame");
		take_response(407);
		pass(T1);
		quiet();
	}
	cr_assert_eq(worker->penalties, 1);
	cr_assert_eq(counted(COUNTER_AUTH_WRONG_DIGEST), 1);
	ask(.by = &stranger, .method = "INVITE", .more = wrong, .cseq = 3);
	take_response(407);
	cr_assert_eq(worker->penalties, 2, "another attempt");
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_SERVER), 0);
}

Test(refusal, right_credentials_have_a_transaction)
{
	const char *right = credentials(challenged(), "wonderland");
	struct said *invite = ask(.by = &stranger, .method = "INVITE", .more = right, .cseq = 2,
		.from = "<sip:other@example.net>", .branch = "z9hG4bKsame");
	struct sent *answer = take_response(403);

	cr_assert_eq(counted(COUNTER_AUTH_NOT_OWNER), 1);
	pass(T1);
	take_response(403);
	ask(.by = &stranger, .method = "INVITE", .more = right, .cseq = 2,
		.from = "<sip:other@example.net>", .branch = "z9hG4bKsame");
	take_response(403);
	cr_assert_eq(counted(COUNTER_AUTH_NOT_OWNER), 1, "the repetition is absorbed");
	acknowledge_failure(invite, answer);
	pass(64 * T1);
	quiet();
}

/* ---- who has shown itself ---- */

Test(refusal, streams_and_trusted_sources_have_transactions)
{
	struct flow stream = flow_of(ACCESS_TCP, "203.0.113.7:40000", FLOW_ID(0, 1, 5)),
		    trunk = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	struct said *invite = ask(.by = &stream, .method = "INVITE");
	acknowledge_failure(invite, take_response(407));
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_SERVER), 1);
	invite = ask(.by = &trunk, .method = "INVITE", .call_id = "of-trunk",
		.uri = "sip:x@elsewhere.example");
	struct sent *answer = take_response(404);
	pass(T1);
	take_response(404);
	acknowledge_failure(invite, answer);
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_SERVER), 2);
	quiet();
}

Test(refusal, within_a_dialog_there_are_transactions)
{
	struct call_scene c = call_answered();
	uint64_t before = counted(COUNTER_TRANSACTIONS_SERVER);

	caller_asks(c.answered, "INFO", 2, .more = "Require: nothing\n");
	take_response(420);
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_SERVER), before + 1);
}

/* ---- bytes ---- */

/* The least INVITE that is challenged. */
static struct said *least_invite(void)
{
	return receive(&stranger,
		"INVITE x:y SIP/2.0\nv:SIP/2.0/UDP h\nf:x:y\nt:x:y\ni:1\nCSeq:1 INVITE\nm:x:y\n\n");
}

static unsigned challenges(const struct sent *s)
{
	unsigned n = 0;

	for (const struct message_header *h = message_first(s->message, HEADER_PROXY_AUTHENTICATE);
		h; h = message_next(s->message, h))
		n++;
	return n;
}

Test(refusal, what_is_too_much_is_left_out)
{
	worker->image.s.server = fixture_text(&worker->image, "sipward");
	ask(.by = &stranger, .method = "INVITE");
	struct sent *whole = take_response(407);
	cr_assert_eq(challenges(whole), 2);
	cr_assert(value_of(whole->message, HEADER_SERVER).n);
	struct said *least = least_invite();
	struct sent *answer = take_response(407);
	cr_assert_leq(answer->message->raw_size, ANSWER_RATIO * least->message->raw_size);
	cr_assert_eq(challenges(answer), 1);
	cr_assert(has(value_of(answer->message, HEADER_PROXY_AUTHENTICATE), "algorithm=MD5"),
		"which every client knows");
	cr_assert_not(value_of(answer->message, HEADER_SERVER).n);
	quiet();
}

Test(refusal, what_cannot_be_short_enough_is_not_sent)
{
	char realm[201];

	memset(realm, 'r', 200);
	realm[200] = '\0';
	worker->image.domain[0].realm = fixture_text(&worker->image, realm);
	least_invite();
	quiet();
	cr_assert_eq(counted(COUNTER_ANSWERS_TOO_LARGE), 1);
	/* a request of the usual size is challenged as before */
	ask(.by = &stranger, .method = "INVITE");
	cr_assert_eq(challenges(take_response(407)), 2);
}

/* ---- budget ---- */

static bool is_challenged(const char *source)
{
	struct flow by = flow_of(ACCESS_UDP, source, 0);

	ask(.by = &by, .method = "MESSAGE");
	return take(NULL, 407) != NULL;
}

Test(refusal, source_and_network_have_a_budget)
{
	uint64_t over = counted(COUNTER_ANSWERS_OVER_BUDGET);

	cr_assert_eq(refusal_budget_new(&worker->sip.refusal_budget), 0);
	worker->image.zone[ZONE_ACCESS].refusals_per_source = 2;
	worker->image.zone[ZONE_ACCESS].refusals_per_prefix = 3;
	cr_assert(is_challenged("203.0.113.7:5060") && is_challenged("203.0.113.7:5061"));
	cr_assert_not(is_challenged("203.0.113.7:5062"), "another port is the same source");
	cr_assert(is_challenged("203.0.113.8:5060"));
	cr_assert_not(is_challenged("203.0.113.9:5060"), "the network has had its share");
	cr_assert(is_challenged("203.0.114.9:5060"));
	cr_assert_eq(counted(COUNTER_ANSWERS_OVER_BUDGET), over + 2);
	pass(1000);
	cr_assert(is_challenged("203.0.113.7:5060"));
	struct flow stream = flow_of(ACCESS_TCP, "203.0.113.7:40000", FLOW_ID(0, 1, 5));
	for (unsigned i = 0; i < 10; i++) {
		ask(.by = &stream, .method = "MESSAGE");
		take_response(407);
	}
	refusal_budget_free(worker->sip.refusal_budget);
	worker->sip.refusal_budget = NULL;
}

static bool takes(struct refusal_budget *b, const char *source, uint64_t now)
{
	struct endpoint e = fixture_endpoint(source);

	return refusal_budget_take(b, &e, 2, 4, now);
}

Test(refusal, budget_of_ipv6_is_by_subscriber_and_site)
{
	struct refusal_budget *b;

	cr_assert_eq(refusal_budget_new(&b), 0);
	cr_assert(takes(b, "[2001:db8:1:1::1]:1", 5) && takes(b, "[2001:db8:1:1::2]:1", 5));
	cr_assert_not(takes(b, "[2001:db8:1:1::3]:1", 5), "one /64");
	cr_assert(takes(b, "[2001:db8:1:2::1]:1", 5) && takes(b, "[2001:db8:1:3::1]:1", 5));
	cr_assert_not(takes(b, "[2001:db8:1:4::1]:1", 5), "one /48");
	cr_assert(takes(b, "[2001:db8:2:1::1]:1", 5));
	/* half a second earns one of two, and two of four */
	cr_assert(takes(b, "[2001:db8:1:1::1]:1", 505));
	cr_assert_not(takes(b, "[2001:db8:1:1::1]:1", 505));
	cr_assert(takes(b, "[2001:db8:1:4::1]:1", 505));
	cr_assert_not(takes(b, "[2001:db8:1:5::1]:1", 505));
	refusal_budget_free(b);
}

Test(refusal, who_has_used_up_his_budget_is_not_forgotten_for_others)
{
	struct refusal_budget *b;

	cr_assert_eq(refusal_budget_new(&b), 0);
	cr_assert(takes(b, "192.0.2.1:1", 0) && takes(b, "192.0.2.1:1", 0));
	for (unsigned i = 0; i < 4 * REFUSAL_BUDGET_PLACES; i++) {
		struct endpoint e = {.family = 4,
			.address = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

		cr_assert(refusal_budget_take(b, &e, 2, 0, 0));
	}
	cr_assert_not(takes(b, "192.0.2.1:1", 0));
	refusal_budget_free(b);
}
