/* reg_watch.h - subscriptions to the package reg (RFC 3680): whoever may know it is told of the
 * bindings of an address of record, by the registrar itself.
 *
 * A user may watch his own bindings, a trusted zone everybody's. A NOTIFY has all bindings; it goes
 * out at once, then when bindings are added, removed or run out, and at most every
 * REG_WATCH_PAUSE_MS (section 4.10). A binding that is only refreshed is told of with the next
 * change. What stands belongs to the slot of the address of record, and is not kept when that moves
 * or the worker dies: the watcher subscribes anew (RFC 6665 section 4.1.3, "deactivated").
 */
#ifndef SIPWARD_SIP_SUBSCRIPTION_REG_WATCH_H
#define SIPWARD_SIP_SUBSCRIPTION_REG_WATCH_H

#include "worker-sip/incoming.h"

/* Watches of one address of record. */
#define REG_WATCHES_MAX 16
/* Seconds where the SUBSCRIBE does not say (RFC 3680 section 4.4), and at most. */
#define REG_WATCH_EXPIRES 3761
#define REG_WATCH_EXPIRES_MAX 86400
/* Between two NOTIFYs. */
#define REG_WATCH_PAUSE_MS 5000

struct dialog;
struct reg_watch;

/* Whether a request outside of dialogs asks for the bindings of somebody in a domain of ours. */
bool reg_watch_is_asked(const struct incoming *in);
/* Answers it, and makes a watch. */
void reg_watch_request(struct incoming *in);
/* A request within a dialog of a watch: refreshed, ended, or refused. in has its transaction. */
void reg_watch_pass(struct dialog *d, const struct incoming *in);
/* The flow of a watcher has ended: a phone's watch goes with it. */
void reg_watch_lost(struct dialog *d);
/* We end it: its watcher gets a last NOTIFY with that reason, of subscription.h. */
void reg_watch_end(struct reg_watch *w, struct str reason);
/* Ends one of this worker. False: there is none. */
bool reg_watches_end_one(struct sip *sip, struct str reason);
/* Watches of this worker are told of changes from now on. */
void reg_watches_begin(struct sip *sip);
/* Ends those that cannot stay: their slot moves away, their user or their listener is gone. */
void reg_watches_sweep(struct sip *sip);
/* Frees all, without a word. */
void reg_watches_free(struct sip *sip);
/* What is listed of one. */
struct reg_watch_row {
	const struct dialog *dialog;
	struct str aor;             /* with its scheme */
	uint64_t began, expires_at; /* loop_now */
};
/* Calls visit for each. */
void reg_watches_each(const struct sip *sip,
	void (*visit)(void *arg, const struct reg_watch_row *row), void *arg);
/* Adds the slots of all to out. */
void reg_watches_slots(const struct sip *sip, struct slot_set *out);

#endif
