/* userwatch.h - notices that a users file, or one of a trunk's credentials, was changed (inotify on
 * the folders they are in). */
#ifndef SIPWARD_MASTER_CONFIG_USERWATCH_H
#define SIPWARD_MASTER_CONFIG_USERWATCH_H

#include "config.h"
#include "common/loop.h"

/* Quiet time after the last change: an editor writes, renames and touches. */
#define USERWATCH_QUIET_MS 200

struct userwatch {
	struct loop *loop;
	int fd;
	struct loop_source *source;
	struct timer timer;
	void (*changed)(void *arg);
	void *arg;
	struct userwatch_file {
		int folder; /* watch descriptor */
		char *name; /* in that folder */
	} * file;
	size_t files;
};

int userwatch_open(
	struct userwatch *u, struct loop *loop, void (*changed)(void *arg), void *arg); /* -errno */
/* Watches the users files of config's domains and the credentials of its trunks instead of those
 * before. A folder that cannot be watched is logged: its files then need a reload. */
void userwatch_set(struct userwatch *u, const struct config *config);
void userwatch_close(struct userwatch *u);

#endif
