/* wire.h - shared bytes: finished messages (struct wire) and kept copies of received ones (struct
 * held_message), counted references; and the writer that makes them. */
#ifndef SIPWARD_SIP_MESSAGE_WIRE_H
#define SIPWARD_SIP_MESSAGE_WIRE_H

#include "ipc/message.h"

/* A finished message as it goes out. One thread: the count is plain. */
struct wire {
	uint32_t references;
	uint32_t size;
	char byte[];
};
/* A copy with one reference, or NULL. */
struct wire *wire_new(const char *bytes, size_t size);
struct wire *wire_hold(struct wire *w); /* one reference more; returns w */
void wire_drop(struct wire *w);         /* one less, freed with the last; NULL is a no-op */

/* A received message that outlives its batch. */
struct held_message {
	uint32_t references;
	uint32_t zero;
	struct message message; /* the block continues behind it */
};
struct held_message *held_message_new(const struct message *checked); /* NULL: no memory */
struct held_message *held_message_hold(struct held_message *k);
void held_message_drop(struct held_message *k);

/* Buffers of many kilobytes on a message's way are static: a frame of theirs would be probed page
 * by page at each call (-fstack-clash-protection), which costs more than what is written into them.
 * A SIP worker has one thread, and nothing on the way from writing into such a room to taking it
 * out comes by the same function again.
 *
 * Appends to a fixed room; what does not fit sets full and is left out, so that a caller checks
 * once at the end. */
struct writer {
	char *p;
	size_t n, size;
	bool full;
};
#define WRITER(buffer) ((struct writer){.p = (buffer), .size = sizeof(buffer)})

static inline void write_bytes(struct writer *w, const char *p, size_t n)
{
	if (n > w->size - w->n) {
		w->full = true;
		return;
	}
	if (n)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}
static inline void write_str(struct writer *w, struct str s)
{
	write_bytes(w, s.p, s.n);
}
#define write_literal(w, literal) write_bytes((w), (literal), sizeof(literal) - 1)
void write_number(struct writer *w, uint64_t number);
static inline struct str writer_text(const struct writer *w)
{
	return (struct str){w->p, w->n};
}

#endif
