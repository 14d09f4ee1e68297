/* target_state.c - what is known of the targets of trunks (target_state.h). */
#include "target_state_parts.h"

#include "common/list.h"
#include "common/log.h"
#include "ipc/mesh.h"
#include "target_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void target_state_give_up_some(struct timer *timer, void *arg);

int target_states_new(struct target_states **out, struct sip *sip, target_attempt_lost *lost)
{
	struct target_states *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return -ENOMEM;
	ts->sip = sip;
	ts->lost = lost;
	*out = ts;
	return 0;
}

void target_state_drop(struct target_state *s)
{
	if (--s->references)
		return;
	loop_unset(s->owner->sip->loop, &s->giving_up);
	free(s);
}

/* ---- the targets of the settings ---- */

static void target_list_free(struct target_list *l)
{
	for (unsigned i = 0; l->state && i < target_list_count(l); i++) {
		struct target_state *s = l->state[i];

		if (s && s->trunk == NONE_INDEX && s->ping.timer.callback)
			target_ping_stop(s);
		if (s)
			target_state_drop(s);
	}
	free(l->state);
	free(l->row);
	free(l->first);
	*l = (struct target_list){0};
}

/* Its targets have no place in the settings any more. */
static void target_list_forget(struct target_list *l)
{
	for (unsigned i = 0; i < target_list_count(l); i++)
		l->state[i]->trunk = l->state[i]->index = NONE_INDEX;
}

void target_states_free(struct target_states *ts)
{
	if (!ts)
		return;
	target_list_forget(&ts->list);
	target_list_free(&ts->list);
	free(ts);
}

/* The same in all workers, whichever place the target has in their settings. The names are the
 * operator's: nobody chooses collisions. */
static uint64_t target_state_id(struct str trunk, const struct target_settings *t)
{
	static const struct hash_key key;
	struct {
		uint64_t trunk;
		struct endpoint endpoint;
		uint32_t transport;
	} text;

	memset(&text, 0, sizeof(text));
	text.trunk = trunk_id(trunk);
	text.endpoint = t->endpoint;
	text.transport = t->transport;
	return hash_bytes(&key, &text, sizeof(text));
}

static struct target_state *target_list_find(const struct target_list *l, uint64_t id)
{
	for (unsigned i = 0; i < target_list_count(l); i++)
		if (l->state[i]->id == id)
			return l->state[i];
	return NULL;
}

/* What is known of the target, or nothing yet. Its reference is the caller's. NULL: no memory. */
static struct target_state *target_state_of(
	struct target_states *ts, struct str trunk, const struct target_settings *t)
{
	uint64_t id = target_state_id(trunk, t);
	struct target_state *s = target_list_find(&ts->list, id);
	char buffer[256];
	struct writer w = WRITER(buffer);

	if (s) {
		s->references++;
		return s;
	}
	write_str(&w, trunk);
	write_literal(&w, " target=");
	write_str(&w, settings_str(ts->sip->settings, t->uri));
	if (target_is_name(t)) {
		char text[ENDPOINT_TEXT_SIZE];
		size_t n = endpoint_text(&t->endpoint, text);

		write_literal(&w, " address=");
		write_bytes(&w, text, n);
	}
	s = calloc(1, sizeof(*s) + w.n + 1);
	if (!s)
		return NULL;
	s->owner = ts;
	s->id = id;
	s->references = 1;
	timer_init(&s->giving_up, target_state_give_up_some, s);
	s->trunk = s->index = NONE_INDEX;
	s->changed_at = loop_now(ts->sip->loop);
	memcpy(s->name, w.p, w.n);
	return s;
}

/* Takes the rows of that trunk, with what is known of each. False: no memory. */
static bool target_list_add(struct target_states *ts, struct target_list *l, unsigned trunk)
{
	const struct settings *settings = ts->sip->settings;
	struct str name = settings_str(settings, settings_trunk(settings, trunk)->name);
	unsigned at = l->first[trunk];
	unsigned count = target_rows_write(ts->sip, trunk, &l->row[at]);

	l->first[trunk + 1] = at + count;
	for (unsigned k = 0; k < count; k++) {
		l->state[at + k] = target_state_of(ts, name, &l->row[at + k]);
		if (!l->state[at + k]) {
			l->first[trunk + 1] = at + k;
			return false;
		}
	}
	return true;
}

int target_states_take(struct target_states *ts)
{
	const struct settings *settings = ts->sip->settings;
	struct target_list l = {0};
	size_t most = (size_t)settings->trunks.count * TARGETS_MAX + 1;
	bool whole;

	l.first = calloc(settings->trunks.count + 1, sizeof(*l.first));
	l.state = calloc(most, sizeof(struct target_state *));
	l.row = calloc(most, sizeof(*l.row));
	whole = l.first && l.state && l.row;
	while (whole && l.trunks < settings->trunks.count)
		whole = target_list_add(ts, &l, l.trunks++);
	if (!whole) {
		target_list_free(&l);
		return -ENOMEM;
	}
	target_list_forget(&ts->list);
	for (unsigned i = 0; i < l.trunks; i++)
		for (unsigned k = l.first[i]; k < l.first[i + 1]; k++) {
			struct target_state *s = l.state[k];

			s->trunk = (uint16_t)i;
			s->index = (uint16_t)(k - l.first[i]);
			memcpy(s->failover, settings_trunk(settings, i)->failover,
				sizeof(s->failover));
		}
	target_list_free(&ts->list);
	ts->list = l;
	ts->down = 0;
	for (unsigned i = 0; i < target_list_count(&l); i++)
		ts->down += l.state[i]->down;
	target_states_schedule(ts);
	return 0;
}

void target_states_schedule(struct target_states *ts)
{
	for (unsigned i = 0; i < target_list_count(&ts->list); i++)
		target_ping_schedule(ts->list.state[i]);
	target_states_gauge(ts);
}

/* ---- trunks that an operator has disabled ---- */

void target_states_disable(struct target_states *ts, const struct lifeline_trunks *disabled)
{
	ts->disabled = *disabled;
	if (ts->disabled.count > LIFELINE_TRUNKS_MAX)
		ts->disabled.count = 0;
	target_states_gauge(ts);
}

bool target_states_is_disabled(const struct target_states *ts, unsigned trunk)
{
	if (!ts || !ts->disabled.count)
		return false;
	const struct settings *settings = ts->sip->settings;
	uint64_t id = trunk_id(settings_str(settings, settings_trunk(settings, trunk)->name));
	for (unsigned i = 0; i < ts->disabled.count; i++)
		if (ts->disabled.trunk[i] == id)
			return true;
	return false;
}

unsigned target_states_ping(struct target_states *ts, struct str trunk)
{
	const struct settings *settings = ts->sip->settings;
	unsigned pinged = 0;

	for (unsigned i = 0; i < target_list_count(&ts->list); i++) {
		struct target_state *s = ts->list.state[i];

		if (!target_ping_is_ours(s) ||
			!str_equal(settings_str(settings, settings_trunk(settings, s->trunk)->name),
				trunk))
			continue;
		target_ping_now(s);
		pinged++;
	}
	return pinged;
}

static struct target_state *target_state_at(
	const struct target_states *ts, unsigned trunk, unsigned index)
{
	const struct target_list *l = &ts->list;

	if (trunk >= l->trunks || index >= l->first[trunk + 1] - l->first[trunk])
		return NULL;
	return l->state[l->first[trunk] + index];
}

const struct target_settings *target_states_rows(
	const struct target_states *ts, unsigned trunk, unsigned *count)
{
	const struct target_list *l = &ts->list;

	*count = trunk < l->trunks ? l->first[trunk + 1] - l->first[trunk] : 0;
	return *count ? &l->row[l->first[trunk]] : NULL;
}

uint64_t target_states_id(const struct target_states *ts, unsigned trunk, unsigned index)
{
	const struct target_state *s = target_state_at(ts, trunk, index);

	return s ? s->id : 0;
}

/* ---- what the others know ---- */

static void target_state_tell(const struct target_state *s, unsigned worker)
{
	struct sip *sip = s->owner->sip;
	void *data;

	if (mesh_record(sip->mesh, PEER(PEER_SIP, worker), RECORD_TARGET,
		    sizeof(struct record_target), true, &data))
		return;
	*(struct record_target *)data = (struct record_target){.target = s->id,
		.found_at = s->found_at,
		.error = s->error,
		.status = s->status,
		.down = s->down,
		.pinged = s->ping.ever};
}

void target_state_tell_all(const struct target_state *s)
{
	struct sip *sip = s->owner->sip;

	if (!sip->mesh)
		return;
	for (unsigned i = 0; i < sip->settings->workers[PEER_SIP]; i++)
		if (i != sip->index)
			target_state_tell(s, i);
}

void target_states_tell(struct target_states *ts, unsigned worker)
{
	if (!ts->sip->mesh || worker == ts->sip->index)
		return;
	for (unsigned i = 0; i < target_list_count(&ts->list); i++)
		if (ts->list.state[i]->down)
			target_state_tell(ts->list.state[i], worker);
}

/* ---- down and up ---- */

const char *target_state_reason(
	const struct target_state *s, char buffer[static TARGET_REASON_SIZE])
{
	return target_reason(s->status, s->error, buffer);
}

static void target_state_log(struct target_state *s, uint64_t lasted_ms)
{
	struct target_states *ts = s->owner;
	uint64_t left_out;
	char reason[TARGET_REASON_SIZE];

	if (!log_limit_pass(&ts->log, loop_now(ts->sip->loop), TARGET_LOG_LINES, LOG_LIMIT_SECOND,
		    &left_out))
		return;
	if (s->down)
		log_warn("trunk-target-down", "trunk=%s reason=\"%s\" left_out=%llu", s->name,
			target_state_reason(s, reason), (unsigned long long)left_out);
	else
		log_info("trunk-target-up",
			"trunk=%s reason=\"answered %u\" down_ms=%llu left_out=%llu", s->name,
			s->status, (unsigned long long)lasted_ms, (unsigned long long)left_out);
}

/* A part of what waits on a target that was found down goes on: all of it at once would be more
 * than the next target can receive, and the rest would wait for retransmissions. */
static void target_state_give_up_some(struct timer *timer, void *arg)
{
	struct target_state *s = arg;
	struct target_attempt *a;

	(void)timer;
	s->references++;
	for (unsigned i = 0; i < TARGET_GIVE_UP_BURST && (a = s->lost); i++) {
		list_remove(a);
		/* first, for a may be gone when its fork has taken it */
		list_insert(&s->waiting, a);
		s->owner->lost(a, s->refused);
	}
	if (s->lost)
		loop_set(s->owner->sip->loop, &s->giving_up, TARGET_GIVE_UP_MS);
	target_state_drop(s);
}

/* What waits on a target that was found down goes on. refused: no answer can come any more, even
 * where there is no other target. */
static void target_state_give_up(struct target_state *s, bool refused)
{
	struct target_attempt *a;

	while ((a = s->waiting)) {
		list_remove(a);
		list_insert(&s->lost, a);
	}
	s->refused = refused;
	target_state_give_up_some(&s->giving_up, s);
}

/* It answers: what waits on it still waits for that. */
static void target_state_keep(struct target_state *s)
{
	struct target_attempt *a;

	loop_unset(s->owner->sip->loop, &s->giving_up);
	while ((a = s->lost)) {
		list_remove(a);
		list_insert(&s->waiting, a);
	}
}

/* Sets what is known. True where the target was not so before. */
static bool target_state_set(struct target_state *s, bool down, uint64_t found_at)
{
	struct target_states *ts = s->owner;
	bool changed = s->down != down;
	uint64_t now = loop_now(ts->sip->loop);

	s->found_at = found_at;
	if (!changed)
		return false;
	if (down && (!s->pause_ms || now - s->changed_at > TARGET_STEADY_MS)) {
		s->pause_ms = TARGET_TRIAL_FIRST_MS;
		s->ping.pause_ms = TARGET_PROBE_FIRST_MS;
	} else if (down) {
		s->ping.pause_ms *= 2; /* bounded when it is used */
	}
	if (!down)
		target_state_keep(s);
	s->down = down;
	s->changed_at = now;
	target_history_add(&s->history, down, s->status, s->error);
	s->trial_at = now + s->pause_ms;
	s->ping.answered = s->ping.unanswered = 0;
	ts->down = down ? ts->down + 1 : ts->down - 1;
	target_ping_schedule(s);
	target_states_gauge(ts);
	return true;
}

static bool target_state_is_refusal(int error)
{
	return error && error != -ETIMEDOUT;
}

/* This worker has found out what a target does. */
void target_state_found(struct target_state *s, bool down, unsigned status, int error)
{
	uint64_t lasted = loop_now(s->owner->sip->loop) - s->changed_at;

	s->status = (uint16_t)status;
	s->error = error;
	if (!target_state_set(s, down, loop_now(s->owner->sip->loop)))
		return;
	if (down)
		count(TARGETS_DOWN);
	else
		count(TARGETS_UP);
	target_state_log(s, lasted);
	target_state_tell_all(s);
	if (down && !status)
		target_state_give_up(s, target_state_is_refusal(error));
}

void target_states_told(struct target_states *ts, const struct record_target *told)
{
	struct target_state *s = target_list_find(&ts->list, told->target);
	uint64_t now = loop_now(ts->sip->loop);

	/* another's clock is ours; what claims to be later than now would never be overruled */
	if (!s || told->found_at > now + TARGET_CLOCK_MS || told->found_at <= s->found_at)
		return;
	s->status = told->status;
	s->error = told->error;
	s->ping.ever |= told->pinged;
	if (target_state_set(s, told->down, told->found_at) && s->down && !s->status)
		target_state_give_up(s, target_state_is_refusal(s->error));
}

bool target_states_any_down(const struct target_states *ts)
{
	return ts && ts->down;
}

bool target_states_avoid(struct target_states *ts, unsigned trunk, unsigned index, bool first)
{
	struct target_state *s = target_state_at(ts, trunk, index);
	uint64_t now = loop_now(ts->sip->loop);

	if (!s || !s->down)
		return false;
	/* one that answers pings needs no trial: it is found up without */
	if (!first || s->ping.ever || now < s->trial_at)
		return true;
	s->pause_ms = s->pause_ms > TARGET_TRIAL_MOST_MS / 2 ? TARGET_TRIAL_MOST_MS
	                                                     : s->pause_ms * 2;
	s->trial_at = now + s->pause_ms;
	return false;
}

/* ---- attempts ---- */

bool target_attempt_fails_over(const struct target_attempt *a, unsigned status)
{
	if (!a->state)
		return status == 408 || status == 503;
	return failover_has(a->state->failover, status);
}

bool target_attempt_is_down(const struct target_attempt *a)
{
	return a->state && a->state->down;
}

void target_attempt_init(
	struct target_attempt *a, struct target_states *ts, unsigned trunk, unsigned index)
{
	*a = (struct target_attempt){.state = ts ? target_state_at(ts, trunk, index) : NULL};
	if (a->state)
		a->state->references++;
}

void target_attempt_sent(struct target_attempt *a)
{
	if (!a->state)
		return;
	a->state->requests++;
	a->sent_at = loop_now(a->state->owner->sip->loop);
	if (!a->link)
		list_insert(&a->state->waiting, a);
}

/* Whether that response to what was sent then says that a down target is not. One that has too much
 * to do (503) says so of new requests: neither what it took earlier nor 100, which it may say
 * first, is against that. */
static bool target_state_refutes(const struct target_state *s, unsigned status, uint64_t sent_at)
{
	return s->status != 503 || (status > 100 && sent_at > s->found_at);
}

/* Whether an error is what the target does, and not what we have no room for. */
static bool target_state_is_to_blame(int error)
{
	switch (error) {
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EKEYREJECTED: /* its certificate */
	case -EPROTO:       /* a TLS handshake that failed */
	case -EPIPE: return true;
	default: return false;
	}
}

/* A request that was sent then was answered with that status, or else failed with error. */
static void target_state_heard(struct target_state *s, uint64_t sent_at, unsigned status, int error)
{
	if (!error)
		s->heard_at = loop_now(s->owner->sip->loop);
	if (!error && status == 503)
		target_state_found(s, true, status, 0);
	else if (!error && s->down && target_state_refutes(s, status, sent_at))
		target_state_found(s, false, status, 0);
	/* One that has answered others since has lost this request alone. */
	if (target_state_is_to_blame(error) && (error == -ECONNREFUSED || s->heard_at <= sent_at))
		target_state_found(s, true, 0, error);
}

void target_states_heard(
	struct target_states *ts, uint64_t target, uint64_t sent_at, unsigned status, int error)
{
	struct target_state *s = target_list_find(&ts->list, target);

	if (s)
		target_state_heard(s, sent_at, status, error);
}

void target_attempt_answered(struct target_attempt *a, unsigned status)
{
	struct target_state *s = a->state;

	if (!s)
		return;
	target_attempt_done(a);
	if (status >= 200 && status < 300)
		s->successes++;
	else if (status >= 300)
		s->failures++;
	target_state_heard(s, a->sent_at, status, 0);
}

void target_attempt_failed(struct target_attempt *a, int error)
{
	struct target_state *s = a->state;

	if (!s)
		return;
	target_attempt_done(a);
	s->failures++;
	target_state_heard(s, a->sent_at, 0, error);
}

void target_attempt_done(struct target_attempt *a)
{
	if (a->link)
		list_remove(a);
}

void target_attempt_end(struct target_attempt *a)
{
	if (!a->state)
		return;
	target_attempt_done(a);
	target_state_drop(a->state);
	a->state = NULL;
}
