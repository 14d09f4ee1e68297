/* call_trace.h - what was decided of the last calls, for sipwardctl trace: their records, kept in a
 * ring of fixed size after they have ended. */
#ifndef SIPWARD_SIP_CALL_CALL_TRACE_H
#define SIPWARD_SIP_CALL_CALL_TRACE_H

#include "ipc/trace_filter.h"
#include "call_record_state.h"

/* The part of the option ring of the section trace that a SIP worker takes, and the least. */
#define CALL_TRACE_PART 4
#define CALL_TRACE_MIN (64u << 10)

/* The settings are new: makes the ring as they say. What it held is gone where its size is another
 * one. Where there is no memory for it, that is logged, and nothing is kept. */
void call_trace_settings(struct sip *sip);
/* Frees the ring. */
void call_trace_free(struct sip *sip);
/* Keeps the record of a call that has ended. */
void call_trace_keep(const struct call_record *r);
/* Calls add with a JSON object, as in a CDR, for each call that is asked for: those that have
 * ended, the oldest first, and those that have not. */
void call_trace_list(struct sip *sip, const struct trace_filter *f,
	void (*add)(void *arg, struct str json), void *arg);

#endif
