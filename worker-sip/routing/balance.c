/* balance.c - the order of targets of one priority (balance.h): rendezvous hashing with weights.
 * Each target draws a number from the key and itself, and the highest weight / -log(number) comes
 * first. Pure. */
#include "balance.h"

#include "common/hash.h"

#include <stddef.h>

/* Binary digits of a logarithm. */
#define BALANCE_DIGITS 20

/* The negative binary logarithm of (h + 1) / 2^64, in steps of 2^-BALANCE_DIGITS. */
static uint64_t balance_log(uint64_t h)
{
	unsigned zeros = h ? (unsigned)__builtin_clzll(h) : 63;
	double x = h ? (double)(h << zeros) / 9223372036854775808.0 : 1; /* 1 to 2 */
	uint64_t digits = 0;

	for (unsigned i = 0; i < BALANCE_DIGITS; i++) {
		x *= x;
		digits <<= 1;
		if (x >= 2) {
			x /= 2;
			digits++;
		}
	}
	return ((uint64_t)(zeros + 1) << BALANCE_DIGITS) - digits;
}

/* What a target draws: the lowest comes first. The same on all machines, so that several gateways
 * agree. */
static double balance_draw(const struct target_settings *t, uint64_t key)
{
	static const struct hash_key same;
	struct {
		uint64_t key;
		struct endpoint endpoint;
		uint32_t transport;
		uint32_t written;
	} text;
	size_t size = offsetof(__typeof__(text), written);

	memset(&text, 0, sizeof(text));
	text.key = key;
	text.endpoint = t->endpoint;
	text.transport = t->transport;
	if (target_is_name(t)) { /* the same for all of its addresses */
		text.endpoint = (struct endpoint){0};
		text.transport = 0;
		text.written = t->written;
		size = sizeof(text);
	}
	return (double)balance_log(hash_bytes(&same, &text, size)) / (t->weight ? t->weight : 1);
}

/* What a host of SRV draws among those of its priority. One with the weight 0 has a small chance
 * where others have more (RFC 2782). */
static double balance_service_draw(const struct target_settings *t, uint64_t key)
{
	static const struct hash_key same;
	const uint64_t text[] = {key, t->host, t->transport};

	return (double)balance_log(hash_bytes(&same, text, sizeof(text))) /
	       (t->service_weight ? 32.0 * t->service_weight : 1);
}

struct balance_place {
	double draw, service_draw;
	const struct target_settings *row;
};

/* Whether b is to be tried before a, which stands before it. */
static bool balance_overtakes(const struct balance_place *a, const struct balance_place *b)
{
	if (a->row->priority != b->row->priority)
		return false;
	if (a->row->written != b->row->written || !target_is_name(b->row))
		return a->draw > b->draw;
	if (a->row->service_priority != b->row->service_priority)
		return a->row->service_priority > b->row->service_priority;
	return a->service_draw > b->service_draw;
}

void balance_order(const struct target_settings *rows, bool hashed, uint64_t key, unsigned count,
	uint8_t order[])
{
	struct balance_place place[UINT8_MAX];

	for (unsigned i = 0; i < count; i++) {
		unsigned at = i;

		place[i] = (struct balance_place){.row = &rows[i]};
		if (hashed)
			place[i].draw = balance_draw(&rows[i], key);
		if (target_is_name(&rows[i]))
			place[i].service_draw = balance_service_draw(&rows[i], key);
		for (; at && balance_overtakes(&place[order[at - 1]], &place[i]); at--)
			order[at] = order[at - 1];
		order[at] = (uint8_t)i;
	}
}
