/* relay.c - requests outside dialogs, passed on statefully (relay.h). */
#include "relay.h"

#include "fork.h"
#include "ipc/token.h"
#include "worker-sip/explanation_targets.h"
#include "worker-sip/subscription/event.h"

#define RELAY_ALLOW                                                                                \
	"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, "       \
	"REFER, "                                                                                  \
	"SUBSCRIBE, NOTIFY, PUBLISH\r\n"

/* The first 2xx goes back. Others are for nobody. */
static void relay_on_response(struct fork_branch *b, const struct message *m)
{
	struct fork *f = b->fork;
	char tag[TOKEN_LENGTH], user[TOKEN_LENGTH];
	struct str contact_user = STR_NONE;

	if (b->done || f->answered || !f->server)
		return;
	fork_branch_done(b);
	fork_tag(f, tag);
	if (message_first(m, HEADER_CONTACT)) {
		token_mint(&f->sip->keys.minting, TOKEN_CONTACT, f->slot, f->id, user);
		contact_user = (struct str){user, sizeof(user)};
	}
	if (fork_pass(b, m, contact_user, (struct str){tag, sizeof(tag)})) {
		fork_refuse(f, 500);
		return;
	}
	fork_settle(f);
	fork_trim(f);
}

static const struct fork_user relay_user = {.response = relay_on_response};

void relay_request(struct incoming *in, const struct target *targets, unsigned count)
{
	struct fork *f;

	if (in->explanation) {
		explanation_targets(in, targets, count, STR_EMPTY);
		return;
	}
	if (!incoming_begin(in))
		return;
	if (fork_new(in, targets, count, sizeof(struct fork), sizeof(struct fork_branch),
		    &relay_user, &f)) {
		answer(in->sip, in->transaction, 500, STR_EMPTY);
		return;
	}
	counter_add(COUNTER_RELAYED, 1);
	fork_start(f);
}

void relay_self(const struct incoming *in)
{
	/* RFC 3261 section 11.2. Where all of it is more than the request deserves, it is cut from
	 * the front (answer_stateless). */
	static const char capabilities[] =
		"Accept-Language: en\r\nAccept-Encoding: identity\r\nAccept: application/sdp\r\n"
		"Supported: replaces, timer, 100rel, path\r\n" EVENT_ALLOW_EVENTS RELAY_ALLOW;

	switch (in->message->method) {
	case METHOD_OPTIONS: incoming_answer(in, 200, S(capabilities)); break;
	case METHOD_UNKNOWN: incoming_answer(in, 501, STR_EMPTY); break;
	case METHOD_INVITE: /* nobody lives at the gateway itself */
	case METHOD_MESSAGE: incoming_answer(in, 404, STR_EMPTY); break;
	default: incoming_answer(in, 405, S(RELAY_ALLOW));
	}
}
