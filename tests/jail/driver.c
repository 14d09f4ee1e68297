/* driver.c - a worker that was taken over, for tests/jail/test_takeover.py: stands where a worker's program is expected, is started, configured and given its tokens, edges and keys by the real master like any other, and
 * then sends what the test tells it to, byte for byte, past all that would keep an honest worker from it. Closes no jail: what a jail prevents is another test's matter.
 *
 * Its role is in the name that it was started by. Only the worker with index 0 was taken over: with another index it becomes the program of the same name in the folder "honest" beside it.
 *
 * Interface: a datagram socket "ROLE.act" beside the program takes commands, struct command and its bytes; each is answered with struct answer, to whoever sent the last one. What arrives from the victims goes there too.
 */
#include "common/worker.h"
#include "ipc/mesh_private.h"
#include "ipc/packet.h"
#include "worker-transport/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What a flood may take: less than the master's watchdog waits. */
#define FLOOD_MS 1500
#define COMMAND_MAX (512u * 1024)

struct command {
	char op;         /* M: a ZeroMQ message to peer; F: one of several frames, each with its size (4 octets) before it; L: a packet to the master with fds; K: a packet on the key edge to peer; P: parse the bytes and
	                  * answer with the block; D: stop (fds 1) or go on reading what the master says; H: tell (fds 1) or not of records that come; G: fill the shared page's counters with the first byte; C: close the
	                  * lifeline and stay */
	uint8_t fds;
	uint16_t peer;
	uint32_t repeat; /* times, at least once */
	uint32_t pad;    /* the bytes are followed by zero bytes up to this size */
};
struct answer {
	char op;         /* the command's; m: a record from peer; l: a packet from the master; k: one of the key edge */
	uint8_t zero;
	uint16_t peer;
	int32_t error;   /* of the last one; records and packets: their type */
	uint32_t done;   /* how many were taken */
};
_Static_assert(sizeof(struct command) == 12 && sizeof(struct answer) == 12, "as the test packs them");

static struct {
	struct worker worker;
	struct mesh *mesh;
	int act, null, endpoint;
	int key[256];
	struct loop_source *key_source[256];
	struct sockaddr_un test;
	socklen_t test_size;
	char endpoint_path[LIFELINE_PATH_MAX];
	struct lifeline_edge edge[MESH_PEERS_MAX];
	struct lifeline_allow allow[MESH_PEERS_MAX];
	unsigned edges, allows;
	bool hears;
} d = {.act = -1, .endpoint = -1};

static _Alignas(8) unsigned char room[COMMAND_MAX], block[MESSAGE_BLOCK_MAX];

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* An answer is worth waiting for; what merely arrived is not. */
static void tell(const struct answer *a, const void *data, size_t size)
{
	struct iovec part[2] = {{(void *)(uintptr_t)a, sizeof(*a)}, {(void *)(uintptr_t)data, size}};
	struct msghdr message = {.msg_name = &d.test, .msg_namelen = d.test_size, .msg_iov = part, .msg_iovlen = 2};

	if (d.test_size)
		sendmsg(d.act, &message, (a->op >= 'a' ? MSG_DONTWAIT : 0) | MSG_NOSIGNAL);
}

static void on_record(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	(void)arg;
	if (d.hears)
		tell(&(struct answer){.op = 'm', .peer = peer, .error = type}, data, size);
}

static void on_key(void *arg, uint32_t events)
{
	unsigned char packet[SIGN_PACKET_MAX];
	unsigned peer = (unsigned)(uintptr_t)arg;
	ssize_t n;

	(void)events;
	while ((n = sign_packet_receive(d.key[peer], packet)) > 0)
		tell(&(struct answer){.op = 'k', .peer = (uint16_t)peer}, packet, (size_t)n);
	if (n != -EAGAIN) {
		loop_remove(d.worker.loop, d.key_source[peer]);
		d.key_source[peer] = NULL;
	}
}

static int take_key(struct lifeline_packet *p)
{
	unsigned peer = PEER_INDEX(((const struct lifeline_key_edge *)(const void *)p->body)->peer);

	loop_remove(d.worker.loop, d.key_source[peer]);
	d.key[peer] = p->fd[0];
	p->fd[0] = -1;
	return loop_add(d.worker.loop, d.key[peer], EPOLLIN, on_key, (void *)(uintptr_t)peer, &d.key_source[peer]);
}

static int on_packet(void *arg, struct lifeline_packet *p)
{
	(void)arg;
	switch (p->type) {
	case LIFELINE_SOCKET: /* a listener's stays with the master; nobody reads it here */
		if (d.worker.role == PEER_SIP) {
			memcpy(d.endpoint_path, ((struct lifeline_socket *)(void *)p->body)->path, sizeof(d.endpoint_path));
			d.endpoint = p->fd[0];
			p->fd[0] = -1;
		}
		return 0;
	case LIFELINE_EDGE: {
		const struct lifeline_edge *edge = (void *)p->body;

		if (d.mesh)
			return mesh_connect(d.mesh, edge->peer, edge->path, edge->token);
		d.edge[d.edges++] = *edge;
		return 0;
	}
	case LIFELINE_ALLOW: {
		struct lifeline_allow *allow = (void *)p->body;
		struct lifeline_ack ack = {.sequence = allow->sequence};

		if (d.mesh)
			ack.error = mesh_allow(d.mesh, allow->peer, allow->token);
		else
			d.allow[d.allows++] = *allow;
		return worker_send(&d.worker, LIFELINE_ACK, &ack, sizeof(ack), NULL, 0);
	}
	case LIFELINE_PEER_UP:
		if (d.mesh)
			mesh_hello(d.mesh, ((struct lifeline_peer *)(void *)p->body)->peer);
		return 0;
	case LIFELINE_CERTIFICATES: {
		const struct lifeline_certificates *order = (void *)p->body;
		struct lifeline_certificates_result result = {.sequence = order->sequence, .index = 0xffff};

		if (order->act == CERTIFICATES_CHECK && d.worker.role == PEER_TRANSPORT)
			return worker_send(&d.worker, LIFELINE_CERTIFICATES_RESULT, &result, sizeof(result), NULL, 0);
		return 0;
	}
	case LIFELINE_KEY_EDGE:
		return take_key(p);
	case LIFELINE_QUERY:
		tell(&(struct answer){.op = 'l', .error = p->type}, p->body, p->size);
		return 0;
	default:
		return 0;
	}
}

/* ---- what is sent ---- */

static int send_frames(void *zmq, const unsigned char *at, size_t size)
{
	while (size >= 4) {
		uint32_t n;

		memcpy(&n, at, 4);
		at += 4;
		size -= 4;
		if (n > size || zmq_send(zmq, at, n, ZMQ_DONTWAIT | (n < size ? ZMQ_SNDMORE : 0)) < 0)
			return n > size ? -EINVAL : -errno;
		at += n;
		size -= n;
	}
	return 0;
}

static int send_mesh(const struct command *c, const unsigned char *bytes, size_t size)
{
	struct link *l = link_find(d.mesh, c->peer);
	void *zmq;

	if (!l || !(l->path ? l->up : l->routed))
		return -ENOTCONN;
	zmq = l->path ? l->dealer.zmq : d.mesh->router.zmq;
	(l->path ? &l->dealer : &d.mesh->router)->used = true;
	if (!l->path && zmq_send(zmq, l->routing_id, ROUTING_ID_SIZE, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return -errno;
	if (c->op == 'F')
		return send_frames(zmq, bytes, size);
	return zmq_send(zmq, bytes, size, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}

static int send_packet(int fd, const unsigned char *bytes, size_t size, unsigned fds)
{
	union {
		char room[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds) {
		struct cmsghdr *c;
		message.msg_control = control.room;
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

static int do_once(const struct command *c, const unsigned char *bytes, size_t size)
{
	switch (c->op) {
	case 'M':
	case 'F':
		return send_mesh(c, bytes, size);
	case 'L':
		return send_packet(d.worker.lifeline, bytes, size, c->fds & 15);
	case 'K':
		return send_packet(d.key[c->peer & 255], bytes, size, c->fds & 15);
	case 'D':
		loop_modify(d.worker.loop, d.worker.source, c->fds ? 0 : EPOLLIN);
		return 0;
	case 'H':
		d.hears = c->fds;
		return 0;
	case 'G':
		memset(d.worker.page->counter, bytes[0], sizeof(d.worker.page->counter));
		return 0;
	case 'C':
		loop_remove(d.worker.loop, d.worker.source);
		d.worker.source = NULL;
		close(d.worker.lifeline);
		return 0;
	default:
		return -EINVAL;
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
	n = recvfrom(d.act, room, sizeof(room), MSG_DONTWAIT, (struct sockaddr *)&d.test, &d.test_size);
	if (n < (ssize_t)sizeof(c))
		return;
	memcpy(&c, room, sizeof(c));
	n -= (ssize_t)sizeof(c);
	memmove(room, room + sizeof(c), (size_t)n);
	if (c.pad > sizeof(room))
		c.pad = sizeof(room);
	if (c.pad > (size_t)n) {
		memset(room + n, 0, c.pad - (size_t)n);
		n = c.pad;
	}
	obey(&c, room, (size_t)n);
}

static int listen_to_test(const char *program)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 2};
	const int size = 4 << 20;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s.act", program) >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	unlink(address.sun_path);
	d.act = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(d.act, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(d.act, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (d.act < 0 || bind(d.act, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return loop_add(d.worker.loop, d.act, EPOLLIN, on_command, NULL, NULL);
}

static int start(const char *program)
{
	struct worker *w = &d.worker;
	int error = 0;

	d.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (w->welcome.root[0] && chdir(w->welcome.root) < 0) /* the paths of edges begin there */
		return -errno;
	if (w->role != PEER_TLS)
		error = mesh_new(&d.mesh, w->loop, PEER(w->role, w->welcome.index), on_record, NULL);
	if (!error && w->role == PEER_SIP)
		error = mesh_listen(d.mesh, d.endpoint, d.endpoint_path);
	for (unsigned i = 0; i < d.allows && !error; i++)
		error = mesh_allow(d.mesh, d.allow[i].peer, d.allow[i].token);
	for (unsigned i = 0; i < d.edges && !error; i++)
		error = mesh_connect(d.mesh, d.edge[i].peer, d.edge[i].path, d.edge[i].token);
	return error ? error : listen_to_test(program);
}

/* The program of this name that was not taken over. */
static int become_honest(char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/honest%s", slash ? (int)(slash - argv[0]) : 0, argv[0], slash ? slash : "/?");
	execv(path, argv);
	perror(path);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct worker *w = &d.worker;
	enum peer_role role = strstr(argv[0], "-transport") ? PEER_TRANSPORT : strstr(argv[0], "-sip") ? PEER_SIP : PEER_TLS;

	if (argc > 1 && strcmp(argv[1], "0") != 0)
		return become_honest(argv);
	if (worker_begin(w, role, on_packet, NULL, NULL) || worker_receive(w))
		return EXIT_FAILURE;
	int error = start(argv[0]);
	if (error) {
		log_error("driver-failed", "error=%d", -error);
		return EXIT_FAILURE;
	}
	log_info("taken-over", "%s", "");
	return worker_run(w) ? EXIT_FAILURE : EXIT_SUCCESS;
}
