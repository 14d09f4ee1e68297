/* trunk_registration.h - registrations of ours at the servers of trunks (RFC 3261 section 10.2), so
 * that their calls come to us.
 *
 * A trunk belongs to the SIP worker that owns the slot of its name, which alone registers. The
 * binding is refreshed at a random time between half and three quarters of what was granted. What
 * fails goes to the trunk's next target, and when all have failed waits: 30 seconds, then twice the
 * time each time, up to 30 minutes, of each a random part from half (RFC 5626 section 4.5). The
 * binding stands until its time is over, or until all targets have refused to keep it; what becomes
 * of it trunk_binding.h knows in all workers. It is taken back where the trunk, or its option, goes
 * with a reload, and when the worker stops.
 */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_REGISTRATION_H
#define SIPWARD_SIP_ROUTING_TRUNK_REGISTRATION_H

#include "worker-sip/sip.h"

#define REGISTRATION_RETRY_FIRST_MS 30000
#define REGISTRATION_RETRY_MOST_MS 1800000
/* The first registrations after a start do not all go out at once. */
#define REGISTRATION_SPREAD_MS 1000
/* What was granted is refreshed no sooner than this, however short it is. */
#define REGISTRATION_REFRESH_LEAST_MS 5000
/* A stop waits so long for answers to what takes bindings back. */
#define REGISTRATION_STOP_MS 1000
/* A server that wants longer ones (423) gets no longer ones than this: a day. */
#define REGISTRATION_EXPIRES_MAX 86400

struct trunk_registration;

/* Takes the trunks of the settings and slots in force: registers those that are this worker's and
 * say so, and forgets those that are another's now. To be called where either has changed. */
void trunk_registrations_take(struct sip *sip);
/* Before it: takes back what the settings that come next have no more, or have otherwise. */
void trunk_registrations_leave(struct sip *sip, const struct settings *next);
/* Credentials may have changed: registers those anew whose Contact has another token by that. */
void trunk_registrations_credentials(struct sip *sip);
/* The worker stops: all bindings are taken back. */
void trunk_registrations_stop(struct sip *sip);
/* Whether any binding is being taken back. */
bool trunk_registrations_leaving(const struct sip *sip);
/* Registers the trunk of that name now, or takes its binding back until it is registered again;
 * where it is this worker's. False: there is nothing to do here. */
bool trunk_registration_order(struct sip *sip, struct str trunk, bool registered);
/* That stream has ended. Where a 200 came by it we register anew: a server behind which we are by a
 * NAT, or that calls by that connection alone, cannot reach us until then (RFC 5626 section
 * 4.4). */
void trunk_registrations_flow_closed(struct sip *sip, uint64_t flow);
/* The same for all streams of that life of a transport worker, which says nothing of them. */
void trunk_registrations_transport_gone(struct sip *sip, uint8_t worker, uint32_t incarnation);
/* Hands a JSON line of each registration of this worker to add; trunk: of that one only, empty: of
 * all. */
void trunk_registrations_list(
	struct sip *sip, struct str trunk, void (*add)(void *arg, struct str json), void *arg);
void trunk_registrations_free(struct sip *sip);

#endif
