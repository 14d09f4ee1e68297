/* notifier.c - see notifier.h.
 *
 * The kernel asks here about each system call that a worker's filter does not allow. The thread
 * that made it stands still meanwhile, so that its name and arguments can be logged before the
 * process is killed: a filter that kills tells nobody what it was. The answer is never based on
 * what the arguments point to, for the worker could change that afterwards.
 */
#include "notifier.h"

#include "common/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The name that the kernel gives such an fd. */
#define NOTIFIER_LINK "anon_inode:seccomp notify"
/* Room for what later kernels append. */
#define QUESTION_ROOM 512

const char *violation_call(const struct violation *v, char buffer[32])
{
	char *name = seccomp_syscall_resolve_num_arch(v->arch, v->number);

	snprintf(buffer, 32, "%s", name ? name : "?");
	free(name);
	return buffer;
}

void violation_text(const struct violation *v, char out[VIOLATION_TEXT_MAX])
{
	char name[32];
	int n = snprintf(out, VIOLATION_TEXT_MAX,
		"syscall=%s number=%d thread=%d args=", violation_call(v, name), v->number,
		(int)v->thread);

	for (int i = 0; i < 6 && n < VIOLATION_TEXT_MAX; i++)
		n += snprintf(out + n, (size_t)(VIOLATION_TEXT_MAX - n), "%s0x%" PRIx64,
			i ? "," : "", v->argument[i]);
}

static void notifier_answer(struct notifier *n, uint64_t id)
{
	struct seccomp_notif_resp response = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	ioctl(n->fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void notifier_on_question(void *arg, uint32_t events)
{
	struct notifier *n = arg;

	_Alignas(8) char buffer[QUESTION_ROOM] = {0};
	struct seccomp_notif *question = (void *)buffer;

	/* One at a time: where nobody asks the kernel would have us wait. ENOENT: whoever asked has
	 * been killed meanwhile. */
	if ((events & EPOLLIN) && ioctl(n->fd, SECCOMP_IOCTL_NOTIF_RECV, question) == 0) {
		struct violation v = {.thread = (pid_t)question->pid,
			.arch = question->data.arch,
			.number = question->data.nr};

		memcpy(v.argument, question->data.args, sizeof(v.argument));
		n->tell(n->arg, &v);
		if (n->fd >= 0 && n->go_on)
			notifier_answer(n, question->id);
		return;
	}
	if (events & (EPOLLHUP | EPOLLERR))
		notifier_close(n); /* nobody with this filter lives */
}

static bool notifier_is_one(int fd)
{
	char path[40], link[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, link, sizeof(link));
	return n == (ssize_t)strlen(NOTIFIER_LINK) && memcmp(link, NOTIFIER_LINK, (size_t)n) == 0;
}

int notifier_open(struct notifier *n, struct loop *loop, int fd, bool go_on,
	notifier_violation tell, void *arg)
{
	struct seccomp_notif_sizes sizes;
	int error = 0;

	/* Asking something else might block, or do anything. */
	if (!notifier_is_one(fd))
		error = -EINVAL;
	else if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0 ||
		 sizes.seccomp_notif > QUESTION_ROOM)
		error = -ENOTSUP;
	*n = (struct notifier){.fd = fd, .loop = loop, .go_on = go_on, .tell = tell, .arg = arg};
	if (error == 0)
		error = loop_add(loop, fd, EPOLLIN, notifier_on_question, n, &n->source);
	if (error < 0) {
		close(fd);
		n->fd = -1;
	}
	return error;
}

void notifier_close(struct notifier *n)
{
	if (n->fd < 0)
		return;
	loop_remove(n->loop, n->source);
	close(n->fd);
	n->source = NULL;
	n->fd = -1;
}
