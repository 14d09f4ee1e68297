/* jail.h - the steps by which a worker gives up what it does not need, in their fixed order. */
#ifndef SIPWARD_WORKER_JAIL_H
#define SIPWARD_WORKER_JAIL_H

#include "ipc/lifeline.h"

/* A build that finds errors for us (AddressSanitizer and its kin, valgrind) needs /proc, its
 * program's file, threads and processes of its own: such a build leaves out the steps that take
 * these away, and says so (ENOTSUP). The bench that tells what the jails cost is the other one to
 * do so. */
#if defined(__SANITIZE_ADDRESS__) || defined(SIPWARD_UNJAILED)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum jail_step {
	JAIL_STRAY_FDS = 1,
	JAIL_NAMESPACES,
	JAIL_ROOT,
	JAIL_IDENTITY,
	JAIL_CAPABILITIES,
	JAIL_NO_NEW_PRIVILEGES,
	JAIL_NOT_DUMPABLE,
	JAIL_LIMITS,
	JAIL_LANDLOCK,
	JAIL_NO_PROCESSES,
	JAIL_SECCOMP,
	JAIL_STEP_COUNT
};
/* The step's name in the log, or "?". */
const char *jail_step_name(enum jail_step step);

/* The jail of one process. */
struct jail {
	/* set by its owner */
	enum peer_role role;
	int lifeline; /* over which the master gets the filter's notifier; the owner's */
	/* Tells the master how a step went: 0, or a negative errno. 0, or -errno: it cannot be
	 * told, and the step fails. */
	int (*tell)(void *arg, enum jail_step step, int error);
	void *arg;
	/* from WELCOME, before jail_confine */
	enum carrier carrier;         /* of the mesh: what its library needs */
	char root[LIFELINE_PATH_MAX]; /* "": none */
	bool drop;                    /* take uid and gid */
	uint32_t uid, gid;
	uint32_t fds_limit; /* 0: none */
	/* its own; -1 at first */
	int stores; /* the folder of the stores, until jail_confine */
	int back;   /* the root folder, until jail_limit */
};

/* Each step is asserted after it was taken, and the master is told of it. A step that a process
 * without privileges cannot take is reported and passed over; a step that should have worked and
 * did not returns -errno.
 *
 * Stores are opened between jail_confine and jail_limit, as the worker's own uid and without any
 * capability, which is after the root was changed: jail_stores opens their folder before, and the
 * working directory is that folder until jail_limit moves it into the root. So stores are opened
 * with relative paths. */
/* worker_begin's: closes all fds above the lifeline, before any other arrives over it. */
int jail_stray_fds(struct jail *j);
int jail_stores(struct jail *j, struct str folder);
int jail_confine(struct jail *j);
int jail_limit(struct jail *j);
int jail_seal(struct jail *j);

#endif
