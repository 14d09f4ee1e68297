/* cdr.h - the way of call records to the file or the Unix datagram socket of the section cdr: JSON
 * lines that wait in a bounded queue and are written at the end of turns: to a socket each with one
 * write, to a file all that came within CDR_GATHER_MS with one (a write for each was a twentieth of
 * what a whole call costs).
 *
 * Nothing here waits for a disk or a reader: what cannot be written is tried again later and the
 * queue keeps it meanwhile; what the queue has no room for is counted and lost. A write to a file
 * may take its time in the kernel: after a slow one nothing is written for a multiple of the time
 * that it took.
 */
#ifndef SIPWARD_SIP_CDR_H
#define SIPWARD_SIP_CDR_H

#include "common/loop.h"
#include "common/str.h"

struct cdr;

/* Bytes of lines that wait; one more is dropped. */
#define CDR_QUEUE_MAX (1024u * 1024)
/* What a worker that is killed may lose of what it had to write to a file. */
#define CDR_GATHER_MS 10
/* Bytes of one write to a file. */
#define CDR_WRITE_MAX (64u * 1024)
/* Writes of one turn. */
#define CDR_LINES_PER_TURN 64

/* lost: the socket has nobody to receive; at most once in CDR_RETRY_MS. -ENOMEM, -ENOSPC. */
int cdr_new(struct cdr **out, struct loop *loop, void (*lost)(void *arg), void *arg);
void cdr_free(struct cdr *c); /* NULL is a no-op */

/* Writes to fd from now on, which becomes the queue's own, and what waits as well. -1: no records
 * are wanted any more. */
void cdr_use(struct cdr *c, int fd);
/* Whether records are wanted. False where c is NULL. */
bool cdr_wanted(const struct cdr *c);
/* Queues a line, which ends with its newline. */
void cdr_add(struct cdr *c, struct str line);
/* Writes what waits, as far as it goes at once: nobody is going to write it later. */
void cdr_finish(struct cdr *c);

#endif
