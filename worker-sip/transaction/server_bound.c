/* server_bound.c - the bound of what a source is sent that has not shown itself, as its server
 * transactions keep it (transaction_bound; worker-sip/message/allowance.h). */
#include "machine.h"
#include "worker-sip/message/refusal_log.h"
#include "worker-sip/message/wire_header.h"

#include <errno.h>
#include <stdlib.h>

/* The status line is ours. */
static unsigned server_bound_status(const struct wire *response)
{
	return (unsigned)strtoul(response->byte + sizeof("SIP/2.0 ") - 1, NULL, 10);
}

/* Whether a provisional response wants a PRACK (RFC 3262 section 3). */
static bool server_bound_is_reliable(const struct wire *response)
{
	struct str line, value;
	size_t at = 0;
	uint8_t id;

	while (wire_header(response, &at, &id, &line, &value))
		if (id == HEADER_RSEQ)
			return true;
	return false;
}

/* What is kept free for what comes after a response to a source that is bound, in bytes. */
static size_t server_bound_keeps_free(const struct transaction *t)
{
	if (t->kind != SERVER_INVITE || server_bound_status(t->sent) >= 200)
		return 0;
	return server_bound_is_reliable(t->sent) ? 0 : ALLOWANCE_FOR_ANSWER;
}

int server_transmit(struct transaction *t)
{
	if (allowance_binds(t->allowance)) {
		bool final = server_bound_status(t->sent) >= 200;

		if (!allowance_take(t->allowance, t->sent->size, server_bound_keeps_free(t))) {
			/* else a copy has gone before */
			t->unsent |= final && t->stage == STAGE_LIVE;
			return 0;
		}
	}
	t->unsent = false;
	return transaction_transmit(t, t->sent, t->cookie);
}

void server_bound_tell(const struct transaction *t)
{
	if (!t->unsent || !t->sent || !t->request)
		return;
	count(ANSWERS_NEVER_SENT);
	refusal_log_unanswered(t->owner->sip, &t->request->message, server_bound_status(t->sent),
		"answer too large for a source that has not shown itself");
}

int transaction_bound(struct transaction *t)
{
	const struct message *m = &t->request->message;

	t->allowance = allowance_new(m->raw_size - m->grown);
	if (!t->allowance)
		return -ENOMEM;
	if (t->kind == SERVER_INVITE) {
		t->again_at = 0;
		transaction_arm(t);
	}
	return 0;
}

struct allowance *transaction_allowance(const struct transaction *t)
{
	return t->allowance;
}

size_t transaction_answer_max(const struct transaction *t)
{
	return allowance_left(t->allowance);
}
