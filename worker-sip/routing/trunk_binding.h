/* trunk_binding.h - what each SIP worker knows of our bindings at the servers of trunks.
 *
 * The worker that registers at a trunk (trunk_registration.h) finds it out and tells its siblings
 * (RECORD_BINDING); of two findings the later one counts, by the machine's one clock, and of two at
 * the same moment the same one in all workers. A trunk that is to be registered at (register,
 * register-required) and where no binding stands is tried after all others. With outbound (RFC
 * 5626) there is one for each flow, and each flow leads to one target.
 */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_BINDING_H
#define SIPWARD_SIP_ROUTING_TRUNK_BINDING_H

#include "worker-sip/sip.h"

struct trunk_binding;

/* This worker has found out what becomes of our binding at the trunk of that index, by the flow of
 * that reg-id (0: the trunk has no outbound): it stands until then (ms of the loop's clock), 0: it
 * does not. route: its server's service route (service_route.h), empty or of SERVICE_ROUTE_MAX at
 * most. Tells the others. */
void trunk_binding_found(
	struct sip *sip, unsigned trunk, unsigned reg_id, uint64_t until, struct str route);
/* Another SIP worker has found it out. False: that cannot be. */
bool trunk_binding_told(struct sip *sip, const struct record_binding *told);
/* Tells another SIP worker, which may be new, what is known. */
void trunk_bindings_tell(struct sip *sip, unsigned worker);
/* Takes the trunks of the settings in force. */
void trunk_bindings_take(struct sip *sip);
/* Whether our binding at the trunk of that index stands, by whichever flow. */
bool trunk_binding_stands(const struct sip *sip, unsigned trunk);
/* Whether it does by that one. */
bool trunk_binding_stands_by(const struct sip *sip, unsigned trunk, unsigned reg_id);
/* The route set that requests to that target of the trunk, as it is written, are to have while it
 * stands; mostly empty. */
struct str trunk_binding_route(const struct sip *sip, unsigned trunk, unsigned written);
/* Whether the trunk of that index needs one and has none. */
bool trunk_binding_is_missed(const struct sip *sip, unsigned trunk);
/* Whether the trunk of that index has flows of its own to its targets (outbound), and none now to
 * that one, as it is written. */
bool trunk_binding_flow_is_missed(const struct sip *sip, unsigned trunk, unsigned written);
void trunk_bindings_free(struct sip *sip);

#endif
