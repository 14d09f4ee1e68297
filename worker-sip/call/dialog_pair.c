/* dialog_pair.c - the two dialogs that a request outside of dialogs makes: see dialog_pair.h. */
#include "dialog_pair.h"

#include "ipc/token.h"
#include "worker-sip/message/hosts.h"
#include "worker-sip/message/privacy.h"
#include "worker-sip/message/rewrite.h"
#include "worker-sip/routing/trunk_auth.h"

/* The peer of the branch as it names itself: in To of its response, in From of its NOTIFY. Of a
 * broken response that has no To it is named as we wrote it. */
static struct str dialog_pair_remote(struct sip *sip, const struct message *request,
	const struct message *m, const struct hosts *hosts, const struct rewrite *rewrite)
{
	struct party_change change;
	struct str remote = message_value(m, m->is_request ? HEADER_FROM : HEADER_TO);
	struct writer to = WRITER(sip->scratch.leg_request.to);

	if (remote.n)
		return remote;
	write_party(&to, hosts, message_value(request, HEADER_TO), STR_EMPTY,
		rewrite_party(rewrite, RULE_TO_USER, &change));
	return writer_text(&to);
}

bool dialog_pair_of_branch(struct dialog_pair *out, const struct fork_branch *b,
	const struct message *request, const struct message *m)
{
	const struct fork *f = b->fork;
	struct sip *sip = f->sip;
	char a_tag[TOKEN_LENGTH], b_tag[TOKEN_LENGTH];
	struct writer a_local = WRITER(sip->scratch.early_call.a_local),
		      b_local = WRITER(sip->scratch.early_call.b_local),
		      a_route = WRITER(sip->scratch.early_call.a_route),
		      b_route = WRITER(sip->scratch.early_call.b_route);
	const struct hosts hosts = hosts_between(
		sip, f->zone, b->zone, b->target ? &b->target->flow : &b->flow);
	/* What rules have made of From and To is known until the request is settled: a response
	 * that makes dialogs settles it, or comes before. */
	const struct rewrite *rewrite = b->target ? b->target->rewrite : NULL;
	struct party_change change;
	uint64_t id = random_u64();

	token_mint(&sip->keys.minting, TOKEN_TAG, f->slot, id, a_tag);
	token_mint(&sip->keys.minting, TOKEN_TAG, f->slot, b->id, b_tag);
	write_address_tag(
		&a_local, message_value(request, HEADER_TO), (struct str){a_tag, sizeof(a_tag)});
	if (m->is_request) /* whatever rules have made of From: the peer says it */
		write_address_tag(
			&b_local, message_value(m, HEADER_TO), (struct str){b_tag, sizeof(b_tag)});
	else
		privacy_write_from(&b_local, &hosts, request, b->zone,
			(struct str){b_tag, sizeof(b_tag)},
			rewrite_party(rewrite, RULE_FROM_USER, &change));
	struct str remote = dialog_pair_remote(sip, request, m, &hosts, rewrite);
	if (!dialog_write_route_set(&a_route, request, false) ||
		!dialog_write_route_set(&b_route, m, !m->is_request) || a_local.full ||
		b_local.full)
		return false;
	struct str target = m->contact.whole.length ? message_str(m, m->contact.whole)
	                    : b->target             ? b->target->request_uri
	                                            : STR_EMPTY;
	*out = (struct dialog_pair){.a = {.id = id,
					    .slot = f->slot,
					    .zone = (uint16_t)f->zone,
					    .flow = &request->flow,
					    .call_id = message_str(request, request->call_id),
					    .local = writer_text(&a_local),
					    .remote = message_value(request, HEADER_FROM),
					    .remote_tag = message_str(request, request->from_tag),
					    .route = writer_text(&a_route),
					    .target = message_str(request, request->contact.whole),
					    .local_cseq = 0,
					    .remote_cseq = request->cseq},
		.b = {.id = b->id,
			.slot = f->slot,
			.zone = b->zone,
			.flow = &m->flow,
			.call_id = {b->call_id, sizeof(b->call_id)},
			.local = writer_text(&b_local),
			.remote = remote,
			.remote_tag = message_str(m, m->is_request ? m->from_tag : m->to_tag),
			.route = writer_text(&b_route),
			.target = target,
			.trunk = b->trunk != NONE_INDEX ? trunk_auth_of(sip, b->trunk) : 0,
			.local_cseq = b->cseq}};
	return target.n != 0;
}
