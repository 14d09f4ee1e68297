/* micro_worker.h - the SIP worker in one process with whoever measures it: its layers are whole,
 * what it sends is caught, and its time and random numbers are made here, so that every run does
 * the same.
 *
 * Anything that goes wrong ends the program with a line that says what: a bench has nobody to
 * return an error to.
 */
#ifndef SIPWARD_TESTS_BENCH_MICRO_WORKER_H
#define SIPWARD_TESTS_BENCH_MICRO_WORKER_H

#include "worker-sip/sip.h"

#define REALM "example.net"
#define USERS 10000 /* u000000 to u009999, all with the password "secret" */
/* Zones of the worker, and the listener of each. */
enum { TRUSTED, ACCESS };

void fail(const char *what) __attribute__((noreturn));
struct endpoint endpoint_of(const char *text);

/* Starts it. Every INVITE of the trusted zone goes to the trunk at 192.0.2.9:5080. The store has no
 * name any more when this returns. */
void worker_start(struct sip *sip);

/* Parses one message as the transport worker does, into a block that is used again by the next call
 * but one. */
struct message *worker_parsed(
	struct sip *sip, const char *text, size_t size, unsigned listener, const char *peer);
/* Hands the worker one message and turns its loop once. measured: its instructions and time
 * count. */
void worker_give(struct sip *sip, const char *text, size_t size, unsigned listener,
	const char *peer, bool measured);
/* Lets milliseconds pass; what falls due happens. */
void worker_wait(struct sip *sip, uint64_t ms, bool measured);

/* The text of the one message with this start that was sent since worker_forget; another or none
 * ends the program. */
const char *worker_sent(const char *start);
void worker_forget(void);

/* ---- what is counted (micro.c) ---- */
/* Collecting begins and ends: instructions under callgrind, nanoseconds by itself. */
void measure_begin(void);
void measure_end(void);

#endif
