/* str.h - pointer-and-length strings over somebody else's bytes.
 *
 * A struct str owns nothing and is not NUL-terminated. It is valid as long as the bytes under it
 * are.
 */
#ifndef SIPWARD_COMMON_STR_H
#define SIPWARD_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct str {
	const char *p;
	size_t n;
};

/* A struct str over a string literal. */
#define S(literal) ((struct str){(literal), sizeof(literal) - 1})

/* The empty string, wherever one is meant. */
#define STR_EMPTY S("")
/* No string at all, where that is another thing than an empty one: p is NULL. */
#define STR_NONE ((struct str){NULL, 0})

/* For printf: "%.*s", STR(s). */
#define STR(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
	return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal but for ASCII case: tokens, header names and hosts (RFC 3261 section 7.3.1). */
static inline bool str_equal_nocase(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

/* The part of s from position from (at most s.n) on. */
static inline struct str str_from(struct str s, size_t from)
{
	return (struct str){s.p + from, s.n - from};
}

/* s without spaces, tabs, CR and LF at either end. */
static inline struct str str_trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r' ||
			      s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

/* The position of byte c in s, or s.n where there is none. */
static inline size_t str_find(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

/* Reads all of s as a decimal number of at most max into *out. 0, or -EINVAL where s is empty, has
 * another byte than a digit or exceeds max. Never wraps. */
int str_number(struct str s, uint64_t max, uint64_t *out);

/* Copies s into buffer[size] with a NUL. 0, or -ENOBUFS where it does not fit (nothing is written
 * then). */
int str_copy(struct str s, char *buffer, size_t size);

/* Whether s is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
bool str_is_utf8(struct str s);

#endif
