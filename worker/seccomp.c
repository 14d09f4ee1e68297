/* seccomp.c - makes the filter of a role from seccomp.def and puts it on the process.
 *
 * libseccomp makes the program (a binary tree over the numbers, so that no call pays for the length
 * of the table); putting it is ours, because libseccomp asks for a notifier only where a rule wants
 * one, and here it is the default. Relies on being called when all threads exist: the filter
 * reaches them all, or none.
 */
#include "seccomp.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The type of a socket without its flags. */
#define SOCK_TYPE 0xf
/* Numbers of system calls are below this. */
#define NUMBER_MAX 1024
#define X32_BIT 0x40000000u
/* BPF_MAXINSNS: the kernel takes no longer program. */
#define PROGRAM_MAX 4096
#define PROLOGUE 5

enum {
	M = 1 << PEER_NONE,
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "ipc/roles.def"
#undef ROLE
	ALL = (1 << ROLE_COUNT) - 1 - M,
};
/* Roles that ZeroMQ joins. */
#define ZEROMQ_SHIFT 8
#define Z(roles) ((roles) << ZEROMQ_SHIFT)
enum {
#define GROUP(group, roles, reason) roles_##group = roles,
#define CALL(group, call)
#define CALL_IF(group, call, ...)
#define REFUSE(roles, call, error, reason)
#include "seccomp.def"
#undef GROUP
#undef CALL
#undef CALL_IF
#undef REFUSE
};

static int filter_add(scmp_filter_ctx filter, bool wanted, uint32_t action, int call,
	unsigned count, const struct scmp_arg_cmp *conditions)
{
	return wanted ? seccomp_rule_add_array(filter, action, call, count, conditions) : 0;
}

static int filter_add_rules(scmp_filter_ctx filter, unsigned role)
{
	int error = 0;

#define GROUP(group, roles, reason)
#define CALL(group, call)                                                                          \
	if (error == 0)                                                                            \
		error = filter_add(                                                                \
			filter, roles_##group & role, SCMP_ACT_ALLOW, SCMP_SYS(call), 0, NULL);
#define CALL_IF(group, call, ...)                                                                  \
	if (error == 0) {                                                                          \
		const struct scmp_arg_cmp conditions[] = {__VA_ARGS__};                            \
		error = filter_add(filter, roles_##group & role, SCMP_ACT_ALLOW, SCMP_SYS(call),   \
			sizeof(conditions) / sizeof(conditions[0]), conditions);                   \
	}
#define REFUSE(roles, call, errno_value, reason)                                                   \
	if (error == 0)                                                                            \
		error = filter_add(filter, (roles)&role, SCMP_ACT_ERRNO(errno_value),              \
			SCMP_SYS(call), 0, NULL);
#include "seccomp.def"
#undef GROUP
#undef CALL
#undef CALL_IF
#undef REFUSE
	return error;
}

/* Through a pipe: in a jail no file can be written, and the longest program fits its buffer. */
static int filter_export(scmp_filter_ctx filter, struct sock_filter *program, unsigned *length)
{
	const size_t most = (PROGRAM_MAX - PROLOGUE) * sizeof(*program);
	ssize_t n;
	int pipes[2], error;

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	error = seccomp_export_bpf(filter, pipes[1]);
	n = error ? 0 : read(pipes[0], program, most);
	if (error == 0 && (n <= 0 || (size_t)n == most || (size_t)n % sizeof(*program)))
		error = n < 0 ? -errno : -E2BIG;
	close(pipes[0]);
	close(pipes[1]);
	*length = (unsigned)((size_t)(n > 0 ? n : 0) / sizeof(*program));
	return error;
}

/* The highest number that libseccomp has a name for: what the kernel has got since then is new to
 * us as well. */
static unsigned filter_last_number(void)
{
	for (int n = NUMBER_MAX; n > 0; n--) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, n);

		if (name) {
			free(name);
			return (unsigned)n;
		}
	}
	return 0;
}

/* Numbers between the last known and those of another calling convention (which libseccomp refuses)
 * get ENOSYS, so that a newer C library falls back to what it did before. */
static void filter_prologue(struct sock_filter *program)
{
	const struct sock_filter head[PROLOGUE] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, filter_last_number(), 0, 3),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};

	memcpy(program, head, sizeof(head));
}

static int filter_make(
	unsigned role, uint32_t otherwise, struct sock_filter *program, unsigned *length)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int error;

	if (!filter)
		return -ENOMEM;
	error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (error == 0)
		error = filter_add_rules(filter, role);
	if (error == 0)
		error = filter_export(filter, program + PROLOGUE, length);
	seccomp_release(filter);
	if (error)
		return error;
	filter_prologue(program);
	*length += PROLOGUE;
	return 0;
}

static int filter_put(struct sock_filter *program, unsigned length, unsigned flags)
{
	struct sock_fprog whole = {.len = (unsigned short)length, .filter = program};
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole);

	return result < 0 ? -errno : (int)result;
}

int seccomp_close(enum peer_role role, enum carrier carrier, int *notifier)
{
	static struct sock_filter program[PROGRAM_MAX];
	unsigned length = 0, roles = 1u << role | (carrier == CARRIER_ZEROMQ ? Z(1u << role) : 0);
	int result = filter_make(roles, SCMP_ACT_NOTIFY, program, &length);

	if (result == 0)
		result = filter_put(program, length,
			SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
				SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (result >= 0) {
		*notifier = result;
		return 0;
	}
	if (result != -EBUSY && result != -EINVAL)
		return result;
	log_debug("seccomp-notifier", "error=\"%s\"", error_text(result));
	result = filter_make(roles, SCMP_ACT_KILL_PROCESS, program, &length);
	if (result == 0)
		result = filter_put(program, length, SECCOMP_FILTER_FLAG_TSYNC);
	if (result > 0) /* a thread that could not be reached */
		result = -ESRCH;
	if (result == 0)
		*notifier = -1;
	return result;
}

int seccomp_close_master(void)
{
	static struct sock_filter program[PROGRAM_MAX];
	unsigned length = 0;
	/* TRACE without a tracer is ENOSYS, and of two filters' answers the kernel takes NOTIFY
	 * before TRACE: an errno would come before both, and hide from the master what a worker
	 * tried. */
	int result = filter_make(M, SCMP_ACT_TRACE(0), program, &length);

	return result ? result : filter_put(program, length, 0);
}
