/* cdr.c - where the records of calls go (cdr.h). */
#include "cdr.h"

#include "common/log.h"
#include "control/answer.h"
#include "control/commands.h"
#include "hep.h"
#include "master.h"
#include "workers/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CDR_MODE 0640

static int cdr_open_file(const char *path, int *out)
{
	struct stat st;
	/* O_NONBLOCK: a pipe that nobody reads must not hold up the start */
	int fd = open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		CDR_MODE);

	if (fd < 0)
		return -errno;
	int error = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (error) {
		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

int cdr_connect(const struct config *c, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!c->cdr_socket || fd < 0)
		return 0;
	if (strlen(c->cdr_socket) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, c->cdr_socket);
	/* the workers' fds are of the same socket */
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static int cdr_open_socket(const struct config *c, int *out)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int error = cdr_connect(c, fd);
	if (error)
		log_warn("cdr-nobody-receives", "socket=%s error=\"%s\"", c->cdr_socket,
			error_text(error));
	*out = fd;
	return 0;
}

int cdr_open(const struct config *c, int *out)
{
	*out = -1;
	if (c->cdr_file)
		return cdr_open_file(c->cdr_file, out);
	return c->cdr_socket ? cdr_open_socket(c, out) : 0;
}

int cdr_reopen(struct master *m)
{
	const struct config *c = m->config;
	const char *path = c->cdr_file ? c->cdr_file : c->cdr_socket;
	int fd, error = cdr_open(c, &fd);

	if (error) {
		log_error("cdr-open-failed", "path=%s error=\"%s\"", path, error_text(error));
		return error;
	}
	supervise_cdr(&m->supervisor, fd);
	if (path)
		log_info("cdr-opened", "path=%s", path);
	return 0;
}

void command_reopen(struct master *m, struct request *r, json_t *arguments)
{
	const struct config *c = m->config;
	const char *path = c->cdr_file ? c->cdr_file : c->cdr_socket;
	int error = cdr_reopen(m);

	hep_reopen(m);
	(void)arguments;
	if (error)
		answer_refused(r, "%s could not be opened: %s; what was open is used on", path,
			error_text(error));
	else
		request_answer(r, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object", "result",
					  path ? "reopened" : "there is nothing to open", "cdr",
					  path ? path : ""));
}
