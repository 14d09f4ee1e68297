/* waiting_answer.h - the 200 of a REGISTER that waits until the store has taken its bindings. Inner
 * part of registrar.c. */
#ifndef SIPWARD_SIP_REGISTRAR_WAITING_ANSWER_H
#define SIPWARD_SIP_REGISTRAR_WAITING_ANSWER_H

#include "worker-sip/sip.h"

struct waiting_answer;

/* Makes the answer to t, with these header lines, and puts it into *list, the registrar's. t stays
 * its owner's until waiting_answer_serve. NULL: no memory. */
struct waiting_answer *waiting_answer_new(
	struct waiting_answer **list, struct sip *sip, struct transaction *t, struct str headers);
/* Takes it out of its list; it is not sent. */
void waiting_answer_free(struct waiting_answer *a);
/* It takes over its transaction, and survives its end. */
void waiting_answer_serve(struct waiting_answer *a);
/* Lets go of all in the list and of their transactions. */
void waiting_answers_drop(struct waiting_answer **list);

/* For location_put, arg is the answer: the store has taken the bindings, or has not (-errno). Sends
 * the 200, else 503 where the store is full, else 500, and frees the answer. */
void waiting_answer_stored(void *arg, int error);

#endif
