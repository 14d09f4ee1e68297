/* admit.h - admission: zones' sources, limits of requests and connections per source, bans.
 *
 * A source is an address in a zone; for IPv6 the /64 that holds it, since a subscriber has at least
 * that much. Sources of trusted zones are never limited nor banned. The table of sources is of
 * fixed size: the source that was unused for longest makes room, but never one with connections or
 * a ban. Every refusal is counted here.
 */
#ifndef SIPWARD_TRANSPORT_ADMIT_H
#define SIPWARD_TRANSPORT_ADMIT_H

#include "ipc/settings.h"

/* Sources remembered at once. */
#define SOURCES_MAX 65536
/* Bans at once; the oldest ends early when there are more. */
#define BANS_MAX 16384

struct admit;
struct source;

/* settings must outlive the table, or its next admit_settings. 0; -ENOMEM. */
int admit_new(struct admit **out, const struct settings *settings);
/* To be called after all streams. NULL is a no-op. */
void admit_free(struct admit *a);
/* Takes new settings. Sources and bans of zones whose name is still there are kept. */
void admit_settings(struct admit *a, const struct settings *settings);

/* Whether anything from peer may be read on listener. now: milliseconds of the loop's clock, here
 * and below. 0; -EACCES: the listener's zone is trusted and does not name it; -EPERM: it is
 * banned. */
int admit_source(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
/* Takes one request outside any dialog from the source's allowance. 0, or -EBUSY where it has none
 * left. */
int admit_request(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
/* Counts one connection of the source in; *held (NULL for a source without limits) is to be given
 * to admit_disconnect when it ends. 0, or -EMFILE where the source has as many as its zone
 * allows. */
int admit_connect(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now,
	struct source **held);
/* A connection of the source has ended. NULL: a source without limits. */
void admit_disconnect(struct admit *a, struct source *held);
/* Counts a TLS handshake of a source, which has a connection, in and out; NULL: a source without
 * limits. 0, or -EBUSY where limit of them (0: no limit) are in progress. */
int admit_handshake(struct source *held, unsigned limit);
void admit_handshake_done(struct source *held);
/* A failed authentication of the source. True where it is banned by this one: the caller closes its
 * connections. Logged. */
bool admit_penalty(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
/* Whether both peers count as one source (zones aside). */
bool admit_same_source(const struct endpoint *a, const struct endpoint *b);

#endif
