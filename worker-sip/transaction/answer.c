/* answer.c - answers of our own to a request that has a server transaction. */
#include "machine.h"

#include "worker-sip/message/refusal_log.h"
#include "worker-sip/message/response.h"

#include <errno.h>

/* Builds it, no longer than a stranger's refusal may be where it is one and can be so short. */
static int answer_build(struct sip *sip, const struct transaction *t, const struct message *request,
	struct response *r, struct wire **out)
{
	const size_t limit = r->status >= 300 ? transaction_answer_max(t) : SIZE_MAX;

	if (limit == SIZE_MAX)
		return response_build_answer(sip, request, r, out);
	int error = response_build_within(sip, request, r, limit, out);

	return error == -EMSGSIZE ? response_build_answer(sip, request, r, out) : error;
}

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
	int error = answer_build(sip, t, &request->message, &r, &wire);
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
