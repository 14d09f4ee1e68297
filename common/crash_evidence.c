/* crash_evidence.c - the master's side of what a worker had in hand. */
#include "crash_evidence.h"

#include <errno.h>

const char *evidence_kind_name(unsigned kind)
{
	static const char *const name[EVIDENCE_KIND_COUNT] = {"?", "message", "stream", "record"};

	return kind < EVIDENCE_KIND_COUNT ? name[kind] : name[0];
}

int evidence_read(const struct crash_evidence *h, enum evidence_kind *kind,
	unsigned char buffer[EVIDENCE_MAX], size_t *size)
{
	/* Once: whoever shares the page could write another size after it was checked. */
	uint64_t what = __atomic_load_n(&h->what, __ATOMIC_RELAXED);
	uint64_t k = what >> 32, n = what & UINT32_MAX;

	if (k == EVIDENCE_NOTHING)
		return -ENOENT;
	if (k >= EVIDENCE_KIND_COUNT || n == 0 || n > EVIDENCE_MAX)
		return -EBADMSG;
	memcpy(buffer, h->byte, n);
	*kind = (enum evidence_kind)k;
	*size = n;
	return 0;
}
