/* incoming_answer.c - the answer to a request that is refused or served here, and the record of an
 * INVITE that is refused before there is a call. */
#include "incoming.h"

#include "worker-sip/call/call_record.h"
#include "worker-sip/message/response.h"
#include "worker-sip/transaction/transaction.h"

void incoming_answer(const struct incoming *in, unsigned status, struct str headers)
{
	if (in->explanation) {
		explanation_answer(in->explanation, status, headers);
		return;
	}
	if (in->transaction)
		answer(in->sip, in->transaction, status, headers);
	else
		answer_stateless(in->sip, in->message, status, headers);
	call_record_refused(in, status);
}
