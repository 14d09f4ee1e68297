/* worker_slot.c - see worker_slot.h. Relies on the kernel for the number of a process that has not
 * been reaped: no other process gets it. */
#include "worker_slot.h"

#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

const char *worker_state_name(enum worker_state state)
{
	static const char *const name[] = {"down", "starting", "ready", "stopping"};

	return name[state];
}

struct worker_slot *worker_find(const struct supervisor *s, unsigned role, unsigned index)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == role && s->worker[i].index == index)
			return &s->worker[i];
	return NULL;
}

void worker_kill(struct worker_slot *w, const char *reason)
{
	if (w->state == WORKER_DOWN)
		return;
	if (!w->killed)
		w->killed = reason;
	w->state = WORKER_STOPPING;
	loop_unset(w->supervisor->loop, &w->timer);
	/* Not reaped yet, so the number is still its. */
	kill(w->pid, SIGKILL);
}

void worker_watch(struct worker_slot *w)
{
	if (w->source)
		loop_modify(
			w->supervisor->loop, w->source, EPOLLIN | (w->outbox.first ? EPOLLOUT : 0));
}

bool worker_tell(
	struct worker_slot *w, enum lifeline_type type, const void *body, size_t size, int fd)
{
	if (w->lifeline < 0)
		return false;
	int error = outbox_send(&w->outbox, w->lifeline, type, body, size, fd);
	if (error == 1)
		worker_watch(w);
	if (error >= 0)
		return true;
	/* A closed lifeline is seen by reading it. */
	if (error != -EPIPE && error != -ECONNRESET) {
		log_warn("worker-tell", "peer=%s-%u packet=%s error=\"%s\"", role_name(w->role),
			w->index, lifeline_name(type), error_text(error));
		worker_kill(w, error == -ENOBUFS ? "does-not-read" : "cannot-be-told");
	}
	return false;
}
