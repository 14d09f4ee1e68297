/* query.c - QUERY to workers, REPLY from them.
 *
 * Workers are not trusted: each line has to be one JSON object (jansson, duplicates refused), and
 * rows and bytes are bounded. A busy gateway can reach those bounds with honest workers: what is
 * too much ends the worker's answer, and is not held against it.
 */
#include "query.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
	struct question *next;
	struct queries *queries;
	uint32_t id;
	unsigned role;
	bool waiting[ROLE_WORKERS_MAX];
	unsigned waiting_count;
	size_t bytes;
	json_t *rows, *missing;
	struct timer timer;
	query_done done;
	void *arg;
};

void queries_init(struct queries *q, struct loop *loop, struct supervisor *supervisor)
{
	*q = (struct queries){.loop = loop, .supervisor = supervisor};
}

static void query_add_missing(struct question *x, unsigned index)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u", role_name(x->role), index);
	json_array_append_new(x->missing, json_string(name));
}

static void query_end(struct question *x)
{
	struct queries *q = x->queries;

	for (struct question **at = &q->first; *at; at = &(*at)->next)
		if (*at == x) {
			*at = x->next;
			break;
		}
	q->count--;
	loop_unset(q->loop, &x->timer);
	for (unsigned i = 0; i < ROLE_WORKERS_MAX; i++)
		if (x->waiting[i])
			query_add_missing(x, i);
	x->done(x->arg, x->rows, x->missing);
	free(x);
}

static void query_timed_out(struct timer *t, void *arg)
{
	(void)t;
	query_end(arg);
}

/* A question that asks nobody yet; NULL: there is no memory. */
static struct question *question_new(struct queries *q, unsigned role, query_done done, void *arg)
{
	struct question *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	*x = (struct question){.queries = q,
		.role = role,
		.rows = json_array(),
		.missing = json_array(),
		.done = done,
		.arg = arg};
	if (x->rows && x->missing)
		return x;
	json_decref(x->rows);
	json_decref(x->missing);
	free(x);
	return NULL;
}

int query_start_packet(struct queries *q, unsigned role, int worker, enum lifeline_type type,
	void *body, size_t size, query_done done, void *arg)
{
	if (q->count >= QUERIES_MAX)
		return -EAGAIN;
	struct question *x = question_new(q, role, done, arg);
	if (!x)
		return -ENOMEM;
	/* 0 is never an id. */
	if (++q->next == 0)
		q->next = 1;
	x->id = q->next;
	timer_init(&x->timer, query_timed_out, x);
	x->next = q->first;
	q->first = x;
	q->count++;

	memcpy(body, &x->id, sizeof(x->id));
	for (unsigned i = 0; i < q->supervisor->count; i++) {
		struct worker_slot *w = &q->supervisor->worker[i];

		if (w->role != role || w->retired || (worker == QUERY_ANY && x->waiting_count) ||
			(worker >= 0 && (unsigned)worker != w->index))
			continue;
		if (w->state == WORKER_READY && worker_tell(w, type, body, size, -1)) {
			x->waiting[w->index] = true;
			x->waiting_count++;
		} else if (worker != QUERY_ANY) {
			query_add_missing(x, w->index);
		}
	}
	if (worker == QUERY_ANY && !x->waiting_count)
		json_array_append_new(x->missing, json_string(role_name(role)));
	/* done is never called before this returns. */
	loop_set(q->loop, &x->timer, x->waiting_count ? QUERY_MAX_MS : 0);
	return 0;
}

int query_start(struct queries *q, unsigned role, bool one, uint16_t what, const char *argument,
	query_done done, void *arg)
{
	struct lifeline_query body = {.what = what};

	snprintf(body.argument, sizeof(body.argument), "%s", argument);
	return query_start_packet(q, role, one ? QUERY_ANY : QUERY_ALL, LIFELINE_QUERY, &body,
		sizeof(body), done, arg);
}

/* 0; -E2BIG where the answer is full; -EBADMSG: what the worker says is no answer. */
static int query_add_rows(struct question *x, struct str text)
{
	x->bytes += text.n;
	if (x->bytes > QUERY_BYTES_MAX)
		return -E2BIG;
	while (text.n) {
		size_t n = str_find(text, '\n');
		struct str line = str_trim((struct str){text.p, n});

		text = str_from(text, n < text.n ? n + 1 : n);
		if (!line.n)
			continue;
		json_t *row = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(row) || json_array_size(x->rows) >= QUERY_ROWS_MAX) {
			int error = json_is_object(row) ? -E2BIG : -EBADMSG;

			json_decref(row);
			return error;
		}
		json_array_append_new(x->rows, row);
	}
	return 0;
}

void query_reply(struct queries *q, struct worker_slot *w, uint32_t id, bool last, struct str text)
{
	struct question *x = q->first;

	while (x && x->id != id)
		x = x->next;
	/* One that timed out, or one that was never asked. */
	if (!x || x->role != w->role || !x->waiting[w->index])
		return;
	int error = query_add_rows(x, text);
	if (error == -EBADMSG)
		count(WORKER_MISBEHAVED);
	if (error) {
		log_warn("query-reply", "peer=%s-%u error=\"%s\"", role_name(w->role), w->index,
			error == -E2BIG ? "more than an answer may have" : "no JSON objects");
		query_add_missing(x, w->index);
	}
	if (error || last) {
		x->waiting[w->index] = false;
		if (--x->waiting_count == 0)
			query_end(x);
	}
}

void query_died(struct queries *q, struct worker_slot *w)
{
	for (struct question *x = q->first, *next; x; x = next) {
		next = x->next;
		if (x->role != w->role || !x->waiting[w->index])
			continue;
		x->waiting[w->index] = false;
		query_add_missing(x, w->index);
		if (--x->waiting_count == 0)
			query_end(x);
	}
}

void queries_close(struct queries *q)
{
	while (q->first)
		query_end(q->first);
}
