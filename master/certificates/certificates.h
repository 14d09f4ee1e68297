/* certificates.h - generations of certificates over all TLS and transport workers: staged, checked,
 * committed, dropped.
 *
 * Staging hands a generation to every worker and has it checked, first by the TLS workers (pairs,
 * dates, a test signature), then by the transport workers (chain, names, a test signature over the
 * key edge). Only what all of them found good can be committed; a commit is one packet to each
 * worker. Handshakes that began with the generation before go on with it until it is dropped. A new
 * life of a worker is told of all generations that live.
 */
#ifndef SIPWARD_MASTER_CERTIFICATES_CERTIFICATES_H
#define SIPWARD_MASTER_CERTIFICATES_CERTIFICATES_H

#include "certificate_set.h"
#include "master/workers/worker_slot.h"

/* A check by all workers of one role. */
#define CERTIFICATES_CHECK_MS 8000
/* Beyond the time-out of handshakes: a signature may be waited for, and packets take their time. */
#define CERTIFICATES_DROP_MARGIN_MS 6000
#define CERTIFICATES_TEXT_MAX 600

struct certificates;
/* The end of a staging: error 0 (it can be committed), or negative errno and what is wrong, at
 * which line of the config (0: none). Called from the loop. */
typedef void (*certificates_done)(void *arg, int error, int line, const char *text);

int certificates_new(struct certificates **out, struct supervisor *s); /* -ENOMEM */
/* Ends a staging with -ECANCELED, frees. NULL is a no-op. */
void certificates_free(struct certificates *c);
/* Sets the time for which a replaced generation is kept for its handshakes. */
void certificates_keep(struct certificates *c, uint32_t handshake_ms);

/* The set (stolen) of a start: it is in force before there are workers; they check it as they come
 * up. What is wrong then is logged and shown by certificates_state, and TLS alone goes without. */
void certificates_start(struct certificates *c, struct certificate_set *set);

/* Stages set (stolen in any case); what was staged before is dropped. 0: done will be called;
 * -EBUSY: a check is under way. */
int certificates_stage(
	struct certificates *c, struct certificate_set *set, certificates_done done, void *arg);
/* Takes what is staged and checked into use. -ENOENT: nothing is; -EBUSY: it is still being
 * checked. */
int certificates_commit(struct certificates *c);
/* Drops what is staged; a check under way ends with -ECANCELED. -ENOENT: nothing is. */
int certificates_abort(struct certificates *c);

/* Whether a handshake may need a key: certificates are in force, staged, or were replaced not long
 * ago. NULL: no. */
bool certificates_live(const struct certificates *c);
/* The sets in force and staged, or NULL; valid until the next call. state: "in force", "refused:
 * WHY" ... */
const struct certificate_set *certificates_committed(const struct certificates *c);
const struct certificate_set *certificates_staged(const struct certificates *c);
const char *certificates_state(const struct certificates *c);

/* ---- from the supervisor; all take NULL ---- */

/* A new life of a TLS or transport worker, before its GO: key edges and generations. */
void certificates_tell(struct certificates *c, struct worker_slot *w);
void certificates_ready(struct certificates *c, struct worker_slot *w);
void certificates_died(struct certificates *c, struct worker_slot *w);
/* False: it makes no sense. */
bool certificates_result(struct certificates *c, struct worker_slot *w,
	const struct lifeline_certificates_result *result, size_t size);

#endif
