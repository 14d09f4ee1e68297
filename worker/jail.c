/* jail.c - the steps by which a worker gives up what it does not need. Relies on being called
 * before any library has started a thread: credentials, capabilities and no_new_privs are per
 * thread. Each step looks at the kernel's answer afterwards; what did not happen is an error, not a
 * hope. */
#include "jail.h"

#include "landlock.h"
#include "root.h"
#include "seccomp.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Capabilities that this build has no name for are found by asking the kernel up to here. */
#define CAPABILITY_MAX 63
/* The master may leave the lifeline full for this long. */
#define NOTIFIER_MS 5000

static const char *const names[JAIL_STEP_COUNT] = {
	[JAIL_STRAY_FDS] = "stray-fds",
	[JAIL_NAMESPACES] = "namespaces",
	[JAIL_ROOT] = "root",
	[JAIL_IDENTITY] = "identity",
	[JAIL_CAPABILITIES] = "capabilities",
	[JAIL_NO_NEW_PRIVILEGES] = "no-new-privileges",
	[JAIL_NOT_DUMPABLE] = "not-dumpable",
	[JAIL_LIMITS] = "limits",
	[JAIL_LANDLOCK] = "landlock",
	[JAIL_NO_PROCESSES] = "no-processes",
	[JAIL_SECCOMP] = "seccomp",
};

const char *jail_step_name(enum jail_step step)
{
	return (unsigned)step < JAIL_STEP_COUNT && names[step] ? names[step] : "?";
}

/* Tells the master how a step went. Returns the error that ends the worker: that of a step which
 * should have worked. */
static int jail_report(struct jail *j, enum jail_step step, int error)
{
	int sent = j->tell(j->arg, step, error);

	if (sent)
		return sent;
	if (error == 0)
		return 0;
	if (error == -ENOSYS || error == -EPERM || error == -ENOTSUP) {
		log_debug("jail-step-not-taken", "step=%s error=\"%s\"", jail_step_name(step),
			error_text(error));
		return 0;
	}
	log_error("jail-step-failed", "step=%s error=\"%s\"", jail_step_name(step),
		error_text(error));
	return error;
}

int jail_stray_fds(struct jail *j)
{
	int error = 0;

	if (syscall(SYS_close_range, LIFELINE_FD + 1, ~0u, 0) < 0) {
		struct rlimit limit;

		if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &limit) < 0)
			error = -errno;
		else
			for (rlim_t fd = LIFELINE_FD + 1; fd < limit.rlim_cur; fd++)
				close((int)fd);
	}
	return jail_report(j, JAIL_STRAY_FDS, error);
}

/* The bounding set can only be emptied while CAP_SETPCAP is held, that is before the identity
 * goes. */
static int jail_empty_bounding_set(void)
{
	for (int c = 0; c <= CAPABILITY_MAX; c++) {
		int held = prctl(PR_CAPBSET_READ, c, 0, 0, 0);

		if (held < 0)
			break; /* past the kernel's last capability */
		if (held && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int jail_take_identity(uint32_t uid, uint32_t gid)
{
	uid_t u[3];
	gid_t g[3];

	if (uid == 0 || gid == 0 || uid == (uint32_t)-1 || gid == (uint32_t)-1)
		return -EINVAL;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return errno == EPERM
		               ? -EACCES
		               : -errno; /* the master thought we could: not a step to pass over */
	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (u[i] != uid || g[i] != gid)
			return -ENOTRECOVERABLE;
	if (getgroups(0, NULL) != 0 || setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 ||
		setegid(0) == 0)
		return -ENOTRECOVERABLE;
	return 0;
}

static int jail_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	memset(data, 0xff, sizeof(data));
	header.version = _LINUX_CAPABILITY_VERSION_3;
	header.pid = 0;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return -ENOTRECOVERABLE;
	return 0;
}

int jail_stores(struct jail *j, struct str folder)
{
	char path[PATH_MAX];

	if (str_copy(folder, path, sizeof(path)))
		return -ENAMETOOLONG;
	j->stores = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (j->stores < 0) {
		int error = -errno;

		log_error("stores-folder", "path=%s error=\"%s\"", path, error_text(error));
		return error;
	}
	return 0;
}

/* A build with sanitizers reads /proc/self and its own program to say what is wrong: it stays where
 * that is. */
static int jail_enter_root(struct jail *j)
{
	int error;

	if (SANITIZED || !j->root[0]) {
		error = j->stores >= 0 && fchdir(j->stores) < 0 ? -errno : -ENOTSUP;
		if (error == -ENOTSUP && j->root[0] &&
			(j->back = open(j->root, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
			error = -errno;
	} else {
		error = root_enter(j->root, j->stores, &j->back);
	}
	if (j->stores >= 0)
		close(j->stores);
	j->stores = -1;
	return error;
}

static int jail_take_namespaces(const struct jail *j)
{
	return SANITIZED ? -ENOTSUP : root_namespaces(role_has(j->role, ROLE_NETWORK));
}

static int jail_forbid_new_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -ENOTRECOVERABLE;
}

static int jail_forbid_dumps(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -ENOTRECOVERABLE;
}

int jail_confine(struct jail *j)
{
	int bounding, capabilities;
	int error = jail_report(j, JAIL_NAMESPACES, jail_take_namespaces(j));

	if (error == 0)
		error = jail_report(j, JAIL_ROOT, jail_enter_root(j));
	if (error)
		return error;
	/* The bounding set takes a capability that goes with the identity. */
	bounding = jail_empty_bounding_set();
	error = jail_report(
		j, JAIL_IDENTITY, j->drop ? jail_take_identity(j->uid, j->gid) : -EPERM);
	if (error)
		return error;
	capabilities = jail_drop_capabilities();
	error = jail_report(j, JAIL_CAPABILITIES, capabilities ? capabilities : bounding);
	if (error == 0)
		error = jail_report(j, JAIL_NO_NEW_PRIVILEGES, jail_forbid_new_privileges());
	if (error == 0)
		error = jail_report(j, JAIL_NOT_DUMPABLE, jail_forbid_dumps());
	return error;
}

/* Sets a limit with no way back up. */
static int jail_set_limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit now, wanted = {value, value};

	if (getrlimit(resource, &now) < 0)
		return -errno;
	if (value > now.rlim_max) {
		log_warn("jail-limit-low", "resource=%d wanted=%llu possible=%llu", (int)resource,
			(unsigned long long)value, (unsigned long long)now.rlim_max);
		wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
	}
	if (setrlimit(resource, &wanted) < 0 || getrlimit(resource, &now) < 0)
		return -errno;
	return now.rlim_cur == wanted.rlim_cur && now.rlim_max == wanted.rlim_max
	               ? 0
	               : -ENOTRECOVERABLE;
}

int jail_limit(struct jail *j)
{
	int error = root_leave_stores(j->back);

	j->back = -1;
	if (error) {
		log_error("jail-step-failed", "step=%s error=\"%s\"", jail_step_name(JAIL_ROOT),
			error_text(error));
		return error;
	}
	error = jail_set_limit(RLIMIT_CORE, 0);
	if (error == 0 && j->fds_limit)
		error = jail_set_limit(RLIMIT_NOFILE, j->fds_limit);
	if (error == 0)
		error = jail_set_limit(RLIMIT_MSGQUEUE, 0);
	/* Where a role with stores stops is the size of their stores' maps. An ignored SIGXFSZ
	 * makes it an error of one write: standard error may be a file. */
	if (error == 0 && !role_has(j->role, ROLE_STORES) && !SANITIZED)
		error = signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -errno
		                                            : jail_set_limit(RLIMIT_FSIZE, 0);
	error = jail_report(j, JAIL_LIMITS, error);
	if (error)
		return error;
	return jail_report(j, JAIL_LANDLOCK,
		SANITIZED ? -ENOTSUP : landlock_close(role_has(j->role, ROLE_NETWORK)));
}

/* Only the master may answer the filter's questions: this process must not keep the notifier. */
static int jail_send_notifier(struct jail *j, int notifier)
{
	for (;;) {
		struct pollfd p = {.fd = j->lifeline, .events = POLLOUT};
		int error = lifeline_send(
			j->lifeline, LIFELINE_NOTIFIER, NULL, 0, NULL, 0, &notifier, 1);

		if (error != -EAGAIN)
			return error;
		if (poll(&p, 1, NOTIFIER_MS) == 0)
			return -ETIMEDOUT;
	}
}

static int jail_filter(struct jail *j)
{
	int notifier, error = seccomp_close(j->role, j->carrier, &notifier);

	if (error || notifier < 0)
		return error;
	error = jail_send_notifier(j, notifier);
	close(notifier);
	return error;
}

int jail_seal(struct jail *j)
{
	int error = jail_report(
		j, JAIL_NO_PROCESSES, SANITIZED ? -ENOTSUP : jail_set_limit(RLIMIT_NPROC, 0));

	return error ? error : jail_report(j, JAIL_SECCOMP, SANITIZED ? -ENOTSUP : jail_filter(j));
}
