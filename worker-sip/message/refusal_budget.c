/* refusal_budget.c - the budget of answers without a transaction (refusal_budget.h). Each place
 * says when all that was taken will have been earned back; it lies in one of the few places that
 * its keyed hash names, so that nobody outside can choose whom he pushes out. */
#include "refusal_budget.h"

#include "common/hash.h"

#include <errno.h>
#include <stdlib.h>

#define WAYS 4 /* places that a hash names */
#define SETS (REFUSAL_BUDGET_PLACES / WAYS)
/* What is earned in this time may be spent at once, microseconds. */
#define BURST_US 1000000u

struct spender {
	uint64_t print; /* keyed hash of the address and its length; 0: nobody */
	uint64_t until; /* us of the loop: when all that was taken is earned back */
};

struct refusal_budget {
	struct hash_key key;
	struct spender spender[REFUSAL_BUDGET_PLACES];
};

int refusal_budget_new(struct refusal_budget **out)
{
	struct refusal_budget *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	hash_key_random(&b->key);
	*out = b;
	return 0;
}

void refusal_budget_free(struct refusal_budget *b)
{
	free(b);
}

/* The place of the first bytes of an address, which takes that of whoever has the least to wait for
 * where it is new. */
static struct spender *spender_of(
	struct refusal_budget *b, const struct endpoint *source, uint8_t bytes)
{
	uint8_t text[2 + sizeof(source->address)] = {source->family, bytes};

	memcpy(text + 2, source->address, bytes);
	uint64_t print = hash_bytes(&b->key, text, sizeof(text));
	if (!print)
		print = 1;
	struct spender *place = &b->spender[print % SETS * WAYS], *least = place;

	for (unsigned i = 0; i < WAYS; i++) {
		if (place[i].print == print)
			return &place[i];
		if (place[i].until < least->until)
			least = &place[i];
	}
	*least = (struct spender){.print = print};
	return least;
}

/* When it will all be earned back if one more is taken now. */
static uint64_t spender_next(const struct spender *s, uint32_t per_second, uint64_t now_us)
{
	return (s->until > now_us ? s->until : now_us) + BURST_US / per_second;
}

bool refusal_budget_take(struct refusal_budget *b, const struct endpoint *source,
	uint32_t per_source, uint32_t per_prefix, uint64_t now_ms)
{
	bool six = source->family == 6;
	uint64_t now_us = now_ms * 1000, next = 0;

	if (per_prefix) {
		struct spender *prefix = spender_of(b, source, six ? 6 : 3);

		next = spender_next(prefix, per_prefix, now_us);
		if (next > now_us + BURST_US)
			return false;
	}
	if (per_source) {
		struct spender *one = spender_of(b, source, six ? 8 : 4);
		uint64_t own = spender_next(one, per_source, now_us);

		if (own > now_us + BURST_US)
			return false;
		one->until = own;
	}
	/* looked for again: the source may have taken its place */
	if (per_prefix)
		spender_of(b, source, six ? 6 : 3)->until = next;
	return true;
}
