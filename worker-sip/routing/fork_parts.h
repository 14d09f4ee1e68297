/* fork_parts.h - inside of a request with several targets (fork.h): what fork.c, which has the
 * target set and the best answer, and fork_branch.c, which has the way to one target, ask of each
 * other. */
#ifndef SIPWARD_SIP_ROUTING_FORK_PARTS_H
#define SIPWARD_SIP_ROUTING_FORK_PARTS_H

#include "fork.h"

/* Makes the zeroed b the branch of f to target, which has to stay until the request is settled. */
void fork_branch_init(
	struct fork *f, struct fork_branch *b, const struct target *target, unsigned place);
/* Makes the branch, which has not been sent, one to the target of from. */
void fork_branch_retarget(struct fork_branch *b, const struct fork_branch *from);
/* Copies targets with what rules have made of the request for them, into one block. NULL: there is
 * no memory. */
struct target *fork_copy_targets(
	const struct scratch *scratch, const struct target *targets, unsigned count);
/* Frees the targets that were found later, or those with their branches. */
void fork_more_trim(struct fork *f);
void fork_more_free(struct fork *f);
/* Sends the request to the branch's target. udp: do not leave UDP for TCP (forward_send). False:
 * nothing was sent. */
bool fork_branch_send(struct fork_branch *b, bool udp);
/* Nothing calls the branch back any more; its memory is the fork's. */
void fork_branch_end(struct fork_branch *b);

#endif
