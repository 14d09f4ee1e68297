/* limits.h - how many calls a zone, a source, a user and a trunk may have at once, and begin in a
 * second, over all SIP workers; and how long a call may last.
 *
 * The answer says which limit it was, in a Warning, and so does its counter. A zone, a source or a
 * trunk that has all its calls is 503 with Retry-After (RFC 3261 section 21.5.4: what is refused
 * now may pass later; of a trunk with Q.850 cause 34 as well, as RFC 3398 section 7.2.4.1 maps it).
 * A user is 486 with Retry-After: it is he who has no line left, and the gateway serves others, so
 * that nobody should go elsewhere with the next call (section 21.4.24); and so is one who is called
 * and has as many calls towards him as he may have. What comes of a limit is
 * known to a moment: two workers that look at the same time may both let a call in.
 */
#ifndef SIPWARD_SIP_CALL_LIMITS_H
#define SIPWARD_SIP_CALL_LIMITS_H

#include "ipc/limit_page.h"
#include "worker-sip/incoming.h"

#define LIMIT_TRUNK_HEADERS                                                                        \
	"Retry-After: 2\r\nReason: Q.850;cause=34;text=\"No circuit available\"\r\n"               \
	"Warning: 399 gateway \"limit of the trunk\"\r\n"
#define LIMIT_DURATION_REASON "Reason: Q.850;cause=31;text=\"Longest duration reached\"\r\n"

/* Maps the page, which the master made; this worker's column of index is empty from then on: the
 * calls of its earlier life are gone. fd stays the caller's. 0; -EBADMSG; -errno. */
int limits_map(struct limit_page **out, int fd, unsigned index);

/* sip->slots has changed: which columns may have something in them is found anew, so that no INVITE
 * has to look through all slots. */
void limits_slots_changed(struct sip *sip);

/* What a call counts for: zone, source, user, the user who is called, and who calls as the list of
 * numbers has it that permits the call. 0: nothing, for there is no limit. */
#define LIMIT_KEYS 5
#define LIMIT_ZONE 0
#define LIMIT_SOURCE 1
#define LIMIT_HOURLY 4 /* that of the list, which counts calls an hour */
/* Whether the limits of these let an INVITE make a call, which counts for key.
 * False: it has been answered. An emergency call passes. */
bool limits_admit(const struct incoming *in, uint64_t key[LIMIT_KEYS]);
/* The same for a call that its callee, the sender of in, forwards: what it counts for there,
 * without those of its zone and source. False: it has been counted, and *status is what the callers
 * of such a call get. */
bool limits_admit_forward(const struct incoming *in, uint64_t key[LIMIT_KEYS], unsigned *status);
/* The same of a trunk, without an answer. */
bool limits_admit_trunk(struct sip *sip, unsigned trunk);
uint64_t limits_trunk_key(struct sip *sip, unsigned trunk); /* NONE_INDEX: 0 */
/* One call more of that key; 0 is a no-op. The call begins now, or it has been taken and given back
 * before (again). False: there is no room, and the call, which goes on, is not to be given back. */
bool limits_take(struct sip *sip, uint64_t key);
bool limits_take_again(struct sip *sip, uint64_t key);
/* One call more of all that limits_admit said. Those that there is no room for become 0. */
void limits_take_all(struct sip *sip, uint64_t key[LIMIT_KEYS]);
/* One call less of a key that was taken; 0 is a no-op. */
void limits_give(struct sip *sip, uint64_t key);

/* What a call towards the user of that address of record counts for; 0: nothing. */
uint64_t limits_callee_key(const struct sip *sip, unsigned domain, struct str aor);

/* What the minutes of a call count for, of the list of numbers that permits it: for who calls, or
 * for all. */
uint64_t limits_minutes_key(const struct incoming *in, bool caller);
/* What a subscription counts for: for who makes it, or for all. 0: nobody counts. */
uint64_t limits_subscription_key(const struct incoming *in, bool user);
/* How many there are of a key, over all workers. */
uint64_t limits_held(const struct sip *sip, uint64_t key);
/* So many columns of the page have a worker. */
unsigned limits_columns(const struct sip *sip);

/* How long a call from that zone, of a user of that domain and over that trunk (NONE_INDEX: none)
 * may last, in seconds; 0: as long as it likes. */
uint32_t limits_duration(const struct sip *sip, unsigned zone, unsigned domain, unsigned trunk);

#endif
