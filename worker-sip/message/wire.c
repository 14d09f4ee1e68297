/* wire.c - finished messages with counted references. */
#include "wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct wire *wire_new(const char *bytes, size_t size)
{
	struct wire *w;

	if (size > UINT32_MAX)
		return NULL;
	w = malloc(sizeof(*w) + size);
	if (!w)
		return NULL;
	w->references = 1;
	w->size = (uint32_t)size;
	if (size)
		memcpy(w->byte, bytes, size);
	return w;
}

struct wire *wire_hold(struct wire *w)
{
	assert(w->references > 0 && w->references < UINT32_MAX);
	w->references++;
	return w;
}

void wire_drop(struct wire *w)
{
	if (!w)
		return;
	assert(w->references > 0);
	if (--w->references == 0)
		free(w);
}
