/* load.c - makes SIP load for the benches and measures what comes of it; prints one JSON object.
 *
 *     load calls    --server IP:PORT --rate N [--seconds N] [--hold MS] [--limit N] [--tcp]
 *                   [--sdp LINES] [--headers N] [--mixed] [--stay] [--caller]
 *                   [--users N [--spread N]]
 *     load options  --server IP:PORT [--window N] [--seconds N]
 *     load register --server IP:PORT --users N [--spread N] [--rate N | --window N] [--seconds N]
 *                   [--reuse] [--domain NAME] [--callee]
 *
 * calls: caller and callee in one process (callee on 127.0.0.1:5080): INVITE with SDP, 180, 200,
 * ACK, hold, BYE, 200; with the retransmissions of RFC 3261. Calls start evenly spread. It counts
 * messages of one call and direction that overtake each other: a 180 after its 200, an ACK after
 * its BYE.
 *     --limit    so many calls in all
 *     --stay     calls are never ended; "up" is printed when the last stands
 *     --caller   somebody else is the callee
 *     --mixed    every call has an INFO, a re-INVITE and, beside it, an OPTIONS through the server
 *     --users    they are called one after the other, at the address of record; else bob
 *
 * options: asks the server itself, --window requests outstanding at any time.
 *
 * register: users u000000 and on with the password "secret": REGISTER, 401, REGISTER with digest
 * (MD5), 200. Who registered before refreshes, whichever run it was in.
 *     --reuse    a nonce is used again with the next count until the server finds it stale
 *     --spread   the users are that many, and those who register lie scattered among them
 *     --callee   from the callee's port, so that calls find it
 *
 * sipp does the same with 20 times the CPU, of which there is none to spare on the machine that the
 * server runs on too. Relies on loopback: nothing here checks what a peer says beyond what it
 * needs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 16384
#define BATCH 32
#define CALLEE_PORT 5080
#define PHONES_PORT 5090 /* of all who register: who comes again comes with the same Contact */
#define WHEEL 65536      /* ms */
#define T1 500
#define T2 4000
#define GIVE_UP 8000 /* ms: a call without answer has failed */
#define CONNECTIONS 16

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *need(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("calloc");
	return p;
}

/* ---- options ---- */

static struct {
	struct sockaddr_in server;
	char server_text[32];
	double rate, seconds;
	unsigned hold, limit, window, users, spread, sdp, headers;
	bool tcp, stay, reuse, caller, callee, mixed;
	const char *domain;
} opt = {.rate = 0, .seconds = 8, .hold = 500, .window = 64, .domain = "example.net"};

/* ---- text ---- */

struct text {
	const char *p;
	size_t n;
};

/* The value of the at-th header of this name (full or compact); n == 0: none. */
static struct text header(const char *m, size_t size, const char *name, char compact, unsigned at)
{
	const char *end = m + size, *line = memchr(m, '\n', size);
	size_t length = strlen(name);

	while (line && ++line < end && *line != '\r') {
		const char *next = memchr(line, '\n', (size_t)(end - line)), *v = NULL;

		if (!next)
			break;
		if ((size_t)(next - line) > length && !strncasecmp(line, name, length) &&
			line[length] == ':')
			v = line + length + 1;
		else if (compact && (*line | 32) == compact && line[1] == ':')
			v = line + 2;
		if (v && at-- == 0) {
			while (*v == ' ')
				v++;
			return (struct text){v, (size_t)(next - v) - (next[-1] == '\r')};
		}
		line = next;
	}
	return (struct text){NULL, 0};
}

static struct text after(struct text t, const char *what, const char *stop)
{
	size_t n = strlen(what);

	for (size_t i = 0; i + n <= t.n; i++)
		if (!strncasecmp(t.p + i, what, n)) {
			struct text r = {t.p + i + n, 0};

			while (i + n + r.n < t.n && !strchr(stop, r.p[r.n]))
				r.n++;
			return r;
		}
	return (struct text){NULL, 0};
}

#define T(t) (int)(t).n, (t).p

/* The number of the i-th user: a prime's multiples reach each once. */
static uint32_t user_of(uint32_t i)
{
	return opt.spread ? (uint32_t)((uint64_t)i * 7919 % opt.spread) : i;
}

/* ---- sockets ---- */

struct port {
	int fd;
	bool stream;
	struct sockaddr_in address;
	/* stream: what came and is not whole, what could not be written yet */
	char *in, *out;
	size_t in_used, out_used;
	/* datagrams that wait to be sent */
	unsigned queued;
	char (*text)[MESSAGE_MAX];
	size_t size[BATCH];
	struct sockaddr_in to[BATCH];
};

#define STREAM_ROOM (1u << 22)

static struct port caller[CONNECTIONS], callee, accepted[CONNECTIONS];
static unsigned callers = 1, accepts;
static int listening = -1;
static uint64_t sent, received;

static void port_udp(struct port *p, uint16_t port)
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
	p->in = malloc(STREAM_ROOM);
	p->out = malloc(STREAM_ROOM);
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

static void port_send(struct port *p, const struct sockaddr_in *to, const char *text, size_t size)
{
	sent++;
	if (p->stream) {
		if (p->out_used + size > STREAM_ROOM)
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

typedef void (*receiver)(struct port *p, const struct sockaddr_in *from, char *m, size_t size);

static void port_receive(struct port *p, receiver take)
{
	static char buffer[BATCH][MESSAGE_MAX];

	if (p->stream) {
		ssize_t n = read(p->fd, p->in + p->in_used, STREAM_ROOM - p->in_used);
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
			struct text length = header(
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

/* ---- time: a wheel of single shots ---- */

enum due { DUE_INVITE, DUE_INFO, DUE_BYE, DUE_BYE_AGAIN, DUE_ANSWER, DUE_REGISTER };
struct event {
	struct event *next;
	uint32_t n;
	uint16_t wait;
	uint8_t what;
};
static struct event *wheel[WHEEL], *spare;
static uint64_t wheel_at, start_ns;

static uint64_t now_ms(void)
{
	return (now_ns() - start_ns) / 1000000;
}

static void later(unsigned what, uint32_t n, unsigned wait)
{
	struct event *e = spare;
	uint64_t slot = (now_ms() + wait + 1) % WHEEL;

	if (e)
		spare = e->next;
	else
		e = need(1, sizeof(*e));
	*e = (struct event){
		.next = wheel[slot], .n = n, .wait = (uint16_t)wait, .what = (uint8_t)what};
	wheel[slot] = e;
}

/* ---- latency ---- */

static uint32_t *sample;
static size_t samples, samples_room;

static void took(uint64_t ns)
{
	if (samples == samples_room) {
		samples_room = samples_room ? samples_room * 2 : 65536;
		sample = realloc(sample, samples_room * sizeof(*sample));
		if (!sample)
			die("realloc");
	}
	sample[samples++] = (uint32_t)(ns / 1000);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double at_ms(double q)
{
	return samples ? sample[(size_t)(q * (double)(samples - 1))] / 1000.0 : -1;
}

static void print_times(void)
{
	qsort(sample, samples, sizeof(*sample), by_value);
	printf(", \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f",
		at_ms(.5), at_ms(.9), at_ms(.99), at_ms(1));
}

/* ---- calls ---- */

struct call {
	uint64_t asked;
	char *target, *route, *to; /* of the dialog; NULL before the 200 */
	uint8_t state;    /* 0 not begun, 1 INVITE sent, 2 up, 3 BYE sent, 4 over, 5 failed */
	bool ringing;     /* its 180 has come */
	uint8_t answered; /* mixed: bits of what was answered besides */
};
struct answered {
	char *ok; /* the 200, until its ACK */
	size_t size;
	struct port *port;
	struct sockaddr_in to;
	uint64_t key;
	bool acked, over, ended_first;
};

static struct call *call;
static struct answered *answered_call;
static uint32_t *by_key, calls_room, begun, answered_count;
static uint64_t succeeded, failed, retransmitted, out_of_order, stray;
static uint32_t up;
static char sdp[MESSAGE_MAX / 2], extra[MESSAGE_MAX / 2];
static size_t sdp_size;
static const char *via_transport = "UDP";

static struct port *port_of(uint32_t n)
{
	return &caller[n % callers];
}

static void send_invite(uint32_t n)
{
	char m[MESSAGE_MAX], target[64];
	struct port *p = port_of(n);
	unsigned port = ntohs(p->address.sin_port);

	if (opt.users)
		snprintf(target, sizeof(target), "u%06u@%s", user_of(n % opt.users), opt.domain);
	else
		snprintf(target, sizeof(target), "bob@%s", opt.server_text);
	int size = snprintf(m, sizeof(m),
		"INVITE sip:%s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bKi%u\r\nFrom: "
		"\"Alice\" <sip:alice@example.net>;tag=a%u\r\nTo: \"Bob\" <sip:bob@example.net>\r\n"
		"Call-ID: %u-%d@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: "
		"<sip:alice@127.0.0.1:%u;transport=%s>\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, "
		"CANCEL, BYE, OPTIONS, UPDATE, INFO, REFER, NOTIFY\r\n"
		"Supported: timer, outbound, path\r\nUser-Agent: loadgen/1.0\r\n%sContent-Type: "
		"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
		target, via_transport, port, n, n, n, getpid(), port, via_transport, extra,
		sdp_size, sdp);
	port_send(p, &opt.server, m, (size_t)size);
}

/* CSeq of the caller's requests. */
enum { CSEQ_INVITE = 1, CSEQ_INFO, CSEQ_AGAIN, CSEQ_BYE, CSEQ_OPTIONS };
#define MIXED_ANSWERS (1 << CSEQ_INFO | 1 << CSEQ_AGAIN | 1 << CSEQ_OPTIONS)

static void send_in_dialog(uint32_t n, const char *method, unsigned cseq)
{
	char m[MESSAGE_MAX];
	struct call *c = &call[n];
	struct port *p = port_of(n);
	unsigned port = ntohs(p->address.sin_port);
	bool offer = method[0] == 'I' && cseq == CSEQ_AGAIN;
	int size = snprintf(m, sizeof(m),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bK%s%u.%u\r\n%sFrom: "
		"\"Alice\" <sip:alice@example.net>;tag=a%u\r\nTo: %s\r\nCall-ID: "
		"%u-%d@127.0.0.1\r\n"
		"CSeq: %u %s\r\nMax-Forwards: 70\r\n",
		method, c->target, via_transport, port, method, cseq, n, c->route, n, c->to, n,
		getpid(), cseq, method);

	if (offer)
		size += snprintf(m + size, sizeof(m) - (size_t)size,
			"Contact: <sip:alice@127.0.0.1:%u;transport=%s>\r\nContent-Type: "
			"application/sdp\r\n",
			port, via_transport);
	size += snprintf(m + size, sizeof(m) - (size_t)size, "Content-Length: %zu\r\n\r\n%s",
		offer ? sdp_size : 0, offer ? sdp : "");
	port_send(p, &opt.server, m, (size_t)size);
}

/* Beside a call: asks the callee, through the server. */
static void send_options_through(uint32_t n)
{
	char m[MESSAGE_MAX];
	struct port *p = port_of(n);
	int size = snprintf(m, sizeof(m),
		"OPTIONS sip:bob@%s SIP/2.0\r\nVia: SIP/2.0/%s "
		"127.0.0.1:%u;branch=z9hG4bKo%u\r\nFrom: <sip:alice@example.net>;tag=o%u\r\nTo: "
		"<sip:bob@example.net>\r\n"
		"Call-ID: %u-%d-o@127.0.0.1\r\nCSeq: %u OPTIONS\r\nMax-Forwards: "
		"70\r\nContent-Length: 0\r\n\r\n",
		opt.server_text, via_transport, ntohs(p->address.sin_port), n, n, n, getpid(),
		CSEQ_OPTIONS);

	port_send(p, &opt.server, m, (size_t)size);
}

static char *keep(struct text t)
{
	char *p = malloc(t.n + 1);

	if (!p)
		die("malloc");
	memcpy(p, t.p, t.n);
	p[t.n] = 0;
	return p;
}

static void call_up(uint32_t n, const char *m, size_t size)
{
	struct call *c = &call[n];
	char route[4096] = "";
	size_t used = 0;
	unsigned count = 0;

	while (header(m, size, "Record-Route", 0, count).n)
		count++;
	while (count--) { /* those of one line stay together: no server here writes two into one */
		struct text r = header(m, size, "Record-Route", 0, count);
		used += (size_t)snprintf(
			route + used, sizeof(route) - used, "Route: %.*s\r\n", T(r));
	}
	c->to = keep(header(m, size, "To", 't', 0));
	c->target = keep(after(header(m, size, "Contact", 'm', 0), "<", ">"));
	c->route = keep((struct text){route, used});
	took(now_ns() - c->asked);
	c->state = 2;
	up++;
	if (!opt.stay)
		later(DUE_BYE, n, opt.hold);
	if (opt.mixed)
		later(DUE_INFO, n, opt.hold / 4);
}

static void call_over(uint32_t n, bool well)
{
	struct call *c = &call[n];

	free(c->to);
	free(c->target);
	free(c->route);
	c->to = c->target = c->route = NULL;
	c->state = well ? 4 : 5;
	*(well ? &succeeded : &failed) += 1;
}

static void take_response(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	struct text id = header(m, size, "Call-ID", 'i', 0), cseq = header(m, size, "CSeq", 0, 0);
	uint32_t n = id.n ? (uint32_t)strtoul(id.p, NULL, 10) : UINT32_MAX;
	unsigned status = size > 12 && !memcmp(m, "SIP/2.0 ", 8) ? (unsigned)atoi(m + 8) : 0;

	(void)p;
	(void)from;
	if (n >= begun || !status || !cseq.n) {
		stray++;
		return;
	}
	struct call *c = &call[n];
	unsigned number = (unsigned)strtoul(cseq.p, NULL, 10);
	if (number == CSEQ_AGAIN || number == CSEQ_INFO || number == CSEQ_OPTIONS) {
		if (status < 200 || status >= 300 || c->state != 2)
			return;
		if (number == CSEQ_AGAIN)
			send_in_dialog(n, "ACK", CSEQ_AGAIN);
		if (number == CSEQ_INFO && !(c->answered & 1 << CSEQ_INFO))
			send_in_dialog(n, "INVITE", CSEQ_AGAIN);
		c->answered |= (uint8_t)(1 << number);
	} else if (number == CSEQ_INVITE) {
		if (status == 180) {
			if (!c->ringing && c->state != 1)
				out_of_order++;
			c->ringing = true;
		} else if (status >= 300) {
			if (c->state == 1)
				call_over(n, false);
		} else if (status >= 200) {
			if (c->state == 1)
				call_up(n, m, size);
			if (c->state == 2 || c->state == 3)
				send_in_dialog(n, "ACK", CSEQ_INVITE);
		}
	} else if (c->state == 3 && status >= 200) {
		call_over(n, status < 300 && (!opt.mixed || c->answered == MIXED_ANSWERS));
	}
}

static uint64_t key_of(struct text id)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 1099511628211u;
	return h ? h : 1;
}

static uint32_t *place_of(uint64_t key)
{
	uint32_t i = (uint32_t)(key % (calls_room * 2));

	while (by_key[i] && answered_call[by_key[i]].key != key)
		i = (i + 1) % (calls_room * 2);
	return &by_key[i];
}

/* Copies what a response repeats. */
static size_t respond(
	char *out, const char *m, size_t size, const char *line, const char *tag, bool record_route)
{
	size_t n = (size_t)sprintf(out, "SIP/2.0 %s\r\n", line);
	struct text t;

	for (unsigned i = 0; (t = header(m, size, "Via", 'v', i)).n; i++)
		n += (size_t)sprintf(out + n, "Via: %.*s\r\n", T(t));
	for (unsigned i = 0; record_route && (t = header(m, size, "Record-Route", 0, i)).n; i++)
		n += (size_t)sprintf(out + n, "Record-Route: %.*s\r\n", T(t));
	t = header(m, size, "From", 'f', 0);
	n += (size_t)sprintf(out + n, "From: %.*s\r\n", T(t));
	t = header(m, size, "To", 't', 0);
	n += (size_t)sprintf(out + n, "To: %.*s%s\r\n", T(t), tag);
	t = header(m, size, "Call-ID", 'i', 0);
	n += (size_t)sprintf(out + n, "Call-ID: %.*s\r\n", T(t));
	t = header(m, size, "CSeq", 0, 0);
	n += (size_t)sprintf(out + n, "CSeq: %.*s\r\n", T(t));
	return n;
}

static void take_request(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	char out[MESSAGE_MAX], tag[32];
	struct text id = header(m, size, "Call-ID", 'i', 0);
	uint32_t *place = place_of(key_of(id));
	struct answered *a = *place ? &answered_call[*place] : NULL;

	if (!memcmp(m, "INVITE ", 7)) {
		if (a && a->ok) {
			port_send(p, &a->to, a->ok, a->size);
			return;
		}
		if (a) { /* within the dialog; its answer is not repeated: loopback loses nothing
			    but under overload, and then the call counts as failed */
			size_t n = respond(out, m, size, "200 OK", "", false);
			n += (size_t)sprintf(out + n,
				"Contact: <sip:bob@127.0.0.1:%u;transport=%s>\r\nContent-Type: "
				"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
				CALLEE_PORT, via_transport, sdp_size, sdp);
			port_send(p, from, out, n);
			return;
		}
		if (answered_count + 1 >= calls_room)
			return;
		*place = ++answered_count;
		a = &answered_call[*place];
		a->key = key_of(id);
		a->port = p;
		a->to = *from;
		sprintf(tag, ";tag=b%u", *place);
		size_t n = respond(out, m, size, "180 Ringing", tag, true);
		n += (size_t)sprintf(out + n,
			"Contact: <sip:bob@127.0.0.1:%u;transport=%s>\r\nContent-Length: 0\r\n\r\n",
			CALLEE_PORT, via_transport);
		port_send(p, from, out, n);
		n = respond(out, m, size, "200 OK", tag, true);
		n += (size_t)sprintf(out + n,
			"Contact: <sip:bob@127.0.0.1:%u;transport=%s>\r\nContent-Type: "
			"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
			CALLEE_PORT, via_transport, sdp_size, sdp);
		port_send(p, from, out, n);
		a->ok = keep((struct text){out, n});
		a->size = n;
		later(DUE_ANSWER, *place, T1);
	} else if (a && !memcmp(m, "ACK ", 4)) {
		if (!a->acked && a->over)
			out_of_order++;
		a->acked = true;
		free(a->ok);
		a->ok = NULL;
	} else if (!memcmp(m, "OPTIONS ", 8) || (a && !memcmp(m, "INFO ", 5))) {
		size_t n = respond(out, m, size, "200 OK", a ? "" : ";tag=o", false);

		n += (size_t)sprintf(out + n, "Content-Length: 0\r\n\r\n");
		port_send(p, from, out, n);
	} else if (a && !memcmp(m, "BYE ", 4)) {
		a->over = true;
		size_t n = respond(out, m, size, "200 OK", "", false);
		n += (size_t)sprintf(out + n, "Content-Length: 0\r\n\r\n");
		port_send(p, from, out, n);
	} else {
		stray++;
	}
}

static void fire_call(const struct event *e)
{
	unsigned next = e->wait * 2u;

	if (e->what == DUE_ANSWER) {
		struct answered *a = &answered_call[e->n];

		if (a->ok && e->wait < GIVE_UP) {
			retransmitted++;
			port_send(a->port, &a->to, a->ok, a->size);
			later(DUE_ANSWER, e->n, next < T2 ? next : T2);
		}
		return;
	}
	struct call *c = &call[e->n];
	if (e->what == DUE_INVITE && c->state == 1) {
		if (now_ns() - c->asked > GIVE_UP * UINT64_C(1000000)) {
			call_over(e->n, false);
			return;
		}
		if (!opt.tcp) {
			retransmitted++;
			send_invite(e->n);
		}
		later(DUE_INVITE, e->n, next);
	} else if (e->what == DUE_INFO && c->state == 2) {
		send_in_dialog(e->n, "INFO", CSEQ_INFO);
		send_options_through(e->n);
	} else if (e->what == DUE_BYE && c->state == 2) {
		c->state = 3;
		c->asked = now_ns();
		send_in_dialog(e->n, "BYE", CSEQ_BYE);
		later(DUE_BYE_AGAIN, e->n, T1);
	} else if (e->what == DUE_BYE_AGAIN && c->state == 3) {
		if (now_ns() - c->asked > GIVE_UP * UINT64_C(1000000)) {
			call_over(e->n, false);
			return;
		}
		if (!opt.tcp) {
			retransmitted++;
			send_in_dialog(e->n, "BYE", CSEQ_BYE);
		}
		later(DUE_BYE_AGAIN, e->n, next < T2 ? next : T2);
	}
}

static void begin_call(void)
{
	uint32_t n = begun++;

	call[n].state = 1;
	call[n].asked = now_ns();
	send_invite(n);
	later(DUE_INVITE, n, T1);
}

static void open_streams(void)
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

static void prepare_calls(void)
{
	uint64_t wanted = opt.limit ? opt.limit : (uint64_t)(opt.rate * opt.seconds);

	calls_room = (uint32_t)wanted + 2;
	call = need(calls_room, sizeof(*call));
	answered_call = need(calls_room, sizeof(*answered_call));
	by_key = need(calls_room * 2, sizeof(*by_key));
	sdp_size = (size_t)sprintf(sdp,
		"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 "
		"127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\n"
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 "
		"telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n");
	for (unsigned i = 0; i < opt.sdp && sdp_size < sizeof(sdp) - 80; i++)
		sdp_size += (size_t)sprintf(sdp + sdp_size,
			"a=candidate:%u 1 UDP 2130706431 192.0.2.%u 54400 typ host\r\n", i,
			i % 250);
	size_t used = 0;
	for (unsigned i = 0; i < opt.headers && used < sizeof(extra) - 80; i++)
		used += (size_t)sprintf(
			extra + used, "X-Load-Header-%u: some value of usual length %u\r\n", i, i);
	if (opt.tcp) {
		open_streams();
	} else {
		port_udp(&caller[0], 0);
		if (!opt.caller)
			port_udp(&callee, CALLEE_PORT);
	}
}

/* ---- OPTIONS ---- */

static uint64_t answers;

static void send_options(void)
{
	static uint32_t n;
	char m[1024];
	int size = snprintf(m, sizeof(m),
		"OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:%u;branch=z9hG4bKo%u\r\nFrom: <sip:alice@example.net>;tag=a%u\r\nTo: "
		"<sip:%s>\r\nCall-ID: o%u-%d@127.0.0.1\r\n"
		"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		opt.server_text, ntohs(caller[0].address.sin_port), n, n, opt.server_text, n,
		getpid());

	n++;
	port_send(&caller[0], &opt.server, m, (size_t)size);
}

static void take_options(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	(void)p;
	(void)from;
	(void)size;
	if (!memcmp(m, "SIP/2.0 200", 11))
		answers++;
	else
		failed++;
	send_options();
}

/* ---- REGISTER ---- */

struct user {
	char *nonce;
	uint64_t asked;
	uint32_t count, cseq;
	uint8_t state; /* 0 idle, 1 asked, 2 asked with credentials */
};
static struct user *user;
static uint64_t requests, challenged;
static uint32_t next_user, registered, outstanding;

static void hex_md5(char out[33], const char *text)
{
	unsigned char d[16];
	unsigned length = 0;

	EVP_Digest(text, strlen(text), d, &length, EVP_md5(), NULL);
	for (unsigned i = 0; i < 16; i++)
		sprintf(out + 2 * i, "%02x", d[i]);
}

static void send_register(uint32_t i)
{
	struct user *u = &user[i];
	char m[2048], credentials[768] = "", text[512], ha1[33], ha2[33], response[33];

	if (u->nonce) {
		u->count++;
		snprintf(text, sizeof(text), "u%06u:%s:secret", user_of(i), opt.domain);
		hex_md5(ha1, text);
		snprintf(text, sizeof(text), "REGISTER:sip:%s", opt.domain);
		hex_md5(ha2, text);
		snprintf(text, sizeof(text), "%s:%s:%08x:abcdef01:auth:%s", ha1, u->nonce, u->count,
			ha2);
		hex_md5(response, text);
		snprintf(credentials, sizeof(credentials),
			"Authorization: Digest username=\"u%06u\", realm=\"%s\", nonce=\"%s\", "
			"uri=\"sip:%s\", response=\"%s\", algorithm=MD5, cnonce=\"abcdef01\", "
			"qop=auth, nc=%08x\r\n",
			user_of(i), opt.domain, u->nonce, opt.domain, response, u->count);
	}
	u->state = u->nonce ? 2 : 1;
	u->cseq++;
	unsigned port = ntohs(caller[0].address.sin_port);
	int size = snprintf(m, sizeof(m),
		"REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:%u;branch=z9hG4bKr%u.%u;rport\r\nFrom: <sip:u%06u@%s>;tag=r%u\r\nTo: "
		"<sip:u%06u@%s>\r\nCall-ID: %u@127.0.0.1\r\n"
		"CSeq: %u REGISTER\r\nContact: "
		"<sip:u%06u@127.0.0.1:%u>;expires=3600\r\nMax-Forwards: 70\r\nUser-Agent: "
		"loadgen/1.0\r\n%sContent-Length: 0\r\n\r\n",
		opt.domain, port, i, u->cseq, user_of(i), opt.domain, i, user_of(i), opt.domain,
		user_of(i), u->cseq, user_of(i), port, credentials);
	requests++;
	port_send(&caller[0], &opt.server, m, (size_t)size);
}

static void begin_register(void)
{
	uint32_t i = next_user;

	next_user = (next_user + 1) % opt.users;
	if (user[i].state)
		return;
	outstanding++;
	user[i].asked = now_ns();
	if (!opt.reuse) {
		free(user[i].nonce);
		user[i].nonce = NULL;
	}
	send_register(i);
	later(DUE_REGISTER, i, T1);
}

static void take_register(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	struct text id = after(header(m, size, "From", 'f', 0), "tag=r", ";"),
		    cseq = header(m, size, "CSeq", 0, 0);
	uint32_t i = id.n ? (uint32_t)strtoul(id.p, NULL, 10) : UINT32_MAX;
	unsigned status = (unsigned)atoi(m + 8);

	(void)p;
	(void)from;
	if (i >= opt.users || !cseq.n || strtoul(cseq.p, NULL, 10) != user[i].cseq ||
		!user[i].state || status < 200) {
		stray++;
		return;
	}
	struct user *u = &user[i];
	if (status == 401 && (u->state == 1 || opt.reuse)) {
		struct text nonce = {NULL, 0};

		for (unsigned k = 0; !nonce.n; k++) {
			struct text challenge = header(m, size, "WWW-Authenticate", 0, k),
				    algorithm = after(challenge, "algorithm=", ", \"");

			if (!challenge.n)
				break;
			if (!algorithm.n || (algorithm.n == 3 && !memcmp(algorithm.p, "MD5", 3)))
				nonce = after(challenge, "nonce=\"", "\"");
		}
		challenged++;
		free(u->nonce);
		u->nonce = keep(nonce);
		u->count = 0;
		send_register(i);
		return;
	}
	took(now_ns() - u->asked);
	u->state = 0;
	outstanding--;
	*(status == 200 ? &succeeded : &failed) += 1;
	registered++;
}

static void fire_register(const struct event *e)
{
	struct user *u = &user[e->n];

	if (!u->state)
		return;
	if (now_ns() - u->asked < T1 * UINT64_C(1000000)) {
		later(DUE_REGISTER, e->n, T1); /* a later one of this user */
	} else if (now_ns() - u->asked > GIVE_UP * UINT64_C(1000000)) {
		u->state = 0;
		outstanding--;
		failed++;
		registered++;
	} else {
		retransmitted++;
		u->cseq++;
		send_register(e->n);
		later(DUE_REGISTER, e->n, e->wait * 2u);
	}
}

/* ---- the loop ---- */

static void flush_all(void)
{
	for (unsigned i = 0; i < callers; i++)
		port_flush(&caller[i]);
	if (callee.fd)
		port_flush(&callee);
	for (unsigned i = 0; i < accepts; i++)
		port_flush(&accepted[i]);
}

static void turn_wheel(void)
{
	for (uint64_t now = now_ms(); wheel_at <= now; wheel_at++) {
		struct event *e = wheel[wheel_at % WHEEL], *next;

		wheel[wheel_at % WHEEL] = NULL;
		for (; e; e = next) {
			next = e->next;
			if (e->what == DUE_REGISTER)
				fire_register(e);
			else
				fire_call(e);
			e->next = spare;
			spare = e;
		}
	}
}

/* Waits for input, at most until the given time. */
static void wait_until(uint64_t until, receiver take)
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
					       ? take_request
					       : take);
		}
	}
}

static void run_calls(void)
{
	uint64_t wanted = opt.limit ? opt.limit : (uint64_t)(opt.rate * opt.seconds),
		 gap = (uint64_t)(1e9 / opt.rate), due = start_ns;
	bool said = false;

	for (;;) {
		uint64_t now = now_ns();

		for (unsigned i = 0; begun < wanted && due <= now && i < BATCH; i++, due += gap)
			begin_call();
		turn_wheel();
		flush_all();
		if (opt.stay && !said && up + failed == wanted) {
			said = true;
			printf("up %u failed %llu\n", up, (unsigned long long)failed);
			fflush(stdout);
		}
		if (!opt.stay && succeeded + failed == wanted)
			break;
		uint64_t tick = start_ns + wheel_at * 1000000;
		wait_until(begun < wanted && due < tick ? due : tick, take_response);
	}
	printf("{\"calls\": %llu, \"ok\": %llu, \"failed\": %llu, \"retransmitted\": %llu, "
	       "\"out_of_order\": %llu, \"stray\": %llu, \"sent\": %llu, \"received\": %llu",
		(unsigned long long)wanted, (unsigned long long)succeeded,
		(unsigned long long)failed, (unsigned long long)retransmitted,
		(unsigned long long)out_of_order, (unsigned long long)stray,
		(unsigned long long)sent, (unsigned long long)received);
}

static void run_options(void)
{
	uint64_t end = start_ns + (uint64_t)(opt.seconds * 1e9), before = 0, now;

	for (unsigned i = 0; i < opt.window; i++)
		send_options();
	while ((now = now_ns()) < end) {
		flush_all();
		wait_until(now + 100000000, take_options);
		if (received == before && now_ns() - now > 90000000) /* all lost: begin again */
			for (unsigned i = 0; i < opt.window; i++)
				send_options();
		before = received;
	}
	printf("{\"answered\": %llu, \"failed\": %llu, \"sent\": %llu, \"per_second\": %.0f",
		(unsigned long long)answers, (unsigned long long)failed, (unsigned long long)sent,
		(double)answers / opt.seconds);
}

/* With a window each user registers once; with a rate they register in turn for the time given. */
static void run_register(void)
{
	uint64_t end = start_ns + (uint64_t)(opt.seconds * 1e9),
		 gap = opt.rate > 0 ? (uint64_t)(1e9 / opt.rate) : 0, due = start_ns;
	uint64_t begun_users = 0, now;

	user = need(opt.users, sizeof(*user));
	for (unsigned i = 0; i < opt.users; i++)
		user[i].cseq = (uint32_t)(time(NULL) & 0x3ffffff) *
		               16; /* a phone goes on counting */
	for (;;) {
		now = now_ns();
		if (gap) {
			for (; due <= now && due < end; due += gap)
				begin_register();
			if (now >= end && !outstanding)
				break;
		} else {
			for (; outstanding < opt.window && begun_users < opt.users; begun_users++)
				begin_register();
			if (registered == opt.users)
				break;
		}
		turn_wheel();
		flush_all();
		uint64_t tick = start_ns + wheel_at * 1000000;
		wait_until(gap && due < end && due < tick ? due : tick, take_register);
	}
	printf("{\"requests\": %llu, \"challenged\": %llu, \"ok\": %llu, \"failed\": %llu, "
	       "\"retransmitted\": %llu, \"took_s\": %.3f",
		(unsigned long long)requests, (unsigned long long)challenged,
		(unsigned long long)succeeded, (unsigned long long)failed,
		(unsigned long long)retransmitted, (double)(now_ns() - start_ns) / 1e9);
}

static double own_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int count, char **word)
{
	const char *mode = count > 1 ? word[1] : "";

	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 2; i < count; i++) {
		const char *w = word[i], *v = i + 1 < count ? word[i + 1] : "";

		if (!strcmp(w, "--tcp"))
			opt.tcp = true;
		else if (!strcmp(w, "--stay"))
			opt.stay = true;
		else if (!strcmp(w, "--caller"))
			opt.caller = true;
		else if (!strcmp(w, "--callee"))
			opt.callee = true;
		else if (!strcmp(w, "--mixed"))
			opt.mixed = true;
		else if (!strcmp(w, "--reuse"))
			opt.reuse = true;
		else if (i++, !strcmp(w, "--rate"))
			opt.rate = atof(v);
		else if (!strcmp(w, "--seconds"))
			opt.seconds = atof(v);
		else if (!strcmp(w, "--hold"))
			opt.hold = (unsigned)atoi(v);
		else if (!strcmp(w, "--limit"))
			opt.limit = (unsigned)atoi(v);
		else if (!strcmp(w, "--window"))
			opt.window = (unsigned)atoi(v);
		else if (!strcmp(w, "--users"))
			opt.users = (unsigned)atoi(v);
		else if (!strcmp(w, "--spread"))
			opt.spread = (unsigned)atoi(v);
		else if (!strcmp(w, "--sdp"))
			opt.sdp = (unsigned)atoi(v);
		else if (!strcmp(w, "--headers"))
			opt.headers = (unsigned)atoi(v);
		else if (!strcmp(w, "--domain"))
			opt.domain = v;
		else if (!strcmp(w, "--server") && strlen(v) < sizeof(opt.server_text) &&
			 strchr(v, ':')) {
			char host[32];

			snprintf(host, sizeof(host), "%.*s", (int)(strchr(v, ':') - v), v);
			strcpy(opt.server_text, v);
			opt.server = (struct sockaddr_in){.sin_family = AF_INET,
				.sin_port = htons((uint16_t)atoi(strchr(v, ':') + 1)),
				.sin_addr.s_addr = inet_addr(host)};
		} else {
			fprintf(stderr, "load: what is %s?\n", w);
			return 2;
		}
	}
	if (!opt.server.sin_port) {
		fprintf(stderr, "usage: load calls|options|register --server IP:PORT ... (see the "
				"head of load.c)\n");
		return 2;
	}
	if (!strcmp(mode, "calls"))
		prepare_calls();
	else
		port_udp(&caller[0], opt.callee                 ? CALLEE_PORT
				     : strcmp(mode, "register") ? 0
								: PHONES_PORT);
	if (!opt.users && !strcmp(mode, "register"))
		opt.users = 1000;
	start_ns = now_ns();
	if (!strcmp(mode, "calls"))
		run_calls();
	else if (!strcmp(mode, "options"))
		run_options();
	else if (!strcmp(mode, "register"))
		run_register();
	else
		return 2;
	print_times();
	printf(", \"cpu_s\": %.3f}\n", own_cpu());
	return 0;
}
