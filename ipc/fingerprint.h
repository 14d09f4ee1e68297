/* fingerprint.h - which bytes ended a worker, and how a worker knows them again.
 *
 * The master finds what a dead worker had in hand (common/crash_evidence.h), keeps it, and tells
 * the workers its fingerprint; they refuse exactly these bytes. Nothing is parsed for that: code
 * that reads a message is what the message may have killed. So one that was changed by a byte is
 * another one (deploy/THREATS.md).
 */
#ifndef SIPWARD_IPC_FINGERPRINT_H
#define SIPWARD_IPC_FINGERPRINT_H

#include "common/crash_evidence.h"
#include "common/endpoint.h"
#include "common/log_limit.h"
#include "common/str.h"

#include <stdbool.h>

#define FINGERPRINT_SIZE 16
#define FINGERPRINT_TEXT_SIZE (2 * FINGERPRINT_SIZE + 1)
/* A worker knows as many as the master keeps. */
#define FINGERPRINTS_MAX 256
/* Pieces of a stream below this size, bytes, are kept but not refused: harmless ones may begin
 * alike (a start line, a keep-alive in a frame). */
#define FINGERPRINT_STREAM_MIN 64

/* Crosses process borders. */
struct fingerprint {
	uint8_t byte[FINGERPRINT_SIZE]; /* BLAKE2b of the kind and the bytes */
	uint32_t size;                  /* of the bytes, 1 to EVIDENCE_MAX */
	uint8_t kind;                   /* enum evidence_kind */
	uint8_t zero[3];
};
_Static_assert(sizeof(struct fingerprint) == 24, "crosses process borders");

/* Computes the fingerprint of n bytes (1 to EVIDENCE_MAX) at p. */
void fingerprint_of(enum evidence_kind kind, const void *p, size_t n, struct fingerprint *out);
/* In hexadecimal; returns buffer. */
const char *fingerprint_text(const struct fingerprint *f, char buffer[FINGERPRINT_TEXT_SIZE]);
/* Whether such bytes are refused: messages, and pieces of a stream that are long enough. Records
 * are not: what they are about is a state, which died with the worker. */
bool fingerprint_refusable(const struct fingerprint *f);

/* The messages that a worker refuses. All zero: none. */
struct refusals {
	unsigned count;
	uint64_t sizes[16]; /* bit size % 1024: what has another size needs no fingerprint */
	struct fingerprint print[FINGERPRINTS_MAX];
	struct log_limit limit; /* of lines */
};
/* Replaces all. -EINVAL: too many, or what cannot be refused; r is unchanged. */
int refusals_set(struct refusals *r, const struct fingerprint *print, size_t count);

/* refusals_refuse once the size of bytes is listed. */
bool refusals_look(struct refusals *r, enum evidence_kind kind, struct str bytes,
	const struct endpoint *source, uint64_t now);
/* Whether bytes are to be refused; where they are, that is counted and logged, at most once a
 * second (now: loop_now). source: who sent them, NULL: not known. One comparison while nothing is
 * listed, and two while nothing of this size is. */
static inline bool refusals_refuse(struct refusals *r, enum evidence_kind kind, struct str bytes,
	const struct endpoint *source, uint64_t now)
{
	return r->count && (r->sizes[bytes.n / 64 % 16] >> bytes.n % 64 & 1) &&
	       refusals_look(r, kind, bytes, source, now);
}
/* Before bytes are touched: false where they are to be refused, as above; otherwise they are
 * recorded as what this worker has in hand, until evidence_drop. */
static inline bool refusals_let_in(struct refusals *r, struct crash_evidence *evidence,
	enum evidence_kind kind, struct str bytes, const struct endpoint *source, uint64_t now)
{
	if (refusals_refuse(r, kind, bytes, source, now))
		return false;
	evidence_take(evidence, kind, bytes.p, bytes.n);
	return true;
}

#endif
