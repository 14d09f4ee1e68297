/* What would become of a message, told and not done: the decisions are those of the core, and
 * nothing changes by them. */
#include "sip-worker.h"
#include "ipc/forwards.h"
#include "worker-sip/explain.h"
#include "worker-sip/subscription/reg_watch.h"

static char told[1 << 18];
static size_t told_n;
static uint64_t before[COUNTER_COUNT];

TestSuite(explanation, .init = worker_set_up, .fini = worker_tear_down);

static void tell(void *arg, struct str json)
{
	(void)arg;
	cr_assert_lt(told_n + json.n + 2, sizeof(told));
	memcpy(told + told_n, json.p, json.n);
	told_n += json.n;
	told[told_n++] = '\n';
	told[told_n] = '\0';
}

/* Explains a message of alice's, whose lines end in "\n" here; nothing is sent or counted. */
static void explain(const char *text)
{
	struct message *m = message_of_lines(text);

	m->flow = alice;
	told_n = 0;
	memcpy(before, counters_page->counter, sizeof(before));
	explain_write(&worker->sip, (struct str){(char *)m, m->size}, tell, NULL);
	free(m);
	settle();
	cr_assert_eq(memcmp(before, counters_page->counter, sizeof(before)), 0);
	quiet();
}

static bool says(const char *text)
{
	return strstr(told, text) != NULL;
}
#define SAYS(text) cr_assert(says(text), "%s in\n%s", text, told)

static void explain_request(const char *method, const char *uri, const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text),
		"%s %s SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx\nMax-Forwards: 70\n"
		"From: <sip:alice@example.net>;tag=a\nTo: <sip:bob@example.net>\n"
		"Call-ID: explained\nCSeq: 1 %s\nContact: <sip:alice@198.51.100.1>\n%s"
		"Content-Length: 0\n\n",
		method, uri, method, more);
	explain(text);
}

/* Rules for what follows are of both zones, and change nothing of the request. */
Test(explanation, rules_for_what_follows)
{
	zone_rules("in dialog header set X-Open yes\nheader set X-First yes");
	worker->image.zone[ZONE_CORE].rules = fixture_rules(
		&worker->image, "in response header remove Server");
	routes_taken();
	explain_request("INVITE", "sip:+4930123@example.net", "");
	SAYS("\"part\":\"rule\",\"name\":\"core\",\"line\":3,\"says\":\"of zone, for what follows: "
	     "in response header remove Server\"");
	SAYS("\"part\":\"rule\",\"name\":\"open\",\"line\":1,\"says\":\"of zone, for what follows: "
	     "in dialog header set X-Open yes\"");
	SAYS("X-First: yes");
	cr_assert_not(says("\"sends\",\"says\":\"X-Open"));
}

Test(explanation, the_trunk_that_it_comes_from)
{
	alice = flow_of(CORE_UDP, "10.0.0.11:5060", 0);
	explain_request("INVITE", "sip:bob@example.net", "");
	SAYS("\"part\":\"trunk\",\"name\":\"carrier\",\"says\":\"it comes from there: it is "
	     "the address of a target\"");
	alice = flow_of(CORE_UDP, "10.0.1.11:5060", 0);
	explain_request("INVITE", "sip:bob@example.net", "");
	SAYS("none of its sources: dropped");
	cr_assert_not(says("comes from there"));
}

Test(explanation, a_call_to_a_trunk)
{
	explain_request("INVITE", "sip:+4930123@example.net", "P-Asserted-Identity: <sip:x@y>\n");
	SAYS("\"part\":\"zone\",\"name\":\"open\"");
	SAYS("\"part\":\"route\",\"name\":\"users\",\"line\":7,\"says\":\"no: what is called is "
	     "no");
	SAYS("\"part\":\"route\",\"name\":\"out\",\"says\":\"matches\"");
	SAYS("1: sip:+4930123@10.0.0.11:5060, over UDP to 10.0.0.11:5060, zone core, up");
	SAYS("3: sip:+4930123@10.0.0.13:5060");
	SAYS("\"name\":\"P-Asserted-Identity\",\"says\":\"is removed: its sender is not trusted");
	SAYS("\"part\":\"sends\",\"says\":\"INVITE sip:+4930123@10.0.0.11:5060 SIP/2.0\"");
	cr_assert_null(worker->sip.call_list);
	cr_assert_null(worker->sip.invite_list);
}

Test(explanation, refusals)
{
	explain_request("INVITE", "sip:xyz@example.net", "");
	SAYS("no: what is called does not match ^no");
	SAYS("403 Forbidden");
	explain_request("INVITE", "sip:no.one@example.net", "");
	SAYS("410 Gone");
	SAYS("\"part\":\"counter\",\"name\":\"route_refused\"");
	explain_request("INVITE", "http://example.net", "");
	SAYS("416 ");
	explain_request("INVITE", "sip:bob@example.net", "Require: nonsense\n");
	SAYS("420 ");
	SAYS("\"part\":\"answer\",\"says\":\"Unsupported: nonsense\"");
	explain_request("BYE", "sip:bob@example.net", "");
	SAYS("481 ");
	explain_request("SUBSCRIBE", "sip:+4930123@example.net", "");
	SAYS("489 ");
	explain_request("PUBLISH", "sip:bob@example.net", "Event: presence\n");
	SAYS("and such a request for a server");
	SAYS("489 ");
	explain_request("OPTIONS", "sip:example.net", "");
	SAYS("it is for the gateway itself");
	SAYS("200 OK");
	explain_request("CANCEL", "sip:bob@example.net", "");
	SAYS("a CANCEL is for the INVITE of its branch");
}

Test(explanation, registrations)
{
	explain_request("REGISTER", "sip:example.net", "");
	SAYS("\"name\":\"sip:bob@example.net\",\"says\":\"1 bindings change, 1 there are then\"");
	explain_request("INVITE", "sip:bob@example.net", "");
	SAYS("480 ");
	register_phone("bob", "198.51.100.2:5060", NULL);
	explain_request("INVITE", "sip:bob@example.net", "");
	SAYS("\"part\":\"target\",\"name\":\"binding\"");
	explain_request("REGISTER", "sip:example.net", "Expires: 1\n");
	SAYS("423 ");
	SAYS("Min-Expires: ");
}

static void explain_in_dialog(
	const char *method, unsigned cseq, struct str from, struct str to, struct str call_id)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"%s sip:x@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKb\n"
		"Max-Forwards: 70\nFrom: %.*s\nTo: %.*s\nCall-ID: %.*s\nCSeq: %u %s\n"
		"Contact: <sip:x@198.51.100.1>\n%sContent-Length: 0\n\n",
		method, STR(from), STR(to), STR(call_id), cseq, method,
		strcmp(method, "NOTIFY") == 0
			? "Event: dialog\nSubscription-State: active;expires=600\n"
			: "");
	explain(text);
}

Test(explanation, within_a_call)
{
	register_phone("bob", "198.51.100.2:5060", NULL);
	ask(.method = "INVITE");
	struct sent *invite = take_request("INVITE");
	respond(invite, 200, .tag = "b");
	struct sent *ok = take_response(200);
	struct str from = S("<sip:alice@example.net>;tag=a"), to = value_of(ok->message, HEADER_TO),
		   id = S("call-of-alice");
	from = value_of(ok->message, HEADER_FROM);
	explain_in_dialog("ACK", 1, from, to, id);
	SAYS("\"says\":\"ACK sip:callee@");
	SAYS("CSeq: 1 ACK");
	SAYS("none: an ACK has no answer");
	explain_in_dialog("INVITE", 2, from, to, id);
	SAYS("it meets another INVITE of this call");
	SAYS("491 ");
	caller_asks(ok, "ACK", 1);
	take_request("ACK");
	explain_in_dialog("BYE", 9, from, to, id);
	SAYS("\"part\":\"dialog\",\"name\":\"call-of-alice\",\"says\":\"of a call that stands, "
	     "from the caller\"");
	SAYS("is the other leg, over UDP to 198.51.100.2:5060, zone ");
	SAYS("\"part\":\"sends\",\"says\":\"BYE sip:callee@");
	SAYS("\"name\":\"Via\",\"says\":\"is written anew");
	SAYS("that of the other leg");
	explain_in_dialog("INFO", 1, from, to, id);
	SAYS("its CSeq is not above the last one of that leg");
	SAYS("500 ");
	caller_asks(ok, "BYE", 2);
	struct sent *bye = take_request("BYE");
	explain_in_dialog("INFO", 3, from, to, id);
	SAYS("a BYE of this call is on its way");
	SAYS("481 ");
	respond(bye, 200);
	take_response(200);
	explain_in_dialog("INFO", 4, from, to, id);
	SAYS("481 ");
}

Test(explanation, subscriptions)
{
	register_phone("bob", "198.51.100.2:5060", NULL);
	ask(.method = "SUBSCRIBE", .more = "Event: dialog\nExpires: 600\n");
	struct sent *out = take_request("SUBSCRIBE");
	struct str ours = value_of(out->message, HEADER_FROM);
	explain_in_dialog("NOTIFY", 1, S("<sip:bob@example.net>;tag=b"), ours,
		message_str(out->message, out->message->call_id));
	SAYS("a NOTIFY that is awaited");
	cr_assert_not(says("481 "));
	explain_in_dialog(
		"NOTIFY", 1, S("<sip:bob@example.net>;tag=b"), ours, S("another-call-id"));
	SAYS("481 ");
	respond(out, 200, .tag = "b", .more = "Expires: 600\n");
	take_response(200);
	explain_in_dialog("NOTIFY", 1, S("<sip:bob@example.net>;tag=b"), ours,
		message_str(out->message, out->message->call_id));
	SAYS("of a subscription to dialog, from the notifier");
}

/* The gateway is the notifier of this one itself. */
Test(explanation, a_subscription_to_registrations)
{
	reg_watches_begin(&worker->sip);
	alice = flow_of(CORE_UDP, "10.0.0.5:5060", 0);
	ask(.method = "SUBSCRIBE", .call_id = "watch", .contact = "<sip:pbx@10.0.0.5>",
		.more = "Event: reg\nExpires: 600\n");
	struct sent *ok = take_response(200);
	respond(take_request("NOTIFY"), 200);
	explain_in_dialog("SUBSCRIBE", 9, value_of(ok->message, HEADER_FROM),
		value_of(ok->message, HEADER_TO), S("watch"));
	SAYS("of a subscription to registrations, which the gateway answers itself");
	cr_assert_not(says("481 "));
	reg_watches_free(&worker->sip);
}

/* OPTIONS by which a phone keeps its flow open are answered, as they are when they come. */
Test(explanation, a_keep_alive)
{
	struct binding b = {.expires_at = fixture_now() + 60000,
		.contact = S("sip:alice@198.51.100.1"),
		.call_id = S("x")};

	b.flow = alice = flow_of(ACCESS_UDP, "198.51.100.1:5060", 0);
	explain_request("OPTIONS", "sip:example.net", "");
	SAYS("is challenged first");
	cr_assert_eq(
		location_put(worker->sip.location, S("sip:alice@example.net"), &b, 1, NULL, NULL),
		0);
	pass(10);
	explain_request("OPTIONS", "sip:example.net", "");
	SAYS("its From is registered by this flow");
	SAYS("200 OK");
	explain_request("OPTIONS", "sip:bob@example.net", "");
	SAYS("is challenged first");
}

Test(explanation, a_response_and_what_is_no_block)
{
	explain("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKnobody\n"
		"From: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\nCall-ID: 1\nCSeq: 1 OPTIONS\n"
		"Content-Length: 0\n\n");
	SAYS("none of this gateway's");
	told_n = 0;
	explain_write(&worker->sip, S("12345678"), tell, NULL);
	SAYS("block is none");
}

/* Where calls to a user go on is told, and nobody is called. */
Test(explanation, forwards_of_the_user_who_is_called)
{
	struct {
		_Alignas(8) struct forwards head;
		struct forward_row row[2];
	} table = {.head = {.magic = FORWARDS_MAGIC, .size = sizeof(table), .mask = 1, .count = 1}};
	const uint32_t hash = forward_hash(0, S("bob"), FORWARD_ALWAYS);

	table.row[hash & 1] = (struct forward_row){.hash = hash,
		.when = FORWARD_ALWAYS,
		.name_length = 3,
		.to_length = 21,
		.name = "bob",
		.to = "sip:carol@example.net"};
	cr_assert_eq(forwards_check(&table, sizeof(table)), 0);
	explain_request("INVITE", "sip:bob@example.net", "");
	cr_assert_not(says("the call would go on"));
	worker->sip.forwards = &table.head;
	explain_request("INVITE", "sip:bob@example.net", "");
	SAYS("always: the call would go on to sip:carol@example.net");
	cr_assert_eq(worker->sip.calls, 0);
	worker->sip.forwards = NULL;
}
