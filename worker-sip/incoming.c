/* incoming.c - the transaction of a request, which a stranger's has late or never (incoming.h). */
#include "incoming.h"

#include "worker-sip/transaction/transaction.h"

#include <errno.h>

bool incoming_is_stranger(const struct incoming *in)
{
	return settings_is_stranger(in->sip->settings, &in->message->flow);
}

bool incoming_begin(struct incoming *in)
{
	if (in->transaction || in->explanation)
		return true;
	in->transaction = transactions_begin(in->sip->transactions, in->message, in->slot);
	if (!in->transaction)
		return false;
	if (in->shown || !incoming_is_stranger(in) || transaction_bound(in->transaction) == 0)
		return true;
	transaction_abandon(in->transaction, -ENOMEM);
	in->transaction = NULL;
	return false;
}
