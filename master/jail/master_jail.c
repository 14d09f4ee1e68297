/* master_jail.c - the master's own jail. It cannot stand in an empty root, for it reads its files
 * again on reload, and it starts programs: what it can do without are most capabilities and most of
 * the kernel. Relies on being called when everything is open and no worker has been started. */
#include "master_jail.h"

#include "worker/jail.h"
#include "common/log.h"
#include "worker/seccomp.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Past the highest that any kernel has. */
#define CAPABILITY_END 64

/* Those that the master keeps. */
static const unsigned char capabilities[] = {
	CAP_KILL, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, /* workers are other users, with nothing */
	CAP_SYS_CHROOT, CAP_SYS_ADMIN,                 /* their roots and their namespaces */
	CAP_NET_BIND_SERVICE, /* listeners that were closed while their worker stayed away */
	CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE,
	CAP_IPC_LOCK, /* config, users, keys and stores, whoever owns them; keys are not swapped */
	CAP_SYS_PTRACE, /* sandbox verify reads the namespaces of processes that are not dumpable */
};

static uint64_t master_jail_capability_bits(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof(capabilities); i++)
		bits |= UINT64_C(1) << capabilities[i];
	return bits;
}

static int master_jail_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t bits = master_jail_capability_bits();

	if (geteuid() != 0)
		return 0;
	for (unsigned c = 0; c < CAPABILITY_END; c++)
		if (!(bits & UINT64_C(1) << c) && prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1 &&
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -errno;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t part = (uint32_t)(bits >> (32 * i));

		data[i].effective &= part;
		data[i].permitted &= part;
		data[i].inheritable = 0;
	}
	header = (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int master_jail_enter(void)
{
	const char *step = "no-new-privileges";
	int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (SANITIZED)
		return 0;
	if (error == 0) {
		step = "capabilities";
		error = master_jail_drop_capabilities();
	}
	if (error == 0) {
		step = "seccomp";
		error = seccomp_close_master();
	}
	if (error < 0)
		log_error("master-jail", "step=%s error=\"%s\"", step, error_text(error));
	return error;
}
