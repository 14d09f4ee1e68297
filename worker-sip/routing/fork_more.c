/* fork_more.c - targets of a request that are found while it is on its way (fork.h), and the copies
 * of all targets. */
#include "fork_parts.h"

#include <errno.h>
#include <stdlib.h>

struct target *fork_copy_targets(
	const struct scratch *scratch, const struct target *targets, unsigned count)
{
	struct target *copies = malloc(count * sizeof(*copies) + scratch->rewrites_size + !count);
	char *rewrites;

	if (!copies)
		return NULL;
	rewrites = (char *)(copies + count);
	memcpy(rewrites, scratch->rewrites, scratch->rewrites_size);
	for (unsigned i = 0; i < count; i++) {
		const char *rewrite = (const char *)targets[i].rewrite;

		target_copy(&copies[i], &targets[i]);
		if (rewrite)
			copies[i].rewrite = (const void *)(rewrites +
							   (rewrite - scratch->rewrites));
	}
	return copies;
}

void fork_branch_retarget(struct fork_branch *b, const struct fork_branch *from)
{
	b->target = from->target;
	b->zone = from->zone;
	b->trunk = from->trunk;
	b->place = from->place;
	b->hop = from->hop;
	b->skipped = from->skipped;
	b->label = from->label;
	b->attempt = from->attempt;
	b->answer_ms = from->answer_ms;
	b->ring_ms = from->ring_ms;
}

struct fork_branch *fork_branch_later(const struct fork *f, unsigned i)
{
	const struct fork_more *m = f->more;

	while (i < m->first)
		m = m->next;
	return (struct fork_branch *)(void *)(m->branches + (i - m->first) * f->branch_size);
}

/* Has the last count branches be the next ones, in their order. */
static void fork_more_come_next(struct fork *f, unsigned count)
{
	struct fork_branch moved;

	for (unsigned k = 0; k < count; k++) {
		unsigned i = f->count - count + k, to = f->next + k;

		moved = *fork_branch_at(f, i);
		for (; i > to; i--)
			fork_branch_retarget(fork_branch_at(f, i), fork_branch_at(f, i - 1));
		fork_branch_retarget(fork_branch_at(f, to), &moved);
	}
}

int fork_extend(struct fork *f, const struct target *targets, unsigned count)
{
	if (count > FORK_TARGETS_MAX - f->count)
		return -E2BIG;
	struct fork_more *more = calloc(1, sizeof(*more) + count * f->branch_size);
	struct target *copies = fork_copy_targets(&f->sip->scratch, targets, count);

	if (!more || !copies) {
		free(more);
		free(copies);
		return -ENOMEM;
	}
	more->targets = copies;
	more->first = f->count;
	more->count = count;
	more->next = f->more;
	f->more = more;
	f->count += count;
	for (unsigned i = 0; i < count; i++)
		fork_branch_init(
			f, fork_branch_at(f, more->first + i), &copies[i], more->first + i);
	fork_more_come_next(f, count);
	return 0;
}

void fork_skip_hop(struct fork *f, uint8_t hop)
{
	for (unsigned i = f->next; i < f->count; i++)
		if (fork_branch_at(f, i)->hop == hop)
			fork_branch_at(f, i)->skipped = true;
}

void fork_more_trim(struct fork *f)
{
	for (struct fork_more *m = f->more; m; m = m->next) {
		free(m->targets);
		m->targets = NULL;
	}
}

void fork_more_free(struct fork *f)
{
	struct fork_more *m;

	fork_more_trim(f);
	while ((m = f->more)) {
		f->more = m->next;
		free(m);
	}
}
