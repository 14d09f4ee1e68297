/* load_port.c - sockets of caller and callee: datagrams in batches, streams with buffers. */
#include "load.h"

struct port caller[CONNECTIONS], callee, accepted[CONNECTIONS];
unsigned callers = 1, accepts;
uint64_t sent, received;
const char *via_transport = "UDP";

static int listening = -1;

void port_udp(struct port *p, uint16_t port)
{
	int buffer = 8 << 20;
	socklen_t length = sizeof(p->address);

	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	p->address = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&p->address, sizeof(p->address)))
		die("bind");
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	getsockname(p->fd, (struct sockaddr *)&p->address, &length);
	p->text = need(BATCH, MESSAGE_MAX);
}

static void port_stream(struct port *p, int fd)
{
	int on = 1;

	p->fd = fd;
	p->stream = true;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	p->in = malloc(STREAM_BUFFER);
	p->out = malloc(STREAM_BUFFER);
	if (!p->in || !p->out)
		die("malloc");
}

static void port_flush(struct port *p)
{
	if (p->stream) {
		ssize_t n = p->out_used ? write(p->fd, p->out, p->out_used) : 0;

		if (n > 0) {
			memmove(p->out, p->out + n, p->out_used - (size_t)n);
			p->out_used -= (size_t)n;
		}
		return;
	}
	struct mmsghdr h[BATCH];
	struct iovec v[BATCH];
	for (unsigned i = 0; i < p->queued; i++) {
		v[i] = (struct iovec){p->text[i], p->size[i]};
		h[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &p->to[i],
						.msg_namelen = sizeof(p->to[i]),
						.msg_iov = &v[i],
						.msg_iovlen = 1}};
	}
	for (unsigned done = 0; done < p->queued;) {
		int n = sendmmsg(p->fd, h + done, p->queued - done, 0);

		if (n < 0 && errno != EINTR)
			break; /* what is lost comes again */
		done += n > 0 ? (unsigned)n : 0;
	}
	p->queued = 0;
}

void port_send(struct port *p, const struct sockaddr_in *to, const char *text, size_t size)
{
	sent++;
	if (p->stream) {
		if (p->out_used + size > STREAM_BUFFER)
			return;
		memcpy(p->out + p->out_used, text, size);
		p->out_used += size;
		return;
	}
	if (p->queued == BATCH)
		port_flush(p);
	memcpy(p->text[p->queued], text, size);
	p->size[p->queued] = size;
	p->to[p->queued++] = *to;
}

static void port_receive(struct port *p, receiver take)
{
	static char buffer[BATCH][MESSAGE_MAX];

	if (p->stream) {
		ssize_t n = read(p->fd, p->in + p->in_used, STREAM_BUFFER - p->in_used);
		size_t at = 0;

		if (n <= 0)
			return;
		p->in_used += (size_t)n;
		while (at < p->in_used) {
			char *m = p->in + at, *end = memmem(m, p->in_used - at, "\r\n\r\n", 4);

			if (*m == '\r' || *m == '\n') {
				at++;
				continue;
			}
			if (!end)
				break;
			struct text length = message_header(
				m, (size_t)(end + 4 - m), "Content-Length", 'l', 0);
			size_t size = (size_t)(end + 4 - m) +
			              (length.n ? strtoul(length.p, NULL, 10) : 0);
			if (at + size > p->in_used)
				break;
			received++;
			take(p, &opt.server, m, size);
			at += size;
		}
		memmove(p->in, p->in + at, p->in_used - at);
		p->in_used -= at;
		return;
	}
	for (unsigned round = 0; round < 8; round++) {
		struct mmsghdr h[BATCH];
		struct iovec v[BATCH];
		struct sockaddr_in from[BATCH];

		for (unsigned i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){buffer[i], MESSAGE_MAX - 1};
			h[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
							.msg_namelen = sizeof(from[i]),
							.msg_iov = &v[i],
							.msg_iovlen = 1}};
		}
		int n = recvmmsg(p->fd, h, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			received++;
			take(p, &from[i], buffer[i], h[i].msg_len);
		}
		if (n < BATCH)
			return;
	}
}

void port_open_streams(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(CALLEE_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;

	listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) || listen(listening, 64))
		die("listen");
	callers = CONNECTIONS;
	for (unsigned i = 0; i < callers; i++) {
		socklen_t length = sizeof(caller[i].address);
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&opt.server, sizeof(opt.server)))
			die("connect");
		getsockname(fd, (struct sockaddr *)&caller[i].address, &length);
		port_stream(&caller[i], fd);
	}
	via_transport = "TCP";
}

void port_flush_all(void)
{
	for (unsigned i = 0; i < callers; i++)
		port_flush(&caller[i]);
	if (callee.fd)
		port_flush(&callee);
	for (unsigned i = 0; i < accepts; i++)
		port_flush(&accepted[i]);
}

/* Waits for input, at most until the given time. */
void port_wait(uint64_t until, receiver take)
{
	struct pollfd p[2 * CONNECTIONS + 2];
	struct port *of[2 * CONNECTIONS + 2];
	unsigned n = 0;
	uint64_t now = now_ns();
	struct timespec t = {
		.tv_nsec = until > now ? (long)(until - now < 999999999 ? until - now : 999999999)
	                               : 0};

	for (unsigned i = 0; i < callers; i++, n++)
		p[n] = (struct pollfd){caller[i].fd,
			(short)(POLLIN | (caller[i].out_used ? POLLOUT : 0)), 0},
		of[n] = &caller[i];
	if (callee.fd)
		p[n] = (struct pollfd){callee.fd, POLLIN, 0}, of[n++] = &callee;
	for (unsigned i = 0; i < accepts; i++, n++)
		p[n] = (struct pollfd){accepted[i].fd,
			(short)(POLLIN | (accepted[i].out_used ? POLLOUT : 0)), 0},
		of[n] = &accepted[i];
	if (listening >= 0)
		p[n] = (struct pollfd){listening, POLLIN, 0}, of[n++] = NULL;
	if (ppoll(p, n, &t, NULL) <= 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		if (!(p[i].revents & POLLIN))
			continue;
		if (!of[i]) {
			int fd = accept(listening, NULL, NULL);

			if (fd >= 0 && accepts < CONNECTIONS)
				port_stream(&accepted[accepts++], fd);
		} else {
			port_receive(
				of[i], of[i] == &callee || (of[i] >= accepted &&
								   of[i] < accepted + CONNECTIONS)
					       ? callee_take_request
					       : take);
		}
	}
}
