/* minutes.h - how many minutes a day calls to the numbers of a list may last: those of each caller,
 * and those of all together (minutes-per-day of the sections numbers). They are counted while a
 * call stands, so that little is lost when a worker dies, and over all SIP workers
 * (ipc/limit_page.h). A day is one of UTC. A call that takes more than is left goes on, unless the
 * list says that it ends; a new one is refused.
 */
#ifndef SIPWARD_SIP_CALL_MINUTES_H
#define SIPWARD_SIP_CALL_MINUTES_H

#include "worker-sip/incoming.h"

/* What stands is counted at least so often. */
#define MINUTES_TICK_MS 10000
#define MINUTES_OVER_REASON "Reason: Q.850;cause=31;text=\"Minutes of the day used up\"\r\n"

struct minutes;

/* Whether there are minutes left for an INVITE that a list of numbers permits. False: it has been
 * answered, counted and logged. An emergency call passes. */
bool minutes_admit(const struct incoming *in);
/* The same without an answer: of a call that somebody forwards. */
bool minutes_admit_forward(const struct incoming *in);
/* What a call of that INVITE counts for. NULL: nothing, or there is no memory, which is counted.
 * It ends with minutes_end. */
struct minutes *minutes_new(const struct incoming *in);
/* The call stands from now on. over: is called where the minutes are used up and the list says that
 * calls end then; m may be gone afterwards. NULL is a no-op here and below. */
void minutes_begin(struct minutes *m, void (*over)(void *arg), void *arg);
/* The call is over, or never came to stand: counts the rest, each begun second as a whole one. */
void minutes_end(struct minutes *m);

/* Hands a JSON line of each list and caller that have minutes of this day to line: of one user, or
 * of all where the arguments (query_argument.h) name none. Any one worker knows all of them. */
void minutes_list(struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json),
	void *arg);
/* Takes back what this worker has counted today for the user of the arguments, or for everybody
 * ("all"); the first worker does so for those that there are no more. Says how many rows it was. */
void minutes_reset(struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json),
	void *arg);

#endif
