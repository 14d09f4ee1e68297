/* writer.h - text appended to a buffer of fixed size. */
#ifndef SIPWARD_SIP_MESSAGE_WRITER_H
#define SIPWARD_SIP_MESSAGE_WRITER_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Text that does not fit sets full and is left out, so that a caller checks once at the end. */
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
/* Writes the number in decimal digits. */
void write_number(struct writer *w, uint64_t number);
static inline struct str writer_text(const struct writer *w)
{
	return (struct str){w->p, w->n};
}

#endif
