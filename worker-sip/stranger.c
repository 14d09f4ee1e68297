/* stranger.c - see stranger.h. Changes nothing. */
#include "stranger.h"

#include "ipc/token.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/subscription/subscribe.h"
#include "worker-sip/transaction/transaction.h"

static bool stranger_answers(struct sip *sip, const struct message *m)
{
	struct str text = message_str(m, m->via_branch);
	uint64_t branch;
	uint8_t slot;

	return text.n == BRANCH_LENGTH &&
	       token_prove(&sip->keys.minting, TOKEN_BRANCH,
		       str_from(text, BRANCH_LENGTH - TOKEN_LENGTH), &slot, &branch) == 0 &&
	       transactions_asked_by(sip->transactions, m, branch);
}

static bool stranger_is_in_dialog(struct sip *sip, const struct message *m, unsigned zone)
{
	if (!m->to_tag.length)
		return false;
	const struct dialog *d = dialog_of_request(sip, m);
	if (!d)
		d = dialog_retired(sip, message_str(m, m->call_id), message_str(m, m->to_tag),
			message_str(m, m->from_tag));
	return d ? d->zone == zone : subscribe_awaits(sip, m);
}

bool stranger_is_known(struct sip *sip, const struct message *m, unsigned zone)
{
	if (!m->is_request)
		return stranger_answers(sip, m);
	if (m->method == METHOD_REGISTER)
		return false;
	return stranger_is_in_dialog(sip, m, zone) ||
	       transactions_have_of_peer(sip->transactions, m);
}
