/* scratch.h - what is being written at the moment and is too large for the stack.
 *
 * A frame of many kilobytes is probed page by page at each call (-fstack-clash-protection), which
 * costs more than what is written into it. A SIP worker has one thread and one context, so one
 * buffer for each purpose is enough. Each member says who writes into it and until when it is good:
 * nothing that happens meanwhile comes by the same function again.
 */
#ifndef SIPWARD_SIP_SCRATCH_H
#define SIPWARD_SIP_SCRATCH_H

#include "ipc/token.h"
#include "worker-sip/message/wire.h"
#include "worker-sip/message/writer.h"
#include "worker-sip/routing/rewriting_state.h"
#include "worker-sip/routing/target.h"

#include <assert.h>
#include <errno.h>

/* A header value with a name and an address, at most. */
#define SCRATCH_VALUE_MAX 8192
/* What rules make of one request, for all its targets. */
#define SCRATCH_REWRITES_MAX 65536
/* What is told of rules that have changed a request. */
#define RULES_TOLD_MAX 1024
/* And of one response, or request within a dialog. */
#define SCRATCH_REWRITE_MAX (RULES_ADDED_MAX + RULES_REMOVED_MAX + 128)
/* A route set as one Route value, at most. */
#define SCRATCH_ROUTE_MAX 8192

struct scratch {
	/* scratch_message: the message that is being written, until scratch_wire. writing asserts
	 * that there is only one. */
	_Alignas(64) char message[MESSAGE_RAW_MAX]; /* runs are copied faster to aligned places */
	bool writing;

	/* splice_request and splice_response: a body that is written anew, until they return. */
	char body[MESSAGE_RAW_MAX];

	/* write_party: a value with its address replaced, until it returns. */
	char party[SCRATCH_VALUE_MAX];

	/* leg_request_splice: what its splice points to, until the request is written and
	 * leg_request_splice is called for the next one. */
	struct scratch_leg_request {
		char from[SCRATCH_VALUE_MAX], to[SCRATCH_VALUE_MAX];
		char request_uri[SCRATCH_VALUE_MAX], route[SCRATCH_ROUTE_MAX];
		char refer_to[4096], referred_by[4096];
		char target_dialog[1024], replaces[1024];
		char rack[64], event_id[16], contact_user[TOKEN_LENGTH];
	} leg_request;

	/* trunk_auth_write: header lines, until the request is written. */
	char credentials[8192];

	/* dialog_pair_of_branch: the parts of its two dialogs, until they are made and have copied
	 * them. */
	struct {
		char a_local[SCRATCH_VALUE_MAX], b_local[SCRATCH_VALUE_MAX];
		char a_route[SCRATCH_ROUTE_MAX], b_route[SCRATCH_ROUTE_MAX];
	} early_call;

	/* call_record_tell: the line of a call that has ended, until it is queued; call_show: that
	 * of a call that goes on. */
	char call_record[163840];

	/* route_request: NAME@DOMAIN of the user who is called, until the next request. */
	char called[AOR_MAX];

	/* core_pass_on: the targets of the request at hand, until it is passed on, when they are
	 * copied. */
	struct target targets[TARGETS_MAX];
	/* What rules have made of that request for its targets, until then: whole struct rewrites.
	 */
	_Alignas(8) char rewrites[SCRATCH_REWRITES_MAX];
	size_t rewrites_size;
	/* core_take: what the rules have changed, a line for each, until another message is taken.
	 */
	char rules_told[RULES_TOLD_MAX];
	size_t rules_told_n;
	/* route_request: what the rules of its zone, then of a route, then of a trunk have made of
	 * it. */
	struct rewriting rewriting[RULES_OF_COUNT];
	/* worker-sip/routing/later_rules.h: what rules have made of the message at hand,
	 * until it is written. */
	_Alignas(8) char rewrite_later[SCRATCH_REWRITE_MAX];
};

/* Begins a message. Ends with scratch_wire, whatever came between. */
static inline struct writer scratch_message(struct scratch *s)
{
	assert(!s->writing);
	s->writing = true;
	return WRITER(s->message);
}
/* The finished message; the caller drops it. -ENOBUFS where it was too large, -ENOMEM. */
static inline int scratch_wire(struct scratch *s, const struct writer *w, struct wire **out)
{
	struct wire *wire;

	s->writing = false;
	if (w->full)
		return -ENOBUFS;
	wire = wire_new(w->p, w->n);
	if (!wire)
		return -ENOMEM;
	*out = wire;
	return 0;
}

#endif
