/* session_timer.h - what messages say of session timers (RFC 4028).
 *
 * Session-Expires passes from leg to leg, whoever refreshes. Where the caller has session timers
 * and the callee has none we do as section 8.2 wants of whoever stands next to him: the answer gets
 * the interval that was asked for, and that the caller is the one who refreshes. His refreshing
 * requests pass to the callee as any other.
 */
#ifndef SIPWARD_SIP_MESSAGE_SESSION_TIMER_H
#define SIPWARD_SIP_MESSAGE_SESSION_TIMER_H

#include "ipc/message.h"
#include "writer.h"

/* Seconds; no interval is shorter (RFC 4028 section 4). */
#define SESSION_INTERVAL_MIN 90u
/* The longest of an interval, in seconds: Session-Expires is a delta-seconds, and who says more
 * means that it never ends. */
#define SESSION_INTERVAL_MAX (7u * 24 * 3600)

/* Writes the lines that the answer to request lacks, a 2xx to INVITE or UPDATE; nothing where it
 * has a session timer, or the one who asked has none. */
void session_timer_write_kept(
	struct writer *w, const struct message *request, const struct message *answer);
/* The session interval that has been agreed upon with that 2xx, in seconds; 0: none. */
uint32_t session_timer_agreed(const struct message *request, const struct message *answer);

#endif
