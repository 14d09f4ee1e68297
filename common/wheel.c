/* wheel.c - eight levels of 256 slots: every 64 bit time has its place and no list has to be kept
 * apart for the far future.
 *
 * A timer stands at the level of the highest byte in which its due time differs from the wheel's
 * cursor, in the slot that this byte names. So all of level n is due before any of level n + 1, a
 * set bit is always ahead of the cursor, and the first set bit of the lowest level in use is the
 * next thing to happen: two find-first-set instructions, however long the gap. When the cursor
 * reaches a slot above level 0 its timers move down, at most seven times in a life.
 *
 * Lists are last-in first-out and turned round before use, so that timers of one tick fire in the
 * order in which they were set. Relies on nothing.
 */
#include "wheel.h"

#include "list.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define LEVELS 8
#define LEVEL_BITS 8
#define SLOTS (1u << LEVEL_BITS)
#define WORDS (SLOTS / 64)

struct wheel {
	uint64_t now;    /* the latest time given to wheel_advance; what is due at or before it is
	                  * past */
	uint64_t cursor; /* how far the slots were worked off; behind now only within
	                  * wheel_advance */
	struct timer *past;   /* set for a time that had passed: for the next wheel_advance */
	struct timer *firing; /* taken out of their slot, about to fire in this order */
	bool advancing;
	uint8_t used;                   /* bit n: level n has a timer */
	uint64_t bitmap[LEVELS][WORDS]; /* bit n: the slot has a timer */
	struct timer *slot[LEVELS][SLOTS];
};

int wheel_new(struct wheel **out, uint64_t now)
{
	struct wheel *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->now = w->cursor = now;
	*out = w;
	return 0;
}

void wheel_free(struct wheel *w)
{
	assert(!w || !w->advancing);
	free(w);
}

/* Moves the list at from to the empty list at to, in reverse. */
static void wheel_reverse(struct timer **from, struct timer **to)
{
	assert(!*to);
	while (*from) {
		struct timer *t = *from;

		list_remove(t);
		list_insert(to, t);
	}
}

static void wheel_slot_mark(struct wheel *w, unsigned level, unsigned index)
{
	w->bitmap[level][index / 64] |= UINT64_C(1) << (index % 64);
	w->used |= (uint8_t)(1u << level);
}

static void wheel_slot_clear(struct wheel *w, unsigned level, unsigned index)
{
	w->bitmap[level][index / 64] &= ~(UINT64_C(1) << (index % 64));
	for (unsigned i = 0; i < WORDS; i++)
		if (w->bitmap[level][i])
			return;
	w->used &= (uint8_t) ~(1u << level);
}

/* Puts t, due at or after the cursor, into its slot. */
static void wheel_slot_add(struct wheel *w, struct timer *t)
{
	uint64_t differs = t->due ^ w->cursor;
	unsigned level = differs ? (63u - (unsigned)__builtin_clzll(differs)) / LEVEL_BITS : 0;
	unsigned index = (unsigned)(t->due >> (level * LEVEL_BITS)) % SLOTS;

	list_insert(&w->slot[level][index], t);
	wheel_slot_mark(w, level, index);
}

/* The slot whose turn comes next and the time at which it starts. False where there is none. */
static bool wheel_slot_next(
	const struct wheel *w, unsigned *level, unsigned *index, uint64_t *start)
{
	if (!w->used)
		return false;
	unsigned l = (unsigned)__builtin_ctz(w->used), i = 0;
	while (!w->bitmap[l][i])
		i++;
	i = i * 64 + (unsigned)__builtin_ctzll(w->bitmap[l][i]);

	/* The bytes above the level's are the cursor's. */
	unsigned above = (l + 1) * LEVEL_BITS;
	uint64_t high = above < 64 ? w->cursor >> above << above : 0;
	*level = l;
	*index = i;
	*start = high | (uint64_t)i << (l * LEVEL_BITS);
	return true;
}

void wheel_stop(struct wheel *w, struct timer *t)
{
	if (!t->link)
		return;

	/* The last one of a slot: its link is the slot's head, from which level and index follow. A
	 * stale bit would wake us for nothing. */
	uintptr_t head = (uintptr_t)t->link, first = (uintptr_t)&w->slot[0][0];
	bool alone = !t->next && head >= first && head < first + sizeof(w->slot);
	list_remove(t);
	if (alone) {
		unsigned at = (unsigned)((head - first) / sizeof(struct timer *));

		wheel_slot_clear(w, at / SLOTS, at % SLOTS);
	}
}

void wheel_set(struct wheel *w, struct timer *t, uint64_t due)
{
	assert(t->callback);
	wheel_stop(w, t);
	t->due = due;
	if (due <= w->now)
		list_insert(&w->past, t);
	else
		wheel_slot_add(w, t);
}

static void wheel_fire(struct wheel *w)
{
	while (w->firing) {
		struct timer *t = w->firing;

		list_remove(t);
		t->callback(t, t->arg); /* may have freed t */
	}
}

void wheel_advance(struct wheel *w, uint64_t now)
{
	unsigned level, index;
	uint64_t start;

	assert(!w->advancing);
	w->advancing = true;
	if (now > w->now)
		w->now = now;

	wheel_reverse(&w->past, &w->firing);
	wheel_fire(w);
	while (wheel_slot_next(w, &level, &index, &start) && start <= w->now) {
		w->cursor = start;
		wheel_reverse(&w->slot[level][index], &w->firing);
		wheel_slot_clear(w, level, index);
		if (level == 0) {
			wheel_fire(w);
			continue;
		}
		while (w->firing) {
			struct timer *t = w->firing;

			list_remove(t);
			wheel_slot_add(w, t);
		}
	}
	w->cursor = w->now;
	w->advancing = false;
}

uint64_t wheel_next(const struct wheel *w)
{
	unsigned level, index;
	uint64_t start;

	if (w->past || w->firing)
		return w->now;
	return wheel_slot_next(w, &level, &index, &start) ? start : UINT64_MAX;
}
