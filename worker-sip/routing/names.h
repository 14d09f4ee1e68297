/* names.h - targets of trunks that are names, and their addresses (RFC 3263).
 *
 * The SIP worker that owns the slot of a trunk's name asks for its targets' addresses, before their
 * TTL is over and without waiting for a call, and tells the others (RECORD_ADDRESSES). While no
 * server answers, what is known stays in use (dns stale); that there is no such name is believed.
 * A call never waits for the DNS: a target without addresses is none.
 */
#ifndef SIPWARD_SIP_ROUTING_NAMES_H
#define SIPWARD_SIP_ROUTING_NAMES_H

#include "worker-sip/sip.h"

/* After a failure a name is asked for again after this time, and twice it each time that it fails
 * again. */
#define NAME_RETRY_FIRST_MS 1000
#define NAME_RETRY_MOST_MS 30000
/* Lines a second about names, at most. */
#define NAME_LOG_LINES 20

struct names;

/* The addresses of a target have changed. */
typedef void names_changed(struct sip *sip);

/* Knows no names. -ENOMEM. */
int names_new(struct names **out, struct sip *sip, names_changed *changed);
/* NULL is a no-op, here and below. */
void names_free(struct names *n);
/* Takes the names of the settings in force; what is known of those that were there stays. -ENOMEM:
 * nothing has changed. */
int names_take(struct names *n);
/* Asks for those names that are this worker's: to be called where that may have changed. */
void names_schedule(struct names *n);

/* What is known of that target, which is a name. NULL: nothing. */
const struct record_addresses *names_addresses(
	const struct names *n, unsigned trunk, unsigned written);
/* A transport worker has an answer. False: it may not say so. */
bool names_looked_up(
	struct names *n, uint16_t peer, const struct record_looked_up *told, size_t size);
/* Another SIP worker has found something out. */
void names_told(struct names *n, const struct record_addresses *told);
/* Tells another SIP worker, which may be new, what is known. */
void names_tell(struct names *n, unsigned worker);

/* Asks anew for the names of the trunk of that name, where it is this worker's. Returns their
 * number. */
unsigned names_ask(struct names *n, struct str trunk);

/* What an operator sees of that target: the time left, in seconds (negative: beyond the TTL), and
 * the last error, negative errno or 0. */
struct name_state {
	int64_t ttl_s;
	int error;
	bool ours;
};
bool names_state(const struct names *n, unsigned trunk, unsigned written, struct name_state *out);
/* Why there are no addresses, or why they could not be asked for again. */
const char *name_error_text(int error);

#endif
