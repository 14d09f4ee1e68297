/* certificates.c - generations of certificates over all workers. */
#include "certificates.h"

#include "certificate_order.h"
#include "master/workers/edge.h"
#include "common/clock.h"
#include "common/log.h"
#include "ipc/sign.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Replaced generations that are kept; with those in force and staged they are what a worker has
 * room for. */
#define OLD_MAX (GENERATIONS_MAX - 2)

enum phase { PHASE_IDLE = 0, PHASE_TLS, PHASE_TRANSPORT };

struct old {
	struct certificate_set *set;
	uint64_t due;
};

struct certificates {
	struct supervisor *supervisor;
	struct certificate_set *committed, *staged;
	struct old old[OLD_MAX]; /* the first is the oldest */
	unsigned old_count;
	struct timer drop_timer, check_timer;
	uint64_t keep_ms;
	uint32_t generation, sequence;
	bool edges;   /* key edges are made */
	bool checked; /* what is in force has been found good, or its fault has been told */
	char state[CERTIFICATES_TEXT_MAX];
	/* the check under way */
	enum phase phase;
	uint32_t check; /* its sequence number */
	bool waiting[ROLE_WORKERS_MAX];
	unsigned waiting_count, good;
	uint32_t start_check; /* the one of a start; 0: none */
	certificates_done done;
	void *arg;
};

/* ---- key edges ---- */

/* Edges of w to all living workers of the other role. */
static void certificates_make_edges(struct certificates *c, struct worker_slot *w)
{
	struct supervisor *s = c->supervisor;

	for (unsigned i = 0; i < s->count; i++)
		if (certificate_order_concerns(&s->worker[i]) && s->worker[i].role != w->role &&
			worker_lives(&s->worker[i]))
			edge_make(w, &s->worker[i]);
}

/* The first certificates of a gateway that began without any. */
static void certificates_make_first_edges(struct certificates *c)
{
	struct supervisor *s = c->supervisor;

	if (c->edges)
		return;
	c->edges = true;
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == PEER_TLS && worker_lives(&s->worker[i]))
			certificates_make_edges(c, &s->worker[i]);
}

#define EACH(c, w)                                                                                 \
	for (struct worker_slot *w = (c)->supervisor->worker;                                      \
		w < (c)->supervisor->worker + (c)->supervisor->count; w++)                         \
		if (certificate_order_concerns(w) && worker_lives(w))

static void certificates_drop_everywhere(struct certificates *c, struct certificate_set *set)
{
	EACH(c, w)
	certificate_order_drop(w, set);
	certificate_set_free(set);
}

/* ---- replaced generations ---- */

static void certificates_forget_oldest(struct certificates *c)
{
	assert(c->old_count);
	certificates_drop_everywhere(c, c->old[0].set);
	c->old_count--;
	memmove(&c->old[0], &c->old[1], c->old_count * sizeof(c->old[0]));
}

static void certificates_drop_due(struct timer *t, void *arg)
{
	struct certificates *c = arg;
	uint64_t now = loop_now(c->supervisor->loop);

	(void)t;
	while (c->old_count && c->old[0].due <= now)
		certificates_forget_oldest(c);
	if (c->old_count)
		loop_set(c->supervisor->loop, &c->drop_timer, c->old[0].due - now);
}

static void certificates_retire(struct certificates *c, struct certificate_set *set)
{
	if (!set)
		return;
	if (c->old_count == OLD_MAX)
		certificates_forget_oldest(c);
	c->old[c->old_count++] = (struct old){set, loop_now(c->supervisor->loop) + c->keep_ms};
	if (!timer_armed(&c->drop_timer))
		loop_set(c->supervisor->loop, &c->drop_timer, c->keep_ms);
}

/* ---- checking ---- */

static void certificates_end_check(struct certificates *c)
{
	c->phase = PHASE_IDLE;
	c->waiting_count = c->good = 0;
	memset(c->waiting, 0, sizeof(c->waiting));
	loop_unset(c->supervisor->loop, &c->check_timer);
}

static void certificates_drop_staged(struct certificates *c)
{
	if (c->staged)
		certificates_drop_everywhere(c, c->staged);
	c->staged = NULL;
}

static void certificates_failed(struct certificates *c, int error, int line, const char *text)
{
	char buffer[CERTIFICATES_TEXT_MAX * 2];

	certificates_end_check(c);
	certificates_drop_staged(c);
	if (error != -ECANCELED) {
		count(CERTIFICATES_REFUSED);
		log_error("certificates-refused", "error=%s",
			log_value(str_of(text), buffer, sizeof(buffer)));
	}
	c->done(c->arg, error, line, text);
}

static void certificates_ask(struct certificates *c, struct worker_slot *w)
{
	if (!c->waiting[w->index]) {
		c->waiting[w->index] = true;
		c->waiting_count++;
	}
	certificate_order_check(w, c->staged, c->check);
}

/* Whether the phase under way has something to check. */
static bool certificates_phase_checks(const struct certificates *c)
{
	return c->staged->count || (c->phase == PHASE_TRANSPORT && c->staged->authority_count);
}

/* Whether the phase under way is about workers of this role. */
static bool certificates_asks(const struct certificates *c, const struct worker_slot *w)
{
	switch (c->phase) {
	case PHASE_TLS: return w->role == PEER_TLS;
	case PHASE_TRANSPORT: return w->role == PEER_TRANSPORT;
	default: return false;
	}
}

static void certificates_begin_check(struct certificates *c, enum phase phase)
{
	certificates_end_check(c);
	c->phase = phase;
	c->check = ++c->sequence ? c->sequence : ++c->sequence;
	loop_set(c->supervisor->loop, &c->check_timer,
		certificates_phase_checks(c) ? CERTIFICATES_CHECK_MS : 0);
	if (!certificates_phase_checks(c))
		return;
	EACH(c, w)
	/* A transport worker can ask for a signature only when its loop runs. */
	if (certificates_asks(c, w) && (phase == PHASE_TLS || w->state == WORKER_READY))
		certificates_ask(c, w);
}

static void certificates_passed(struct certificates *c)
{
	if (c->phase == PHASE_TLS) {
		certificates_begin_check(c, PHASE_TRANSPORT);
		return;
	}
	certificates_end_check(c);
	log_info("certificates-staged", "generation=%u count=%zu", c->staged->generation,
		c->staged->count);
	c->done(c->arg, 0, 0, "");
}

static void certificates_check_late(struct timer *t, void *arg)
{
	struct certificates *c = arg;
	const char *role = c->phase == PHASE_TLS ? "TLS" : "transport";
	char text[CERTIFICATES_TEXT_MAX];

	(void)t;
	if (!certificates_phase_checks(c)) {
		certificates_passed(c);
		return;
	}
	snprintf(text, sizeof(text),
		c->waiting_count ? "%u %s workers did not answer in time"
				 : "%u %s workers are ready to check them",
		c->waiting_count, role);
	certificates_failed(c, -ETIMEDOUT, 0, text);
}

static void certificates_answered(struct certificates *c, struct worker_slot *w)
{
	if (!c->waiting[w->index])
		return;
	c->waiting[w->index] = false;
	c->waiting_count--;
	/* If the only worker that could answer has died, this waits for its successor. */
	if (!c->waiting_count && c->good)
		certificates_passed(c);
}

/* Workers' text, for people: nothing in it that is not plain. */
static void certificates_plain_text(struct str from, char buffer[CERTIFICATES_TEXT_MAX])
{
	size_t n = from.n < CERTIFICATES_TEXT_MAX - 1 ? from.n : CERTIFICATES_TEXT_MAX - 1;

	for (size_t i = 0; i < n; i++)
		buffer[i] = from.p[i] >= 0x20 && from.p[i] < 0x7f ? from.p[i] : '?';
	buffer[n] = '\0';
}

static void certificates_take_dates(struct certificate_set *set, const void *body)
{
	for (size_t i = 0; i < set->count; i++)
		memcpy(&set->entry[i].not_after, (const char *)body + i * sizeof(int64_t),
			sizeof(int64_t));
}

/* Certificates of a start are in force whatever comes: UDP and TCP do not depend on them. */
static void certificates_take_start_result(
	struct certificates *c, const struct lifeline_certificates_result *r, const char *text)
{
	char buffer[CERTIFICATES_TEXT_MAX * 2];

	if (c->checked)
		return;
	c->checked = true;
	if (r->error == 0)
		return;
	count(CERTIFICATES_REFUSED);
	snprintf(c->state, sizeof(c->state), "%s: %.500s",
		r->error == -EKEYEXPIRED ? "in force" : "refused", text);
	log_error(r->error == -EKEYEXPIRED ? "certificates-expired" : "certificates-refused",
		"error=%s tls=%s", log_value(str_of(text), buffer, sizeof(buffer)),
		r->error == -EKEYEXPIRED ? "served" : "not-served");
}

/* What comes of authorities that were tried. Where there are certificates too, the answer about
 * these is the last. */
static void certificates_take_tried(struct certificates *c, struct worker_slot *w,
	const struct lifeline_certificates_result *r, struct str why)
{
	const struct certificate_set *set = c->staged;
	char plain[CERTIFICATES_TEXT_MAX], text[CERTIFICATES_TEXT_MAX];
	size_t i = 0;

	while (i < set->authority_count && set->authority[i].listener != r->index)
		i++;
	if (i == set->authority_count)
		return;
	if (r->error) {
		certificates_plain_text(why, plain);
		snprintf(text, sizeof(text), "%s: the file %.500s",
			r->index == NONE_INDEX ? "tls: trust" : "client-ca", plain);
		certificates_failed(c, r->error, set->authority[i].line, text);
	} else if (!set->count && i == set->authority_count - 1) {
		c->good++;
		certificates_answered(c, w);
	}
}

/* The line of the config that a result is about; 0: of none. */
static int certificates_line(
	const struct certificate_set *set, const struct lifeline_certificates_result *r)
{
	if (r->index >= set->count)
		return 0;
	const struct certificate_entry *e = &set->entry[r->index];

	return r->error == -EKEYREJECTED  ? e->key_line
	       : r->error == -EKEYREVOKED ? e->ocsp_line
	                                  : e->chain_line;
}

/* Whether the certificate staged at index is the one that is in force. */
static bool certificates_same(const struct certificates *c, unsigned index)
{
	const struct certificate_entry *e = &c->staged->entry[index], *o;

	for (size_t i = 0; c->committed && i < c->committed->count; i++) {
		o = &c->committed->entry[i];
		if (strcmp(o->name, e->name) == 0 && o->chain_size == e->chain_size &&
			memcmp(o->chain, e->chain, e->chain_size) == 0)
			return true;
	}
	return false;
}

/* Whether all that is wrong with what is staged are the dates of certificates that are in force
 * with them: a reload of the file that runs is accepted. */
static bool certificates_stale_already(const struct certificates *c, unsigned index)
{
	const struct certificate_set *set = c->staged;

	if (index >= set->count || !certificates_same(c, index))
		return false;
	for (unsigned i = 0; i < set->count; i++)
		if (set->entry[i].not_after < clock_realtime_s() && !certificates_same(c, i))
			return false;
	return true;
}

/* A worker that goes on without something that the config asks for. */
static void certificates_take_lost(struct worker_slot *w, uint16_t index, struct str why)
{
	char text[CERTIFICATES_TEXT_MAX];

	certificates_plain_text(why, text);
	snprintf(w->lost.text, sizeof(w->lost.text), "%.95s", text);
	w->lost.index = index;
}

bool certificates_result(struct certificates *c, struct worker_slot *w,
	const struct lifeline_certificates_result *r, size_t size)
{
	struct str rest = {(const char *)(r + 1), size - sizeof(*r)};
	char text[CERTIFICATES_TEXT_MAX];
	struct certificate_set *set = NULL;

	if (!c || !certificate_order_concerns(w) || r->error > 0 || r->error < -4095)
		return false;
	if (r->sequence == 0) {
		certificates_take_lost(w, r->index, rest);
		return true;
	}
	if (r->authorities) {
		if (r->sequence == c->check && certificates_asks(c, w) && c->waiting[w->index])
			certificates_take_tried(c, w, r, rest);
		return true;
	}
	if (w->role == PEER_TLS && c->committed && c->start_check && r->sequence == c->start_check)
		set = c->committed;
	else if (r->sequence == c->check && certificates_asks(c, w) && c->waiting[w->index])
		set = c->staged;
	else
		return true; /* of a check that has ended */
	if (w->role == PEER_TLS && (r->error == 0 || r->error == -EKEYEXPIRED)) {
		if (rest.n < set->count * sizeof(int64_t))
			return false;
		certificates_take_dates(set, rest.p);
		rest = str_from(rest, set->count * sizeof(int64_t));
	}
	if (r->error == 0 && rest.n)
		return false;
	certificates_plain_text(rest, text);
	if (set == c->committed) {
		certificates_take_start_result(c, r, text);
		return true;
	}
	if (r->error && !(r->error == -EKEYEXPIRED && certificates_stale_already(c, r->index))) {
		certificates_failed(c, r->error, certificates_line(c->staged, r),
			text[0] ? text : "a worker refused them without a reason");
		return true;
	}
	c->good++;
	certificates_answered(c, w);
	return true;
}

bool certificates_live(const struct certificates *c)
{
	return c && (c->old_count || c->staged || (c->committed && c->committed->count));
}

/* ---- lives ---- */

void certificates_tell(struct certificates *c, struct worker_slot *w)
{
	if (!c || !certificate_order_concerns(w))
		return;
	if (c->edges)
		certificates_make_edges(c, w);
	/* Its predecessor's handshakes, still waiting for a signature, may be of any of these. */
	for (unsigned i = 0; i < c->old_count && w->role == PEER_TLS; i++) {
		certificate_order_hand(w, c->old[i].set);
		certificate_order_commit(w, c->old[i].set);
	}
	if (c->committed) {
		certificate_order_hand(w, c->committed);
		if (w->role == PEER_TLS && !c->checked) {
			if (!c->start_check)
				c->start_check = ++c->sequence;
			certificate_order_check(w, c->committed, c->start_check);
		}
		certificate_order_commit(w, c->committed);
	}
	if (c->staged) {
		certificate_order_hand(w, c->staged);
		if (w->role == PEER_TLS && c->phase == PHASE_TLS)
			certificates_ask(c, w);
	}
}

void certificates_ready(struct certificates *c, struct worker_slot *w)
{
	if (c && w->role == PEER_TRANSPORT && c->phase == PHASE_TRANSPORT &&
		certificates_phase_checks(c))
		certificates_ask(c, w);
}

void certificates_died(struct certificates *c, struct worker_slot *w)
{
	if (c && certificates_asks(c, w))
		certificates_answered(c, w);
}

/* ---- what operators and reloads ask for ---- */

void certificates_start(struct certificates *c, struct certificate_set *set)
{
	set->generation = ++c->generation;
	c->committed = set;
	c->edges = set->count != 0;
	c->checked = set->count == 0;
	snprintf(c->state, sizeof(c->state), "in force");
}

int certificates_stage(
	struct certificates *c, struct certificate_set *set, certificates_done done, void *arg)
{
	if (c->phase != PHASE_IDLE) {
		certificate_set_free(set);
		return -EBUSY;
	}
	certificates_drop_staged(c);
	if (set->count)
		certificates_make_first_edges(c);
	set->generation = ++c->generation;
	c->staged = set;
	c->done = done;
	c->arg = arg;
	EACH(c, w)
	certificate_order_hand(w, set);
	certificates_begin_check(c, PHASE_TLS);
	return 0;
}

int certificates_commit(struct certificates *c)
{
	if (c->phase != PHASE_IDLE)
		return -EBUSY;
	if (!c->staged)
		return -ENOENT;
	certificates_retire(c, c->committed);
	c->committed = c->staged;
	c->staged = NULL;
	c->checked = true;
	c->start_check = 0;
	snprintf(c->state, sizeof(c->state), "in force");
	/* TLS workers first, for order's sake: they have served it since it was staged. */
	EACH(c, w)
	if (w->role == PEER_TLS)
		certificate_order_commit(w, c->committed);
	EACH(c, w)
	if (w->role == PEER_TRANSPORT)
		certificate_order_commit(w, c->committed);
	count(CERTIFICATES_COMMITTED);
	log_info("certificates-committed", "generation=%u count=%zu", c->committed->generation,
		c->committed->count);
	return 0;
}

int certificates_abort(struct certificates *c)
{
	if (!c->staged)
		return -ENOENT;
	log_info("certificates-aborted", "generation=%u", c->staged->generation);
	if (c->phase != PHASE_IDLE)
		certificates_failed(c, -ECANCELED, 0, "aborted");
	else
		certificates_drop_staged(c);
	return 0;
}

const struct certificate_set *certificates_committed(const struct certificates *c)
{
	return c ? c->committed : NULL;
}

const struct certificate_set *certificates_staged(const struct certificates *c)
{
	return c ? c->staged : NULL;
}

const char *certificates_state(const struct certificates *c)
{
	return c && c->committed && c->committed->count ? c->state : "none";
}

void certificates_keep(struct certificates *c, uint32_t handshake_ms)
{
	c->keep_ms = (uint64_t)handshake_ms + CERTIFICATES_DROP_MARGIN_MS;
}

int certificates_new(struct certificates **out, struct supervisor *s)
{
	struct certificates *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->supervisor = s;
	timer_init(&c->drop_timer, certificates_drop_due, c);
	timer_init(&c->check_timer, certificates_check_late, c);
	certificates_keep(c, 10000);
	*out = c;
	return 0;
}

void certificates_free(struct certificates *c)
{
	if (!c)
		return;
	if (c->phase != PHASE_IDLE) {
		certificates_end_check(c);
		c->done(c->arg, -ECANCELED, 0, "sipward is stopping");
	}
	loop_unset(c->supervisor->loop, &c->drop_timer);
	certificate_set_free(c->committed);
	certificate_set_free(c->staged);
	for (unsigned i = 0; i < c->old_count; i++)
		certificate_set_free(c->old[i].set);
	free(c);
}
