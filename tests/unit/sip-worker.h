/* sip-worker.h - a whole SIP worker on the virtual clock, from a parsed message to the bytes that
 * it sends: transactions, dialogs, calls, routes, registrar. For tests of the call layer against
 * the RFCs, which look at nothing but what goes in and comes out.
 *
 * Messages for it are text, read by the transport worker's parser; what it sends is read by the
 * same parser, so that nothing malformed leaves it unseen. The tests play the peers:
 *
 *	struct said *invite = ask(.method = "INVITE", .uri = "sip:bob@example.net");
 *	struct sent *out = take_request("INVITE");
 *	respond(out, 180, .tag = "b");
 *	struct sent *ringing = take_response(180);
 *	caller_asks(ringing, "BYE", 2);
 *	quiet();
 *
 * The world (sip-fixture.h): phones are in zone open (untrusted, asks nobody), at 198.51.100.0/24.
 * The trunk "carrier" has three targets in zone core, which is trusted: 10.0.0.11 to 10.0.0.13.
 * Users of example.net are reached by their bindings, numbers by the trunk. The 100 Trying that
 * every INVITE gets is only counted.
 */
#ifndef SIPWARD_TESTS_UNIT_SIP_WORKER_H
#define SIPWARD_TESTS_UNIT_SIP_WORKER_H

#include "sip-fixture.h"

#include "ipc/message_slot.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/exchange.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/cdr.h"
#include "worker-sip/core.h"
#include "worker-sip/routing/balance.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/routing/target_state.h"
#include "worker-sip/routing/trunk_auth.h"
#include "worker-sip/routing/trunk_binding.h"
#include "worker-sip/routing/trunk_line.h"
#include "worker-sip/routing/trunk_registration.h"
#include "worker-sip/subscription/subscription.h"
#include "worker-transport/parse/parse.h"

#include <stdarg.h>

#define T1 500u
#define TIMER_C 181000u /* ms, of phones and of the trunk */
#define ANSWER 4000u    /* ms: the trunk's targets have so long for a first provisional answer */
#define CARRIER_TARGETS 3

/* A message of a peer, as the worker got it. */
struct said {
	struct flow flow;
	struct message *message;
};

/* A message that the worker sent. */
struct sent {
	struct flow to;
	uint64_t at_ms, cookie;
	bool reserve, taken;
	struct message *message;
};

#define TRAFFIC_MAX 1024
static struct fixture *worker;
static struct sent sent[TRAFFIC_MAX];
static struct said said[TRAFFIC_MAX];
static unsigned sent_count, said_count, trying_count, branch_count;
static int send_error;    /* what the next sends return */
static bool pings_heeded; /* pings of targets are noted, too */
static bool closing;      /* what is sent is of no interest any more */

/* ---- text to message and back ---- */

static inline struct message *message_of_text(const char *text, size_t size)
{
	static _Alignas(8) char block[MESSAGE_BLOCK_MAX];
	struct parse_error error;
	int result = parse_message(text, size, block, sizeof(block), &error);

	cr_assert_eq(result, 0, "%s:\n%.*s", result == -EBADMSG ? error.reason : "too large",
		(int)size, text);
	struct message *m = malloc(((struct message *)(void *)block)->size);
	cr_assert_not_null(m);
	memcpy(m, block, ((struct message *)(void *)block)->size);
	return m;
}

/* The same of a text whose lines end in "\n". */
static inline struct message *message_of_lines(const char *text)
{
	static char wire[MESSAGE_RAW_MAX];
	size_t n = 0;

	for (const char *c = text; *c; c++) {
		cr_assert_lt(n + 2, sizeof(wire));
		if (*c == '\n')
			wire[n++] = '\r';
		wire[n++] = *c;
	}
	return message_of_text(wire, n);
}

static inline struct str value_of(const struct message *m, enum header id)
{
	return message_value(m, id);
}

static inline bool has(struct str value, const char *part)
{
	return value.n && memmem(value.p, value.n, part, strlen(part)) != NULL;
}

/* Whether what was sent has that text. */
static inline bool raw_has(const struct sent *s, const char *text)
{
	return has((struct str){message_raw(s->message), s->message->raw_size}, text);
}

static int catch_send(
	void *arg, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve)
{
	struct message *m = message_of_text(bytes.p, bytes.n);

	(void)arg;
	if (send_error || closing) {
		free(m);
		return send_error;
	}
	/* a ping of the worker's own: nobody lives at its sender */
	struct str user = message_str(m, m->from.user);
	bool ours = !user.n || str_equal(user, settings_str(&worker->image.s,
						       worker->image.trunk[0].username));
	if (m->is_request && m->method == METHOD_OPTIONS && ours && !pings_heeded) {
		free(m);
		return 0;
	}
	if (m->status == 100) {
		trying_count++;
		free(m);
		return 0;
	}
	cr_assert_lt(sent_count, TRAFFIC_MAX);
	sent[sent_count++] = (struct sent){.to = *to,
		.at_ms = virtual_clock_ms(),
		.cookie = cookie,
		.reserve = reserve,
		.message = m};
	return 0;
}

/* ---- life ---- */

static inline void worker_trunk(struct image *i)
{
	static const char *const uri[CARRIER_TARGETS] = {
		"10.0.0.11:5060", "10.0.0.12:5060", "10.0.0.13:5060"};

	for (unsigned k = 0; k < CARRIER_TARGETS; k++)
		i->target[k] = (struct target_settings){.uri = fixture_text(i, uri[k]),
			.endpoint = fixture_endpoint(uri[k]),
			.transport = TRANSPORT_UDP,
			.listener = CORE_UDP};
	i->trunk[0] = (struct trunk_settings){.name = fixture_text(i, "carrier"),
		.targets = {offsetof(struct image, target), CARRIER_TARGETS},
		.zone = ZONE_CORE,
		.answer_ms = ANSWER,
		.ring_ms = TIMER_C,
		.certificate = NONE_INDEX,
		.verify = 1,
		.ping_down = 2,
		.ping_up = 1};
	failover_add(i->trunk[0].failover, 408);
	failover_add(i->trunk[0].failover, 503);
	i->s.trunks = (struct array){offsetof(struct image, trunk), 1};
}

static inline void worker_routes(struct image *i)
{
	i->route[0] = (struct route_settings){.name = fixture_text(i, "users"),
		.from = 1u << ZONE_OPEN | 1u << ZONE_CORE,
		.to_domain = 0,
		.line = 7,
		.action = ROUTE_REGISTERED};
	i->route[1] = (struct route_settings){.name = fixture_text(i, "out"),
		.from = 1u << ZONE_OPEN,
		.number = fixture_text(i, "^\\+?[0-9]{3,15}$"),
		.trunks = {offsetof(struct image, route_trunk), 1},
		.to_domain = NONE_INDEX,
		.action = ROUTE_TRUNK};
	i->route[2] = (struct route_settings){.name = fixture_text(i, "no"),
		.from = 1u << ZONE_OPEN,
		.number = fixture_text(i, "^no"),
		.to_domain = NONE_INDEX,
		.status = 410,
		.action = ROUTE_REFUSE};
	i->s.routes = (struct array){offsetof(struct image, route), 3};
}

/* A flow of a peer to a listener; id: of a stream. */
static inline struct flow flow_of(unsigned listener, const char *peer, uint64_t id)
{
	return fixture_flow(worker, listener, peer, id);
}

static struct flow alice; /* the caller's, unless a test says otherwise */

static inline void worker_set_up(void)
{
	worker = fixture_new();
	worker_trunk(&worker->image);
	worker_routes(&worker->image);
	cr_assert_eq(settings_check(&worker->image, sizeof(worker->image)), 0);
	worker->sip.send_hook = catch_send;
	cr_assert_eq(routes_new(&worker->sip.routes, &worker->image.s), 0);
	cr_assert_eq(
		target_states_new(&worker->sip.target_states, &worker->sip, fork_attempt_lost), 0);
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	cr_assert_eq(dialogs_new(&worker->sip.dialogs), 0);
	alice = flow_of(OPEN_UDP, "198.51.100.1:5060", 0);
	virtual_clock_advance(worker->sip.loop, 10000);
}

/* Settings with other routes or rules are in force. */
static inline void routes_taken(void)
{
	cr_assert_eq(settings_check(&worker->image, sizeof(worker->image)), 0);
	routes_free(worker->sip.routes);
	cr_assert_eq(routes_new(&worker->sip.routes, &worker->image.s), 0);
}

/* The rules of the zone that asks nobody, one a line. */
static inline void zone_rules(const char *text)
{
	worker->image.zone[ZONE_OPEN].rules = fixture_rules(&worker->image, text);
	routes_taken();
}

/* From now on alice calls by a stream, whose source cannot be forged: all is repeated to her that
 * the RFCs say, however short her INVITEs are (transaction_bound). */
static inline void alice_comes_by_stream(void)
{
	alice = flow_of(OPEN_TCP, "198.51.100.1:5060", FLOW_ID(0, 1, 9));
}

/* All that is left in the end goes by itself: no transaction is for ever. */
static inline void worker_tear_down(void)
{
	trunk_registrations_free(&worker->sip);
	trunk_bindings_free(&worker->sip);
	trunk_lines_free(&worker->sip);
	closing = true;
	send_error = 0;
	worker->image.s.trunks.count = 0; /* targets that are down are pinged for ever */
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	virtual_clock_advance(worker->sip.loop, 2 * TIMER_C + 10 * 64 * T1);
	cr_assert_eq(counters_page->counter[COUNTER_TRANSACTIONS], 0);
	closing = false;
	while (sent_count)
		free(sent[--sent_count].message);
	while (said_count)
		free(said[--said_count].message);
	transactions_free(worker->sip.transactions);
	worker->sip.transactions = NULL;
	while (worker->sip.call_list)
		call_free(worker->sip.call_list);
	while (worker->sip.subscription_list)
		subscription_free(worker->sip.subscription_list);
	cr_assert_null(worker->sip.subscription_over_list);
	cr_assert_null(worker->sip.subscribe_list);
	cr_assert_eq(dialogs_retired(worker->sip.dialogs), 0, "a dialog is left");
	dialogs_free(worker->sip.dialogs);
	routes_free(worker->sip.routes);
	target_states_free(worker->sip.target_states);
	trunk_auth_free(&worker->sip);
	cdr_free(worker->sip.cdr);
	fixture_free(worker);
}

/* ---- time ---- */

/* Lets the worker do what is to be done now. */
static inline void settle(void)
{
	virtual_clock_advance(worker->sip.loop, 0);
}

static inline void pass(unsigned ms)
{
	virtual_clock_advance(worker->sip.loop, ms);
}

/* ---- what peers say ---- */

/* Gives the worker a message, whose lines end in "\n" here, without letting it do what it left for
 * the end of the turn. */
static inline struct said *receive_in_turn(const struct flow *from, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static inline struct said *receive_in_turn(const struct flow *from, const char *format, ...)
{
	static char text[MESSAGE_RAW_MAX];
	struct said *s = &said[said_count];
	va_list arguments;

	va_start(arguments, format);
	cr_assert_lt(vsnprintf(text, sizeof(text), format, arguments), (int)sizeof(text));
	va_end(arguments);
	cr_assert_lt(said_count++, TRAFFIC_MAX);
	s->flow = *from;
	s->message = message_of_lines(text);
	s->message->flow = *from;
	cr_assert_eq(message_check(s->message, s->message->size), 0);
	core_message(&worker->sip, s->message,
		slot_of_message(s->message, &worker->sip.keys.slot_key, worker->sip.settings));
	return s;
}
#define receive(from, ...)                                                                         \
	({                                                                                         \
		struct said *receive_said = receive_in_turn(from, __VA_ARGS__);                    \
		settle();                                                                          \
		receive_said;                                                                      \
	})

/* A request outside a dialog; what is not said has a usual value. */
struct asking {
	const struct flow *by;
	const char *method, *uri, *from, *from_tag, *to, *call_id, *branch, *contact, *more, *body;
	unsigned cseq, max_forwards;
	bool last_hop; /* Max-Forwards: 0 */
	bool brief;    /* INVITE: as short as it comes, and not of the length of a phone's */
};
/* Blanks that an INVITE is made longer by, in a line which does not pass: to a short one of a
 * source that has not shown itself less goes back (transaction_bound). */
#define PHONE_BLANKS 480
#define USUAL(a, b) ((a) ? (a) : (b))

static inline const char *type_of(const char *body)
{
	return *body ? "Content-Type: application/sdp\n" : "";
}

static inline struct said *asking_say(struct asking a)
{
	char branch[32], host[ENDPOINT_TEXT_SIZE];
	struct flow by = a.by ? *a.by : alice;
	const char *body = USUAL(a.body, "");
	int blanks = strcmp(a.method, "INVITE") == 0 && !a.brief ? PHONE_BLANKS : 0;

	snprintf(branch, sizeof(branch), "z9hG4bK%u", ++branch_count);
	endpoint_text(&by.peer, host);
	return receive(&by,
		"%s %s SIP/2.0\nVia: SIP/2.0/%s %s;branch=%s;rport\nMax-Forwards: %*u\nFrom: "
		"%s;tag=%s\nTo: %s\nCall-ID: %s\nCSeq: %u %s\nContact: %s\n%s"
		"%sContent-Length: %zu\n\n%s",
		a.method, USUAL(a.uri, "sip:bob@example.net"), transport_name(by.transport), host,
		USUAL(a.branch, branch), blanks, a.last_hop ? 0 : USUAL(a.max_forwards, 70),
		USUAL(a.from, "<sip:alice@example.net>"), USUAL(a.from_tag, "a"),
		USUAL(a.to, "<sip:bob@example.net>"), USUAL(a.call_id, "call-of-alice"),
		USUAL(a.cseq, 1), a.method, USUAL(a.contact, "<sip:alice@198.51.100.1>"),
		USUAL(a.more, ""), type_of(body), strlen(body), body);
}
#define ask(...) asking_say((struct asking){__VA_ARGS__})

/* CANCEL, or the ACK of a failure, as the one who said the INVITE says it (RFC 3261 sections 9.1
 * and 17.1.1.3). */
static inline void repeat_hop(const struct said *invite, const char *method, struct str to)
{
	const struct message *m = invite->message;

	receive(&invite->flow,
		"%s %.*s SIP/2.0\nVia: %.*s\nMax-Forwards: 70\nFrom: %.*s\nTo: %.*s\n"
		"Call-ID: %.*s\nCSeq: %u %s\nContent-Length: 0\n\n",
		method, STR(message_str(m, m->request_uri.whole)), STR(message_str(m, m->via)),
		STR(value_of(m, HEADER_FROM)), STR(to), STR(message_str(m, m->call_id)), m->cseq,
		method);
}

static inline void cancel(const struct said *invite)
{
	repeat_hop(invite, "CANCEL", value_of(invite->message, HEADER_TO));
}

static inline void acknowledge_failure(const struct said *invite, const struct sent *response)
{
	repeat_hop(invite, "ACK", value_of(response->message, HEADER_TO));
}

/* The way back of what was sent to a flow. */
static inline struct flow way_back(const struct flow *to)
{
	struct flow back = *to;

	back.local = settings_listener(&worker->image.s, to->listener)->bind;
	back.profile = 0;
	if (transport_is_stream(to->transport) && !to->id)
		back.id = FLOW_ID(0, 1, 77); /* the connection that was opened for it */
	return back;
}

/* A peer's response to what the worker sent. */
struct responding {
	const char *tag; /* of To; NULL: as it came */
	const char *contact, *more, *body;
	const struct flow *by;
};

static inline struct said *responding_say(
	const struct sent *request, unsigned status, struct responding r)
{
	const struct message *m = request->message;
	struct flow by = r.by ? *r.by : way_back(&request->to);
	const char *body = USUAL(r.body, "");
	char contact[ENDPOINT_TEXT_SIZE + 32], host[ENDPOINT_TEXT_SIZE];

	endpoint_text(&by.peer, host);
	snprintf(contact, sizeof(contact), "<sip:callee@%s>", host);
	return receive(&by,
		"SIP/2.0 %u Whatever\nVia: %.*s\nFrom: %.*s\nTo: %.*s%s%s\nCall-ID: %.*s\n"
		"CSeq: %.*s\n%s%s%s%s%sContent-Length: %zu\n\n%s",
		status, STR(message_str(m, m->via)), STR(value_of(m, HEADER_FROM)),
		STR(value_of(m, HEADER_TO)), r.tag ? ";tag=" : "", USUAL(r.tag, ""),
		STR(message_str(m, m->call_id)), STR(value_of(m, HEADER_CSEQ)),
		status > 100 ? "Contact: " : "", status > 100 ? USUAL(r.contact, contact) : "",
		status > 100 ? "\n" : "", USUAL(r.more, ""), type_of(body), strlen(body), body);
}
#define respond(request, status, ...)                                                              \
	responding_say(request, status, (struct responding){__VA_ARGS__})

/* A request within a dialog, of a peer that got Contact and the two addresses. */
struct in_dialog {
	const char *more, *body, *contact;
	const struct flow *by;
};

static inline struct said *in_dialog_say(struct flow by, const struct message *got, struct str ours,
	const char *tag, struct str theirs, const char *method, unsigned cseq, struct in_dialog d)
{
	char host[ENDPOINT_TEXT_SIZE], contact[ENDPOINT_TEXT_SIZE + 32];
	const char *body = USUAL(d.body, "");

	if (d.by)
		by = *d.by;
	endpoint_text(&by.peer, host);
	snprintf(contact, sizeof(contact), "<sip:peer@%s>", host);
	return receive(&by,
		"%s %.*s SIP/2.0\nVia: SIP/2.0/%s %s;branch=z9hG4bK%u;rport\nMax-Forwards: 70\n"
		"From: %.*s%s%s\nTo: %.*s\nCall-ID: %.*s\nCSeq: %u %s\nContact: %s\n%s"
		"%sContent-Length: %zu\n\n%s",
		method, STR(message_str(got, got->contact.whole)), transport_name(by.transport),
		host, ++branch_count, STR(ours), *tag ? ";tag=" : "", tag, STR(theirs),
		STR(message_str(got, got->call_id)), cseq, method, USUAL(d.contact, contact),
		USUAL(d.more, ""), type_of(body), strlen(body), body);
}
/* The caller, in the dialog of a response that it got. */
#define caller_asks(response, method, cseq, ...)                                                   \
	in_dialog_say(way_back(&(response)->to), (response)->message,                              \
		value_of((response)->message, HEADER_FROM), "",                                    \
		value_of((response)->message, HEADER_TO), method, cseq,                            \
		(struct in_dialog){__VA_ARGS__})
/* The callee, in the dialog that it made with its tag of an INVITE that it got. */
#define callee_asks(invite, tag, method, cseq, ...)                                                \
	in_dialog_say(way_back(&(invite)->to), (invite)->message,                                  \
		value_of((invite)->message, HEADER_TO), tag,                                       \
		value_of((invite)->message, HEADER_FROM), method, cseq,                            \
		(struct in_dialog){__VA_ARGS__})

/* ---- what the worker sent ---- */

/* All that was sent and not looked at yet, for messages of failed assertions. */
static inline const char *untaken(void)
{
	static char text[4096];
	size_t n = 0;

	text[0] = 0;
	for (unsigned i = 0; i < sent_count; i++)
		if (!sent[i].taken && n < sizeof(text) - 200)
			n += (size_t)snprintf(text + n, 200, "[%.*s to port %u] ",
				STR(message_str(sent[i].message, sent[i].message->start_line)),
				sent[i].to.peer.port);
	return text;
}

static inline struct sent *take(const char *method, unsigned status)
{
	for (unsigned i = 0; i < sent_count; i++) {
		const struct message *m = sent[i].message;
		bool wanted = status ? m->status == status
		                     : m->is_request && str_equal(message_str(m, m->method_name),
								str_of(method));

		if (sent[i].taken || !wanted)
			continue;
		sent[i].taken = true;
		return &sent[i];
	}
	return NULL;
}

/* The earliest request of that method that was sent and not taken yet. */
static inline struct sent *take_request(const char *method)
{
	struct sent *s = take(method, 0);

	cr_assert_not_null(s, "no %s was sent, but %s", method, untaken());
	return s;
}

/* The earliest response of that status that was sent and not taken yet. */
static inline struct sent *take_response(unsigned status)
{
	struct sent *s = take(NULL, status);

	cr_assert_not_null(s, "no %u was sent, but %s", status, untaken());
	return s;
}

/* Takes all requests of that method and returns how many there were. */
static inline unsigned take_all(const char *method)
{
	unsigned n = 0;

	while (take(method, 0))
		n++;
	return n;
}

/* Asserts that nothing was sent but what was taken. */
#define quiet()                                                                                    \
	do {                                                                                       \
		for (unsigned quiet_i = 0; quiet_i < sent_count; quiet_i++)                        \
			cr_assert(sent[quiet_i].taken, "also sent: %s", untaken());                \
	} while (0)

static inline bool sent_to(const struct sent *s, const char *endpoint)
{
	struct endpoint e = fixture_endpoint(endpoint);

	return endpoint_equal(&s->to.peer, &e);
}

/* A phone of a user, with that q (NULL: 1), at the address. */
static inline void register_phone(const char *user, const char *address, const char *q)
{
	struct flow flow = flow_of(OPEN_UDP, address, 0);
	static unsigned cseq;
	char to[64], contact[128], call_id[64];

	snprintf(to, sizeof(to), "<sip:%s@example.net>", user);
	snprintf(contact, sizeof(contact), "<sip:%s@%s>%s%s;expires=3600", user, address,
		q ? ";q=" : "", USUAL(q, ""));
	snprintf(call_id, sizeof(call_id), "register-%s", address);
	ask(.by = &flow, .method = "REGISTER", .uri = "sip:example.net", .from = to, .to = to,
		.contact = contact, .call_id = call_id, .cseq = ++cseq);
	pass(10);
	take_response(200);
}

#endif
