/* crash_evidence.h - what a worker has in hand: a copy in its shared page, from before it is
 * touched until it is done with.
 *
 * The page survives the worker: when that dies, the master finds in it what it died of. Taking
 * costs one copy of the bytes, dropping one store; neither is a system call.
 */
#ifndef SIPWARD_COMMON_CRASH_EVIDENCE_H
#define SIPWARD_COMMON_CRASH_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The most bytes that are copied: any SIP message (MESSAGE_RAW_MAX, ipc/message.h), and what one
 * read of a stream gives. */
#define EVIDENCE_MAX 65536

enum evidence_kind {
	EVIDENCE_NOTHING = 0,
	EVIDENCE_MESSAGE, /* a SIP message, start line to the end of its body: the same bytes in
	                     transport and SIP workers */
	EVIDENCE_STREAM,  /* bytes of a stream of which no message has been made yet: framing, a
	                     WebSocket upgrade, WebSocket frames */
	EVIDENCE_RECORD,  /* a record of the mesh that is no whole message */
	EVIDENCE_KIND_COUNT
};
/* "message", "stream", "record"; "?" for anything else. */
const char *evidence_kind_name(unsigned kind);

struct crash_evidence {
	uint64_t what; /* enum evidence_kind << 32 | bytes; 0: nothing */
	unsigned char byte[EVIDENCE_MAX];
};

/* n bytes at p are being worked on from now on; of more than EVIDENCE_MAX only the first are
 * copied. */
static inline void evidence_take(
	struct crash_evidence *h, enum evidence_kind kind, const void *p, size_t n)
{
	size_t kept = n < EVIDENCE_MAX ? n : EVIDENCE_MAX;

	if (kept)
		memcpy(h->byte, p, kept);
	/* Only the compiler could put what follows before it: whoever reads it does so when this
	 * process is gone. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&h->what, (uint64_t)kind << 32 | kept, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
static inline void evidence_drop(struct crash_evidence *h)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&h->what, 0, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* For the master, which believes nothing that stands there: copies the bytes into buffer and sets
 * *kind and *size (1 to EVIDENCE_MAX). 0; -ENOENT: nothing was in hand; -EBADMSG: what stands there
 * makes no sense. */
int evidence_read(const struct crash_evidence *h, enum evidence_kind *kind,
	unsigned char buffer[EVIDENCE_MAX], size_t *size);

#endif
