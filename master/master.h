/* master.h - the one context of the master: what main.c, reload.c and commands.c work on. */
#ifndef SIPWARD_MASTER_MASTER_H
#define SIPWARD_MASTER_MASTER_H

#include "config.h"
#include "query.h"
#include "supervise.h"
#include "userwatch.h"

struct control;

struct master {
	struct loop *loop;
	const char *config_path;
	struct config *config;    /* in force; without the HA1s */
	uint64_t generation;      /* of the config in force */
	struct runtime runtime;
	struct state state;
	struct keys *keys;
	struct listen listen;
	struct supervisor supervisor;
	struct queries queries;
	struct userwatch userwatch;
	struct control *control;
	int signals;
	struct loop_source *signal_source;
	uint64_t started;         /* loop time */
};

#endif
