/* transport-udp.h - over transport-fixture.h: what datagrams a peer hears, what is logged of its
 * own, and that nothing comes of some. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_UDP_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_UDP_H

#include "transport-fixture.h"

static char buffer[70000];
static char raw[2048];

static inline ssize_t heard(struct fixture *f, int fd)
{
	ssize_t n;

	UNTIL(f, (n = hear(fd, buffer, sizeof(buffer))) > 0);
	return n;
}

static char line[512];
static unsigned line_count;

static inline void keep_line(void *arg, enum log_level level, const char *text, size_t length)
{
	(void)arg;
	(void)level;
	snprintf(line, sizeof(line), "%.*s", (int)length, text);
	line_count++;
}

/* Whether nothing comes of what was sent last: proved by a message sent after it on the same
 * socket. */
static inline void barrier(struct fixture *f, int fd, int port)
{
	unsigned before = f->count;
	size_t n = request(raw, "OPTIONS", 999, NULL, "UDP");

	throw_at(fd, "127.0.0.1", port, raw, n);
	UNTIL(f, f->count > before);
	cr_assert_eq(f->count, before + 1);
}

#endif
