/* landlock.c - Landlock, by its system calls: Debian 12's C library has no functions for it, and
 * its kernel headers know less than the kernels that we run on. */
#include "landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's numbers, by the version of Landlock that brought them. */
#define FS_1 UINT64_C(0x1fff)
#define FS_REFER (UINT64_C(1) << 13)    /* 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* 3 */
#define NET_BIND_TCP (UINT64_C(1) << 0) /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)              /* 5 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define RULE_NET_PORT 2

struct ruleset {
	uint64_t fs, net, scoped;
};
struct net_port {
	uint64_t allowed, port;
};

int landlock_version(void)
{
	long version = syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

int landlock_close(bool connect)
{
	struct ruleset rules = {.fs = FS_1};
	int version = landlock_version(), fd, error = 0;
	size_t size = sizeof(rules.fs);

	if (!version)
		return errno == EOPNOTSUPP ? -EOPNOTSUPP : -ENOSYS;
	rules.fs |= (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
	            (version >= 5 ? FS_IOCTL_DEV : 0);
	if (version >= 4) {
		rules.net = NET_BIND_TCP | (connect ? 0 : NET_CONNECT_TCP);
		size = 2 * sizeof(uint64_t);
	}
	if (version >= 6) {
		rules.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
		size = sizeof(rules);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -errno;
	if (connect && rules.net) {
		struct net_port any = {.allowed = NET_BIND_TCP, .port = 0};

		if (syscall(SYS_landlock_add_rule, fd, RULE_NET_PORT, &any, 0) < 0)
			error = -errno;
	}
	if (error == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		error = -errno;
	close(fd);
	return error;
}
