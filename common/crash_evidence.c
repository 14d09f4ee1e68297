/* crash_evidence.c - the master's side of what a worker had in hand. */
#include "crash_evidence.h"

#include <errno.h>

const char *hand_kind_name(unsigned kind)
{
	static const char *const name[HAND_KIND_COUNT] = {"?", "message", "stream", "record"};

	return kind < HAND_KIND_COUNT ? name[kind] : name[0];
}

int hand_read(const struct hand *h, enum hand_kind *kind, unsigned char room[HAND_MAX], size_t *size)
{
	/* Once: whoever shares the page could write another size after it was checked. */
	uint64_t what = __atomic_load_n(&h->what, __ATOMIC_RELAXED);
	uint64_t k = what >> 32, n = what & UINT32_MAX;

	if (k == HAND_NOTHING)
		return -ENOENT;
	if (k >= HAND_KIND_COUNT || n == 0 || n > HAND_MAX)
		return -EBADMSG;
	memcpy(room, h->byte, n);
	*kind = (enum hand_kind)k;
	*size = n;
	return 0;
}
