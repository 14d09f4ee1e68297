/* driver.c - a worker that was taken over, for tests/jail/takeover.py: stands where a worker's
 * program is expected, is started, configured and given its edges and keys by the real master like
 * any other, and then sends what the test tells it to, byte for byte, past all that would keep an
 * honest worker from it. Closes no jail: what a jail prevents is another test's matter.
 *
 * Its role is in the name that it was started by. Only the worker with index 0 was taken over: with
 * another index it becomes the program of the same name in the folder "honest" beside it.
 *
 * Over ZeroMQ it speaks through libzmq, or, to say what libzmq would not, on raw connections to its
 * edges' endpoints.
 *
 * Interface: a datagram socket "ROLE.act" beside the program takes commands, struct command and its
 * bytes; each is answered with struct answer, to whoever sent the last one. What arrives from the
 * victims goes there too.
 */
#include "worker/skeleton.h"
#include "ipc/mesh_zeromq.h"
#include "ipc/sign_packet.h"
#include "worker-transport/parse/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A flood takes this long at most: less than the master's watchdog waits. */
#define FLOOD_MS 1500
#define COMMAND_MAX (512u * 1024)
#define RAW_MAX 65536

struct command {
	char op; /* M: a packet on the edge to peer, with fds; R: the same on a new raw connection
	          * over ZeroMQ, which stays open; Q: closes all of these; S: shut that edge down;
	          * X: close it and stay; L: a packet to the master with fds; K: a packet on the key
	          * edge to peer, with fds; P: parse the bytes and answer with the block; D: stop
	          * (fds 1) or go on reading what the master says; H: tell (fds 1) or not of records
	          * that come; G: fill the shared page's counters with the first byte; C: close the
	          * lifeline and stay */
	uint8_t fds;
	uint16_t peer;
	uint32_t repeat; /* times, at least once */
	uint32_t pad;    /* the bytes are followed by zero bytes up to this size */
};
struct answer {
	char op; /* the command's; m: a record from peer; l: a packet from the master; k: one of the
	            key edge */
	uint8_t zero;
	uint16_t peer;
	int32_t error; /* of the last one; records and packets: their type */
	uint32_t done; /* the number of those that were taken */
};
_Static_assert(
	sizeof(struct command) == 12 && sizeof(struct answer) == 12, "as the test packs them");

/* Its end of a pair with a peer. */
struct edge {
	uint16_t peer;
	int fd;
	struct loop_source *source; /* NULL: it has ended, or there was none */
};

static struct {
	struct worker worker;
	int act, null;
	struct mesh *mesh;        /* over ZeroMQ */
	struct edge edge[4][256]; /* by role and index of the peer */
	int raw[RAW_MAX];
	unsigned raws;
	struct sockaddr_un test;
	socklen_t test_size;
	bool hears;
} d = {.act = -1};

static _Alignas(8) unsigned char buffer[COMMAND_MAX], block[MESSAGE_BLOCK_MAX], batch[BATCH_MAX];

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* An answer is worth waiting for; what merely arrived is not. */
static void tell(const struct answer *a, const void *data, size_t size)
{
	struct iovec part[2] = {
		{(void *)(uintptr_t)a, sizeof(*a)}, {(void *)(uintptr_t)data, size}};
	struct msghdr message = {
		.msg_name = &d.test, .msg_namelen = d.test_size, .msg_iov = part, .msg_iovlen = 2};

	if (d.test_size)
		sendmsg(d.act, &message, (a->op >= 'a' ? MSG_DONTWAIT : 0) | MSG_NOSIGNAL);
}

static struct edge *edge_of(uint16_t peer)
{
	return &d.edge[PEER_ROLE(peer) & 3][PEER_INDEX(peer)];
}

static void hear_batch(const struct edge *e, size_t size)
{
	const struct record_header *h;
	const void *data;
	size_t at = 0;

	if (!d.hears || batch_check(batch, size))
		return;
	while ((h = batch_next(batch, size, &at, &data)))
		tell(&(struct answer){.op = 'm', .peer = e->peer, .error = h->type}, data, h->size);
}

static void on_edge(void *arg, uint32_t events)
{
	struct edge *e = arg;
	ssize_t n;

	(void)events;
	while ((n = recv(e->fd, batch, sizeof(batch), MSG_DONTWAIT)) > 0)
		if (PEER_ROLE(e->peer) == PEER_TLS || d.worker.role == PEER_TLS)
			tell(&(struct answer){.op = 'k', .peer = PEER_INDEX(e->peer)}, batch,
				(size_t)n);
		else
			hear_batch(e, (size_t)n);
	if (n == 0 || (errno != EAGAIN && errno != ECONNRESET)) {
		loop_remove(d.worker.loop, e->source);
		e->source = NULL;
	}
}

static void on_record(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	(void)arg;
	if (d.hears)
		tell(&(struct answer){.op = 'm', .peer = peer, .error = type}, data, size);
}

static int take_mesh(struct lifeline_packet *p)
{
	struct lifeline_ack ack;
	int error = mesh_packet(d.mesh, p, &ack);

	return error == 1 ? worker_send(&d.worker, LIFELINE_ACK, &ack, sizeof(ack), NULL, 0)
	                  : error;
}

static int take_edge(struct lifeline_packet *p)
{
	uint16_t peer = ((const struct lifeline_edge *)(const void *)p->body)->peer;
	struct edge *e = edge_of(peer);

	loop_remove(d.worker.loop, e->source);
	*e = (struct edge){.peer = peer, .fd = p->fd[0]};
	p->fd[0] = -1;
	return loop_add(d.worker.loop, e->fd, EPOLLIN, on_edge, e, &e->source);
}

static int on_packet(void *arg, struct lifeline_packet *p)
{
	(void)arg;
	switch (p->type) {
	case LIFELINE_EDGE:
	case LIFELINE_KEY_EDGE: return take_edge(p);
	case LIFELINE_LISTEN:
	case LIFELINE_ALLOW:
	case LIFELINE_CONNECT:
	case LIFELINE_PEER_UP: return take_mesh(p);
	case LIFELINE_CERTIFICATES: {
		const struct lifeline_certificates *order = (void *)p->body;
		struct lifeline_certificates_result result = {
			.sequence = order->sequence, .index = 0xffff};

		if (order->act == CERTIFICATES_CHECK && d.worker.role == PEER_TRANSPORT)
			return worker_send(&d.worker, LIFELINE_CERTIFICATES_RESULT, &result,
				sizeof(result), NULL, 0);
		return 0;
	}
	case LIFELINE_DRAIN: {
		/* it has no calls: so nobody waits for it where a test ends */
		const struct lifeline_drain *order = (void *)p->body;
		struct lifeline_drained drained = {.sequence = order->sequence, .done = 1};

		return worker_send(&d.worker, LIFELINE_DRAINED, &drained, sizeof(drained), NULL, 0);
	}
	case LIFELINE_QUERY:
		tell(&(struct answer){.op = 'l', .error = p->type}, p->body, p->size);
		return 0;
	default: return 0;
	}
}

/* ---- what is sent ---- */

static int send_packet(int fd, const unsigned char *bytes, size_t size, unsigned fds)
{
	union {
		char buffer[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds) {
		struct cmsghdr *c;

		message.msg_control = control.buffer;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds);
		for (unsigned i = 0; i < fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &d.null, sizeof(int));
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_zeromq(uint16_t peer, const unsigned char *bytes, size_t size)
{
	struct link *found = link_find(d.mesh, peer);
	struct zlink *l = found ? zlink_of(found) : NULL;
	struct zmesh *z = zmesh_of(d.mesh);

	if (!l || !(l->path[0] ? l->up : l->routed && z->router.zmq))
		return -ENOTCONN;
	if (l->path[0]) {
		l->dealer.used = true;
		return zmq_send(l->dealer.zmq, bytes, size, ZMQ_DONTWAIT) < 0 ? -errno : 0;
	}
	z->router.used = true;
	if (zmq_send(z->router.zmq, l->routing_id, ROUTING_ID_SIZE, ZMQ_DONTWAIT | ZMQ_SNDMORE) <
			0 ||
		zmq_send(z->router.zmq, bytes, size, ZMQ_DONTWAIT) < 0)
		return errno == EHOSTUNREACH ? -ENOTCONN : -errno;
	return 0;
}

static int end_zeromq(uint16_t peer)
{
	struct link *found = link_find(d.mesh, peer);
	struct zlink *l = found ? zlink_of(found) : NULL;

	if (!l || !(l->path[0] || l->routed))
		return -ENOTCONN;
	if (!l->path[0]) { /* whoever connects has no other door */
		zsocket_close(&zmesh_of(d.mesh)->router);
		return 0;
	}
	zedge_close(l);
	l->path[0] = '\0';
	return 0;
}

/* One more connection to the endpoint of peer. */
static int send_raw(uint16_t peer, const unsigned char *bytes, size_t size, unsigned fds)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	if (d.raws == RAW_MAX)
		return -ENOSPC;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return -errno;
	snprintf(a.sun_path, sizeof(a.sun_path), "sip-%u.sock", PEER_INDEX(peer));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int error = -errno; /* EAGAIN: the backlog is full */

		close(fd);
		return error;
	}
	d.raw[d.raws++] = fd;
	return size ? send_packet(fd, bytes, size, fds) : 0;
}

static int close_raw(void)
{
	while (d.raws)
		close(d.raw[--d.raws]);
	return 0;
}

static int send_edge(uint16_t peer, const unsigned char *bytes, size_t size, unsigned fds)
{
	const struct edge *e = edge_of(peer);
	int error = e->source ? send_packet(e->fd, bytes, size, fds) : -ENOTCONN;

	return error == -EPIPE || error == -ECONNRESET
	               ? -ENOTCONN
	               : error; /* its next life will have another */
}

static int end_edge(uint16_t peer, bool keep)
{
	struct edge *e = edge_of(peer);

	if (!e->source)
		return -ENOTCONN;
	if (keep)
		return shutdown(e->fd, SHUT_RDWR) < 0 ? -errno : 0;
	loop_remove(d.worker.loop, e->source);
	e->source = NULL;
	close(e->fd);
	return 0;
}

static int do_once(const struct command *c, const unsigned char *bytes, size_t size)
{
	switch (c->op) {
	case 'M':
		return d.mesh ? send_zeromq(c->peer, bytes, size)
		              : send_edge(c->peer, bytes, size, c->fds & 15);
	case 'R': return send_raw(c->peer, bytes, size, c->fds & 15);
	case 'Q': return close_raw();
	case 'S':
	case 'X': return d.mesh ? end_zeromq(c->peer) : end_edge(c->peer, c->op == 'S');
	case 'L': return send_packet(d.worker.lifeline, bytes, size, c->fds & 15);
	case 'K':
		return send_edge(
			PEER(d.worker.role == PEER_TLS ? PEER_TRANSPORT : PEER_TLS, c->peer & 255),
			bytes, size, c->fds & 15);
	case 'D': loop_modify(d.worker.loop, d.worker.source, c->fds ? 0 : EPOLLIN); return 0;
	case 'H': d.hears = c->fds; return 0;
	case 'G':
		memset(d.worker.page->counter, bytes[0], sizeof(d.worker.page->counter));
		return 0;
	case 'C':
		loop_remove(d.worker.loop, d.worker.source);
		d.worker.source = NULL;
		close(d.worker.lifeline);
		return 0;
	default: return -EINVAL;
	}
}

/* Nothing is read meanwhile. */
static void obey(const struct command *c, const unsigned char *bytes, size_t size)
{
	struct answer a = {.op = c->op, .peer = c->peer};
	struct parse_error why;
	uint64_t until = clock_ms() + FLOOD_MS;

	if (c->op == 'P') {
		a.error = parse_message((const char *)bytes, size, block, sizeof(block), &why);
		tell(&a, block, a.error ? 0 : ((struct message *)(void *)block)->size);
		return;
	}
	for (uint32_t i = 0; i < c->repeat || i == 0; i++) {
		while ((a.error = do_once(c, bytes, size)) == -EAGAIN && clock_ms() < until)
			poll(NULL, 0, 1);
		if (a.error == 0)
			a.done++;
		if (a.error == -EAGAIN || clock_ms() >= until)
			break;
	}
	tell(&a, NULL, 0);
}

static void on_command(void *arg, uint32_t events)
{
	struct command c;
	ssize_t n;

	(void)arg, (void)events;
	d.test_size = sizeof(d.test);
	n = recvfrom(d.act, buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *)&d.test,
		&d.test_size);
	if (n < (ssize_t)sizeof(c))
		return;
	memcpy(&c, buffer, sizeof(c));
	n -= (ssize_t)sizeof(c);
	memmove(buffer, buffer + sizeof(c), (size_t)n);
	if (c.pad > sizeof(buffer))
		c.pad = sizeof(buffer);
	if (c.pad > (size_t)n) {
		memset(buffer + n, 0, c.pad - (size_t)n);
		n = c.pad;
	}
	obey(&c, buffer, (size_t)n);
}

static int listen_to_test(const char *program)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 2};
	const int size = 4 << 20;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s.act", program) >=
		(int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	unlink(address.sun_path);
	d.act = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(d.act, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(d.act, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (d.act < 0 || bind(d.act, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return loop_add(d.worker.loop, d.act, EPOLLIN, on_command, NULL, NULL);
}

/* Its identity tells others who connects. */
static int take_identity(const struct lifeline_welcome *welcome)
{
	if (!welcome->drop)
		return 0;
	return setgroups(0, NULL) < 0 || setresgid(welcome->gid, welcome->gid, welcome->gid) < 0 ||
	                       setresuid(welcome->uid, welcome->uid, welcome->uid) < 0
	               ? -errno
	               : 0;
}

static int start(const char *program)
{
	const struct lifeline_welcome *welcome = &d.worker.welcome;
	const struct rlimit fds = {welcome->fds_limit, welcome->fds_limit};
	int error;

	d.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (setrlimit(RLIMIT_NOFILE, &fds) < 0) /* it has no more than those in a jail */
		return -errno;
	if (d.mesh) {
		/* the paths of edges begin there */
		if (chdir(welcome->root) < 0)
			return -errno;
		if ((error = mesh_start(d.mesh)))
			return error;
	}
	error = listen_to_test(program);
	return error ? error : take_identity(welcome);
}

/* The program of this name that was not taken over. */
static int become_honest(char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/honest%s", slash ? (int)(slash - argv[0]) : 0, argv[0],
		slash ? slash : "/?");
	execv(path, argv);
	perror(path);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct worker *w = &d.worker;
	enum peer_role role = strstr(argv[0], "-transport") ? PEER_TRANSPORT
	                      : strstr(argv[0], "-sip")     ? PEER_SIP
	                                                    : PEER_TLS;

	if (argc > 1 && strcmp(argv[1], "0") != 0)
		return become_honest(argv);
	if (worker_begin(w, role, on_packet, NULL, NULL))
		return EXIT_FAILURE;
	if (role != PEER_TLS && w->welcome.carrier == CARRIER_ZEROMQ &&
		mesh_new(&d.mesh, w->loop, CARRIER_ZEROMQ, PEER(role, w->welcome.index), on_record,
			NULL))
		return EXIT_FAILURE;
	if (worker_receive(w))
		return EXIT_FAILURE;
	int error = start(argv[0]);
	if (error) {
		log_error("driver-failed", "error=\"%s\"", error_text(error));
		return EXIT_FAILURE;
	}
	log_info("taken-over", "%s", "");
	return worker_run(w) ? EXIT_FAILURE : EXIT_SUCCESS;
}
