/* sign_server.h - one key edge: the sign requests of one transport worker and their answers
 * (ipc/sign.h).
 *
 * The peer is not trusted. A text that may not be signed is refused, counted and logged as an
 * attack; a packet that does not decode is counted, logged and dropped. In one turn an edge gets
 * SIGN_SERVER_REQUESTS_PER_TURN requests or SIGN_SERVER_TURN_NS of signing, whichever ends first;
 * their answers leave together, so that the peer wakes up once for them; then the others have their
 * turn. A peer that does not read its answers is not read from.
 */
#ifndef SIPWARD_TLS_SIGN_SERVER_H
#define SIPWARD_TLS_SIGN_SERVER_H

#include "common/loop.h"
#include "keystore.h"

#define SIGN_SERVER_REQUESTS_PER_TURN 16
#define SIGN_SERVER_TURN_NS 2000000
/* Log lines sign-refused per edge in SIGN_SERVER_LOG_WINDOW_MS; the next line tells how many
 * were left out. */
#define SIGN_SERVER_LOG_LINES 10
#define SIGN_SERVER_LOG_WINDOW_MS 60000

struct sign_server;

/* Serves fd, which is the server's on success, for the transport worker of index peer, with keys,
 * which outlives the server. 0, or a negative errno. */
int sign_server_new(struct sign_server **out, struct loop *loop, int fd, unsigned peer,
	const struct keystore *keys);
void sign_server_free(struct sign_server *e); /* NULL is a no-op */
/* Sends a SIGN_TICKETS packet of size bytes, now or when the peer reads again; a later packet
 * replaces one that still waits. */
void sign_server_tickets(struct sign_server *e, const unsigned char *packet, size_t size);

#endif
