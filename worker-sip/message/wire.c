/* wire.c - shared bytes with counted references, and the writer that makes messages. Relies on:
 * ipc/message.h. */
#include "wire.h"

#include <assert.h>
#include <stdlib.h>

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

struct held_message *held_message_new(const struct message *checked)
{
	struct held_message *k = malloc(offsetof(struct held_message, message) + checked->size);

	if (!k)
		return NULL;
	k->references = 1;
	k->zero = 0;
	memcpy(&k->message, checked, checked->size);
	return k;
}

struct held_message *held_message_hold(struct held_message *k)
{
	assert(k->references > 0 && k->references < UINT32_MAX);
	k->references++;
	return k;
}

void held_message_drop(struct held_message *k)
{
	if (!k)
		return;
	assert(k->references > 0);
	if (--k->references == 0)
		free(k);
}

void write_number(struct writer *w, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	write_bytes(w, digits + at, sizeof(digits) - at);
}
