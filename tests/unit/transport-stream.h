/* transport-stream.h - over transport-fixture.h: what a peer of a stream says and hears, and a
 * request to a trunk whose connection the test takes. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_STREAM_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_STREAM_H

#include "transport-fixture.h"

#define OK "SIP/2.0 200 OK\r\n\r\n"

static char buffer[70000];

static inline void tell_text(int fd, const char *text)
{
	tell(fd, text, strlen(text));
}

/* Whether exactly the text lies there, and takes it. */
static inline bool hears(int fd, const char *text)
{
	ssize_t n = recv(fd, buffer, sizeof(buffer) - 1, MSG_DONTWAIT | MSG_PEEK);

	if (n < (ssize_t)strlen(text))
		return false;
	hear(fd, buffer, sizeof(buffer));
	cr_assert_str_eq(buffer, text);
	return true;
}

static inline void turns(struct fixture *f, unsigned n)
{
	while (n--)
		loop_once(f->t.loop, 1);
}

/* A request to a trunk with the cookie, on a connection that comes in at server. */
static inline int to_trunk(struct fixture *f, int server, int port, uint64_t cookie)
{
	static const char text[] = "INVITE sip:b@b SIP/2.0\r\n\r\n";
	struct flow to = flow_to_trunk(port);
	int fd = -1;

	order(f, &to, text, sizeof(text) - 1, cookie, false);
	UNTIL(f, (fd = accept(server, NULL, NULL)) >= 0);
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) > 0);
	return fd;
}

#endif
