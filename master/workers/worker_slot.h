/* worker_slot.h - the table of workers: what is known of each, and how to tell or to end one.
 *
 * Everything that concerns workers stands above this: their lives (supervise.h), what a life is
 * told (configure.h), how it is watched (watchdog.h) and what it died of (death_cause.h).
 */
#ifndef SIPWARD_MASTER_WORKERS_WORKER_SLOT_H
#define SIPWARD_MASTER_WORKERS_WORKER_SLOT_H

#include "common/counters.h"
#include "common/log_limit.h"
#include "common/loop.h"
#include "ipc/lifeline.h"
#include "ipc/slot.h"
#include "account.h"
#include "master/config/config.h"
#include "master/jail/notifier.h"
#include "master/runtime.h"
#include "edge_tokens.h"
#include "outbox.h"

/* Reasons of worker_kill that speak against what the worker had in hand (death_cause.h). */
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
/* "down", "starting", "ready" or "stopping". */
const char *worker_state_name(enum worker_state state);

struct supervisor;
struct worker_slot {
	struct supervisor *supervisor;
	uint8_t role, index;
	enum worker_state state;
	bool leaving; /* the config has fewer: it finishes what it has, and is not started again */
	bool retired; /* it has left: its counters are all that is left of it */
	pid_t pid;
	uint32_t incarnation;
	int lifeline;
	struct loop_source *source;
	struct outbox outbox;
	struct page *page; /* shared with the worker */
	int page_fd;
	int endpoint;   /* over ZeroMQ, of SIP workers: where peers connect to; else -1 */
	bool has_edges; /* over ZeroMQ: its folder is made, and those of the others lead to it */
	bool has_socket[LISTENERS_MAX]; /* of each listener: given to this life */
	bool waits_for_edges;           /* GO has not been sent yet */
	struct timer timer;      /* DOWN: respawn; STARTING: GO, or give up; STOPPING: kill */
	uint64_t started, ready; /* loop time of this life; ready 0: not yet */
	uint64_t left;           /* loop time at which it was told to leave */
	uint64_t starts, deaths, hangs;
	unsigned failures;      /* lives in a row that never became ready */
	bool told_to_leave;     /* STOP was sent to this life */
	const char *killed;     /* why we killed it, or NULL */
	char last_end[64];      /* how the last life ended; "" none did */
	int16_t step_error[16]; /* errno of the jail's steps in this life, by enum jail_step; 0
	                           taken, -1 not reported */
	struct notifier notifier;
	struct log_limit violation_limit; /* of the lines about its jail */
	struct {
		uint16_t index; /* as in lifeline_certificates_result */
		char text[96];  /* "": nothing */
	} lost;                 /* what the config asks for and this life cannot give */
	/* watchdog */
	uint64_t seen;       /* progress at the last look */
	uint64_t pinged;     /* loop time of the last PING */
	uint64_t pinged_cpu; /* ms of processor time that it had used then */
	bool waiting;        /* it has not been answered yet */
	bool idle;           /* nothing but PINGs has moved the mark since it was last found idle */
	/* log rate */
	struct log_limit log_limit;      /* of the lines that it hands on */
	struct lifeline_drained drained; /* what it told last of the DRAIN in force */
};

/* A REPLY of worker, whose text is whole JSON lines, not checked. */
typedef void (*supervisor_reply)(
	void *arg, struct worker_slot *w, uint32_t id, bool last, struct str text);
/* worker has died; its QUERYs are not going to be answered. */
typedef void (*supervisor_died)(void *arg, struct worker_slot *w);
/* A child that is no worker has ended. */
typedef void (*supervisor_stranger)(void *arg, pid_t pid, int status);
/* All workers are ready, for the first time. */
typedef void (*supervisor_up)(void *arg);
/* All workers have left after supervise_stop. */
typedef void (*supervisor_stopped)(void *arg);

/* What becomes of new work and of calls (drain.h). */
struct drain {
	uint8_t mode;      /* enum drain_mode, as SIP workers were told last */
	bool stopping;     /* a stop follows, and nothing else can be asked for */
	bool heard;        /* who has not answered the last order by now hangs */
	bool told;         /* that nothing is left has been logged */
	uint32_t sequence; /* of the last order; 0: there was none */
	uint64_t since;    /* loop time of the last order */
	void (*stop)(struct supervisor *s);
	struct timer timer; /* of a stop: until calls are ended, or waited for no longer */
};

/* Workers that come and go (scale.h). */
struct scale {
	void (*add)(struct supervisor *s, unsigned role, unsigned index);
	void (*leave)(struct worker_slot *w);
	uint32_t slot_owners; /* bits: SIP workers among which the slots are spread */
	struct timer timer;   /* while any comes or goes */
};

struct certificates;
struct keys;
struct listen;
struct quarantine;
struct runtime;
struct state;

struct supervisor {
	/* set by the caller before supervise_open; must outlive the supervisor */
	struct loop *loop;
	struct runtime *runtime;
	struct state *lives;
	struct keys *keys;
	struct listen *listen;
	struct certificates *certificates; /* may be NULL: none are told of */
	struct quarantine *quarantine;     /* may be NULL: nothing is kept */
	unsigned role_count[ROLE_COUNT];   /* as the config has it; scale.h changes it */
	uint32_t leave_ms; /* how long connections of a transport worker that leaves are served */
	struct account account[ROLE_COUNT];
	uint32_t fds_limit[ROLE_COUNT];
	enum carrier carrier; /* of the mesh */
	const char *program[ROLE_COUNT];
	uint8_t log_level;
	bool jail_log;            /* what the filters do not allow is logged and let through */
	bool jail_required;       /* a step of the jail that cannot be taken ends the service */
	int settings[ROLE_COUNT]; /* sealed memfds, the caller's; replaced with
	                           * supervise_settings */
	int users;
	int forwards; /* of SIP workers; 0 or less: there are none */
	int web;      /* listening socket of the web worker; 0 or less: none */
	bool (*web_ask)(void *arg, struct worker_slot *w, const struct lifeline_web *ask);
	/* what a user has dialled; false: no honest worker says that */
	bool (*forward_order)(
		void *arg, struct worker_slot *w, const struct lifeline_forward_order *order);
	int cdr;                     /* of call records (master/cdr.h); 0 or less: none */
	void (*cdr_lost)(void *arg); /* nobody receives at that socket */
	int hep; /* to the collector of copies (master/hep.h); 0 or less: there is none */
	struct lifeline_hep hep_how;
	supervisor_reply reply;
	supervisor_died died;
	supervisor_stranger stranger;
	supervisor_up up; /* may be NULL */
	supervisor_stopped stopped;
	void *arg;
	/* its own */
	struct worker_slot *worker;
	unsigned count;
	struct edge_tokens tokens; /* over ZeroMQ */
	struct slot_map slots;
	struct scale scale;
	struct lifeline_trunks trunks; /* that are disabled */
	int limit_page;                /* a memfd that SIP workers share */
	struct lifeline_bans bans;     /* of an operator */
	struct lifeline_debug debug;   /* messages that are logged at the level debug */
	struct lifeline_packet *packet;
	struct timer watchdog, stop_timer;
	struct drain drain;
	unsigned stop_stage; /* the role that is being stopped */
	bool stopping;
	bool was_up;                        /* all were ready at one time */
	bool refused;                       /* a step was required and could not be taken */
	uint32_t steps_missing[ROLE_COUNT]; /* bits of enum jail_step: named in the log */
};

/* The slot of a worker; NULL: there is none such. */
struct worker_slot *worker_find(const struct supervisor *s, unsigned role, unsigned index);
/* Sends or queues a packet; fd (-1: none) stays the caller's. False: the worker is not there to be
 * told, or is being killed for not reading. */
bool worker_tell(
	struct worker_slot *w, enum lifeline_type type, const void *body, size_t size, int fd);
/* Looks for room in the lifeline as long as packets wait for it. */
void worker_watch(struct worker_slot *w);
/* Sends SIGKILL, and notes the reason that the death is to be logged with. */
void worker_kill(struct worker_slot *w, const char *reason);
static inline bool worker_lives(const struct worker_slot *w)
{
	return w->state == WORKER_STARTING || w->state == WORKER_READY;
}

#endif
