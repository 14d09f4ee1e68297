/* held_message.c - received messages with counted references. */
#include "held_message.h"

#include <assert.h>
#include <stdlib.h>

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
