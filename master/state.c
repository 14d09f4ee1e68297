/* state.c - the state directory. */
#include "state.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIVES_FILE "lives"
#define LIFE_MAX 0xffffffu

int state_read(int directory, const char *name, void *data, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	struct stat st;
	int error = 0;
	if (fstat(fd, &st) < 0)
		error = -errno;
	else if (!S_ISREG(st.st_mode) || (size_t)st.st_size != size || (st.st_mode & 077) ||
		 (st.st_uid != geteuid() && st.st_uid != 0))
		error = -EBADMSG;
	else if (read(fd, data, size) != (ssize_t)size)
		error = -EBADMSG;
	close(fd);
	return error;
}

int state_write(int directory, const char *name, const void *data, size_t size)
{
	char part[64];
	int error = 0;

	snprintf(part, sizeof(part), "%s.new", name);
	unlinkat(directory, part, 0);
	int fd = openat(
		directory, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, data, size);
	if (n != (ssize_t)size)
		error = n < 0 ? -errno : -ENOSPC;
	else if (fsync(fd) < 0 || renameat(directory, part, directory, name) < 0 ||
		 fsync(directory) < 0)
		error = -errno;
	close(fd);
	if (error < 0)
		unlinkat(directory, part, 0);
	return error;
}

/* A folder below the directory for the SIP workers' stores. */
static int state_make_store(int directory, const char *name, uid_t uid, gid_t gid)
{
	if (mkdirat(directory, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = geteuid() == 0 && fchown(fd, uid, gid) < 0 ? -errno : 0;
	close(fd);
	return error;
}

bool state_folder_unsafe(const struct stat *st)
{
	bool ours = st->st_uid == 0 || st->st_uid == geteuid();

	return !ours || (st->st_mode & 022);
}

int state_open(struct state *s, const char *path, uid_t uid, gid_t gid)
{
	struct state mine = {.fd = -1};
	int error = 0;

	bool made = mkdir(path, 0750) == 0;
	if (!made && errno != EEXIST)
		error = -errno;
	if (error == 0) {
		mine.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (mine.fd < 0)
			error = -errno;
	}
	if (error < 0) {
		log_error("state-open", "path=%s error=\"%s\"", path, error_text(error));
		return error;
	}
	struct stat st;
	if (fstat(mine.fd, &st) < 0 || state_folder_unsafe(&st)) {
		log_error("state-unsafe",
			"path=%s hint=\"must belong to the user that sipward starts as and be "
			"writable by nobody else\"",
			path);
		close(mine.fd);
		return -EPERM;
	}
	/* The SIP workers pass through it to their stores. */
	if (geteuid() == 0 && (fchown(mine.fd, (uid_t)-1, gid) < 0 || fchmod(mine.fd, 0750) < 0))
		error = -errno;
	if (error == 0)
		error = state_make_store(mine.fd, "location", uid, gid);
	uint32_t next = 1;
	if (error == 0) {
		error = state_read(mine.fd, LIVES_FILE, &next, sizeof(next));
		if (error == -ENOENT)
			error = 0;
	}
	if (error < 0) {
		log_error("state", "path=%s error=\"%s\"", path, error_text(error));
		close(mine.fd);
		return error;
	}
	mine.next = mine.reserved = next;
	*s = mine;
	return 0;
}

void state_close(struct state *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Sets a block of numbers aside on disk. Without a disk the service goes on; only a restart of
 * everything might then use numbers again. */
static void state_reserve(struct state *s)
{
	uint32_t reserve = s->next + STATE_LIVES_BLOCK;
	int error = state_write(s->fd, LIVES_FILE, &reserve, sizeof(reserve));

	if (error < 0)
		log_warn("state-lives", "error=\"%s\"", error_text(error));
	s->reserved = reserve;
}

uint32_t state_next_life(struct state *s)
{
	uint32_t life;

	do {
		if (s->next == s->reserved)
			state_reserve(s);
		life = s->next++ & LIFE_MAX;
	} while (!life);
	return life;
}
