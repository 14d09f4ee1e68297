/* record.c - checks and walks batches of records. Relies on the caller for the 8-byte alignment of
 * the batch; believes nothing else of it. */
#include "record.h"

#include <errno.h>

/* Sets of roles. */
enum {
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "roles.def"
#undef ROLE
};

/* The receiver knows the bounds of each type's data before it looks at the data itself. */
static const struct {
	const char *name;
	unsigned senders, receivers;
	size_t min, max;
} table[RECORD_TYPE_COUNT] = {
#define RECORD(id, senders, receivers, min, max)                                                   \
	[RECORD_##id] = {#id, senders, receivers, min, max},
#include "records.def"
#undef RECORD
};

const char *record_name(uint16_t type)
{
	return type > RECORD_NONE && type < RECORD_TYPE_COUNT ? table[type].name : "?";
}

bool record_permits(uint16_t type, unsigned sender, unsigned receiver)
{
	return type > RECORD_NONE && type < RECORD_TYPE_COUNT && sender < ROLE_COUNT &&
	       receiver < ROLE_COUNT && (table[type].senders & 1u << sender) &&
	       (table[type].receivers & 1u << receiver);
}

static size_t record_padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static bool record_fits(const struct record_header *h, const unsigned char *data)
{
	if (h->zero || h->type == RECORD_NONE || h->type >= RECORD_TYPE_COUNT ||
		h->size < table[h->type].min || h->size > table[h->type].max)
		return false;
	for (size_t i = h->size; i < record_padded(h->size); i++)
		if (data[i])
			return false;
	if (h->type == RECORD_SEND) {
		const struct record_send *send = (const void *)data;

		if (send->size != h->size - sizeof(*send))
			return false;
	}
	return true;
}

int batch_check(const void *batch, size_t size)
{
	const struct batch_header *b = batch;
	size_t at = sizeof(*b);

	if (size < sizeof(*b) + sizeof(struct record_header) || size > BATCH_MAX || size % 8 ||
		b->magic != BATCH_MAGIC || b->count == 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct record_header *h = (const void *)((const char *)batch + at);

		if (size - at < sizeof(*h) || h->size > BATCH_MAX ||
			record_padded(h->size) > size - at - sizeof(*h))
			return -EBADMSG;
		if (!record_fits(h, (const unsigned char *)(h + 1)))
			return -EBADMSG;
		at += sizeof(*h) + record_padded(h->size);
	}
	return at == size ? 0 : -EBADMSG;
}

const struct record_header *batch_next(
	const void *batch, size_t size, size_t *at, const void **data)
{
	const struct record_header *h;

	if (*at == 0)
		*at = sizeof(struct batch_header);
	if (*at >= size)
		return NULL;
	h = (const void *)((const char *)batch + *at);
	*data = h + 1;
	*at += sizeof(*h) + record_padded(h->size);
	return h;
}
