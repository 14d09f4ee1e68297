/* call_record.c - how the record of a call is made and kept (call_record.h). What it says is
 * written by call_record_text.c. */
#include "call_record_state.h"

#include "common/clock.h"
#include "common/list.h"
#include "common/slab.h"
#include "dialog.h"
#include "worker-sip/routing/trunk_source.h"

#include <stdlib.h>

_Static_assert(CALL_AGENT_MAX <= UINT8_MAX && CALL_REASON_MAX <= UINT8_MAX, "their lengths fit");

/* ---- making one ---- */

static struct str call_record_cut(struct str s, size_t most)
{
	return (struct str){s.p, s.n < most ? s.n : most};
}

static struct str call_record_put(char **at, struct str s)
{
	struct str copy = {*at, s.n};

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static struct str call_record_trunk_name(const struct sip *sip, const struct target *target)
{
	return call_record_cut(settings_trunk_name(sip->settings, target->trunk), CALL_TRUNK_MAX);
}

/* Finds the texts of an INVITE, where they stand. Returns the line of its route. */
static uint32_t call_record_texts(const struct incoming *in, struct str text[CALL_TEXTS])
{
	const struct message *m = in->message;
	const struct settings *s = in->sip->settings;
	const struct identity *sender = &in->sender;
	bool known = sender->authenticated && sender->domain < s->domains.count;
	const struct route_settings *route = in->route < s->routes.count
	                                             ? settings_route(s, in->route)
	                                             : NULL;

	text[CALL_TEXT_CALL_ID] = message_str(m, m->call_id);
	text[CALL_TEXT_FROM] = message_str(m, m->from.whole);
	text[CALL_TEXT_TO] = message_str(m, m->to.whole);
	text[CALL_TEXT_REQUEST_URI] = message_str(m, m->request_uri.whole);
	text[CALL_TEXT_AGENT] = message_value(m, HEADER_USER_AGENT);
	text[CALL_TEXT_USER] = known ? (struct str){sender->name, sender->name_length} : STR_EMPTY;
	text[CALL_TEXT_DOMAIN] = known ? settings_str(s, settings_domain(s, sender->domain)->name)
	                               : STR_EMPTY;
	text[CALL_TEXT_TRUNK] = settings_trunk_name(
		s, in->trunk != NONE_INDEX ? in->trunk
					   : trunk_of_source(in->sip, in->zone, &m->flow.peer));
	text[CALL_TEXT_RULES] = (struct str){
		in->sip->scratch.rules_told, in->sip->scratch.rules_told_n};
	text[CALL_TEXT_CALLED] = in->called;
	text[CALL_TEXT_ROUTE] = route ? settings_str(s, route->name) : STR_EMPTY;
	return route ? route->line : 0;
}

/* Writes targets from place first on. Those of one trunk follow each other, and share its name and
 * limit. */
static void call_record_targets(struct call_record *r, unsigned first, const struct target *targets,
	unsigned count, char **at)
{
	struct call_target *to = &r->target[first];

	for (unsigned i = 0; i < count; i++) {
		const struct target *from = &targets[i];
		bool same = i && from->trunk == targets[i - 1].trunk;

		to[i] = (struct call_target){.peer = from->flow.peer,
			.zone = (uint16_t)from->zone,
			.transport = from->flow.transport,
			.tried_ms = CALL_NEVER,
			.took_ms = CALL_NEVER,
			.limit = same ? to[i - 1].limit : limits_trunk_key(r->sip, from->trunk)};
		to[i].trunk = same ? to[i - 1].trunk
		                   : call_record_put(at, call_record_trunk_name(r->sip, from));
	}
}

/* Bytes of the trunks' names of targets. */
static size_t call_record_names_size(
	const struct sip *sip, const struct target *targets, unsigned count)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		if (!i || targets[i].trunk != targets[i - 1].trunk)
			size += call_record_trunk_name(sip, &targets[i]).n;
	return size;
}

struct call_record *call_record_new(
	const struct incoming *in, const struct target *targets, unsigned count)
{
	struct sip *sip = in->sip;
	struct str text[CALL_TEXTS];
	uint32_t line = call_record_texts(in, text);
	size_t head = sizeof(struct call_record) + count * sizeof(struct call_target), size = head;

	for (unsigned i = 0; i < CALL_TEXTS; i++) {
		text[i] = call_record_cut(
			text[i], i == CALL_TEXT_RULES ? RULES_TOLD_MAX : CALL_TEXT_MAX);
		size += text[i].n;
	}
	size += call_record_names_size(sip, targets, count);
	struct call_record *r = slab_take(dialogs_slab(sip->dialogs), size);
	if (!r) {
		count(CALL_RECORDS_LOST);
		return NULL;
	}
	memset(r, 0, offsetof(struct call_record, agent));
	r->sip = sip;
	r->size = size;
	r->began_realtime_ms = clock_realtime_ms();
	r->began = loop_now(sip->loop);
	r->peer = in->message->flow.peer;
	r->transport = in->message->flow.transport;
	r->route_line = line;
	r->zone = (uint16_t)in->zone;
	r->domain = in->sender.authenticated ? (uint16_t)in->sender.domain : NONE_INDEX;
	r->count = (uint16_t)count;
	char *at = (char *)r + head;
	for (unsigned i = 0; i < CALL_TEXTS; i++)
		r->text[i] = call_record_put(&at, text[i]);
	call_record_targets(r, 0, targets, count, &at);
	list_insert(&sip->call_records, r);
	return r;
}

/* ---- a call that is forwarded ---- */

/* Copies what a record has into a block with more room behind its targets. */
static void call_record_move(struct call_record *to, const struct call_record *from, size_t shift)
{
	size_t head = sizeof(*from) + from->count * sizeof(from->target[0]);

	memcpy(to, from, head);
	memcpy((char *)to + head + shift, (const char *)from + head, from->size - head);
	for (unsigned i = 0; i < CALL_TEXTS; i++)
		to->text[i].p = (char *)to + shift + (from->text[i].p - (const char *)from);
	for (unsigned i = 0; i < from->count; i++) {
		struct call_target *t = &to->target[i];

		t->trunk.p = (char *)to + shift + (from->target[i].trunk.p - (const char *)from);
		if (t->forwarder.n)
			t->forwarder.p = (char *)to + shift +
			                 (from->target[i].forwarder.p - (const char *)from);
	}
}

static bool call_record_has_limit(const struct call_record *r, uint64_t key)
{
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		if (r->limit[i] == key)
			return true;
	for (const struct call_forward *f = r->forwards; f; f = f->next)
		for (unsigned i = 0; i < LIMIT_KEYS; i++)
			if (f->limit[i] == key)
				return true;
	return false;
}

static struct call_forward *call_forward_new(
	const struct call_record *r, const struct call_forwarded *f)
{
	struct call_forward *forward = calloc(1, sizeof(*forward));

	if (!forward)
		return NULL;
	/* Who forwards a call twice makes one call more by it, and not two. */
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		forward->limit[i] = call_record_has_limit(r, f->limit[i]) ? 0 : f->limit[i];
	return forward;
}

void call_record_forwarded(struct call_record **out, const struct target *targets, unsigned count,
	const struct call_forwarded *f)
{
	struct call_record *r = *out;

	if (!r)
		return;
	struct str by = call_record_cut(f->by, CALL_FORWARDER_MAX);
	size_t shift = count * sizeof(struct call_target);
	size_t size = r->size + shift + by.n + call_record_names_size(r->sip, targets, count);
	struct call_record *to = slab_take(dialogs_slab(r->sip->dialogs), size);
	struct call_forward *forward = to ? call_forward_new(r, f) : NULL;
	if (!forward) {
		count(CALL_RECORDS_LOST);
		if (to)
			slab_give(dialogs_slab(r->sip->dialogs), to, size);
		return;
	}
	limits_take_all(r->sip, forward->limit);
	list_remove(r);
	call_record_move(to, r, shift);
	char *at = (char *)to + r->size + shift;
	slab_give(dialogs_slab(r->sip->dialogs), r, r->size);
	to->size = size;
	call_record_targets(to, to->count, targets, count, &at);
	by = call_record_put(&at, by);
	for (unsigned i = 0; i < count; i++) {
		to->target[to->count + i].forwarder = by;
		to->target[to->count + i].cause = f->cause;
	}
	to->count = (uint16_t)(to->count + count);
	forward->next = to->forwards;
	to->forwards = forward;
	list_insert(&to->sip->call_records, to);
	*out = to;
}

/* ---- the limits that count it ---- */

void call_record_hold(
	struct call_record *r, const struct incoming *in, const uint64_t limit[LIMIT_KEYS])
{
	if (!r)
		return;
	r->emergency = in->emergency;
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		r->limit[i] = limit[i];
	limits_take_all(r->sip, r->limit);
}

unsigned call_record_domain(const struct call_record *r)
{
	return r ? r->domain : NONE_INDEX;
}

bool call_record_is_emergency(const struct call_record *r)
{
	return r && r->emergency;
}

/* Whether another target of its trunk has been tried: it is the same call of the trunk's. */
static bool call_target_is_again(const struct call_record *r, const struct call_target *t)
{
	for (unsigned i = 0; i < r->count; i++)
		if (&r->target[i] != t && r->target[i].limit == t->limit &&
			r->target[i].outcome != CALL_OUTCOME_NONE)
			return true;
	return false;
}

static void call_target_hold(struct call_record *r, struct call_target *t)
{
	if (t->held)
		return;
	if (t->limit && call_target_is_again(r, t))
		t->held = limits_take_again(r->sip, t->limit);
	else
		t->held = limits_take(r->sip, t->limit);
}

bool call_record_permits(struct call_record *r, unsigned i, unsigned trunk)
{
	if (!r || i >= r->count || r->emergency || !r->target[i].limit ||
		call_target_is_again(r, &r->target[i]))
		return true;
	/* a reload may have put another trunk there */
	if (limits_trunk_key(r->sip, trunk) != r->target[i].limit)
		return true;
	return limits_admit_trunk(r->sip, trunk);
}

static void call_target_release(struct call_record *r, struct call_target *t)
{
	if (t->held)
		limits_give(r->sip, t->limit);
	t->held = false;
}

static void call_record_release(struct call_record *r)
{
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		limits_give(r->sip, r->limit[i]);
	for (unsigned i = 0; i < r->count; i++)
		call_target_release(r, &r->target[i]);
	for (struct call_forward *f; (f = r->forwards);) {
		for (unsigned i = 0; i < LIMIT_KEYS; i++)
			limits_give(r->sip, f->limit[i]);
		r->forwards = f->next;
		free(f);
	}
}

/* ---- what happens to it ---- */

static uint64_t call_record_age(const struct call_record *r)
{
	return loop_now(r->sip->loop) - r->began;
}

static void call_target_over(struct call_record *r, struct call_target *t, enum call_outcome what)
{
	t->outcome = (uint8_t)what;
	t->took_ms = call_record_age(r) - t->tried_ms;
}

void call_record_tried(struct call_record *r, unsigned i, struct str call_id)
{
	if (!r || i >= r->count || call_id.n != TOKEN_LENGTH)
		return;
	struct call_target *t = &r->target[i];
	t->outcome = CALL_OUTCOME_PENDING;
	t->tried_ms = call_record_age(r);
	memcpy(t->call_id, call_id.p, TOKEN_LENGTH);
	call_target_hold(r, t);
	r->last = (uint16_t)i;
}

void call_record_unsent(struct call_record *r, unsigned i)
{
	if (!r || i >= r->count)
		return;
	r->target[i].tried_ms = call_record_age(r);
	call_target_release(r, &r->target[i]);
	call_target_over(r, &r->target[i], CALL_OUTCOME_UNSENT);
	r->last = (uint16_t)i;
}

void call_record_failed(
	struct call_record *r, unsigned i, enum call_outcome outcome, unsigned status)
{
	if (!r || i >= r->count || r->target[i].outcome != CALL_OUTCOME_PENDING)
		return;
	r->target[i].status = (uint16_t)status;
	call_target_release(r, &r->target[i]);
	call_target_over(r, &r->target[i], outcome);
}

void call_record_rings(struct call_record *r)
{
	if (!r || r->rang)
		return;
	r->rang = loop_now(r->sip->loop);
	histogram_observe(HISTOGRAM_POST_DIAL_DELAY, r->rang - r->began);
}

void call_record_final(struct call_record *r, const struct message *m)
{
	if (!r || r->ended)
		return;
	struct str agent = message_value(m, HEADER_SERVER);
	if (!agent.n)
		agent = message_value(m, HEADER_USER_AGENT);
	agent = call_record_cut(agent, CALL_AGENT_MAX);
	r->agent_length = (uint8_t)agent.n;
	if (agent.n)
		memcpy(r->agent, agent.p, agent.n);
	r->status_received = m->status;
}

/* Nobody waits for the other targets any more. */
static void call_record_cancel(struct call_record *r)
{
	for (unsigned i = 0; i < r->count; i++)
		if (r->target[i].outcome == CALL_OUTCOME_PENDING) {
			call_target_release(r, &r->target[i]);
			call_target_over(r, &r->target[i], CALL_OUTCOME_CANCELLED);
		}
}

void call_record_answered(struct call_record *r, unsigned i, const struct message *m)
{
	if (!r || i >= r->count)
		return;
	call_record_final(r, m);
	r->last = (uint16_t)i;
	r->answered = loop_now(r->sip->loop);
	if (!r->rang)
		histogram_observe(HISTOGRAM_POST_DIAL_DELAY, r->answered - r->began);
	histogram_observe(HISTOGRAM_CALL_SETUP, r->answered - r->began);
	r->status_sent = m->status;
	r->target[i].status = m->status;
	/* one that was given up may answer after all */
	if (!r->target[i].held)
		r->target[i].held = limits_take_again(r->sip, r->target[i].limit);
	call_target_over(r, &r->target[i], CALL_OUTCOME_ANSWERED);
	call_record_cancel(r);
}

/* ---- its end ---- */

void call_record_ends(
	struct call_record *r, enum call_ender ender, enum call_end_cause cause, struct str reason)
{
	if (!r || r->ended)
		return;
	r->ended = loop_now(r->sip->loop);
	r->ender = (uint8_t)ender;
	r->cause = (uint8_t)cause;
	reason = call_record_cut(reason, CALL_REASON_MAX);
	r->reason_length = (uint8_t)reason.n;
	if (reason.n)
		memcpy(r->reason, reason.p, reason.n);
}

struct str call_record_reason_value(struct str line)
{
	size_t name = sizeof("Reason: ") - 1, end = sizeof("\r\n") - 1;

	if (line.n < name + end)
		return STR_EMPTY;
	return (struct str){line.p + name, line.n - name - end};
}

void call_record_ends_unanswered(struct call_record *r)
{
	bool late = false;

	for (unsigned i = 0; r && i < r->count; i++)
		late |= r->target[i].outcome == CALL_OUTCOME_TIMEOUT;
	call_record_ends(
		r, CALL_ENDER_GATEWAY, late ? CALL_END_TIMEOUT : CALL_END_UNREACHABLE, STR_EMPTY);
}

void call_record_goes_on(struct call_record *r)
{
	if (!r)
		return;
	r->ended = 0;
	r->ender = CALL_ENDER_NONE;
	r->cause = CALL_END_NONE;
	r->reason_length = 0;
}

static void call_record_count(const struct call_record *r)
{
	if (r->answered)
		histogram_observe(HISTOGRAM_CALL_DURATION, r->ended - r->answered);
	if (r->refused)
		count(CALLS_REFUSED);
	if (r->refused || r->answered)
		return;
	count(CALLS_FAILED);
	switch (r->cause) {
	case CALL_END_CANCELLED:
	case CALL_END_GONE: count(CALLS_CANCELLED); break;
	case CALL_END_REFUSED: count(CALLS_REJECTED); break;
	case CALL_END_TIMEOUT: count(CALLS_TIMEOUT); break;
	case CALL_END_UNREACHABLE: count(CALLS_UNREACHABLE); break;
	default: break; /* stopped, failed */
	}
}

void call_record_close(struct call_record *r, unsigned status)
{
	if (!r)
		return;
	if (!r->told) {
		if (!r->answered)
			r->status_sent = (uint16_t)status;
		call_record_ends(r, CALL_ENDER_GATEWAY, CALL_END_FAILED, STR_EMPTY);
		call_record_cancel(r);
		call_record_count(r);
		call_record_tell(r);
	}
	call_record_release(r);
	list_remove(r);
	slab_give(dialogs_slab(r->sip->dialogs), r, r->size);
}

void call_record_refused(const struct incoming *in, unsigned status)
{
	const struct message *m = in->message;

	if (m->method != METHOD_INVITE || m->to_tag.length || status < 300 || status == 401 ||
		status == 407 || !(in->sender.trusted || in->sender.authenticated))
		return;
	struct call_record *r = call_record_new(in, NULL, 0);
	if (!r)
		return;
	r->refused = true;
	call_record_ends(r, CALL_ENDER_GATEWAY, CALL_END_REFUSED, STR_EMPTY);
	call_record_close(r, status);
}

void call_records_stop(struct sip *sip)
{
	for (struct call_record *r = sip->call_records; r; r = r->next) {
		call_record_ends(r, CALL_ENDER_GATEWAY, CALL_END_STOPPED, STR_EMPTY);
		if (!r->told)
			call_record_tell(r);
		r->told = true;
	}
}
