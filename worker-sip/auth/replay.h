/* replay.h - which nonce counts have been used: a bounded memory that never accepts one twice (RFC
 * 7616 section 5.9).
 *
 * For each nonce that a right digest came with: the highest count and a window of the 64 below it.
 * The nonces are a ring: the oldest makes room for the newest. What was forgotten must not be
 * accepted anew, so the memory keeps a horizon: a nonce that it does not know and that was minted
 * before the horizon (the start of this process, or the youngest nonce forgotten) counts as used.
 * Only right digests take room.
 */
#ifndef SIPWARD_SIP_AUTH_REPLAY_H
#define SIPWARD_SIP_AUTH_REPLAY_H

#include <stddef.h>
#include <stdint.h>

/* Nonces remembered by a SIP worker; 48 bytes each. */
#define REPLAY_NONCES 65536

struct replay;

/* nonces: a power of two. now_ms: the horizon, on the clock of nonce_make. -ENOMEM. */
int replay_new(struct replay **out, size_t nonces, uint64_t now_ms);
/* NULL is a no-op. */
void replay_free(struct replay *r);
/* Uses count nc of the nonce that serial names and that was minted at minted_ms. 0: not used
 * before. -ESTALE: used, or it cannot be told. */
int replay_use(struct replay *r, uint64_t serial, uint64_t minted_ms, uint32_t nc);
/* Slots have come to this worker, and what their last owner knew has not: every nonce from before
 * now_ms that is not known counts as used. */
void replay_horizon(struct replay *r, uint64_t now_ms);

#endif
