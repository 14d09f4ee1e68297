/* master.h - the one context of the master: what main.c, reload.c and commands.c work on. */
#ifndef SIPWARD_MASTER_MASTER_H
#define SIPWARD_MASTER_MASTER_H

#include "master/certificates/certificates.h"
#include "master/config/config.h"
#include "master/control/metric_labels.h"
#include "master/control/query.h"
#include "master/workers/worker_slot.h"
#include "master/config/userwatch.h"
#include "forwards.h"
#include "listen.h"
#include "minting_keys.h"
#include "runtime.h"
#include "service_manager.h"
#include "state.h"

struct control;
struct verification;
struct request;
struct web;

/* A reload whose certificates are being checked. */
struct reload {
	struct config *config; /* NULL: none is under way */
	void (*done)(
		void *arg, int error, struct config_errors *errors); /* NULL: nobody waits for it */
	void *arg;
	bool users_changed; /* meanwhile */
};

/* Listeners that are gone and open. */
struct removed_listeners {
	struct timer timer;
	bool asked;                    /* an answer of SIP workers is to come */
	uint64_t since[LISTENERS_MAX]; /* loop time; 0: it is none */
};

struct master {
	struct loop *loop;
	const char *config_path;
	struct config *config; /* in force; without the HA1s */
	uint64_t generation;   /* of the config in force */
	struct runtime runtime;
	struct state state;
	struct keys *keys;
	struct listen listen;
	struct removed_listeners removed;
	struct timer hep_retry; /* the collector of section hep could not be reached */
	int hep_error;          /* why: negative errno; 0: it could */
	struct quarantine *quarantine;
	struct log_limit forward_orders; /* of users, in a second */
	struct forwards_set forwards;    /* that were set while sipward runs, or before */
	struct supervisor supervisor;
	struct queries queries;
	struct metric_labels labels;
	struct web *web; /* control/web.h; NULL: nothing was asked yet */
	struct certificates *certificates;
	struct reload reload;
	struct request *reloading,
		*staging; /* the commands that wait for certificates being checked */
	struct userwatch userwatch;
	struct service_manager service_manager;
	struct control *control;
	struct verification *verification; /* a verification under way, or NULL */
	int signals;
	struct loop_source *signal_source;
	uint64_t started; /* loop time */
};

#endif
