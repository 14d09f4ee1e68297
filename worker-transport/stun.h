/* stun.h - the answer to a STUN Binding request (RFC 8489), by which a phone that is registered
 * over UDP holds its NAT open and sees whether its address there has changed (RFC 5626
 * sections 4.4.2 and 8). No credentials are asked for, and no other method is known. */
#ifndef SIPWARD_TRANSPORT_STUN_H
#define SIPWARD_TRANSPORT_STUN_H

#include "common/endpoint.h"

/* A header, and the address of IPv6; or the attributes that are not known. */
#define STUN_ANSWER_MAX 44

/* Whether a datagram is STUN, and can be no SIP (RFC 8489 section 5, RFC 5626 section 8). */
bool stun_is(const void *bytes, size_t size);
/* Writes the answer to a datagram that is STUN and came from peer. Returns its length; 0: it is no
 * sound Binding request, and gets none. */
size_t stun_answer(const void *bytes, size_t size, const struct endpoint *peer,
	uint8_t answer[static STUN_ANSWER_MAX]);

#endif
