/* debug_watch.h - the messages that an operator has picked to be logged at the level debug,
 * whatever the level of all others is: those of a call, a user or a source, until a time (struct
 * lifeline_debug). */
#ifndef SIPWARD_SIP_DEBUG_WATCH_H
#define SIPWARD_SIP_DEBUG_WATCH_H

#include "common/log.h"
#include "sip.h"

/* Messages a second that are logged so, of all that are picked. */
#define DEBUG_MESSAGES 200

/* Whether a message is picked by its own Call-ID, From, To, Request-URI or source. */
bool debug_watch_has(const struct sip *sip, const struct message *m);
/* Whether a call is, by that Call-ID. */
bool debug_watch_has_call(const struct sip *sip, struct str call_id);
/* The line of a message that has come and is picked; false: there have been too many in this
 * second, and no further line of it is to be written. */
bool debug_watch_begin(struct sip *sip, const struct message *m);

/* Whether what is decided of that message (NULL: none) is logged at the level debug. */
static inline bool debug_watch_wants(const struct sip *sip, const struct message *m)
{
	return log_enabled(LOG_DEBUG) || (sip->debug.count && m && debug_watch_has(sip, m));
}

/* From here on all is logged; returns the level for log_set_level. */
static inline enum log_level debug_watch_raise(void)
{
	enum log_level before = log_level();

	log_set_level(LOG_DEBUG);
	return before;
}

#endif
