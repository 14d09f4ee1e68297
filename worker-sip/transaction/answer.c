/* answer.c - answers of our own to a request that has a server transaction. */
#include "machine.h"

#include "worker-sip/message/refusal_log.h"
#include "worker-sip/message/response.h"

void answer_reason(struct sip *sip, struct transaction *t, unsigned status, struct str reason,
	struct str headers)
{
	struct held_message *request = transaction_request(t);
	char buffer[TOKEN_LENGTH];
	struct response r = {.status = status, .reason = reason, .headers = headers};
	struct wire *wire;

	if (!request)
		return;
	if (status > 100)
		r.to_tag = transaction_tag(t, buffer);
	int error = response_build_answer(sip, &request->message, &r, &wire);
	if (error) {
		if (status >= 200)
			transaction_abandon(t, error);
		return;
	}
	held_message_hold(request);
	transaction_answer(t, status, wire);
	/* else it was answered before, too late to be told, or cannot be reached */
	if (t->stage == STAGE_COMPLETED)
		refusal_log_request(sip, &request->message, status, headers);
	held_message_drop(request);
	wire_drop(wire);
}

void answer(struct sip *sip, struct transaction *t, unsigned status, struct str headers)
{
	answer_reason(sip, t, status, STR_NONE, headers);
}
