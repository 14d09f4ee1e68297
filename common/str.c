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
