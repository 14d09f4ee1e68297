/* allowance.c - what a source may be sent that has not shown itself (allowance.h). */
#include "allowance.h"

#include "common/counters.h"
#include "ipc/message.h"

#include <assert.h>
#include <stdlib.h>

struct allowance {
	uint32_t holders;
	bool lifted;
	uint64_t came, went; /* bytes */
};

struct allowance *allowance_new(size_t came)
{
	struct allowance *a = malloc(sizeof(*a));

	if (a)
		*a = (struct allowance){.holders = 1, .came = came};
	return a;
}

struct allowance *allowance_hold(struct allowance *a)
{
	if (!a)
		return NULL;
	assert(a->holders > 0 && a->holders < UINT32_MAX);
	a->holders++;
	return a;
}

void allowance_drop(struct allowance *a)
{
	if (!a)
		return;
	assert(a->holders > 0);
	if (--a->holders == 0)
		free(a);
}

void allowance_add(struct allowance *a, size_t came)
{
	if (a)
		a->came += came;
}

void allowance_lift(struct allowance *a)
{
	if (a)
		a->lifted = true;
}

bool allowance_binds(const struct allowance *a)
{
	return a && !a->lifted;
}

size_t allowance_left(const struct allowance *a)
{
	return allowance_binds(a) ? (size_t)(ANSWER_RATIO * a->came - a->went) : SIZE_MAX;
}

bool allowance_take(struct allowance *a, size_t size, size_t keep)
{
	if (!allowance_binds(a))
		return true;
	if (size + keep > allowance_left(a)) {
		count(MESSAGES_WITHHELD);
		return false;
	}
	a->went += size;
	return true;
}
