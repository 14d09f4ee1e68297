/* address_order.c - see address_order.h. Pure. */
#include "address_order.h"

#include <string.h>

/* The policy table of RFC 6724 section 2.1, the longest prefixes first. */
static const struct address_policy {
	uint8_t prefix[16], bits, precedence, label;
} policies[] = {
	{{[15] = 1}, 128, 50, 0},
	{{[10] = 0xff, 0xff}, 96, 35, 4},
	{{0}, 96, 1, 3},
	{{0x20, 0x01}, 32, 5, 5},
	{{0x20, 0x02}, 16, 30, 2},
	{{0x3f, 0xfe}, 16, 1, 12},
	{{0xfe, 0xc0}, 10, 1, 11},
	{{0xfc}, 7, 3, 13},
	{{0}, 0, 40, 1},
};

/* As IPv6; an IPv4 address is mapped. */
static void address_bytes(const struct endpoint *e, uint8_t out[16])
{
	memset(out, 0, 16);
	if (e->family == 4) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, e->address, 4);
	} else {
		memcpy(out, e->address, 16);
	}
}

static unsigned address_common_bits(const uint8_t a[16], const uint8_t b[16])
{
	unsigned n = 0;

	while (n < 128 && !((a[n / 8] ^ b[n / 8]) & 0x80 >> n % 8))
		n++;
	return n;
}

static const struct address_policy *address_policy(const struct endpoint *e)
{
	const struct address_policy *p = policies;
	uint8_t bytes[16];

	address_bytes(e, bytes);
	while (address_common_bits(bytes, p->prefix) < p->bits)
		p++; /* the last one is for all */
	return p;
}

/* RFC 4007 and RFC 6724 section 3.2: link-local (2), site-local (5) or global (14). */
static unsigned address_scope(const struct endpoint *e)
{
	const uint8_t *a = e->address;

	if (e->family == 4)
		return a[0] == 127 || (a[0] == 169 && a[1] == 254) ? 2 : 14;
	if (endpoint_is_loopback(e) || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80))
		return 2;
	return a[0] == 0xfe && (a[1] & 0xc0) == 0xc0 ? 5 : 14;
}

/* Above 0: a comes first, for a greater number is better. */
static int address_compare(const struct address_candidate *a, const struct address_candidate *b)
{
	const struct address_policy *pa = address_policy(&a->to), *pb = address_policy(&b->to);
	bool known = !endpoint_is_wildcard(&a->from) && !endpoint_is_wildcard(&b->from);
	unsigned sa = address_scope(&a->to), sb = address_scope(&b->to);

	if (known) {
		int scope = (sa == address_scope(&a->from)) - (sb == address_scope(&b->from));
		int label = (pa->label == address_policy(&a->from)->label) -
		            (pb->label == address_policy(&b->from)->label);

		if (scope || label)
			return scope ? scope : label; /* rules 2 and 5 */
	}
	if (pa->precedence != pb->precedence)
		return pa->precedence - pb->precedence; /* rule 6 */
	if (sa != sb)
		return (int)sb - (int)sa;                      /* rule 8 */
	if (known && a->to.family == 6 && b->to.family == 6) { /* rule 9 */
		int common = (int)address_common_bits(a->to.address, a->from.address) -
		             (int)address_common_bits(b->to.address, b->from.address);

		if (common)
			return common;
	}
	return -memcmp(a->to.address, b->to.address, sizeof(a->to.address));
}

void address_order(struct address_candidate *c, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct address_candidate moved = c[i];
		unsigned at = i;

		for (; at && address_compare(&moved, &c[at - 1]) > 0; at--)
			c[at] = c[at - 1];
		c[at] = moved;
	}
}
