/* master-ground.h - what a supervisor stands on: a loop, and its runtime and state in a folder of
 * the test's own. */
#ifndef SIPWARD_TESTS_UNIT_MASTER_GROUND_H
#define SIPWARD_TESTS_UNIT_MASTER_GROUND_H

#include "common/log.h"
#include "master/listen.h"
#include "master/minting_keys.h"
#include "master/state.h"
#include "master/workers/supervise.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char base[64], path[80];
static struct loop *loop;
static struct runtime runtime;
static struct state state;
static struct listen no_listeners;
static struct supervisor s;

static inline void ground_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level;
	if (getenv("SHOW"))
		fprintf(stderr, "%.*s\n", (int)length, line);
}

static inline int ground_image(void)
{
	int fd = memfd_create("test-image", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, 4096), 0);
	return fd;
}

/* The supervisor has the rest of what it needs by the time of supervise_open. */
static inline void ground_make(enum carrier carrier)
{
	cr_assert(sodium_init() >= 0);
	log_init("test", -1, LOG_INFO, ground_line, NULL);
	own_folder_make(base);
	cr_assert_eq(loop_new(&loop), 0);
	snprintf(path, sizeof(path), "%s/run", base);
	cr_assert_eq(runtime_open(&runtime, path), 0);
	snprintf(path, sizeof(path), "%s/state", base);
	cr_assert_eq(state_open(&state, path, geteuid(), getegid()), 0);
	s = (struct supervisor){
		.loop = loop,
		.runtime = &runtime,
		.lives = &state,
		.listen = &no_listeners,
		.carrier = carrier,
		.settings = {-1, ground_image(), ground_image(), ground_image()},
		.users = ground_image(),
	};
	cr_assert_eq(keys_open(state.fd, 1000, &s.keys), 0);
}

/* After supervise_close. */
static inline void ground_remove(void)
{
	keys_close(s.keys);
	runtime_close(&runtime);
	loop_free(loop);
	own_folder_remove(base);
}

#endif
