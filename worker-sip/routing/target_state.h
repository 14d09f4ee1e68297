/* target_state.h - what is known of the targets of trunks: which of them are down, and which
 * requests wait for their first response.
 *
 * Live traffic says it, our own registrations among it. A target is down once it has answered 503,
 * refused the connection, or been silent for its trunk's time while a request waited; any other
 * response shows it alive (100, too, unless it was 503 that said it is down: then a response to
 * what was sent later). A down target is tried last, and what waits on it when it is found down
 * goes on to the next one. What one SIP worker has found out it tells the others at once
 * (RECORD_TARGET), so that no second call waits for what the first has learnt. Of two findings the
 * later one counts, by the machine's one clock, wherever it was made.
 *
 * A down target is pinged (target_ping.c). One that has never answered a ping, as some do not, gets
 * one request in its ordinary place now and then, to see whether it lives: after
 * TARGET_TRIAL_FIRST_MS, and after twice the time each time that it does not, up to
 * TARGET_TRIAL_MOST_MS.
 */
#ifndef SIPWARD_SIP_ROUTING_TARGET_STATE_H
#define SIPWARD_SIP_ROUTING_TARGET_STATE_H

#include "ipc/lifeline.h"
#include "worker-sip/sip.h"

#define TARGET_PROBE_FIRST_MS 1000 /* between pings of a down target */
#define TARGET_PROBE_MOST_MS 30000
#define TARGET_TRIAL_FIRST_MS 30000
#define TARGET_TRIAL_MOST_MS 300000
/* A target that goes down again within this time of coming up has not recovered: the pauses between
 * its trials go on where they were. */
#define TARGET_STEADY_MS 60000
/* So many requests that wait on a target which is found down go on at once, and as many each
 * TARGET_GIVE_UP_MS after that. */
#define TARGET_GIVE_UP_BURST 32
#define TARGET_GIVE_UP_MS 10
/* Lines a second about targets that go down or come up, at most. */
#define TARGET_LOG_LINES 20
/* How far another worker's clock may be ahead of ours, which stands still for a turn of the loop.
 */
#define TARGET_CLOCK_MS 1000

struct target_state;
struct target_states;

/* A request on its way to a target. Zeroed, it is one to no target of a trunk, and all calls with
 * it do nothing. */
struct target_attempt {
	struct target_state *state;
	struct target_attempt *next, **link; /* while it waits for its first response */
	uint64_t sent_at;                    /* ms */
};

/* The target of an attempt that waits has been found down, by another one. refused: no answer can
 * come any more. */
typedef void target_attempt_lost(struct target_attempt *a, bool refused);

/* Knows no targets. lost: who made the attempts (fork_attempt_lost). -ENOMEM. */
int target_states_new(struct target_states **out, struct sip *sip, target_attempt_lost *lost);
/* After the last attempt. NULL is a no-op. */
void target_states_free(struct target_states *ts);
/* Takes the targets of the settings in force; what is known of those that were there before stays.
 * -ENOMEM: nothing has changed. */
int target_states_take(struct target_states *ts);
/* Another SIP worker has found something out. */
void target_states_told(struct target_states *ts, const struct record_target *told);
/* Tells another SIP worker, which may be new, which targets are down. */
void target_states_tell(struct target_states *ts, unsigned worker);

/* The targets of a trunk as they are reached (target_rows.h), and their number. The index of one of
 * them holds until target_states_take. */
const struct target_settings *target_states_rows(
	const struct target_states *ts, unsigned trunk, unsigned *count);
/* The id of that target of that trunk in the settings, the same in all SIP workers; 0: there is no
 * such one. */
uint64_t target_states_id(const struct target_states *ts, unsigned trunk, unsigned index);
/* Pings those targets that are this worker's to ping: to be called where that may have changed. */
void target_states_schedule(struct target_states *ts);
/* Says in the counters what becomes of the trunks that this worker pings: to be called where that
 * may have changed. */
void target_states_gauge(const struct target_states *ts);
/* The trunks that get no new calls. */
void target_states_disable(struct target_states *ts, const struct lifeline_trunks *disabled);
/* Whether the trunk of that index is one of them. */
bool target_states_is_disabled(const struct target_states *ts, unsigned trunk);
/* Pings the targets of the trunk of that name now, where it is this worker's. Returns their
 * number. */
unsigned target_states_ping(struct target_states *ts, struct str trunk);
/* Whether any target is down. */
bool target_states_any_down(const struct target_states *ts);
/* Whether the target of that index of that trunk is to be tried after all others: it is down, and
 * no trial is due. first: the request goes to it at once otherwise, which is then its trial. */
bool target_states_avoid(struct target_states *ts, unsigned trunk, unsigned index, bool first);
/* Whether the next target has its turn after that answer (the trunk's failover). */
bool target_attempt_fails_over(const struct target_attempt *a, unsigned status);
/* Whether the attempt's target is down. */
bool target_attempt_is_down(const struct target_attempt *a);

/* A request that is no attempt (a REGISTER of ours) was sent to the target of that id at sent_at
 * (ms) and was answered with that status, or has failed with error (negative errno), which says the
 * same of the target as if it had been one. */
void target_states_heard(
	struct target_states *ts, uint64_t target, uint64_t sent_at, unsigned status, int error);

/* Names the target of an attempt; the attempt keeps what it points to until target_attempt_end. */
void target_attempt_init(
	struct target_attempt *a, struct target_states *ts, unsigned trunk, unsigned index);
/* It has been sent. */
void target_attempt_sent(struct target_attempt *a);
/* A response to it came. */
void target_attempt_answered(struct target_attempt *a, unsigned status);
/* Nothing came within its time (error -ETIMEDOUT), or it could not be brought there. Errors that
 * are not the target's, such as a full queue, say nothing. What else waits on the target may be
 * given up within (lost). */
void target_attempt_failed(struct target_attempt *a, int error);
/* It does not wait any more; a late response still counts. */
void target_attempt_done(struct target_attempt *a);
/* It is forgotten. */
void target_attempt_end(struct target_attempt *a);

#endif
