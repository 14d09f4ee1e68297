/* stun.c - see stun.h. Pure over the bytes. */
#include "stun.h"

#include <string.h>

#define STUN_HEADER 20
#define STUN_BINDING_REQUEST 0x0001
#define STUN_BINDING_SUCCESS 0x0101
#define STUN_BINDING_ERROR 0x0111
#define STUN_ERROR_CODE 0x0009
#define STUN_UNKNOWN_ATTRIBUTES 0x000a
#define STUN_XOR_MAPPED_ADDRESS 0x0020
/* Attributes from here on may be passed over (section 14). */
#define STUN_OPTIONAL 0x8000
/* Of more than these no more is said: there is no room. */
#define STUN_UNKNOWN_MAX 4

static const uint8_t stun_cookie[4] = {0x21, 0x12, 0xa4, 0x42};

static unsigned stun_get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static size_t stun_put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return 2;
}

bool stun_is(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	return size >= STUN_HEADER && (p[0] & 0xc0) == 0 &&
	       memcmp(p + 4, stun_cookie, sizeof(stun_cookie)) == 0;
}

/* Those that must be understood and are not known here (section 6.3), of which some are noted. The
 * number of these, or -1: the attributes do not fill the message to its exact end. */
static int stun_unknown(const uint8_t *p, size_t size, uint16_t unknown[STUN_UNKNOWN_MAX])
{
	size_t at = STUN_HEADER;
	int count = 0;

	while (at < size) {
		unsigned type, length;

		if (size - at < 4)
			return -1;
		type = stun_get16(p + at);
		length = (stun_get16(p + at + 2) + 3) & ~3u;
		at += 4;
		if (size - at < length)
			return -1;
		at += length;
		if (type < STUN_OPTIONAL && count < STUN_UNKNOWN_MAX)
			unknown[count++] = (uint16_t)type;
	}
	return count;
}

/* The address that the request came from, against NATs that look for addresses in what passes
 * (section 14.2). */
static size_t stun_put_address(uint8_t *p, const struct endpoint *peer, const uint8_t *key)
{
	size_t length = peer->family == 4 ? 4 : 16, at = 0;

	at += stun_put16(p, STUN_XOR_MAPPED_ADDRESS);
	at += stun_put16(p + at, (unsigned)(4 + length));
	at += stun_put16(p + at, peer->family == 4 ? 1 : 2);
	at += stun_put16(p + at, peer->port ^ stun_get16(key));
	for (size_t i = 0; i < length; i++)
		p[at++] = peer->address[i] ^ key[i]; /* the cookie, then the transaction's id */
	return at;
}

/* 420, with those attributes. */
static size_t stun_put_unknown(uint8_t *p, const uint16_t *unknown, int count)
{
	size_t at = 0;

	at += stun_put16(p, STUN_ERROR_CODE);
	at += stun_put16(p + at, 4);
	at += stun_put16(p + at, 0);
	at += stun_put16(p + at, 4 << 8 | 20);
	at += stun_put16(p + at, STUN_UNKNOWN_ATTRIBUTES);
	at += stun_put16(p + at, (unsigned)count * 2);
	for (int i = 0; i < count; i++)
		at += stun_put16(p + at, unknown[i]);
	if (count % 2)
		at += stun_put16(p + at, 0);
	return at;
}

size_t stun_answer(const void *bytes, size_t size, const struct endpoint *peer,
	uint8_t answer[static STUN_ANSWER_MAX])
{
	const uint8_t *p = bytes;
	uint16_t unknown[STUN_UNKNOWN_MAX];
	size_t body;
	int count;

	if (!stun_is(p, size) || stun_get16(p) != STUN_BINDING_REQUEST ||
		stun_get16(p + 2) != size - STUN_HEADER)
		return 0;
	count = stun_unknown(p, size, unknown);
	if (count < 0)
		return 0;
	body = count ? stun_put_unknown(answer + STUN_HEADER, unknown, count)
	             : stun_put_address(answer + STUN_HEADER, peer, p + 4);
	stun_put16(answer, count ? STUN_BINDING_ERROR : STUN_BINDING_SUCCESS);
	stun_put16(answer + 2, (unsigned)body);
	memcpy(answer + 4, p + 4, STUN_HEADER - 4);
	return STUN_HEADER + body;
}
