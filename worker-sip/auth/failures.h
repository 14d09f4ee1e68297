/* failures.h - which failed attempts have been counted against their sources lately: a stranger's
 * request leaves no transaction that would absorb its retransmissions, and one wrong password must
 * not count twice because an answer was lost.
 *
 * A table of fixed size in which a newer attempt takes an older one's place: what was forgotten
 * early counts twice, no more.
 */
#ifndef SIPWARD_SIP_AUTH_FAILURES_H
#define SIPWARD_SIP_AUTH_FAILURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Attempts remembered. */
#define FAILURES_MAX 1024
/* For so long: what a client's timer B or F is by default (RFC 3261 section 17.1), ms. */
#define FAILURES_MS 32000

/* Zero-initialise before use. */
struct failures {
	struct {
		uint64_t print, at; /* at: ms */
	} attempt[FAILURES_MAX];
};

/* Notes an attempt by its keyed hash, at now_ms of any clock. False: it is there already. */
static inline bool failures_note(struct failures *f, uint64_t print, uint64_t now_ms)
{
	size_t i = print % FAILURES_MAX;

	if (f->attempt[i].print == print && now_ms - f->attempt[i].at < FAILURES_MS)
		return false;
	f->attempt[i].print = print;
	f->attempt[i].at = now_ms;
	return true;
}

#endif
