/* reload.h - takes configurations into use: the first one, and changed ones while everything runs.
 */
#ifndef SIPWARD_MASTER_RELOAD_H
#define SIPWARD_MASTER_RELOAD_H

#include "master.h"

/* Builds the images of config and puts them in force (supervisor's settings and users); config
 * becomes the master's. On failure nothing has changed and config is still the caller's. -errno. */
int reload_use(struct master *m, struct config *config);

/* The certificates of a start: reads the files that the config in force names and gives them to the
 * workers to come. -EINVAL with errors; -errno. */
int reload_start_certificates(struct master *m, struct config_errors *errors);

/* As reload_config, and tells the end: done is called with error 0 or what is in errors, unless
 * this returns 0 or an error at once. */
int reload_begin(struct master *m, void (*done)(void *arg, int error, struct config_errors *errors),
	void *arg, struct config_errors *errors);

/* Reads the config file again and, where all of it is good and nothing in it needs a restart, takes
 * it into use in all workers. Otherwise nothing changes, *errors has all reasons and -EINVAL (or
 * another -errno) is returned. Logged and counted. 1: its certificates are being checked by the
 * workers; it ends later. -EBUSY: another one does. */
int reload_config(struct master *m, struct config_errors *errors);

/* The same for the users files alone. */
int reload_users(struct master *m, struct config_errors *errors);

/* Logs what the config permits on purpose: an operator should see it each time that the config is
 * taken into use. */
void reload_log_warnings(const struct config *c);

/* Adds to errors what differs between the two and cannot be changed while running; returns how
 * many. */
size_t reload_refusals(
	const struct config *now, const struct config *then, struct config_errors *errors);

#endif
