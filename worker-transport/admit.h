/* admit.h - admission: zones' sources, limits of requests and connections per source, bans.
 *
 * A source is an address in a zone; for IPv6 the /64 that holds it, since a subscriber has at least
 * that much. Sources of trusted zones are never limited nor banned; strangers (stranger.h) have
 * limits of their own, and are banned by operators alone. The table of sources is of
 * fixed size: the source that was unused for longest makes room, but never one with connections or
 * a ban. Every refusal is counted here.
 */
#ifndef SIPWARD_TRANSPORT_ADMIT_H
#define SIPWARD_TRANSPORT_ADMIT_H

#include "ipc/lifeline.h"
#include "ipc/settings.h"

/* Sources remembered at once. */
#define SOURCES_MAX 65536
/* Bans at once; the oldest ends early when there are more. */
#define BANS_MAX 16384

struct admit;
struct source;

/* settings must outlive the table, or its next admit_settings. orders: what an operator has banned,
 * which may change; it outlives the table. 0; -ENOMEM. */
int admit_new(
	struct admit **out, const struct settings *settings, const struct lifeline_bans *orders);
/* To be called after all streams. NULL is a no-op. */
void admit_free(struct admit *a);
/* Takes new settings. Sources of zones whose name is still there are kept; bans are where the zone
 * has the rule that they were made by, and does not name their source in never-ban. */
void admit_settings(struct admit *a, const struct settings *settings);

/* Whether anything from peer may be read on listener. now: milliseconds of the loop's clock, here
 * and below. 0; -EACCES: the listener's zone is trusted, does not name it and hears no strangers;
 * -EPERM: it is banned; -ENOENT: its zone denies it. */
int admit_source(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
/* Whether it is banned, without counting that. */
bool admit_is_banned(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
/* Whether its zone denies it (deny), without counting that. */
bool admit_is_denied(const struct admit *a, unsigned listener, const struct endpoint *peer);
/* Takes one request outside any dialog from the source's allowance. 0, or -EBUSY where it has none
 * left, which the caller counts if he drops it. */
int admit_request(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
/* Lets an emergency call in that admit_request has refused: the source may send so many requests a
 * second beyond its rate, for an attack must not pass by such numbers. 0, or -EBUSY. */
#define EMERGENCY_REQUESTS 10
int admit_emergency(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now);
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
/* A failed authentication of the source. user: a keyed hash of the name that was tried, by which
 * attempts of one phone are told from those with many names (failed_users.h); 0: it counts in any
 * case. True where the source is banned by this one: the caller closes its connections. Logged, in
 * the line that fail2ban reads. */
bool admit_penalty(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t user,
	uint64_t now);
/* Ends the bans that zones' rules have made of sources in that network, or of all (NULL); returns
 * how many there were. An IPv6 address stands for its /64. */
unsigned admit_lift(struct admit *a, const struct prefix *sources, uint64_t now);
/* A ban by the rule of a zone. */
struct ban_view {
	uint64_t serial; /* rises from ban to ban; not 0 */
	struct endpoint source;
	bool network;  /* source stands for its /64 */
	unsigned zone; /* NONE_INDEX: its zone is gone */
	uint64_t left; /* ms */
};
/* Calls visit for each ban with a greater serial, in their order. */
void admit_bans_each(struct admit *a, uint64_t after, uint64_t now,
	void (*visit)(const struct ban_view *ban, void *arg), void *arg);
/* Whether both peers count as one source (zones aside). */
bool admit_same_source(const struct endpoint *a, const struct endpoint *b);

#endif
