/* recent_registers.h - of which address of record and Call-ID a REGISTER has been taken lately: an
 * older one may still be on its way then, and only then (RFC 3261 section 10.3 step 7). A phone
 * with a fixed Call-ID that has restarted begins with a low CSeq again.
 *
 * A table of fixed size in which a newer one takes an older one's place: what was forgotten early
 * is believed early, no more. Nothing is known of what a worker before this one took.
 */
#ifndef SIPWARD_SIP_REGISTRAR_RECENT_REGISTERS_H
#define SIPWARD_SIP_REGISTRAR_RECENT_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Remembered, at most. */
#define RECENT_REGISTERS_MAX 16384

/* Zero-initialise, but for since, before use. */
struct recent_registers {
	uint64_t since; /* when the first one could be noted, ms of loop_now */
	struct {
		uint64_t print, at; /* at: ms of loop_now */
	} taken[RECENT_REGISTERS_MAX];
};

/* Notes one by its keyed hash. */
static inline void recent_registers_note(
	struct recent_registers *r, uint64_t print, uint64_t now_ms)
{
	r->taken[print % RECENT_REGISTERS_MAX].print = print;
	r->taken[print % RECENT_REGISTERS_MAX].at = now_ms;
}

/* Whether one with that hash was taken in the last window_ms, or may have been. */
static inline bool recent_registers_has(
	const struct recent_registers *r, uint64_t print, uint64_t now_ms, uint64_t window_ms)
{
	const size_t i = print % RECENT_REGISTERS_MAX;

	if (now_ms - r->since < window_ms)
		return true;
	return r->taken[i].print == print && now_ms - r->taken[i].at < window_ms;
}

#endif
