/* edge.c - the pairs over which two workers talk (ipc/sign.h, and ipc/mesh.h where pairs carry it).
 *
 * A pair is made when both live and belongs to these two lives: what one that was taken over did to
 * its socket ends with it. The master keeps neither end.
 */
#include "edge.h"

#include "common/log.h"
#include "ipc/record.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that an edge is asked to hold either way. The kernel doubles that and counts more than what
 * is sent: room for the largest batch, and little that dies with a worker before it was taken. */
#define EDGE_BUFFER BATCH_MAX
/* Bytes that the kernel needs beside those of a packet. */
#define EDGE_SPARE 64

static int edge_make_pair(int pair[2])
{
	static bool told;
	const int wanted = EDGE_BUFFER;
	int size = 0;
	socklen_t length = sizeof(size);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		/* Beyond net.core.wmem_max where we may; else up to that, doubled by the kernel. */
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	}
	if (!told && getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 &&
		size <= wanted + EDGE_SPARE) {
		told = true;
		log_warn("edge-small",
			"bytes=%d wanted=%d hint=\"larger batches will be dropped: raise "
			"net.core.wmem_max\"",
			size, wanted + EDGE_SPARE);
	}
	return 0;
}

void edge_make(struct worker_slot *a, struct worker_slot *b)
{
	const enum lifeline_type type = a->role == PEER_TLS || b->role == PEER_TLS
	                                        ? LIFELINE_KEY_EDGE
	                                        : LIFELINE_EDGE;
	const struct lifeline_edge to_a = {.peer = PEER(b->role, b->index)},
				   to_b = {.peer = PEER(a->role, a->index)};
	int pair[2], error = edge_make_pair(pair);

	if (error < 0) {
		log_error("edge", "peer=%s-%u with=%s-%u error=\"%s\"", role_name(a->role),
			a->index, role_name(b->role), b->index, error_text(error));
		return;
	}
	worker_tell(a, type, &to_a, sizeof(to_a), pair[0]);
	worker_tell(b, type, &to_b, sizeof(to_b), pair[1]);
	close(pair[0]);
	close(pair[1]);
}
