/* writer.c - text appended to a buffer of fixed size. */
#include "writer.h"

void write_number(struct writer *w, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	write_bytes(w, digits + at, sizeof(digits) - at);
}
