/* tickets.h - the keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1): made here, handed
 * to the transport workers with an expiry, and rotated.
 *
 * Tickets are off by default, for a SIP connection lives long. A key encrypts for
 * TICKETS_ROTATE_MS, and decrypts until TICKET_KEYS_MAX times that have passed since it was made.
 * The keys lie in guarded memory.
 */
#ifndef SIPWARD_TLS_TICKETS_H
#define SIPWARD_TLS_TICKETS_H

#include "common/loop.h"
#include "ipc/sign.h"

#define TICKETS_ROTATE_MS (UINT64_C(4) * 60 * 60 * 1000)

struct tickets;
/* The keys have changed: tell every edge. */
typedef void (*tickets_changed)(void *arg);

int tickets_new(
	struct tickets **out, struct loop *loop, tickets_changed changed, void *arg); /* -ENOMEM */
void tickets_free(struct tickets *t); /* NULL is a no-op */
/* Turns tickets on (a first key is made) or off (all keys are wiped). changed is called where that
 * changes anything. 0; -ENOMEM. */
int tickets_set(struct tickets *t, bool on);
bool tickets_on(const struct tickets *t);
/* Writes the packet that tells the keys in force (count 0 where tickets are off); returns its size.
 * The caller wipes it. */
size_t tickets_packet(const struct tickets *t, unsigned char buffer[SIGN_PACKET_MAX]);
/* Makes a new key now, as the timer does. */
void tickets_rotate(struct tickets *t);

#endif
