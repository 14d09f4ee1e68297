/* outbox.c - the bounded queue of packets to one worker.
 *
 * Packets may hold tokens and keys: what waited is wiped when it has gone. Relies on
 * ipc/lifeline.c, whose sends never block.
 */
#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

struct outbox_packet {
	struct outbox_packet *next;
	enum lifeline_type type;
	int fd;
	size_t size;
	unsigned char body[];
};

void outbox_init(struct outbox *o)
{
	*o = (struct outbox){.first = NULL, .last = NULL};
	o->last = &o->first;
}

static void outbox_packet_free(struct outbox_packet *p)
{
	if (p->fd >= 0)
		close(p->fd);
	sodium_memzero(p->body, p->size);
	free(p);
}

int outbox_send(struct outbox *o, int lifeline, enum lifeline_type type, const void *body,
	size_t size, int fd)
{
	if (!o->first) {
		int error = lifeline_send(
			lifeline, type, body, size, NULL, 0, fd >= 0 ? &fd : NULL, fd >= 0 ? 1 : 0);

		if (error != -EAGAIN)
			return error;
	}
	if (o->count >= OUTBOX_MAX)
		return -ENOBUFS;
	struct outbox_packet *p = malloc(sizeof(*p) + size);
	if (!p)
		return -ENOMEM;
	*p = (struct outbox_packet){.type = type, .fd = -1, .size = size};
	if (size)
		memcpy(p->body, body, size);
	if (fd >= 0) {
		p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (p->fd < 0) {
			int error = -errno;

			outbox_packet_free(p);
			return error;
		}
	}
	*o->last = p;
	o->last = &p->next;
	o->count++;
	return 1;
}

int outbox_flush(struct outbox *o, int lifeline)
{
	while (o->first) {
		struct outbox_packet *p = o->first;
		int error = lifeline_send(lifeline, p->type, p->body, p->size, NULL, 0,
			p->fd >= 0 ? &p->fd : NULL, p->fd >= 0 ? 1 : 0);

		if (error == -EAGAIN)
			return 1;
		if (error < 0)
			return error;
		o->first = p->next;
		if (!o->first)
			o->last = &o->first;
		o->count--;
		outbox_packet_free(p);
	}
	return 0;
}

void outbox_clear(struct outbox *o)
{
	while (o->first) {
		struct outbox_packet *p = o->first;

		o->first = p->next;
		outbox_packet_free(p);
	}
	outbox_init(o);
}
