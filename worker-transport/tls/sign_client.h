/* sign_client.h - the transport worker's side of the key edges: signatures asked of the TLS
 * workers, and the session ticket keys that they hand out (ipc/sign.h, DESIGN.md section 7).
 *
 * Any TLS worker may sign for any certificate. A request whose worker died is given to another, or
 * to that one's successor; nobody is told of it. Nothing here blocks.
 */
#ifndef SIPWARD_TRANSPORT_TLS_SIGN_CLIENT_H
#define SIPWARD_TRANSPORT_TLS_SIGN_CLIENT_H

#include "common/loop.h"
#include "ipc/sign.h"

/* TLS workers with an edge to this process, at most. */
#define KEY_EDGES_MAX 16
/* A request that its worker leaves unanswered this long is given to another one, if there is one:
 * it may hang. */
#define SIGN_RETRY_MS 500
/* After this long a request fails: nobody is there to sign, or nobody answers. Far above the time
 * that a dead worker's successor needs. */
#define SIGN_WAIT_MS 5000
/* Ticket keys that are remembered, over all TLS workers and those of lives that have ended. */
#define TICKETS_MAX (KEY_EDGES_MAX * TICKET_KEYS_MAX)

struct sign_client;

enum signing_state { SIGNING_IDLE, SIGNING_WAITING, SIGNING_SENT, SIGNING_DONE, SIGNING_FAILED };

/* One signature. Zero it, set certificate, generation, scheme, text and done; it belongs to the
 * keys from sign_client_sign until done is called, or sign_client_cancel. */
struct signing {
	struct sign_client *client;
	struct signing *next, **link; /* of its list: waiting, or its edge's */
	struct key_edge *edge;        /* that has it */
	struct timer timer;
	uint64_t deadline; /* ms */
	enum signing_state state;
	int error; /* SIGNING_FAILED: negative errno: -ETIMEDOUT, or as sign_reply.error */
	uint32_t id, generation;
	uint16_t certificate, scheme;
	size_t size, signature_size;
	unsigned char text[SIGN_TEXT_MAX];
	unsigned char signature[SIGNATURE_MAX];
	void (*done)(struct signing *s,
		void *arg); /* called from the loop, never from sign_client_sign; may free s */
	void *arg;
};

/* One key of session tickets (RFC 5077 section 4). */
struct ticket_key {
	uint8_t name[16], aes[32], hmac[32];
	uint64_t expires; /* ms */
	uint16_t peer;    /* the TLS worker that made it */
	bool current;     /* new tickets are made with it */
};

int sign_client_new(struct sign_client **out, struct loop *loop); /* -ENOMEM */
void sign_client_free(
	struct sign_client *k); /* NULL is a no-op. What waits fails without being told. */

/* An edge to the TLS worker peer: takes the place of the one that it had, whose requests are asked
 * anew. fd is the keys' on success. -ENOSPC, -errno. */
int sign_client_edge(struct sign_client *k, uint16_t peer, int fd);
/* TLS workers that can be asked. */
unsigned sign_client_edges(const struct sign_client *k);

/* Asks for a signature; the request leaves at the end of the loop's turn, with the others of that
 * turn. 0; -EINVAL: a text of no or too great a size. */
int sign_client_sign(struct sign_client *k, struct signing *s);
/* Takes a request back: done is not called any more. */
void sign_client_cancel(struct signing *s);
/* Requests without an answer. */
unsigned sign_client_pending(const struct sign_client *k);

/* The key that new tickets are made with, or NULL: none is to be made. The key named name, or NULL:
 * unknown, or expired at now. */
const struct ticket_key *sign_client_ticket(const struct sign_client *k, uint64_t now);
const struct ticket_key *sign_client_ticket_named(
	const struct sign_client *k, const unsigned char name[16], uint64_t now);

/* The signing that a signature made by OpenSSL from here on uses: that of the connection whose
 * handshake is about to go on. NULL: none, signatures fail. The provider (keyless.c) reads it. */
void sign_client_enter(struct sign_client *k, struct signing *s);
struct signing *sign_client_entered(const struct sign_client *k);

#endif
