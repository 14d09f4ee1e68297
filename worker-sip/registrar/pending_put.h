/* pending_put.h - records that have been put and are not in the store yet: found by their address
 * of record, written in the order of the first put. Inner part of location.c. */
#ifndef SIPWARD_SIP_REGISTRAR_PENDING_PUT_H
#define SIPWARD_SIP_REGISTRAR_PENDING_PUT_H

#include "common/hash.h"
#include "common/table.h"
#include "worker-sip/sip.h"

/* Addresses of record that may be written in one turn of the loop; further ones are refused with
 * -EAGAIN. */
#define LOCATION_PENDING_MAX 4096

struct pending_put_waiter;

struct pending_put {
	struct table_node node;
	struct pending_put *next; /* in order of the first put */
	struct pending_put_waiter *first, **last;
	char *record; /* encoded bindings; NULL: the record is to go */
	size_t size;
	size_t aor_length;
	char aor[AOR_MAX];
};

struct pending_puts {
	struct hash_key key;
	struct table by_aor;
	struct pending_put *first, **last;
};

int pending_puts_init(struct pending_puts *puts); /* -ENOMEM */
/* Forgets what is pending; nobody is called. */
void pending_puts_free(struct pending_puts *puts);

/* NULL: nothing is pending for that address of record. */
struct pending_put *pending_puts_find(const struct pending_puts *puts, struct str aor);
/* Puts a record (n == 0: removes it) in the place of one that is pending for aor (shorter than
 * AOR_MAX), else behind all others; a copy is kept. done (may be NULL) will be called by
 * pending_put_finish. 0; -EAGAIN: LOCATION_PENDING_MAX are pending; -ENOMEM. */
int pending_puts_add(struct pending_puts *puts, struct str aor, struct str record,
	void (*done)(void *arg, int error), void *arg);
/* Takes all that is pending: a list whose elements go by pending_put_finish. */
struct pending_put *pending_puts_take(struct pending_puts *puts);

/* Calls all done callbacks of p with error (0 or -errno), logs a failure, and frees p. */
void pending_put_finish(struct pending_put *p, int error);
/* Pages that writing the list from p on may take: each record and its way down the tree. alone: its
 * first element only. */
size_t pending_put_pages(const struct pending_put *p, bool alone);

#endif
