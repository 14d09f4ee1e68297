/* refused_answer.c - the 2xx that nobody wants (refused_answer.h). Its dialog is kept, retired, as
 * long as its sender may repeat it. */
#include "refused_answer.h"

#include "dialog_request.h"
#include "ipc/token.h"

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

/* Makes the dialog of m and keeps it. NULL: no memory, or m makes none. */
static struct refused_answer *refused_answer_new(
	struct sip *sip, const struct message *m, unsigned zone)
{
	char routes[SCRATCH_ROUTE_MAX];
	struct writer w = WRITER(routes);
	uint8_t slot;
	uint64_t id;

	if (!dialog_write_route_set(&w, m, true))
		return NULL;
	if (token_prove(&sip->keys.minting, TOKEN_TAG, message_str(m, m->from_tag), &slot, &id))
		return NULL;
	struct dialog_parts parts = {.id = id,
		.slot = slot,
		.zone = (uint16_t)zone,
		.flow = &m->flow,
		.call_id = message_str(m, m->call_id),
		.local = message_value(m, HEADER_FROM),
		.remote = message_value(m, HEADER_TO),
		.remote_tag = message_str(m, m->to_tag),
		.route = writer_text(&w),
		.target = m->contact.whole.length ? message_str(m, m->contact.whole)
	                                          : message_str(m, m->to.whole),
		.local_cseq = m->cseq + CSEQ_AHEAD};
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
static bool refused_answer_repeated(struct sip *sip, const struct message *m, unsigned zone)
{
	struct dialog *d = dialog_retired(sip, message_str(m, m->call_id),
		message_str(m, m->from_tag), message_str(m, m->to_tag));

	if (!d || d->zone != zone)
		return false;
	const struct wire *ack = d->refused ? d->refused->ack : NULL;
	struct flow flow = dialog_flow(sip, d);
	if (ack)
		sip_send(sip, &flow, (struct str){ack->byte, ack->size}, 0, true);
	else
		wire_drop(dialog_send_ack(sip, d, m->cseq));
	return true;
}

void refused_answer_take(struct sip *sip, const struct message *m, unsigned zone)
{
	if (m->broken && !(m->call_id.length && m->to.whole.length && m->method_name.length))
		return; /* without our From tag it is of no dialog anyway */
	if (refused_answer_repeated(sip, m, zone))
		return;
	struct refused_answer *r = refused_answer_new(sip, m, zone);
	if (!r)
		return;
	count(ANSWERS_REFUSED);
	r->ack = dialog_send_ack(sip, r->dialog, m->cseq);
	dialog_send_bye(sip, r->dialog, STR_EMPTY);
}
