/* supervise.h - the workers: one plain table, their lives, and what each life is told.
 *
 * A worker that dies is respawned at once; only lives that never became READY are backed off.
 * Everything here runs in the master's one thread on its loop.
 */
#ifndef SIPWARD_MASTER_WORKERS_SUPERVISE_H
#define SIPWARD_MASTER_WORKERS_SUPERVISE_H

#include "common/counters.h"
#include "common/log_limit.h"
#include "master/config/config.h"
#include "master/minting_keys.h"
#include "master/listen.h"
#include "outbox.h"
#include "master/runtime.h"
#include "master/state.h"
#include "master/jail/notifier.h"

/* Back-off of a worker that dies before it is ready: doubling, milliseconds. */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 30000
/* A back-off from this length on means that a transport worker stays away: its sockets are closed,
 * so that the others get its share. */
#define AWAY_MS 5000
/* From exec to READY: stores may have to be checked. */
#define START_MAX_MS 30000
/* Between STOP and SIGKILL. */
#define STOP_GRACE_MS 2000
/* Between a closed lifeline and SIGKILL. */
#define HANG_UP_MS 1000
/* How often progress is looked at, and how often an idle worker is woken to show that it lives. */
#define WATCHDOG_MS 2000
#define WATCHDOG_IDLE_MS 10000
/* Lines a second that a worker may log. */
#define LOG_RATE_MAX 2000
/* Lines a second about what one worker may not do; the counter goes on. */
#define VIOLATION_RATE_MAX 100

/* Reasons of worker_kill that speak against what the worker had in hand (blame.c). */
#define KILLED_HANGS "hangs"
#define KILLED_VIOLATION "jail-violation"
/* One that does not. */
#define KILLED_STANDS_STILL "stands-still"

enum worker_state {
	WORKER_DOWN = 0, /* no process */
	WORKER_STARTING, /* told its configuration; not READY */
	WORKER_READY,
	WORKER_STOPPING /* STOP or SIGKILL sent */
};
const char *worker_state_name(enum worker_state state);

struct account {
	bool drop; /* false: workers keep the master's uid and gid */
	uid_t uid;
	gid_t gid;
};

struct supervisor;
struct worker_slot {
	struct supervisor *supervisor;
	uint8_t role, index;
	enum worker_state state;
	pid_t pid;
	uint32_t incarnation;
	int lifeline;
	struct loop_source *source;
	struct outbox outbox;
	struct page *page; /* shared with the worker */
	int page_fd;
	struct timer timer;      /* DOWN: respawn; STARTING: give up; STOPPING: kill */
	uint64_t started, ready; /* loop time of this life; ready 0: not yet */
	uint64_t starts, deaths, hangs;
	unsigned failures;      /* lives in a row that never became ready */
	const char *killed;     /* why we killed it, or NULL */
	char last_end[64];      /* how the last life ended; "" none did */
	int16_t step_error[16]; /* errno of the jail's steps in this life, by enum jail_step; 0
	                           taken, -1 not reported */
	struct notifier notifier;
	struct log_limit violation_limit; /* of the lines about its jail */
	/* watchdog */
	uint64_t seen;       /* progress at the last look */
	uint64_t pinged;     /* loop time of the last PING */
	uint64_t pinged_cpu; /* ms of processor time that it had used then */
	bool waiting;        /* it has not been answered yet */
	bool idle;           /* nothing but PINGs has moved the mark since it was last found idle */
	/* log rate */
	struct log_limit log_limit; /* of the lines that it hands on */
};

/* A REPLY of worker, whose text is whole JSON lines, not checked. */
typedef void (*supervisor_reply)(
	void *arg, struct worker_slot *w, uint32_t id, bool last, struct str text);
/* worker has died; its QUERYs are not going to be answered. */
typedef void (*supervisor_died)(void *arg, struct worker_slot *w);
/* A child that is no worker has ended. */
typedef void (*supervisor_stranger)(void *arg, pid_t pid, int status);
/* All workers have left after supervise_stop. */
typedef void (*supervisor_stopped)(void *arg);

struct certificates;
struct quarantine;

struct supervisor {
	/* set by the caller before supervise_open; must outlive the supervisor */
	struct loop *loop;
	struct runtime *runtime;
	struct state *lives;
	struct keys *keys;
	struct listen *listen;
	struct certificates *certificates; /* may be NULL: none are told of */
	struct quarantine *quarantine;     /* may be NULL: nothing is kept */
	unsigned role_count[ROLE_COUNT];
	struct account account[ROLE_COUNT];
	uint32_t fds_limit[ROLE_COUNT];
	const char *program[ROLE_COUNT];
	uint8_t log_level;
	bool jail_log;            /* what the filters do not allow is logged and let through */
	bool jail_required;       /* a step of the jail that cannot be taken ends the service */
	int settings[ROLE_COUNT]; /* sealed memfds, the caller's; replaced with
	                           * supervise_settings */
	int users;
	supervisor_reply reply;
	supervisor_died died;
	supervisor_stranger stranger;
	supervisor_stopped stopped;
	void *arg;
	/* its own */
	struct worker_slot *worker;
	unsigned count;
	struct slot_map slots;
	struct lifeline_packet *packet;
	struct timer watchdog, stop_timer;
	unsigned stop_stage; /* 0: running; role being stopped + 1 ... */
	bool stopping;
	bool refused;                       /* a step was required and could not be taken */
	uint32_t steps_missing[ROLE_COUNT]; /* bits of enum jail_step: named in the log */
};

/* Makes the table and pages; starts nothing. -errno, logged. */
int supervise_open(struct supervisor *s);
/* Starts all workers. */
void supervise_start(struct supervisor *s);
/* SIGCHLD has come. */
void supervise_reap(struct supervisor *s);
/* Stops transport, SIP and TLS workers in this order, each with STOP_GRACE_MS; now: with SIGKILL at
 * once. Ends with the stopped callback, from the loop. */
void supervise_stop(struct supervisor *s, bool now);
/* Frees; all workers have left. */
void supervise_close(struct supervisor *s);

struct worker_slot *supervise_worker(
	const struct supervisor *s, unsigned role, unsigned index); /* NULL: none such */
/* Sends or queues a packet. False: the worker is not there to be told (or is being killed for not
 * reading). */
bool worker_tell(
	struct worker_slot *w, enum lifeline_type type, const void *body, size_t size, int fd);
/* SIGKILL, with the reason that its death is to be logged with. */
void worker_kill(struct worker_slot *w, const char *reason);
static inline bool worker_lives(const struct worker_slot *w)
{
	return w->state == WORKER_STARTING || w->state == WORKER_READY;
}

/* Hands the settings and users in force (s->settings, s->users) to all living workers. */
void supervise_settings(struct supervisor *s);
void supervise_users(struct supervisor *s);

/* ---- introduce.c: what a life is told, and whom it is told of ---- */

/* A new life: everything up to GO, and its edges' other ends to its peers. */
void introduce(struct worker_slot *w);
void introduce_death(struct worker_slot *w);

/* ---- edge.c ---- */

/* Makes a pair for two living workers and hands each its end; it takes the place of the one that it
 * had with an earlier life of the other. What fails is logged: they do without it. */
void edge_make(struct worker_slot *a, struct worker_slot *b);

/* ---- blame.c: what dead workers had in hand ---- */

/* worker has died with that status of waitpid: keeps what it died of, if that is what it died of,
 * and tells all. Its hands are empty then. */
void blame_death(struct worker_slot *w, int status);
/* Tells worker what to refuse; of a new life, before GO. */
void blame_introduce(struct worker_slot *w);
/* The list has changed: tells all living workers. */
void blame_changed(struct supervisor *s);

/* ---- watchdog.c ---- */
void watchdog_start(struct supervisor *s);

#endif
