/* replay.c - the nonce counts that were used (replay.h). Serials are MACs of ours, so
 * that they need no hashing. */
#include "replay.h"

#include "common/counters.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define WINDOW 64
#define NONE UINT32_MAX

struct nonce {
	uint64_t serial, minted;
	uint64_t used; /* bit i: count highest - i */
	uint32_t highest;
	uint32_t next; /* in its bucket */
	bool live;
};
struct replay {
	uint64_t horizon;
	size_t mask;
	size_t at; /* the oldest: the place of the next */
	uint32_t *bucket;
	struct nonce nonce[];
};

int replay_new(struct replay **out, size_t nonces, uint64_t now_ms)
{
	assert(nonces && (nonces & (nonces - 1)) == 0 && nonces < NONE);
	struct replay *r = calloc(1, sizeof(*r) + nonces * sizeof(r->nonce[0]));
	uint32_t *bucket = malloc(nonces * sizeof(*bucket));
	if (!r || !bucket) {
		free(r);
		free(bucket);
		return -ENOMEM;
	}
	for (size_t i = 0; i < nonces; i++)
		bucket[i] = NONE;
	r->bucket = bucket;
	r->mask = nonces - 1;
	r->horizon = now_ms;
	*out = r;
	return 0;
}

void replay_free(struct replay *r)
{
	if (r)
		free(r->bucket);
	free(r);
}

void replay_horizon(struct replay *r, uint64_t now_ms)
{
	if (now_ms > r->horizon)
		r->horizon = now_ms;
}

static void replay_forget(struct replay *r, uint32_t index)
{
	struct nonce *n = &r->nonce[index];
	uint32_t *link = &r->bucket[n->serial & r->mask];

	while (*link != index)
		link = &r->nonce[*link].next;
	*link = n->next;
	n->live = false;
	replay_horizon(r, n->minted + 1);
	count(REPLAY_EVICTED);
}

static void replay_learn(struct replay *r, uint64_t serial, uint64_t minted, uint32_t nc)
{
	uint32_t index = (uint32_t)r->at;
	struct nonce *n = &r->nonce[index];
	uint32_t *bucket = &r->bucket[serial & r->mask];

	if (n->live)
		replay_forget(r, index);
	*n = (struct nonce){.serial = serial,
		.minted = minted,
		.used = 1,
		.highest = nc,
		.next = *bucket,
		.live = true};
	*bucket = index;
	r->at = (r->at + 1) & r->mask;
}

static int nonce_use(struct nonce *n, uint32_t nc)
{
	if (nc > n->highest) {
		uint32_t step = nc - n->highest;

		n->used = step < WINDOW ? n->used << step | 1 : 1;
		n->highest = nc;
		return 0;
	}
	uint32_t below = n->highest - nc;
	if (below >= WINDOW || n->used >> below & 1)
		return -ESTALE;
	n->used |= (uint64_t)1 << below;
	return 0;
}

int replay_use(struct replay *r, uint64_t serial, uint64_t minted_ms, uint32_t nc)
{
	if (nc == 0)
		return -ESTALE;
	for (uint32_t i = r->bucket[serial & r->mask]; i != NONE; i = r->nonce[i].next)
		if (r->nonce[i].serial == serial)
			return nonce_use(&r->nonce[i], nc);
	if (minted_ms < r->horizon)
		return -ESTALE;
	replay_learn(r, serial, minted_ms, nc);
	return 0;
}
