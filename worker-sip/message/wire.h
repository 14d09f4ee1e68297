/* wire.h - finished messages as they go out, shared by counted references. */
#ifndef SIPWARD_SIP_MESSAGE_WIRE_H
#define SIPWARD_SIP_MESSAGE_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* One thread: the count is plain. */
struct wire {
	uint32_t references;
	uint32_t size;
	char byte[];
};
/* A copy with one reference, or NULL where there is no memory. */
struct wire *wire_new(const char *bytes, size_t size);
struct wire *wire_hold(struct wire *w); /* one reference more; returns w */
void wire_drop(struct wire *w);         /* one less, freed with the last; NULL is a no-op */

#endif
