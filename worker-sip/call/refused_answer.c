/* refused_answer.c - the 2xx that nobody wants (refused_answer.h). Its dialog is kept, retired, as
 * long as its sender may repeat it. */
#include "refused_answer.h"

#include "dialog_request.h"
#include "ipc/token.h"
#include "worker-sip/message/refusal_log.h"
#include "worker-sip/message/wire_header.h"

#include <stdlib.h>

/* Added to the INVITE's CSeq for the BYE: the early dialog may have had PRACKs and UPDATEs, nobody
 * remembers how many, and a BYE with a lower number would be refused (RFC 3261 section 12.2.2,
 * which lets numbers jump). */
#define CSEQ_AHEAD 1000

struct refused_answer {
	struct sip *sip;
	struct dialog *dialog;
	struct wire *ack;
	struct timer timer; /* until nobody repeats it any more */
};

bool sent_invite_read(const struct wire *bytes, struct sent_invite *out)
{
	struct str line, value, rest;
	struct address from;
	size_t at = 0;
	uint8_t id;

	if (!bytes)
		return false;
	*out = (struct sent_invite){0};
	rest = (struct str){bytes->byte, bytes->size};
	rest = str_from(rest, sizeof("INVITE"));
	out->target = (struct str){rest.p, str_find(rest, ' ')};
	while (wire_header(bytes, &at, &id, &line, &value)) {
		if (id == HEADER_CALL_ID)
			out->call_id = value;
		if (id == HEADER_CSEQ)
			out->cseq = (uint32_t)strtoul(value.p, NULL, 10); /* a method follows */
		if (id != HEADER_FROM)
			continue;
		out->from = rest = value;
		if (address_next(&rest, &from) == 0)
			param_find(from.params, S("tag"), &out->from_tag);
	}
	return true;
}

/* The same of an answer that can be read. */
static struct sent_invite sent_invite_of_answer(const struct message *m)
{
	return (struct sent_invite){.call_id = message_str(m, m->call_id),
		.from = message_value(m, HEADER_FROM),
		.from_tag = message_str(m, m->from_tag),
		.cseq = m->cseq};
}

static void refused_answer_free(struct refused_answer *r)
{
	loop_unset(r->sip->loop, &r->timer);
	dialog_free(r->sip, r->dialog);
	wire_drop(r->ack);
	free(r);
}

static void refused_answer_over(struct timer *t, void *arg)
{
	(void)t;
	refused_answer_free(arg);
}

/* Where requests of the dialog go, if m does not say. */
static struct str refused_answer_target(const struct message *m, const struct sent_invite *invite)
{
	if (m->contact.whole.length)
		return message_str(m, m->contact.whole);
	return invite->target.n ? invite->target : message_str(m, m->to.whole);
}

/* Makes the dialog of m and keeps it. NULL: no memory, or m makes none. */
static struct refused_answer *refused_answer_new(
	struct sip *sip, const struct message *m, unsigned zone, const struct sent_invite *invite)
{
	char routes[SCRATCH_ROUTE_MAX];
	struct writer w = WRITER(routes);
	uint8_t slot;
	uint64_t id;

	if (!dialog_write_route_set(&w, m, true))
		return NULL;
	if (token_prove(&sip->keys.minting, TOKEN_TAG, invite->from_tag, &slot, &id))
		return NULL;
	struct dialog_parts parts = {.id = id,
		.slot = slot,
		.zone = (uint16_t)zone,
		.flow = &m->flow,
		.call_id = invite->call_id,
		.local = invite->from,
		.remote = message_value(m, HEADER_TO),
		.remote_tag = message_str(m, m->to_tag),
		.route = writer_text(&w),
		.target = refused_answer_target(m, invite),
		.local_cseq = invite->cseq + CSEQ_AHEAD};
	struct refused_answer *r = calloc(1, sizeof(*r));
	if (!r || dialog_new(sip, &parts, &r->dialog)) {
		free(r);
		return NULL;
	}
	r->sip = sip;
	dialog_retire(sip, r->dialog);
	r->dialog->refused = r;
	timer_init(&r->timer, refused_answer_over, r);
	loop_set(sip->loop, &r->timer, settings_64_t1(sip->settings));
	return r;
}

/* Whether m repeats an answer of a dialog that is over: its ACK goes out again, and that is all. */
static bool refused_answer_repeated(
	struct sip *sip, const struct message *m, unsigned zone, const struct sent_invite *invite)
{
	struct dialog *d = dialog_retired(
		sip, invite->call_id, invite->from_tag, message_str(m, m->to_tag));

	if (!d || d->zone != zone)
		return false;
	const struct wire *ack = d->refused ? d->refused->ack : NULL;
	struct flow flow = dialog_flow(sip, d);
	if (ack)
		sip_send(sip, &flow, (struct str){ack->byte, ack->size}, 0, true);
	else
		wire_drop(dialog_send_ack(sip, d, invite->cseq));
	return true;
}

void refused_answer_take(
	struct sip *sip, const struct message *m, unsigned zone, const struct sent_invite *invite)
{
	const struct sent_invite said = m->broken && invite ? *invite : sent_invite_of_answer(m);

	if (m->broken && !(said.call_id.n && m->to.whole.length && said.cseq)) {
		count(ANSWERS_UNREADABLE); /* without our From tag it is of no dialog anyway */
		refusal_log_response(sip, m, "no ACK or BYE can be made of it");
		return;
	}
	if (refused_answer_repeated(sip, m, zone, &said))
		return;
	struct refused_answer *r = refused_answer_new(sip, m, zone, &said);
	if (!r)
		return;
	count(ANSWERS_REFUSED);
	r->ack = dialog_send_ack(sip, r->dialog, said.cseq);
	dialog_send_bye(sip, r->dialog, STR_EMPTY);
}
