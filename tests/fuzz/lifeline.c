/* lifeline.c - fuzz target: what arrives on a lifeline, from either side. The first byte says whose
 * it is and how many fds come along; the rest is the packet. Whatever is accepted must be what the
 * table allows, and no fd may be left open that was not handed over. */
#include "ipc/lifeline.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sets of roles, the master's number among them, as the table writes them. */
enum {
	M = 1 << PEER_NONE,
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "ipc/roles.def"
#undef ROLE
	ALL = (1 << ROLE_COUNT) - 1 - M,
};

static const struct {
	unsigned senders, receivers;
	size_t min, max;
	unsigned fds;
} table[LIFELINE_TYPE_COUNT] = {
#define LIFELINE(id, senders, receivers, min, max, fds)                                            \
	[LIFELINE_##id] = {senders, receivers, min, max, fds},
#include "ipc/lifeline.def"
#undef LIFELINE
};

static int pair[2] = {-1, -1}, null;

/* The next fd that the kernel would give: the same before and after where nothing leaks. */
static int next_fd(void)
{
	int fd = dup(null);

	assert(fd >= 0);
	close(fd);
	return fd;
}

static void put(const uint8_t *data, size_t size, unsigned fds)
{
	union {
		char buffer[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec part = {(void *)(uintptr_t)data, size};
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
			memcpy(CMSG_DATA(c) + i * sizeof(int), &null, sizeof(int));
	}
	assert(sendmsg(pair[0], &message, MSG_NOSIGNAL) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lifeline_packet packet;
	bool from_master;
	int before;

	if (pair[0] < 0) {
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			       pair) == 0);
	}
	if (size < 2 || size > 100000)
		return 0;
	from_master = data[0] & 1;
	before = next_fd();
	put(data + 1, size - 1, data[0] >> 1 & 7);
	if (lifeline_receive(pair[1], from_master, &packet) == 0) {
		assert(packet.type > LIFELINE_NONE && packet.type < LIFELINE_TYPE_COUNT);
		assert(packet.size == size - 1 - sizeof(struct lifeline_header));
		assert(packet.size >= table[packet.type].min &&
			packet.size <= table[packet.type].max);
		assert(packet.fds == table[packet.type].fds &&
			(table[packet.type].senders == M) == from_master);
		assert(memcmp(packet.body, data + 1 + sizeof(struct lifeline_header),
			       packet.size) == 0);
		for (unsigned i = 0; i < packet.fds; i++)
			close(packet.fd[i]);
	}
	assert(next_fd() == before);
	return 0;
}
