/* root.c - the worker's own root folder and namespaces (root.h).
 *
 * Relies on being called with one thread, before the identity and the capabilities go. What the
 * steps before left open decides which way is taken: with CAP_SYS_CHROOT chroot; an ordinary user
 * makes himself a user namespace first and turns the folder into a mount of its own, read-only,
 * with everything else unmounted.
 */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int root_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		error = -errno;
	close(fd);
	return error;
}

/* Maps our own uid and gid to themselves and no others. */
static int root_map_identity(uid_t uid, gid_t gid)
{
	char text[64];
	int error = root_write_file("/proc/self/setgroups", "deny");

	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	if (error == 0)
		error = root_write_file("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	if (error == 0)
		error = root_write_file("/proc/self/gid_map", text);
	return error;
}

int root_namespaces(bool network)
{
	int flags = CLONE_NEWIPC | (network ? 0 : CLONE_NEWNET);
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return unshare(flags) < 0 ? -errno : 0;
	/* ENOSPC and EUSERS: the system's limit on namespaces, which is how some forbid them. */
	if (unshare(flags | CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno == ENOSPC || errno == EUSERS || errno == EINVAL ? -EPERM : -errno;
	return root_map_identity(uid, gid);
}

static int root_change(void)
{
	return chroot(".") < 0 ? -errno : 0;
}

/* The working directory is the folder. */
static int root_pivot(const char *folder)
{
	const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV |
	                            MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (mount(folder, folder, NULL, MS_BIND, NULL) < 0)
		return -errno;
	if (mount(NULL, folder, NULL, flags, NULL) < 0)
		return -errno;
	/* Old and new root in one place: the old one then lies on top and is taken off, without a
	 * folder to put it in. */
	if (chdir(folder) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	return umount2(".", MNT_DETACH) < 0 ? -errno : 0;
}

/* Goes there, too: what was the working directory may lie outside. */
static int root_is(const struct stat *wanted)
{
	struct stat is;

	if (chdir("/") < 0 || stat("/", &is) < 0)
		return -errno;
	return is.st_dev == wanted->st_dev && is.st_ino == wanted->st_ino ? 0 : -ENOTRECOVERABLE;
}

int root_enter(const char *folder, int stores, int *back)
{
	struct stat wanted;
	int here, error;

	if (chdir(folder) < 0 || stat(".", &wanted) < 0)
		return -errno;
	error = geteuid() == 0 ? root_change() : root_pivot(folder);
	if (error == 0) {
		error = root_is(&wanted);
		if (error)
			return error;
	} else {
		error = -EPERM;
	}
	here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0)
		return -errno;
	if (stores >= 0 && fchdir(stores) < 0) {
		error = -errno;
		close(here);
		return error;
	}
	*back = here;
	return error;
}

int root_leave_stores(int back)
{
	int error = back >= 0 && fchdir(back) < 0 ? -errno : 0;

	if (back >= 0)
		close(back);
	return error;
}
