/* str.c - the few operations on struct str that are too long for the header. Relies on nothing. */
#include "str.h"

#include <errno.h>

int str_number(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		/* Compared before it is added, so that nothing ever wraps. */
		if (digit > max || value > (max - digit) / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	*out = value;
	return 0;
}

int str_copy(struct str s, char *buffer, size_t size)
{
	if (s.n >= size)
		return -ENOBUFS;
	if (s.n)
		memcpy(buffer, s.p, s.n);
	buffer[s.n] = 0;
	return 0;
}

bool str_is_utf8(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p, *limit;

	if (!s.n)
		return true;
	limit = p + s.n;
	while (p < limit) {
		uint8_t c = *p++;
		unsigned more, low = 0x80, top = 0xbf;

		if (c < 0x80)
			continue;
		if (c >= 0xc2 && c <= 0xdf) {
			more = 1;
		} else if (c >= 0xe0 && c <= 0xef) {
			more = 2;
			low = c == 0xe0 ? 0xa0 : low;
			top = c == 0xed ? 0x9f : top;
		} else if (c >= 0xf0 && c <= 0xf4) {
			more = 3;
			low = c == 0xf0 ? 0x90 : low;
			top = c == 0xf4 ? 0x8f : top;
		} else {
			return false;
		}
		for (; more; more--, low = 0x80, top = 0xbf)
			if (p == limit || *p < low || *p++ > top)
				return false;
	}
	return true;
}
