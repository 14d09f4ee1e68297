/* record.c - checks and walks batches of records. Relies on the caller for the 8-byte alignment of
 * the batch; believes nothing else of it.
 * */
#include "record.h"

#include <errno.h>

/* The bounds of each type's data: the receiver knows them before it looks at the data itself. */
static const struct {
	size_t min, max;
} bounds[RECORD_TYPE_COUNT] = {
	[RECORD_MESSAGE] = {sizeof(struct message), MESSAGE_BLOCK_MAX},
	[RECORD_FLOW_CLOSED] = {sizeof(struct record_flow_closed),
		sizeof(struct record_flow_closed)},
	[RECORD_SEND_FAILED] = {sizeof(struct record_send_failed),
		sizeof(struct record_send_failed)},
	[RECORD_SEND] = {sizeof(struct record_send) + 1,
		sizeof(struct record_send) + MESSAGE_RAW_MAX},
	[RECORD_WATCH] = {sizeof(struct record_watch), sizeof(struct record_watch)},
	[RECORD_PENALTY] = {sizeof(struct record_penalty), sizeof(struct record_penalty)},
};

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static bool record_fits(const struct record_header *h, const unsigned char *data)
{
	if (h->zero || h->type == 0 || h->type >= RECORD_TYPE_COUNT ||
		h->size < bounds[h->type].min || h->size > bounds[h->type].max)
		return false;
	for (size_t i = h->size; i < padded(h->size); i++)
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
			padded(h->size) > size - at - sizeof(*h))
			return -EBADMSG;
		if (!record_fits(h, (const unsigned char *)(h + 1)))
			return -EBADMSG;
		at += sizeof(*h) + padded(h->size);
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
	*at += sizeof(*h) + padded(h->size);
	return h;
}
