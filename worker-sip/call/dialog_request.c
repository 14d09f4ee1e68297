/* dialog_request.c - requests of our own within a dialog (dialog_request.h). */
#include "dialog_request.h"

#include "ipc/token.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/message/route_set.h"
#include "worker-sip/routing/trunk_auth.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>

struct str dialog_credentials(struct sip *sip, const struct dialog *d, struct str method)
{
	if (!d->trunk || route_set_is_strict(d->route)) /* the Request-URI is another one */
		return STR_EMPTY;
	return trunk_auth_write(
		sip, d->trunk, str_equal(method, S("ACK")) ? S("INVITE") : method, d->target);
}

int dialog_request_write(struct sip *sip, const struct dialog *d, struct str method, uint32_t cseq,
	uint64_t branch, struct str headers, struct str body, struct wire **out)
{
	char token[TOKEN_LENGTH];
	struct writer w = scratch_message(&sip->scratch);
	struct flow flow = dialog_flow(sip, d);
	bool strict = route_set_is_strict(d->route);

	write_str(&w, method);
	write_literal(&w, " ");
	if (strict)
		route_set_write_request_uri(&w, d->route);
	else
		write_str(&w, d->target);
	write_literal(&w, " SIP/2.0\r\nVia: SIP/2.0/");
	write_str(&w, str_of(transport_name(flow.transport)));
	write_literal(&w, " ");
	write_sent_by(&w, sip, &flow);
	write_literal(&w, ";branch=" BRANCH_COOKIE);
	token_mint(&sip->keys.minting, TOKEN_BRANCH, d->slot, branch, token);
	write_bytes(&w, token, sizeof(token));
	write_literal(&w, "\r\nMax-Forwards: ");
	write_number(&w, sip->settings->max_forwards);
	if (d->route.n) {
		write_literal(&w, "\r\nRoute: ");
		if (strict)
			route_set_write_rest(&w, d->route, d->target);
		else
			write_str(&w, d->route);
	}
	write_literal(&w, "\r\nFrom: ");
	write_str(&w, d->local);
	write_literal(&w, "\r\nTo: ");
	write_str(&w, d->remote);
	write_literal(&w, "\r\nCall-ID: ");
	write_str(&w, d->call_id);
	write_literal(&w, "\r\nCSeq: ");
	write_number(&w, cseq);
	write_literal(&w, " ");
	write_str(&w, method);
	write_literal(&w, "\r\n");
	write_str(&w, dialog_credentials(sip, d, method));
	write_str(&w, headers);
	write_literal(&w, "Content-Length: ");
	write_number(&w, body.n);
	write_literal(&w, "\r\n\r\n");
	write_str(&w, body);
	return scratch_wire(&sip->scratch, &w, out);
}

void dialog_send_bye(struct sip *sip, struct dialog *d, struct str headers)
{
	struct wire *bytes;
	struct transaction *t;
	uint64_t branch = random_u64();

	if (allowance_binds(d->allowance)) {
		count(MESSAGES_WITHHELD);
		return;
	}
	if (dialog_request_write(
		    sip, d, S("BYE"), ++d->local_cseq, branch, headers, STR_EMPTY, &bytes))
		return;
	struct flow flow = dialog_flow(sip, d);
	transaction_send(
		sip->transactions, METHOD_BYE, branch, d->slot, &flow, bytes, NULL, NULL, &t);
	wire_drop(bytes);
}

struct wire *dialog_send_ack(struct sip *sip, const struct dialog *d, uint32_t cseq)
{
	struct wire *bytes;

	if (dialog_request_write(
		    sip, d, S("ACK"), cseq, random_u64(), STR_EMPTY, STR_EMPTY, &bytes))
		return NULL;
	struct flow flow = dialog_flow(sip, d);
	sip_send(sip, &flow, (struct str){bytes->byte, bytes->size}, 0, true);
	return bytes;
}
