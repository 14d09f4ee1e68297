/* query.h - a question to workers and their answers, collected without waiting. */
#ifndef SIPWARD_MASTER_CONTROL_QUERY_H
#define SIPWARD_MASTER_CONTROL_QUERY_H

#include "master/workers/worker_slot.h"

#include <jansson.h>

/* Workers that have not answered by then are reported as missing. */
#define QUERY_MAX_MS 2000
/* Questions under way. */
#define QUERIES_MAX 16
/* Rows and bytes of one answer. A worker that has more is reported as missing, too. */
#define QUERY_ROWS_MAX 200000
#define QUERY_BYTES_MAX (32u << 20)

struct question;
struct queries {
	struct loop *loop;
	struct supervisor *supervisor;
	struct question *first;
	unsigned count;
	uint32_t next;
};

/* rows: array of objects; missing: array of worker names that did not (wholly) answer. Both are the
 * callee's to json_decref. */
typedef void (*query_done)(void *arg, json_t *rows, json_t *missing);

/* Makes q empty. loop and supervisor outlive it. */
void queries_init(struct queries *q, struct loop *loop, struct supervisor *supervisor);
/* Asks every worker of role (one: only the first that is ready), those that leave too. Workers that
 * are not ready are missing at once. done is called later, from the loop. -EAGAIN: too many are
 * under way; -ENOMEM. */
int query_start(struct queries *q, unsigned role, bool one, uint16_t what, const char *argument,
	query_done done, void *arg);
/* The same with another packet, whose body begins with a uint32_t, the id, which is written here.
 * worker: the index of the one that is asked, or QUERY_ANY, QUERY_ALL. */
#define QUERY_ALL (-1)
#define QUERY_ANY (-2)
int query_start_packet(struct queries *q, unsigned role, int worker, enum lifeline_type type,
	void *body, size_t size, query_done done, void *arg);
/* From the supervisor. */
void query_reply(struct queries *q, struct worker_slot *w, uint32_t id, bool last, struct str text);
void query_died(struct queries *q, struct worker_slot *w);
/* Ends all, with what there is. */
void queries_close(struct queries *q);

#endif
