/* sign_client.h - the transport worker's side of the key edges: signatures asked of the TLS
 * workers, and the session ticket keys that they hand out (ipc/sign.h).
 *
 * Any TLS worker may sign for any certificate. A request whose worker died is given to another one,
 * or to the successor, without anybody being told. Nothing here blocks.
 */
#ifndef SIPWARD_TRANSPORT_TLS_SIGN_CLIENT_H
#define SIPWARD_TRANSPORT_TLS_SIGN_CLIENT_H

#include "common/loop.h"
#include "ipc/sign.h"

/* TLS workers with an edge to this process, at most. */
#define KEY_EDGES_MAX 16
/* Milliseconds after which a request without an answer is given to another worker, if there is one:
 * its own may hang. */
#define SIGN_RETRY_MS 500
/* Milliseconds after which a request fails, because nobody is there to sign or nobody answers. This
 * is far above the time that a dead worker's successor needs. */
#define SIGN_WAIT_MS 5000
/* Ticket keys that are remembered, over all TLS workers and those of lives that have ended. */
#define TICKETS_MAX (KEY_EDGES_MAX * TICKET_KEYS_MAX)

struct sign_client;

enum signing_state { SIGNING_IDLE, SIGNING_WAITING, SIGNING_SENT, SIGNING_DONE, SIGNING_FAILED };

/* One signature. The caller zeroes it and sets certificate, generation, scheme, text, size and
 * done. It belongs to the sign client from sign_client_sign until done is called or it is
 * cancelled. */
struct signing {
	struct sign_client *client;
	struct signing *next, **link; /* of its list: of those that wait, or of its edge */
	struct key_edge *edge;        /* over which it was sent */
	struct timer timer;
	uint64_t deadline; /* ms */
	enum signing_state state;
	int error; /* SIGNING_FAILED: negative errno: -ETIMEDOUT, or as sign_reply.error */
	uint32_t id, generation;
	uint16_t certificate, scheme;
	size_t size, signature_size;
	unsigned char text[SIGN_TEXT_MAX];
	unsigned char signature[SIGNATURE_MAX];
	/* called from the loop, never from sign_client_sign; may free s */
	void (*done)(struct signing *s, void *arg);
	void *arg;
};

/* One key of session tickets (RFC 5077 section 4). */
struct ticket_key {
	uint8_t name[16], aes[32], hmac[32];
	uint64_t expires; /* ms */
	uint16_t peer;    /* the TLS worker that made the key */
	bool current;     /* new tickets are made with it */
};

/* Makes a client without an edge. 0; -ENOMEM. */
int sign_client_new(struct sign_client **out, struct loop *loop);
/* Closes its edges. Requests that wait fail without a call of their done. NULL is a no-op. */
void sign_client_free(struct sign_client *k);

/* Takes an edge to the TLS worker peer into use, in the place of the one that peer had, whose
 * requests are asked anew. fd is the client's on success. 0; -EINVAL: peer is no TLS worker;
 * -ENOSPC: its index is KEY_EDGES_MAX or more; another negative errno. */
int sign_client_edge(struct sign_client *k, uint16_t peer, int fd);
/* The number of TLS workers that can be asked. */
unsigned sign_client_edges(const struct sign_client *k);

/* Asks for a signature. The request leaves at the end of the loop's turn, with the others of that
 * turn. 0; -EINVAL: size is not 1 to SIGN_TEXT_MAX. */
int sign_client_sign(struct sign_client *k, struct signing *s);
/* Takes a request back: its done is not called any more. */
void sign_client_cancel(struct signing *s);
/* The number of requests that have no answer yet. */
unsigned sign_client_pending(const struct sign_client *k);

/* The key that new tickets are made with, at now (ms of the loop's clock). NULL: none is to be
 * made. Both keys are valid until the loop turns. */
const struct ticket_key *sign_client_ticket(const struct sign_client *k, uint64_t now);
/* The key with that name. NULL: it is not known, or has expired at now. */
const struct ticket_key *sign_client_ticket_named(
	const struct sign_client *k, const unsigned char name[16], uint64_t now);

/* Sets the signing that a signature made by OpenSSL uses from here on: that of the connection whose
 * handshake is about to go on. NULL: there is none, and signatures fail. The provider
 * (sign_provider.c) reads it with sign_client_entered. */
void sign_client_enter(struct sign_client *k, struct signing *s);
/* The signing that was set last, or NULL. */
struct signing *sign_client_entered(const struct sign_client *k);

#endif
