/* lifeline.c - sends and receives the packets of the lifeline. Relies on SOCK_SEQPACKET: one send
 * is one packet, whole or not at all. */
#include "lifeline.h"

#include "common/log.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(LOG_LINE_MAX == 1024, "lifeline.def bounds LOG by it");
_Static_assert(sizeof(struct lifeline_header) == 8, "crosses process borders");

/* Sets of roles, the master's number among them. */
enum {
	M = 1 << PEER_NONE,
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "roles.def"
#undef ROLE
	ALL = (1 << ROLE_COUNT) - 1 - M,
};

static const struct {
	const char *name;
	unsigned senders, receivers;
	uint32_t min, max;
	unsigned fds;
} table[LIFELINE_TYPE_COUNT] = {
#define LIFELINE(id, senders, receivers, min, max, fds)                                            \
	[LIFELINE_##id] = {#id, senders, receivers, min, max, fds},
#include "lifeline.def"
#undef LIFELINE
};

#define LIFELINE(id, senders, receivers, min, max, fds)                                            \
	_Static_assert((max) <= LIFELINE_PACKET_MAX && (fds) <= LIFELINE_FDS_MAX,                  \
		"fits struct lifeline_packet");                                                    \
	_Static_assert(((senders) == M) != ((receivers) == M), "one end is the master");
#include "lifeline.def"
#undef LIFELINE

union control {
	char buffer[CMSG_SPACE(sizeof(int) * LIFELINE_FDS_MAX)];
	struct cmsghdr align;
};

const char *lifeline_name(uint16_t type)
{
	return type > LIFELINE_NONE && type < LIFELINE_TYPE_COUNT ? table[type].name : "?";
}

bool lifeline_permits(uint16_t type, unsigned sender, unsigned receiver)
{
	return type > LIFELINE_NONE && type < LIFELINE_TYPE_COUNT && sender < ROLE_COUNT &&
	       receiver < ROLE_COUNT && (table[type].senders & 1u << sender) &&
	       (table[type].receivers & 1u << receiver);
}

static bool lifeline_allows(unsigned type, size_t size, unsigned fds)
{
	return type > LIFELINE_NONE && type < LIFELINE_TYPE_COUNT && size >= table[type].min &&
	       size <= table[type].max && fds == table[type].fds;
}

int lifeline_send(int fd, enum lifeline_type type, const void *body, size_t size, const void *more,
	size_t more_size, const int *fds, unsigned count)
{
	struct lifeline_header header = {
		.type = (uint16_t)type, .size = (uint32_t)(size + more_size)};
	struct iovec part[3] = {{&header, sizeof(header)}, {(void *)(uintptr_t)body, size},
		{(void *)(uintptr_t)more, more_size}};
	union control control = {.buffer = {0}};
	struct msghdr message = {.msg_iov = part, .msg_iovlen = 3};
	ssize_t sent;

	if (size > LIFELINE_PACKET_MAX || more_size > LIFELINE_PACKET_MAX ||
		!lifeline_allows(type, size + more_size, count))
		return -EINVAL;
	if (count) {
		struct cmsghdr *c;

		message.msg_control = control.buffer;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	do
		sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ETOOMANYREFS: /* too many fds in flight: the peer has to read first */ return -EAGAIN;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN: return -EPIPE;
	default: return -errno;
	}
}

static void lifeline_take_fds(struct msghdr *message, struct lifeline_packet *packet)
{
	for (unsigned i = 0; i < LIFELINE_FDS_MAX; i++)
		packet->fd[i] = -1;
	packet->fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= bytes && packet->fds < LIFELINE_FDS_MAX;
			at += sizeof(int))
			memcpy(&packet->fd[packet->fds++], CMSG_DATA(c) + at, sizeof(int));
	}
}

/* Whether n bytes with this header are a whole packet that its sender may send with so many fds. */
static bool lifeline_is_packet(
	const struct lifeline_header *header, size_t n, unsigned fds, bool from_master)
{
	if (n < sizeof(*header) || header->zero != 0 || header->size != n - sizeof(*header))
		return false;
	return lifeline_allows(header->type, header->size, fds) &&
	       (table[header->type].senders == M) == from_master;
}

int lifeline_receive(int fd, bool from_master, struct lifeline_packet *packet)
{
	struct lifeline_header header;
	struct iovec part[2] = {{&header, sizeof(header)}, {packet->body, sizeof(packet->body)}};
	union control control;
	struct msghdr message = {.msg_iov = part,
		.msg_iovlen = 2,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer)};
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	lifeline_take_fds(&message, packet);
	if (n == 0 && packet->fds == 0)
		return -EPIPE;
	if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
		lifeline_is_packet(&header, (size_t)n, packet->fds, from_master)) {
		packet->type = header.type;
		packet->size = header.size;
		return 0;
	}
	for (unsigned i = 0; i < packet->fds; i++) {
		close(packet->fd[i]);
		packet->fd[i] = -1;
	}
	packet->fds = 0;
	return -EBADMSG;
}
