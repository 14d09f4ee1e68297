/* decision_log.h - what is decided of a request on its way, for the level debug: a line for each
 * step. Where that level is off each costs one comparison. The steps of routes, rules and targets
 * have lines of their own (routing/route_log.c, rewriting_log.c, fork_log.c), and answers
 * (message/refusal_log.h).
 */
#ifndef SIPWARD_SIP_DECISION_LOG_H
#define SIPWARD_SIP_DECISION_LOG_H

#include "common/log.h"
#include "incoming.h"

struct dialog;

void decision_log_authorized(const struct incoming *in);
void decision_log_dialog(const struct incoming *in, const struct dialog *d);
void decision_log_bindings(
	const struct incoming *in, struct str aor, unsigned changed, unsigned count);

/* Its sender has shown who he is, or is not asked. */
static inline void decision_authorized(const struct incoming *in)
{
	if (log_enabled(LOG_DEBUG))
		decision_log_authorized(in);
}
/* It is of that dialog, and goes to the other side unless its state forbids it. */
static inline void decision_dialog(const struct incoming *in, const struct dialog *d)
{
	if (log_enabled(LOG_DEBUG))
		decision_log_dialog(in, d);
}
/* So many bindings of an address of record change, and so many there are then. */
static inline void decision_bindings(
	const struct incoming *in, struct str aor, unsigned changed, unsigned count)
{
	if (log_enabled(LOG_DEBUG))
		decision_log_bindings(in, aor, changed, count);
}

#endif
