/* runtime.h - the runtime directory: who owns it, what stands in it, and that nothing of it stays
 * behind.
 *
 *     PATH/lock               flock: one master at a time
 *     PATH/control.sock       operators (made by control.c)
 *     PATH/root/              nothing: the root folder of every worker
 */
#ifndef SIPWARD_MASTER_RUNTIME_H
#define SIPWARD_MASTER_RUNTIME_H

#include "ipc/lifeline.h"

#include <sys/types.h>

struct runtime {
	char path[LIFELINE_PATH_MAX];
	int fd; /* the directory */
	int lock;
	bool made; /* it did not exist before */
};

/* Makes the directory where it is missing (its parent must exist), takes the lock and clears away
 * what a killed master left. -EBUSY: another master runs there; -EPERM: the directory is somebody
 * else's or writable by others; -ENAMETOOLONG: paths below it would not fit a Unix socket address.
 * Logged. */
int runtime_open(struct runtime *r, const char *path);
/* Removes everything in it, and the directory itself where runtime_open made it. */
void runtime_close(struct runtime *r);

/* The folder that workers are confined to: empty, and writable by none of them. */
void runtime_root(const struct runtime *r, char out[LIFELINE_PATH_MAX]);

/* A listening Unix stream socket at path with that mode; the caller owns *fd. */
int listen_unix(const char *path, mode_t mode, int *fd);

#endif
