/* octet.h - classes of octets of the SIP grammar (RFC 3261 section 25.1), one table look-up each.
 */
#ifndef SIPWARD_IPC_OCTET_H
#define SIPWARD_IPC_OCTET_H

#include <stdbool.h>
#include <stdint.h>

enum octet_class {
	OCTET_ALPHA = 1 << 0,
	OCTET_DIGIT = 1 << 1,
	OCTET_HEX = 1 << 2,
	OCTET_TOKEN = 1 << 3,    /* token */
	OCTET_WORD = 1 << 4,     /* word: Call-ID's halves */
	OCTET_USER = 1 << 5,     /* unreserved / user-unreserved, without escapes */
	OCTET_PASSWORD = 1 << 6, /* password, without escapes */
	OCTET_PARAM = 1 << 7,    /* paramchar of a URI parameter, without escapes */
	OCTET_HNV = 1 << 8,      /* hnv-unreserved / unreserved: a URI's headers, without escapes */
	OCTET_URIC =
		1 << 9, /* reserved / unreserved and brackets: an absolute URI, without escapes */
	OCTET_HOST = 1 << 10,     /* a host name: letters, digits, "-", "." and "_" */
	OCTET_LWS = 1 << 11,      /* space, tab, CR, LF */
	OCTET_HIGH = 1 << 12,     /* 0x80 to 0xff: part of UTF-8 */
	OCTET_REFERENCE = 1 << 13 /* what an IPv6 reference has beside token: "[" "]" ":" */
};

extern const uint16_t octet_table[256];

static inline bool octet_is(char c, unsigned classes)
{
	return (octet_table[(uint8_t)c] & classes) != 0;
}
/* The first octet at or after p that is in none of the classes, or end. */
static inline const char *octet_span(const char *p, const char *end, unsigned classes)
{
	while (p < end && octet_is(*p, classes))
		p++;
	return p;
}
static inline char octet_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

#endif
