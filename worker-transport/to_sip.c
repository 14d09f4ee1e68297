/* to_sip.c - the choice of the SIP worker that gets a message, and refusals where it has no room.
 *
 * A message is parsed into a scratch block and copied once, into the batch of the worker that owns
 * its slot, which is known only after parsing. When that worker's queue is full, new requests are
 * answered 503, so that their senders go elsewhere. A retransmission of a request that got through
 * is dropped, for a 503 would end a call that already rings. Bytes that ended a worker before are
 * dropped without an answer, for that would mean reading them. Relies on: reading_parse,
 * slot_of_message, stateless_answer_write.
 */
#include "to_sip.h"

#include "common/counters.h"
#include "fault_log.h"
#include "worker/crash_hook.h"
#include "ipc/message_slot.h"
#include "ipc/emergency.h"
#include "ipc/mesh.h"
#include "ipc/token.h"
#include "admit.h"
#include "flow.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/reading.h"
#include "worker-transport/parse/stateless_answer.h"
#include "capture.h"
#include "stranger.h"
#include "transport_worker.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define PLACES 4 /* that a fingerprint may stand in */

struct forwarded {
	uint64_t print; /* 0: empty */
	uint64_t at;    /* ms */
};

struct to_sip {
	struct hash_key key;
	struct forwarded forwarded[FORWARDED_MAX];
	struct fault_log faults;
	struct reading reading;
	char answer[STATELESS_ANSWER_MAX];
};

int to_sip_new(struct to_sip **out)
{
	struct to_sip *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	hash_key_random(&f->key);
	*out = f;
	return 0;
}

void to_sip_free(struct to_sip *f)
{
	free(f);
}

/* ---- requests that were forwarded lately ---- */

/* Branch, sent-by and method identify a transaction (RFC 3261 section 17.2.3); the source keeps
 * strangers from guessing one. */
static uint64_t to_sip_fingerprint(const struct to_sip *f, const struct message *m)
{
	uint64_t part[5] = {
		hash_str(&f->key, message_str(m, m->via_branch)),
		hash_str_nocase(&f->key, message_str(m, m->via_host)),
		hash_str(&f->key, message_str(m, m->method_name)),
		hash_bytes(&f->key, &m->flow.peer, sizeof(m->flow.peer)),
		m->via_port,
	};
	uint64_t print = hash_bytes(&f->key, part, sizeof(part));

	return print ? print : 1;
}

static struct forwarded *to_sip_places(struct to_sip *f, uint64_t print)
{
	return &f->forwarded[print % (FORWARDED_MAX / PLACES) * PLACES];
}

static bool to_sip_was_forwarded(
	const struct transport_worker *t, const struct message *m, uint64_t now)
{
	struct to_sip *f = t->to_sip;
	uint64_t print = to_sip_fingerprint(f, m);
	const struct forwarded *place = to_sip_places(f, print);

	for (unsigned i = 0; i < PLACES; i++)
		if (place[i].print == print && now - place[i].at < settings_64_t1(t->settings))
			return true;
	return false;
}

static void to_sip_remember(struct to_sip *f, const struct message *m, uint64_t now)
{
	uint64_t print = to_sip_fingerprint(f, m);
	struct forwarded *place = to_sip_places(f, print), *oldest = place;

	for (unsigned i = 0; i < PLACES; i++) {
		if (place[i].print == print)
			return; /* a retransmission does not make its transaction younger */
		if (place[i].at < oldest->at || place[i].print == 0)
			oldest = &place[i];
		if (oldest->print == 0)
			break;
	}
	*oldest = (struct forwarded){.print = print, .at = now};
}

/* ---- refusals ---- */

/* Whether an operator has picked the source (sipwardctl debug --source). */
static bool to_sip_is_picked(const struct transport_worker *t, const struct endpoint *peer)
{
	const struct lifeline_debug_watch *w = t->debug.watch;

	for (unsigned i = 0; i < t->debug.count; i++)
		if (w[i].kind == DEBUG_SOURCE && loop_now(t->loop) < w[i].until &&
			prefix_contains(&w[i].sources, peer))
			return true;
	return false;
}

static struct fault_source to_sip_source(const struct transport_worker *t, const struct flow *flow)
{
	return (struct fault_source){.flow = flow,
		.picked = t->debug.count && to_sip_is_picked(t, &flow->peer),
		.now = loop_now(t->loop)};
}

/* What is not said of anybody else, because there may be much of it. */
static void to_sip_say_of_picked(
	struct transport_worker *t, const struct flow *flow, const char *reason)
{
	if (t->debug.count && to_sip_is_picked(t, &flow->peer))
		to_sip_say_dropped(t, flow, reason);
}

void to_sip_say_dropped(struct transport_worker *t, const struct flow *flow, const char *reason)
{
	struct to_sip *f = t->to_sip;
	const struct fault_source from = to_sip_source(t, flow);

	fault_log_dropped(&f->faults, &f->key, &from, reason);
}

void to_sip_count_dropped(struct transport_worker *t, const struct flow *flow, enum counter reason)
{
	counter_add(reason, 1);
	to_sip_say_dropped(t, flow, counter_rows[reason].name);
}

void to_sip_say_not_admitted(struct transport_worker *t, const struct flow *flow, int error)
{
	switch (error) {
	case -EACCES: to_sip_say_dropped(t, flow, "not a source of its zone"); break;
	case -EMFILE: to_sip_say_dropped(t, flow, "too many connections of its source"); break;
	case -EAGAIN: to_sip_say_dropped(t, flow, "too many connections"); break;
	case -ENOENT: to_sip_say_of_picked(t, flow, "its source is denied by its zone"); break;
	case -EPERM: to_sip_say_of_picked(t, flow, "its source is banned"); break;
	}
}

/* Whether a request that came by flow is within the allowance of its source. m: what was read of
 * it, NULL: it could not be. */
static bool to_sip_admits(
	struct transport_worker *t, const struct flow *flow, const struct message *m)
{
	uint64_t now = loop_now(t->loop);

	if (admit_request(t->admit, flow->listener, &flow->peer, now) == 0)
		return true;
	if (m && emergency_call(t->settings, m) &&
		admit_emergency(t->admit, flow->listener, &flow->peer, now) == 0)
		return true;
	count(DROP_RATE);
	to_sip_say_dropped(t, flow, "over the rate of its zone");
	return false;
}

/* Writes the answer to m. A datagram's source may be forged: it is sent at most message_answer_max
 * bytes, without Server where that is too much, or none (-EMSGSIZE). */
static long to_sip_write_answer(struct transport_worker *t, const struct flow *flow,
	const struct message *m, const struct stateless_answer *why)
{
	struct stateless_answer brief = *why;
	struct to_sip *f = t->to_sip;
	long limit = flow->transport == TRANSPORT_UDP ? (long)message_answer_max(m) : LONG_MAX;
	long n = stateless_answer_write(
		&t->tag_key, m, &flow->peer, why, f->answer, sizeof(f->answer));

	if (n <= limit)
		return n;
	brief.server = STR_NONE;
	n = stateless_answer_write(
		&t->tag_key, m, &flow->peer, &brief, f->answer, sizeof(f->answer));
	return n <= limit ? n : -EMSGSIZE;
}

static void to_sip_answer(struct transport_worker *t, const struct flow *flow,
	const struct message *m, const struct stateless_answer *why)
{
	long n = to_sip_write_answer(t, flow, m, why);
	struct outgoing out = {.bytes = t->to_sip->answer, .size = n > 0 ? (size_t)n : 0};

	if (n > 0 && flow_send(t, flow, &out) == 0)
		count(REFUSED);
	else
		count(REFUSED_UNANSWERED);
}

static struct str to_sip_server(const struct transport_worker *t)
{
	return settings_str(t->settings, t->settings->server);
}

/* Answers a message that cannot be parsed, where error says that the block holds what an answer
 * copies. */
static void to_sip_refuse_malformed(struct transport_worker *t, const struct flow *flow,
	struct str raw, const struct parse_error *error, unsigned status, const char *reason)
{
	const struct message *m = (const struct message *)t->to_sip->reading.block;

	if (stranger_is(t->settings, flow->listener, &flow->peer))
		return;
	if (!error->answerable || !status || !m->is_request || m->method == METHOD_ACK)
		return;
	/* answers cost as well: a source has no more of them than of requests */
	if (!to_sip_admits(t, flow, NULL))
		return;
	if (capture_wanted(t))
		capture_add(t, flow, &flow->local, false, raw);
	to_sip_answer(t, flow, m,
		&(struct stateless_answer){
			.status = status, .reason = reason, .server = to_sip_server(t)});
}

void to_sip_refuse(struct transport_worker *t, const struct flow *flow, struct str raw,
	unsigned status, const char *reason)
{
	struct to_sip *f = t->to_sip;
	struct parse_error error = {0};
	int result = parse_message(
		raw.p, raw.n, f->reading.block, sizeof(f->reading.block), &error);

	if (result == 0)
		error.answerable = true;
	else if (result != -EBADMSG)
		return;
	to_sip_refuse_malformed(t, flow, raw, &error, status, reason);
}

/* Whether it is the retransmission of a request that got through. Over other transports than UDP
 * nothing is sent again. */
static bool to_sip_is_retransmission(struct transport_worker *t, const struct message *m)
{
	if (m->flow.transport != TRANSPORT_UDP)
		return false;
	return to_sip_was_forwarded(t, m, loop_now(t->loop));
}

/* Retry-After of a 503, in seconds. */
static unsigned to_sip_retry_after(void)
{
	return RETRY_AFTER_MIN + (unsigned)(random_u64() % (RETRY_AFTER_MAX - RETRY_AFTER_MIN + 1));
}

/* The SIP worker takes no more, or is not there: answers a new request, drops everything else. */
static void to_sip_refuse_full(struct transport_worker *t, const struct message *m, bool outside)
{
	bool stranger = stranger_is(t->settings, m->flow.listener, &m->flow.peer);

	to_sip_say_dropped(t, &m->flow, "its SIP worker has no room");
	if (!m->is_request) {
		count(FULL_RESPONSES);
	} else if (m->method == METHOD_ACK) {
		count(FULL_ACKS);
	} else if (!outside) {
		count(FULL_IN_DIALOG); /* it comes again */
	} else if (stranger) {
		count(REFUSED_UNANSWERED);
	} else if (to_sip_is_retransmission(t, m)) {
		count(FULL_RETRANSMISSIONS);
	} else {
		count(FULL_REFUSED);
		to_sip_answer(t, &m->flow, m,
			&(struct stateless_answer){.status = 503,
				.server = to_sip_server(t),
				.retry_after = to_sip_retry_after()});
	}
}

/* ---- the way in ---- */

/* Whether it is a request that begins something new: it has no To-tag of ours, and is not the ACK
 * or CANCEL of a request that was let in before. A foreign To-tag makes no dialog here. */
static bool to_sip_is_outside(const struct message *m)
{
	uint8_t slot;

	if (!m->is_request || m->method == METHOD_ACK || m->method == METHOD_CANCEL)
		return false;
	return token_slot(message_str(m, m->to_tag), &slot) != 0;
}

/* Whether a message is dropped because its peer is a stranger and it cannot prove anything. */
static bool to_sip_is_strange(struct transport_worker *t, const struct message *m)
{
	if (!stranger_is(t->settings, m->flow.listener, &m->flow.peer) || stranger_may_prove(m))
		return false;
	count(DROP_NOT_A_SOURCE);
	to_sip_say_dropped(t, &m->flow, "not a source of its zone");
	return true;
}

/* Who searches for doors learns nothing, not even that there is one. */
static bool to_sip_is_scanner(struct transport_worker *t, const struct message *m)
{
	if (settings_trusts(t->settings, m->flow.listener) || !scanners_find(&t->scanners, m))
		return false;
	count(DROP_SCANNER);
	to_sip_say_dropped(t, &m->flow, "a scanner");
	return true;
}

static struct reading_rules to_sip_rules(const struct transport_worker *t, const struct flow *flow)
{
	const struct listener_settings *l = settings_listener(t->settings, flow->listener);

	return (struct reading_rules){.zone = settings_zone(t->settings, l->zone),
		.message_max = t->settings->message_max,
		.datagram = flow->transport == TRANSPORT_UDP};
}

/* Passes on the message that has been read of raw; error: why it is broken, if it is. */
static enum to_sip_result to_sip_pass(struct transport_worker *t, const struct flow *flow,
	uint64_t received_ns, struct str raw, const struct parse_error *error)
{
	struct to_sip *f = t->to_sip;
	struct message *m = (struct message *)f->reading.block;
	bool outside;
	void *buffer;
	int result;

	count(RX_MESSAGES);
	loop_took(t->loop);
	m->flow = *flow;
	m->received_ns = received_ns;
	m->slot = slot_of_message(m, &t->slot_key, t->settings);
	if (to_sip_is_strange(t, m))
		return TO_SIP_DONE;
	const struct fault_source from = to_sip_source(t, flow);
	if (m->broken)
		fault_log_refused(&f->faults, &f->key, &from, error);
	fault_log_left_out(&f->faults, &f->key, &from, m, f->reading.crowd);
	if (stateless_answer_is_ack(&t->tag_key, m)) {
		count(ABSORBED_ACKS);
		return TO_SIP_DONE;
	}
	outside = to_sip_is_outside(m);
	if (outside && to_sip_is_scanner(t, m))
		return TO_SIP_DONE;
	if (outside && !to_sip_admits(t, flow, m))
		return TO_SIP_DONE;
	if (capture_wanted(t))
		capture_add(t, flow, &flow->local, false, raw);
	result = t->upstream.record(t->upstream.arg, PEER(PEER_SIP, t->slots.worker[m->slot]),
		RECORD_MESSAGE, m->size, !outside, &buffer);
	if (result) {
		to_sip_refuse_full(t, m, outside);
		return TO_SIP_DONE;
	}
	memcpy(buffer, m, m->size);
	if (outside && flow->transport == TRANSPORT_UDP)
		to_sip_remember(f, m, loop_now(t->loop));
	return m->is_request && m->method != METHOD_ACK ? TO_SIP_AWAITED : TO_SIP_DONE;
}

/* Parses a message and passes it on, or answers or drops it. */
static enum to_sip_result to_sip_forward(
	struct transport_worker *t, const struct flow *flow, uint64_t received_ns, struct str raw)
{
	struct to_sip *f = t->to_sip;
	const struct reading_rules rules = to_sip_rules(t, flow);
	struct parse_error error = {0};

	if (reading_parse(&f->reading, &rules, raw, &error) == 0)
		return to_sip_pass(t, flow, received_ns, raw, &error);
	const struct fault_source from = to_sip_source(t, flow);
	fault_log_refused(&f->faults, &f->key, &from, &error);
	to_sip_refuse_malformed(t, flow, raw, &error, error.status, error.reason);
	return error.adrift ? TO_SIP_ADRIFT : TO_SIP_DONE;
}

enum to_sip_result to_sip_message(
	struct transport_worker *t, const struct flow *flow, uint64_t received_ns, struct str raw)
{
	bool let_in = refusals_let_in(&t->refusals, &counters_page->work, EVIDENCE_MESSAGE, raw,
		&flow->peer, loop_now(t->loop));

	enum to_sip_result result;

	if (!let_in) {
		to_sip_say_of_picked(t, flow, "in quarantine: these bytes ended a worker");
		return TO_SIP_DONE;
	}
	crash_hook("transport", raw);
	result = to_sip_forward(t, flow, received_ns, raw);
	evidence_drop(&counters_page->work);
	return result;
}

bool to_sip_cut_response(struct transport_worker *t, const struct flow *flow, uint64_t received_ns,
	struct str raw, const struct parse_error *why)
{
	const struct reading_rules rules = to_sip_rules(t, flow);
	bool passed;

	if (!refusals_let_in(&t->refusals, &counters_page->work, EVIDENCE_MESSAGE, raw, &flow->peer,
		    loop_now(t->loop)))
		return false;
	passed = reading_cut_response(&t->to_sip->reading, &rules, raw) == 0;
	if (passed)
		to_sip_pass(t, flow, received_ns, raw, why);
	evidence_drop(&counters_page->work);
	return passed;
}
