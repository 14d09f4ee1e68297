/* sip-transaction-fixture.h - for tests of the transaction layer: a SIP worker without a mesh,
 * whose sends are caught, on a virtual clock, with the timers of RFC 3261 at their real lengths;
 * requests and responses of one call; users that note what they are told.
 */
#ifndef SIPWARD_TESTS_UNIT_SIP_TRANSACTION_FIXTURE_H
#define SIPWARD_TESTS_UNIT_SIP_TRANSACTION_FIXTURE_H

#include "worker-sip/message/response.h"
#include "worker-sip/message/wire_header.h"
#include "worker-sip/transaction/ack_cancel.h"
#include "worker-sip/transaction/transaction.h"
#include "sip-message.h"
#include "virtual_clock.h"

#include <errno.h>

#define T1 500u
#define T2 4000u
#define T4 5000u
#define PATIENCE (200 * T1) /* ms; more than any transaction lives */

struct caught {
	struct flow to;
	uint64_t cookie, at_ms;
	bool reserve;
	char *text;
};

struct noted {
	unsigned cancelled, unacknowledged, failed, gone, responses;
	unsigned status; /* of the last failure or response */
	int error;
};

static struct sip sip;
static struct settings settings;
static struct caught caught[512];
static unsigned caught_count;
static int send_error; /* what the next sends return */
static struct flow udp = {.transport = TRANSPORT_UDP,
	.peer = {.family = 4, .port = 5070, .address = {192, 0, 2, 1}},
	.local = {.family = 4, .port = 5060, .address = {192, 0, 2, 9}}};
static struct flow tcp __attribute__((unused)) = {.id = FLOW_ID(1, 2, 3),
	.transport = TRANSPORT_TCP,
	.peer = {.family = 4, .port = 40000, .address = {192, 0, 2, 1}},
	.local = {.family = 4, .port = 5060, .address = {192, 0, 2, 9}}};

/* The time by which transactions count. */
static inline uint64_t loop_ms(void)
{
	return loop_now(sip.loop);
}

static int catch_send(
	void *arg, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve)
{
	(void)arg;
	if (send_error)
		return send_error;
	cr_assert(caught_count < sizeof(caught) / sizeof(*caught));
	caught[caught_count++] = (struct caught){.to = *to,
		.cookie = cookie,
		.at_ms = loop_ms(),
		.reserve = reserve,
		.text = strndup(bytes.p, bytes.n)};
	return 0;
}

static inline void forget_sends(void)
{
	while (caught_count)
		free(caught[--caught_count].text);
}

static inline void set_up(void)
{
	settings = (struct settings){
		.t1_ms = T1, .t2_ms = T2, .t4_ms = T4, .transactions_max = 100, .max_forwards = 70};
	sip = (struct sip){.settings = &settings, .send_hook = catch_send};
	hash_key_random(&sip.keys.minting.key[0]);
	hash_key_random(&sip.keys.slot_key);
	virtual_clock_start();
	cr_assert(loop_new(&sip.loop) == 0);
	cr_assert(transactions_new(&sip.transactions, &sip) == 0);
}

static inline void tear_down(void)
{
	transactions_free(sip.transactions);
	loop_free(sip.loop);
	forget_sends();
	virtual_clock_stop();
}

/* One turn of the loop, without waiting for anything. */
static inline void turn(void)
{
	loop_once(sip.loop, 0);
}

/* Lets time pass until condition, which is looked at after each moment at which something happens;
 * fails after PATIENCE. */
#define WAIT(condition)                                                                            \
	do {                                                                                       \
		uint64_t wait_until = loop_ms() + PATIENCE;                                        \
		virtual_clock_advance(sip.loop, 0);                                                \
		while (!(condition))                                                               \
			cr_assert(                                                                 \
				virtual_clock_step(sip.loop, PATIENCE) && loop_ms() < wait_until,  \
				"waited in vain for " #condition);                                 \
	} while (0)

/* Lets ms pass: to see that nothing happens. */
static inline void pass(unsigned ms)
{
	virtual_clock_advance(sip.loop, ms);
}

/* Asserts that exactly ms have passed between two readings of loop_ms. */
#define EXACTLY(passed, ms)                                                                        \
	cr_assert((passed) == (ms), "%llu ms, not %u", (unsigned long long)(passed), (unsigned)(ms))

/* ---- messages ---- */

struct request {
	const char *method, *uri, *branch, *sent_by, *from_tag, *to_tag, *call_id, *more;
	unsigned cseq;
	const char *cseq_method, *transport;
};
#define OR(a, b) ((a) ? (a) : (b))

static inline struct message *request_make(const struct flow *flow, struct request r)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: "
		"\"A\" <sip:a@example.net>;tag=%s\r\nTo: <sip:b@example.net>%s%s\r\nCall-ID: "
		"%s\r\nCSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
		r.method, OR(r.uri, "sip:b@example.net"), OR(r.transport, "UDP"),
		OR(r.sent_by, "192.0.2.1:5070"), OR(r.branch, "z9hG4bKone"), OR(r.from_tag, "ft"),
		r.to_tag ? ";tag=" : "", OR(r.to_tag, ""), OR(r.call_id, "call-1"),
		r.cseq ? r.cseq : 1, OR(r.cseq_method, r.method), OR(r.more, ""));
	return message_of(text, flow);
}
#define REQUEST(flow, name, ...)                                                                   \
	request_make((flow), (struct request){.method = (name), ##__VA_ARGS__})

/* Gives a request to the layer. */
static inline enum request_kind receive_request(struct message *m, struct transaction **out)
{
	struct transaction *t = NULL;
	enum request_kind kind = transactions_request(sip.transactions, m, 7, &t);

	free(m);
	if (out)
		*out = t;
	return kind;
}

static inline struct wire *wire_of(const char *text)
{
	struct wire *w = wire_new(text, strlen(text));

	cr_assert(w != NULL);
	return w;
}

/* ---- what was sent ---- */

static inline const char *sent_text(unsigned i)
{
	cr_assert(i < caught_count, "only %u messages were sent", caught_count);
	return caught[i].text;
}
static inline bool sent_starts(unsigned i, const char *start)
{
	return strncmp(sent_text(i), start, strlen(start)) == 0;
}
static inline unsigned sent_status(unsigned i)
{
	return sent_starts(i, "SIP/2.0 ") ? (unsigned)atoi(sent_text(i) + 8) : 0;
}
static inline bool sent_has(unsigned i, const char *part)
{
	return strstr(sent_text(i), part) != NULL;
}
static inline struct str sent_to_tag(unsigned i)
{
	const char *to = strstr(sent_text(i), "\r\nTo: "), *tag = strstr(to, ";tag="),
		   *end = strstr(to + 2, "\r\n");

	return tag && tag < end ? (struct str){tag + 5, (size_t)(end - tag) - 5} : STR_NONE;
}

/* ---- users ---- */

static inline void on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	(void)t;
	cr_assert(cancel->method == METHOD_CANCEL);
	((struct noted *)user)->cancelled++;
}
static inline void on_unacknowledged(void *user, struct transaction *t)
{
	(void)t;
	((struct noted *)user)->unacknowledged++;
}
static inline void on_server_failed(void *user, struct transaction *t, int error)
{
	(void)t;
	((struct noted *)user)->failed++;
	((struct noted *)user)->error = error;
}
static inline void on_gone(void *user, struct transaction *t)
{
	(void)t;
	((struct noted *)user)->gone++;
}
static inline void on_client_response(void *user, struct transaction *t, const struct message *m)
{
	(void)t;
	((struct noted *)user)->responses++;
	((struct noted *)user)->status = m->status;
}
static inline void on_client_failed(void *user, struct transaction *t, unsigned status, int error)
{
	(void)t;
	((struct noted *)user)->failed++;
	((struct noted *)user)->status = status;
	((struct noted *)user)->error = error;
}
static const struct server_user server_notes = {.cancelled = on_cancelled,
	.unacknowledged = on_unacknowledged,
	.failed = on_server_failed,
	.gone = on_gone};
static const struct client_user client_notes __attribute__((unused)) = {
	.response = on_client_response, .failed = on_client_failed, .gone = on_gone};

/* A new server transaction of a request, with notes. */
static inline struct transaction *serve(struct message *m, struct noted *to)
{
	struct transaction *t;

	cr_assert(receive_request(m, &t) == REQUEST_NEW);
	cr_assert(t != NULL);
	transaction_serve(t, &server_notes, to);
	return t;
}

/* A client transaction with notes: a request whose branch's id is 1. */
#define OUR_BRANCH "z9hG4bKours"
static inline const char *client_text(const char *method)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		"%s sip:b@198.51.100.1;transport=udp SIP/2.0\r\nVia: SIP/2.0/UDP "
		"192.0.2.9:5060;branch=" OUR_BRANCH
		";rport\r\nMax-Forwards: 69\r\nRoute: <sip:r1;lr>\r\nRoute: <sip:r2;lr>\r\nFrom: "
		"<sip:a@example.net>;tag=l\r\n"
		"To: <sip:b@example.net>\r\nCall-ID: out-1\r\nCSeq: 41 %s\r\nContact: "
		"<sip:x@192.0.2.9>\r\nContent-Length: 2\r\n\r\nhi",
		method, method);
	return text;
}
static inline struct transaction *send_request(
	const struct flow *flow, uint8_t method, struct noted *to)
{
	struct wire *w = wire_of(client_text(method_name(method)));
	struct transaction *t = NULL;

	cr_assert(transaction_send(
			  sip.transactions, method, 1, 7, flow, w, &client_notes, to, &t) == 0);
	wire_drop(w);
	return t;
}

/* Gives the layer a response to it. */
static inline int receive_response(
	const struct flow *flow, const char *method, unsigned status, const char *to_tag)
{
	char text[1024];
	struct message *m;
	int result;

	snprintf(text, sizeof(text),
		"SIP/2.0 %u X\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=" OUR_BRANCH
		"\r\nFrom: <sip:a@example.net>;tag=l\r\nTo: <sip:b@example.net>;tag=%s\r\nCall-ID: "
		"out-1\r\nCSeq: 41 %s\r\n\r\n",
		status, to_tag, method);
	m = message_of(text, flow);
	result = transactions_response(sip.transactions, m, 1);
	free(m);
	return result;
}

#endif
