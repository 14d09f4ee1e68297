/* trunk_auth.h - digest towards the servers of trunks (RFC 3261 section 22): which challenges are
 * answered, and the credentials of requests that follow.
 *
 * The HA1s are rows of the users image, one for each trunk and realm (USERS_OF_TRUNKS): a realm
 * that has none is not answered. The nonce of the last challenge is used for further requests to
 * the trunk, with a count of its own each, until another one comes.
 */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_AUTH_H
#define SIPWARD_SIP_ROUTING_TRUNK_AUTH_H

#include "worker-sip/sip.h"

/* A request is sent so often at most because of a challenge: once, and once more where its nonce
 * was stale. */
#define TRUNK_CHALLENGES_MAX 2
/* Lines a second about challenges that are not answered, at most, for each trunk. */
#define TRUNK_AUTH_LOG_LINES 1

/* What the trunk of that index is called by here, whatever its index after a reload; 0: it has no
 * credentials. */
uint64_t trunk_auth_of(const struct sip *sip, unsigned trunk);
/* The challenges that were answered of one request, by a server (401) and by a proxy before it
 * (407); zeroed for a new request. */
struct trunk_challenges {
	uint8_t server, proxy;
};
/* Takes the challenge in m, a 401 or 407 of the server of that trunk (trunk_auth_of). True: the
 * request is to be sent again, with what trunk_auth_write says. False: there is nothing that m asks
 * for, or it has been refused. */
bool trunk_auth_take(struct sip *sip, uint64_t trunk, const struct message *m,
	struct trunk_challenges *answered);
/* The credentials of a request to that trunk, a header line for its server, one for its proxy, or
 * both; empty where none were asked for yet.
 * Good until the next one is written. */
struct str trunk_auth_write(struct sip *sip, uint64_t trunk, struct str method, struct str uri);
/* Forgets all challenges. */
void trunk_auth_free(struct sip *sip);

#endif
