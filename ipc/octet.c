/* octet.c - the table behind octet.h. Relies on nothing. */
#include "octet.h"

/* unreserved (RFC 2396 as RFC 3261 takes it over) stands in all parts of a URI */
#define UNRESERVED (OCTET_USER | OCTET_PASSWORD | OCTET_PARAM | OCTET_HNV | OCTET_URIC)
#define ALPHANUM (UNRESERVED | OCTET_TOKEN | OCTET_WORD | OCTET_HOST)
#define MARK (UNRESERVED | OCTET_TOKEN | OCTET_WORD)

const uint16_t octet_table[256] = {
	['\t'] = OCTET_LWS,
	['\n'] = OCTET_LWS,
	['\r'] = OCTET_LWS,
	[' '] = OCTET_LWS,
	['0' ... '9'] = ALPHANUM | OCTET_DIGIT | OCTET_HEX,
	['A' ... 'F'] = ALPHANUM | OCTET_ALPHA | OCTET_HEX,
	['G' ... 'Z'] = ALPHANUM | OCTET_ALPHA,
	['a' ... 'f'] = ALPHANUM | OCTET_ALPHA | OCTET_HEX,
	['g' ... 'z'] = ALPHANUM | OCTET_ALPHA,
	['!'] = MARK,
	['\''] = MARK,
	['*'] = MARK,
	['~'] = MARK,
	['-'] = MARK | OCTET_HOST,
	['.'] = MARK | OCTET_HOST,
	['_'] = MARK | OCTET_HOST,
	['('] = UNRESERVED | OCTET_WORD,
	[')'] = UNRESERVED | OCTET_WORD,
	['"'] = OCTET_WORD,
	['$'] = UNRESERVED,
	['%'] = OCTET_TOKEN | OCTET_WORD,
	['&'] = OCTET_USER | OCTET_PASSWORD | OCTET_PARAM | OCTET_URIC,
	['+'] = UNRESERVED | OCTET_TOKEN | OCTET_WORD,
	[','] = OCTET_USER | OCTET_PASSWORD | OCTET_URIC,
	['/'] = OCTET_USER | OCTET_PARAM | OCTET_HNV | OCTET_URIC | OCTET_WORD,
	[':'] = OCTET_PARAM | OCTET_HNV | OCTET_URIC | OCTET_WORD | OCTET_REFERENCE,
	[';'] = OCTET_USER | OCTET_URIC,
	['<'] = OCTET_WORD,
	['='] = OCTET_USER | OCTET_PASSWORD | OCTET_URIC,
	['>'] = OCTET_WORD,
	['?'] = OCTET_USER | OCTET_HNV | OCTET_URIC | OCTET_WORD,
	['@'] = OCTET_URIC,
	['['] = OCTET_PARAM | OCTET_HNV | OCTET_URIC | OCTET_WORD | OCTET_REFERENCE,
	['\\'] = OCTET_WORD,
	[']'] = OCTET_PARAM | OCTET_HNV | OCTET_URIC | OCTET_WORD | OCTET_REFERENCE,
	['`'] = OCTET_TOKEN | OCTET_WORD,
	['{'] = OCTET_WORD,
	['}'] = OCTET_WORD,
	[0x80 ... 0xff] = OCTET_HIGH,
};
