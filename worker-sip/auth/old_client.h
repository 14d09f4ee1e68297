/* old_client.h - clients that give up where they are offered a choice of algorithms: older software
 * reads one challenge alone, or does not know SHA-256. Such a client sends its request anew, later,
 * and still without credentials. Whoever comes again so is challenged with MD5 alone, by source
 * address and From (of a REGISTER To), and for a bounded time: then both are offered once more.
 *
 * A client that knows better shows it with its first credentials. What is found out here is told to
 * all SIP workers (RECORD_OLD_CLIENT), for the next request of the client may go to another one.
 *
 * The memory is a table of fixed size in which a newer client takes an older one's place: who was
 * forgotten is offered both.
 */
#ifndef SIPWARD_SIP_AUTH_OLD_CLIENT_H
#define SIPWARD_SIP_AUTH_OLD_CLIENT_H

#include "worker-sip/sip.h"

/* Clients remembered by a SIP worker, a power of two. */
#define OLD_CLIENTS_MAX 4096
/* Who is challenged for two requests within 4*T1 may have sent the second before the answer to the
 * first came; and within this time, ms, it comes again for the same reason. */
#define OLD_CLIENT_AGAIN_MS 3600000u
/* For so long MD5 stands alone, ms. */
#define OLD_CLIENT_MS 86400000u
/* Another worker's clock may be ahead of ours by so much, ms. */
#define OLD_CLIENT_CLOCK_MS 1000u

/* Its sender is about to be offered both algorithms. True: it is to be MD5 alone. *found: it was
 * found out just now. */
bool old_client_challenged(struct sip *sip, const struct message *m, bool *found);
/* Whether a challenge for the request would be so. Changes nothing. */
bool old_client_is(const struct sip *sip, const struct message *m);
/* Its sender has shown credentials of that algorithm, with a nonce that was minted for it; right:
 * they count. */
void old_client_answered(struct sip *sip, const struct message *m, uint8_t algorithm, bool right);
/* What another SIP worker has found out. */
void old_client_told(struct sip *sip, const struct record_old_client *told);

#endif
