/* minting_keys.h - the keys that the master mints and hands out, kept over restarts in the state
 * directory. */
#ifndef SIPWARD_MASTER_MINTING_KEYS_H
#define SIPWARD_MASTER_MINTING_KEYS_H

#include "ipc/lifeline.h"

/* A minting key older than this is replaced at a start; the one before goes on proving the tokens
 * of calls that are up. */
#define KEYS_AGE_MAX (24 * 3600)

struct keys;

/* Reads STATE/keys (directory: the open state directory), rotates the minting keys where they are
 * old, and writes the file (0600, atomically) where it is new or has changed. *out lies in guarded
 * memory. -EBADMSG: the file is damaged; -errno. now: seconds since the epoch. Logged. */
int keys_open(int directory, uint64_t now, struct keys **out);
void keys_close(struct keys *k); /* wipes; NULL is a no-op */

/* Writes the keys that a worker of that role may hold; the others are zero. The caller wipes
 * out. */
void keys_for(const struct keys *k, unsigned role, struct lifeline_keys *out);

#endif
