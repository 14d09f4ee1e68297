/* explain.h - what would become of a message of which an operator asks, as far as this worker
 * decides it: which listener and source it would have, and whether it can be read. */
#ifndef SIPWARD_TRANSPORT_EXPLAIN_H
#define SIPWARD_TRANSPORT_EXPLAIN_H

#include "transport_worker.h"

/* Bytes of the rows, whatever the message is. */
#define EXPLAIN_TEXT_MAX 59000

/* Writes what is to be said of the message, rows of JSON, into text (EXPLAIN_TEXT_MAX bytes): the
 * last one has the block for a SIP worker, where the message would go on. words: of struct
 * lifeline_explain. Nothing is counted, logged or used up. Returns the length; -ENOMEM. */
long explain_message(struct transport_worker *t, const char *words, struct str raw, char *text);

#endif
