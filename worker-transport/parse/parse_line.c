/* parse_line.c - finding the ends of lines, eight octets at a time: nearly all octets of a message
 * pass through here and need no more than this look. */
#include "parse_line.h"
#include "ipc/syntax.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS (ONES * 0x80)

/* The first octet at or after p that is a control byte, or limit. *high becomes other than 0 where
 * an octet from 0x80 on was passed. */
static const char *line_next_control(const char *p, const char *limit, uint64_t *high)
{
	while (limit - p >= 8) {
		uint64_t x;

		memcpy(&x, p, 8);
		/* per octet: high bit set where it is below 0x20 or 0x7f; borrows spoil only octets
		 * above the first hit (little-endian: behind it) */
		uint64_t del = x ^ (ONES * 0x7f),
			 hit = (((x - ONES * 0x20) & ~x) | ((del - ONES) & ~del)) & HIGHS;

		if (hit) {
			unsigned n = (unsigned)__builtin_ctzll(hit) / 8;

			if (n)
				*high |= x & HIGHS & (~UINT64_C(0) >> (64 - 8 * n));
			return p + n;
		}
		*high |= x & HIGHS;
		p += 8;
	}
	for (; p < limit; p++) {
		uint8_t c = (uint8_t)*p;

		if (c < 0x20 || c == 0x7f)
			return p;
		*high |= c & 0x80;
	}
	return p;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first octet is the lowest");

/* The end of the line at start, which may be folded where folds is set. */
static enum line_fault line_find_end(
	const char *start, const char *limit, bool folds, const char **end)
{
	uint64_t high = 0;
	bool control = false, nul = false;

	for (const char *p = start;; p++) {
		p = line_next_control(p, limit, &high);
		if (p == limit)
			return LINE_OPEN;
		if (*p == '\r') {
			if (p + 1 == limit)
				return LINE_OPEN;
			if (p[1] != '\n')
				return LINE_BARE;
			if (folds && p + 2 < limit && (p[2] == ' ' || p[2] == '\t')) {
				p++;
				continue;
			}
			*end = p;
			break;
		}
		if (*p == '\n')
			return LINE_BARE;
		nul |= !*p;
		control |= *p != '\t';
	}
	if (control && (!folds || !controls_quoted((struct str){start, (size_t)(*end - start)})))
		return nul ? LINE_NUL : LINE_CONTROL;
	return high && !str_is_utf8((struct str){start, (size_t)(*end - start)}) ? LINE_UTF8
	                                                                         : LINE_OK;
}

enum line_fault line_end(const char *p, const char *limit, const char **end)
{
	return line_find_end(p, limit, true, end);
}

enum line_fault line_end_unfolded(const char *p, const char *limit, const char **end)
{
	return line_find_end(p, limit, false, end);
}
