/* runtime.c - the runtime directory of one master.
 *
 * Everything below it is made by the master and removed by it. The lock, not the presence of files,
 * decides whether another master runs: a killed one leaves its files but no lock. Relies on a file
 * system with Unix sockets.
 */
#include "runtime.h"
#include "common/log.h"
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Room for the longest name below the directory: "/edge/transport-255/sip-255.sock". */
#define RUNTIME_TAIL_MAX 34
/* Connects that may wait for the master. */
#define BACKLOG 256
/* Folders in folders: an earlier version's PATH/edge/ROLE-N is the deepest. */
#define CLEAN_DEPTH_MAX 3

/* Removes name below folder, with all that is in it. Symbolic links are removed, never followed. */
static void runtime_clean(int folder, const char *name, unsigned depth)
{
	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return;
	if ((errno != EISDIR && errno != EPERM) || depth >= CLEAN_DEPTH_MAX)
		return;
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			runtime_clean(dirfd(d), e->d_name, depth + 1);
	closedir(d);
	if (unlinkat(folder, name, AT_REMOVEDIR) < 0)
		log_warn("runtime-clean", "name=%s error=\"%s\"", name, error_text(-errno));
}

static void runtime_clean_all(struct runtime *r)
{
	runtime_clean(r->fd, "root", 0);
	runtime_clean(r->fd, "mesh", 0);
	runtime_clean(r->fd, "edge", 0);
	runtime_clean(r->fd, "control.sock", 0);
}

/* Whether the file that has this name is the open one. */
static bool runtime_is_named(int folder, const char *name, int fd)
{
	struct stat mine, named;

	if (fstat(fd, &mine) < 0 || fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

/* The lock file may be removed by its last owner between our open and our lock: then the name is
 * another file by now, and we start over. */
static int runtime_take_lock(int folder, int *out)
{
	for (unsigned tries = 0; tries < 10; tries++) {
		int fd = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int error = errno == EWOULDBLOCK ? -EBUSY : -errno;

			close(fd);
			return error;
		}
		if (runtime_is_named(folder, "lock", fd)) {
			*out = fd;
			return 0;
		}
		close(fd);
	}
	return -EBUSY;
}

static int runtime_make_folder(int parent, const char *name, mode_t mode)
{
	if (mkdirat(parent, name, 0700) < 0 || fchmodat(parent, name, mode, 0) < 0)
		return -errno;
	return 0;
}

int runtime_open(struct runtime *r, const char *path)
{
	struct runtime mine = {.fd = -1, .lock = -1};
	int error;

	if (strlen(path) + RUNTIME_TAIL_MAX > LIFELINE_PATH_MAX) {
		log_error("runtime-path-long",
			"path=%s length=%zu max=%d hint=\"a Unix socket address has room for no "
			"more\"",
			path, strlen(path), LIFELINE_PATH_MAX - RUNTIME_TAIL_MAX);
		return -ENAMETOOLONG;
	}
	strcpy(mine.path, path);
	if (mkdir(path, 0755) == 0)
		mine.made = true;
	else if (errno != EEXIST) {
		error = -errno;
		log_error("runtime-make", "path=%s error=\"%s\"", path, error_text(error));
		return error;
	}
	mine.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mine.fd < 0) {
		error = -errno;
		log_error("runtime-open", "path=%s error=\"%s\"", path, error_text(error));
		return error;
	}
	/* Whoever may write here could put his own socket where operators look for ours. */
	struct stat st;
	if (fstat(mine.fd, &st) < 0 || state_folder_unsafe(&st)) {
		log_error("runtime-unsafe",
			"path=%s hint=\"must belong to the user that sipward starts as and be "
			"writable by nobody else\"",
			path);
		close(mine.fd);
		return -EPERM;
	}
	error = runtime_take_lock(mine.fd, &mine.lock);
	if (error < 0) {
		if (error == -EBUSY)
			log_error("runtime-busy", "path=%s hint=\"another sipward runs there\"",
				path);
		else
			log_error("runtime-lock", "path=%s error=\"%s\"", path, error_text(error));
		close(mine.fd);
		return error;
	}
	*r = mine;
	if (mine.made && fchmod(mine.fd, 0755) < 0)
		log_warn("runtime-mode", "path=%s error=\"%s\"", path, error_text(-errno));
	runtime_clean_all(r);
	error = runtime_make_folder(r->fd, "root", 0555);
	if (error < 0) {
		log_error("runtime-folder", "path=%s error=\"%s\"", path, error_text(error));
		runtime_close(r);
	}
	return error;
}

void runtime_close(struct runtime *r)
{
	if (r->fd < 0)
		return;
	runtime_clean_all(r);
	unlinkat(r->fd, "lock", 0);
	close(r->lock);
	close(r->fd);
	if (r->made)
		rmdir(r->path);
	r->fd = r->lock = -1;
}

int listen_unix(const char *path, mode_t mode, int *out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Nobody connects before the mode is the one wanted: bind makes the file with the mode of
	 * the umask, listen comes after chmod. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
		listen(fd, BACKLOG) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

void runtime_root(const struct runtime *r, enum carrier carrier, unsigned role, unsigned index,
	char out[LIFELINE_PATH_MAX])
{
	const int most = LIFELINE_PATH_MAX - RUNTIME_TAIL_MAX;

	if (carrier == CARRIER_ZEROMQ && role_has(role, ROLE_MESSAGES))
		snprintf(out, LIFELINE_PATH_MAX, "%.*s/edge/%s-%u", most, r->path, role_name(role),
			index & 0xff);
	else
		snprintf(out, LIFELINE_PATH_MAX, "%.*s/root", most, r->path);
}

/* ---- over ZeroMQ ---- */

int runtime_mesh(struct runtime *r)
{
	/* The endpoints are reached through the edges folders only. */
	int error = runtime_make_folder(r->fd, "mesh", 0700);

	if (error == 0)
		error = runtime_make_folder(r->fd, "edge", 0711);
	if (error < 0)
		log_error("mesh-folder", "path=%s error=\"%s\"", r->path, error_text(error));
	return error;
}

void runtime_endpoint_path(const struct runtime *r, unsigned index, char out[LIFELINE_PATH_MAX])
{
	snprintf(out, LIFELINE_PATH_MAX, "%.*s/mesh/sip-%u.sock",
		LIFELINE_PATH_MAX - RUNTIME_TAIL_MAX, r->path, index & 0xff);
}

int runtime_endpoint(struct runtime *r, unsigned index, int *fd)
{
	char path[LIFELINE_PATH_MAX];
	int error;

	runtime_endpoint_path(r, index, path);
	/* Whoever reaches a link may connect; who reaches which link is the folders' matter. */
	error = listen_unix(path, 0666, fd);
	if (error < 0)
		log_error("endpoint-listen", "path=%s error=\"%s\"", path, error_text(error));
	return error;
}

static int runtime_link_endpoints(
	struct runtime *r, const char *folder, unsigned role, unsigned index, uint32_t sips)
{
	char from[32], to[96];

	for (unsigned i = 0; i < ROLE_WORKERS_MAX; i++) {
		if (!(sips >> i & 1) || (role == PEER_SIP && i == index))
			continue;
		snprintf(from, sizeof(from), "mesh/sip-%u.sock", i);
		snprintf(to, sizeof(to), "%s/sip-%u.sock", folder, i);
		if (linkat(r->fd, from, r->fd, to, 0) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Its owner could open it up again, but only for itself: it stands below nothing that others may
 * write. */
static int runtime_give_away(struct runtime *r, const char *folder, uid_t uid, gid_t gid)
{
	if (fchmodat(r->fd, folder, 0500, 0) < 0)
		return -errno;
	return fchownat(r->fd, folder, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int runtime_edges(
	struct runtime *r, unsigned role, unsigned index, uint32_t sips, uid_t uid, gid_t gid)
{
	char folder[48];
	int error;

	snprintf(folder, sizeof(folder), "edge/%s-%u", role_name(role), index);
	error = mkdirat(r->fd, folder, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (error == 0)
		error = runtime_link_endpoints(r, folder, role, index, sips);
	if (error == 0 && geteuid() == 0)
		error = runtime_give_away(r, folder, uid, gid);
	if (error < 0)
		log_error("edges-folder", "path=%s/%s error=\"%s\"", r->path, folder,
			error_text(error));
	return error;
}

int runtime_edge_add(struct runtime *r, unsigned role, unsigned index, unsigned sip)
{
	char folder[48], from[32], to[96];
	int error = 0;

	snprintf(folder, sizeof(folder), "edge/%s-%u", role_name(role), index);
	snprintf(from, sizeof(from), "mesh/sip-%u.sock", sip);
	snprintf(to, sizeof(to), "%s/sip-%u.sock", folder, sip);
	if (geteuid() != 0 && fchmodat(r->fd, folder, 0700, 0) < 0)
		error = -errno;
	if (error == 0 && linkat(r->fd, from, r->fd, to, 0) < 0 && errno != EEXIST)
		error = -errno;
	if (geteuid() != 0 && fchmodat(r->fd, folder, 0500, 0) < 0 && error == 0)
		error = -errno;
	if (error < 0)
		log_error("edges-folder", "path=%s/%s error=\"%s\"", r->path, folder,
			error_text(error));
	return error;
}

void runtime_edge_path(unsigned to, char out[LIFELINE_PATH_MAX])
{
	snprintf(out, LIFELINE_PATH_MAX, "sip-%u.sock", to & 0xff);
}
