/* balance.c - the order of targets of one priority (balance.h): rendezvous hashing with weights.
 * Each target draws a number from the key and itself, and the highest weight / -log(number) comes
 * first. Pure. */
#include "balance.h"

#include "common/hash.h"

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
	} text;

	memset(&text, 0, sizeof(text));
	text.key = key;
	text.endpoint = t->endpoint;
	text.transport = t->transport;
	return (double)balance_log(hash_bytes(&same, &text, sizeof(text))) /
	       (t->weight ? t->weight : 1);
}

void balance_order(const struct settings *s, const struct trunk_settings *t, bool hashed,
	uint64_t key, unsigned count, uint8_t order[])
{
	double draw[UINT8_MAX];

	for (unsigned i = 0; i < count; i++) {
		const struct target_settings *g = SETTINGS_ROW(
			s, struct target_settings, t->targets, i);
		unsigned at = i;

		draw[i] = hashed ? balance_draw(g, key) : 0;
		for (; at; at--) {
			const struct target_settings *before = SETTINGS_ROW(
				s, struct target_settings, t->targets, order[at - 1]);

			if (before->priority != g->priority || draw[order[at - 1]] <= draw[i])
				break;
			order[at] = order[at - 1];
		}
		order[at] = (uint8_t)i;
	}
}
