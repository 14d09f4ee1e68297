/* dialog_pair.h - the two dialogs that a request outside of dialogs makes: one with its sender, one
 * with whoever answers it at the target of a branch (RFC 3261 section 12.1, RFC 6665
 * section 4.4.1). */
#ifndef SIPWARD_SIP_CALL_DIALOG_PAIR_H
#define SIPWARD_SIP_CALL_DIALOG_PAIR_H

#include "dialog.h"
#include "worker-sip/routing/fork.h"

/* Their parts, a that with the sender; what they point to is in the messages, in the branch and in
 * the worker's scratch (early_call): good until the next one is made. */
struct dialog_pair {
	struct dialog_parts a, b;
};

/* Makes the parts of the dialogs of request, as it was received, and of m: a response that came by
 * the branch, or a NOTIFY that came before one. False where they cannot be written. */
bool dialog_pair_of_branch(struct dialog_pair *out, const struct fork_branch *b,
	const struct message *request, const struct message *m);

#endif
