/* allowance.h - how many bytes a source may be sent that has not shown itself: what came from it is
 * counted, and what goes back, in its server transaction and in the dialogs that come of it. Such
 * an address may be forged, and its owner must not be flooded through us (RFC 3261
 * section 26.3.2.4). Who has shown himself, or need not, has none: NULL, which all functions take.
 */
#ifndef SIPWARD_SIP_MESSAGE_ALLOWANCE_H
#define SIPWARD_SIP_MESSAGE_ALLOWANCE_H

#include <stdbool.h>
#include <stddef.h>

struct allowance;

/* What is kept free for an answer of the usual length, and one repetition of most, in bytes, while
 * something else could go before it: an INVITE that has got a provisional response does not come
 * again (RFC 3261 section 17.1.1.2), and with it no more room. */
#define ALLOWANCE_FOR_ANSWER 1300

/* An allowance with one holder, for a request of so many bytes. NULL: no memory. */
struct allowance *allowance_new(size_t came);
struct allowance *allowance_hold(struct allowance *a); /* one holder more; returns a */
void allowance_drop(struct allowance *a);              /* one less, freed with the last */
/* So many bytes more have come from there. */
void allowance_add(struct allowance *a, size_t came);
/* The source has shown itself: there is no bound any more, for none of the holders. */
void allowance_lift(struct allowance *a);
/* Whether the source is still bound. */
bool allowance_binds(const struct allowance *a);
/* The bytes that may go there yet: ANSWER_RATIO (ipc/message.h) for each that came, less what went.
 * SIZE_MAX where it is not bound. */
size_t allowance_left(const struct allowance *a);
/* Whether a message of that size may go, and keep bytes are left then. If so it is counted as gone;
 * else it is to be withheld, and that is counted. */
bool allowance_take(struct allowance *a, size_t size, size_t keep);

#endif
