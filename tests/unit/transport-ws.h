/* transport-ws.h - a client of SIP over WebSocket, over transport-fixture.h: the upgrade, frames as
 * clients send them, what the worker says. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_WS_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_WS_H

#include "transport-fixture.h"

#define REQUEST                                                                                    \
	"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "                          \
	"Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                               \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n"
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

/* What the worker has said, and how many octets of it are not looked at yet. */
static char buffer[70000];
static size_t heard;

/* Whether size bytes lie in buffer. */
static inline bool hears(int fd, size_t size)
{
	ssize_t n = recv(fd, buffer + heard, sizeof(buffer) - heard, MSG_DONTWAIT);

	heard += n > 0 ? (size_t)n : 0;
	return heard >= size;
}

/* A frame as clients send it. */
static inline size_t frame(char *out, int first, const void *payload, size_t size, bool masked)
{
	static const unsigned char mask[4] = {0xa1, 0x0b, 0xc2, 0x3d};
	size_t n = 0;

	out[n++] = (char)first;
	if (size < 126) {
		out[n++] = (char)size;
	} else {
		out[n++] = 126;
		out[n++] = (char)(size >> 8);
		out[n++] = (char)size;
	}
	if (masked) {
		out[1] |= (char)0x80;
		memcpy(out + n, mask, 4);
		n += 4;
	}
	for (size_t i = 0; i < size; i++)
		out[n++] = (char)(((const unsigned char *)payload)[i] ^ (masked ? mask[i % 4] : 0));
	return n;
}

/* The head of a frame as clients send it, without its payload; returns its length. */
static inline size_t head_of(char out[14], int first, uint64_t size)
{
	size_t n = 2;
	unsigned bytes = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;

	out[0] = (char)first;
	out[1] = (char)(0x80 | (bytes == 0 ? size : bytes == 2 ? 126 : 127));
	for (unsigned i = bytes; i-- > 0;)
		out[n++] = (char)(size >> 8 * i);
	memcpy(out + n, "mask", 4);
	return n + 4;
}

static inline void tell_frame(int fd, int first, const void *payload, size_t size)
{
	static char bytes[70100];

	tell(fd, bytes, frame(bytes, first, payload, size, true));
}

static inline int open_ws(struct fixture *f)
{
	int fd = dial("127.0.0.1", f->port[ACCESS_WS]);

	tell(fd, REQUEST "\r\n", sizeof(REQUEST "\r\n") - 1);
	heard = 0;
	UNTIL(f, hears(fd, 4) && memcmp(buffer + heard - 4, "\r\n\r\n", 4) == 0);
	cr_assert(strncmp(buffer, "HTTP/1.1 101 ", 13) == 0);
	heard = 0;
	return fd;
}

/* The server's close frame with code, and then nothing. */
static inline void expect_close(struct fixture *f, int fd, unsigned code)
{
	unsigned got;

	UNTIL(f, hears(fd, 4));
	cr_assert_eq((unsigned char)buffer[0], FIN | CLOSE);
	cr_assert_eq(buffer[1], 2);
	got = (unsigned)((unsigned char)buffer[2] << 8 | (unsigned char)buffer[3]);
	cr_assert_eq(got, code, "%u", got);
	cr_assert_eq(heard, 4);
	UNTIL(f, ended(fd));
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
}

static inline void small_messages(struct image *image)
{
	image->s.message_max = 4096;
}

#endif
