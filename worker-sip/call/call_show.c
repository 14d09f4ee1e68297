/* call_show.c - what sipwardctl calls show says of one call: both dialogs, timers, and the targets
 * that were tried (call_listing.h). */
#include "call_listing.h"

#include "call_record_state.h"
#include "exchange_state.h"
#include "invite.h"
#include "ipc/names.h"
#include "worker-sip/json.h"
#include "worker-sip/routing/fork.h"

/* Bytes of one text, and of a route set, that are shown: the row has to hold all of them. */
#define SHOW_TEXT_MAX 512
#define SHOW_ROUTE_MAX 1024

/* "side-name":"value", - with its comma. */
static void show_text(
	struct writer *w, const char *side, const char *name, struct str value, size_t most)
{
	write_literal(w, "\"");
	write_str(w, str_of(side));
	write_str(w, str_of(name));
	write_literal(w, "\":\"");
	write_json(w, (struct str){value.p, value.n < most ? value.n : most});
	write_literal(w, "\",");
}

static void show_number(struct writer *w, const char *side, const char *name, uint64_t number)
{
	write_literal(w, "\"");
	write_str(w, str_of(side));
	write_str(w, str_of(name));
	write_literal(w, "\":");
	write_number(w, number);
	write_literal(w, ",");
}

/* Milliseconds that are left of a timer, where it runs. */
static void show_timer(
	struct writer *w, const struct sip *sip, const char *name, const struct timer *t)
{
	uint64_t now = loop_now(sip->loop);

	if (timer_armed(t))
		show_number(w, name, "-left-ms", t->due > now ? t->due - now : 0);
}

static void show_peer(struct writer *w, const char *side, const struct flow *flow)
{
	char text[ENDPOINT_TEXT_SIZE];

	show_text(w, side, "-address", (struct str){text, endpoint_text(&flow->peer, text)},
		SHOW_TEXT_MAX);
	show_text(w, side, "-transport", str_of(transport_name(flow->transport)), SHOW_TEXT_MAX);
}

/* One dialog (RFC 3261 section 12): local is our side of it. */
static void show_dialog(struct writer *w, const char *side, const struct dialog *d)
{
	show_text(w, side, "-call-id", d->call_id, SHOW_TEXT_MAX);
	show_text(w, side, "-zone", settings_zone_name(d->call->sip->settings, d->zone),
		SHOW_TEXT_MAX);
	show_peer(w, side, &d->flow);
	show_text(w, side, "-uri", d->remote, SHOW_TEXT_MAX);
	show_text(w, side, "-tag", d->remote_tag, SHOW_TEXT_MAX);
	show_number(w, side, "-cseq", d->remote_cseq);
	show_text(w, side, "-local-uri", d->local, SHOW_TEXT_MAX);
	show_text(w, side, "-local-tag", (struct str){d->tag, TOKEN_LENGTH}, SHOW_TEXT_MAX);
	show_number(w, side, "-local-cseq", d->local_cseq);
	show_text(w, side, "-target", d->target, SHOW_TEXT_MAX);
	show_text(w, side, "-route-set", d->route, SHOW_ROUTE_MAX);
	if (d->lost)
		show_text(w, side, "-flow", S("lost"), SHOW_TEXT_MAX);
}

/* Requests that are on their way from one leg to the other, and how long they are waited for. */
static void show_exchanges(struct writer *w, const struct call *call)
{
	for (const struct exchange *x = call->exchanges; x; x = x->next) {
		char name[48];
		struct writer n = WRITER(name);

		if (x->answered && x->concluded)
			continue;
		write_literal(&n, "pending-");
		write_str(&n, str_of(method_name(x->method)));
		if (x->in == call->a)
			write_literal(&n, "-from-caller");
		else
			write_literal(&n, "-from-callee");
		write_bytes(&n, "", 1);
		if (n.full)
			continue;
		show_text(w, name, "",
			!x->answered ? S("not answered yet") : S("no ACK has come yet"),
			SHOW_TEXT_MAX);
		show_timer(w, x->sip, name, &x->patience);
	}
}

/* What is known of the caller of an INVITE without an early dialog. */
static void show_caller(struct writer *w, const struct call_view *v)
{
	const struct fork *f = invite_fork(v->invite);
	const struct message *m = &f->request->message;

	show_text(w, "caller", "-call-id", message_str(m, m->call_id), SHOW_TEXT_MAX);
	show_text(
		w, "caller", "-zone", settings_zone_name(v->sip->settings, f->zone), SHOW_TEXT_MAX);
	show_peer(w, "caller", &m->flow);
	show_text(w, "caller", "-uri", message_value(m, HEADER_FROM), SHOW_TEXT_MAX);
	show_text(w, "caller", "-tag", message_str(m, m->from_tag), SHOW_TEXT_MAX);
	show_number(w, "caller", "-cseq", m->cseq);
	show_text(w, "caller", "-target", message_str(m, m->contact.whole), SHOW_TEXT_MAX);
}

/* How long the branches of an INVITE are waited for: the longest of those that have answered
 * provisionally, and of those that have not. */
static void show_branches(struct writer *w, const struct call_view *v)
{
	const struct fork *f = invite_fork(v->invite);
	const struct timer *longest[2] = {NULL, NULL};

	for (unsigned i = 0; i < f->next; i++) {
		const struct fork_branch *b = fork_branch_at(f, i);
		const struct timer **at = &longest[b->provisional];

		if (!b->done && timer_armed(&b->timer) && (!*at || (*at)->due < b->timer.due))
			*at = &b->timer;
	}
	if (longest[0])
		show_timer(w, v->sip, "answer", longest[0]);
	if (longest[1])
		show_timer(w, v->sip, "ring", longest[1]);
}

/* The newest of an INVITE's early dialogs. NULL: it has none. */
static const struct call *show_early(const struct call_view *v)
{
	for (const struct call *call = v->sip->call_list; call; call = call->next)
		if (call->invite == v->invite)
			return call;
	return NULL;
}

static void show_record(struct writer *w, const struct call_record *r)
{
	if (!r)
		return;
	show_text(w, "request-uri", "", r->text[CALL_TEXT_REQUEST_URI], SHOW_TEXT_MAX);
	show_text(w, "user", "", r->text[CALL_TEXT_USER], SHOW_TEXT_MAX);
	show_text(w, "domain", "", r->text[CALL_TEXT_DOMAIN], SHOW_TEXT_MAX);
	show_text(w, "caller-trunk", "", r->text[CALL_TEXT_TRUNK], SHOW_TEXT_MAX);
	show_text(w, "route", "", r->text[CALL_TEXT_ROUTE], SHOW_TEXT_MAX);
	show_number(w, "route-line", "", r->route_line);
	show_text(w, "user-agent", "", r->text[CALL_TEXT_AGENT], SHOW_TEXT_MAX);
	show_text(
		w, "callee-user-agent", "", (struct str){r->agent, r->agent_length}, SHOW_TEXT_MAX);
	if (r->rang)
		show_number(w, "rang-after-ms", "", r->rang - r->began);
	if (r->answered)
		show_number(w, "answered-after-ms", "", r->answered - r->began);
}

static void show_call(struct writer *w, const struct call_view *v)
{
	const struct call *early = v->call ? v->call : show_early(v);

	write_literal(w, "{");
	show_text(w, "call-id", "", call_view_id(v), SHOW_TEXT_MAX);
	show_text(w, "state", "", call_view_state(v), SHOW_TEXT_MAX);
	show_number(w, "age-ms", "", call_view_age(v));
	show_record(w, v->record);
	if (early) {
		show_dialog(w, "caller", early->a);
		show_dialog(w, "callee", early->b);
		show_exchanges(w, early);
	} else {
		show_caller(w, v);
	}
	if (v->invite)
		show_branches(w, v);
	else
		show_timer(w, v->sip, "lost-flow", &v->call->grace);
	show_number(w, "slot", "", v->call ? v->call->a->slot : invite_fork(v->invite)->slot);
	write_json_number(w, "worker", v->sip->index);
	write_json_end(w);
}

static void show_targets(
	const struct call_view *v, void (*line)(void *arg, struct str json), void *arg)
{
	const struct call_record *r = v->record;

	for (unsigned i = 0; r && i < r->count; i++) {
		char buffer[8192];
		struct writer w = WRITER(buffer);

		if (r->target[i].outcome == CALL_OUTCOME_NONE)
			continue;
		write_literal(&w, "{");
		show_text(&w, "of", "", call_view_callee_id(v), SHOW_TEXT_MAX);
		write_literal(&w, "\"target\":");
		write_call_target(&w, r, &r->target[i]);
		write_literal(&w, "}");
		if (!w.full)
			line(arg, writer_text(&w));
	}
}

/* Whether a Call-ID of the call is id, or, where beginning is set, begins with it. */
static bool show_is_meant(const struct call_view *v, struct str id, bool beginning)
{
	struct str caller = call_view_id(v), callee = call_view_callee_id(v);

	if (beginning)
		return str_starts(caller, id) || str_starts(callee, id);
	return str_equal(caller, id) || str_equal(callee, id);
}

static unsigned show_all(struct sip *sip, struct str id, bool beginning,
	void (*line)(void *arg, struct str json), void *arg)
{
	struct call_view v = {.sip = sip};
	unsigned shown = 0;

	while (shown < CALLS_SHOWN_MAX && call_view_next(&v)) {
		struct writer w = {.p = sip->scratch.call_record, .size = CALL_ROW_MAX};

		if (!show_is_meant(&v, id, beginning))
			continue;
		show_call(&w, &v);
		if (w.full)
			continue;
		shown++;
		line(arg, writer_text(&w));
		show_targets(&v, line, arg);
	}
	return shown;
}

void call_show(struct sip *sip, struct str id, void (*line)(void *arg, struct str json), void *arg)
{
	if (id.n && !show_all(sip, id, false, line, arg))
		show_all(sip, id, true, line, arg);
}

_Static_assert(CALL_ROW_MAX <= sizeof(((struct sip *)0)->scratch.call_record), "a row fits");
