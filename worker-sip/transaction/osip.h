/* osip.h - libosip2 as machine.c and timers.c see it; nothing else in this program includes its
 * headers. */
#ifndef SIPWARD_SIP_TRANSACTION_OSIP_H
#define SIPWARD_SIP_TRANSACTION_OSIP_H

/* its headers use these without including them */
#include <sys/time.h>
#include <time.h>

#include "machine.h"

#include <osip2/osip.h>

/* Lengths and deadlines of a new machine. */
void machine_timers_start(struct transaction *t);
/* After a response: where libosip2 chose a length of its own. */
void machine_timers_adjust(struct transaction *t);
/* Hands the machine one event. Without memory t->outcome has OUTCOME_ERROR. */
void machine_execute(struct transaction *t, type_t type, osip_message_t *message);

#endif
