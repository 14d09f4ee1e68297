/* reg_watch.c - see reg_watch.h. A watch has one dialog, in which we are the notifier, and hangs on
 * the address of record that it is about. */
#include "reg_watch.h"

#include "common/clock.h"
#include "common/list.h"
#include "event.h"
#include "ipc/address_of_record.h"
#include "ipc/slot.h"
#include "ipc/syntax.h"
#include "ipc/token.h"
#include "reg_info.h"
#include "reg_watched.h"
#include "subscription.h"
#include "subscription_sweep.h"
#include "worker-sip/call/dialog_request.h"
#include "worker-sip/message/party.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/registrar/location.h"
#include "worker-sip/transaction/transaction.h"
#include "worker-sip/user_gone.h"

#include <errno.h>
#include <stdlib.h>

struct reg_watch {
	struct reg_watch *next, **link; /* of sip->reg_watches->all; none once it is over */
	struct reg_watch *beside;       /* of the same address of record */
	struct sip *sip;
	struct reg_watched *watched;
	struct dialog *dialog;      /* NULL: it is over */
	unsigned references;        /* itself, and each NOTIFY whose transaction has not gone */
	struct transaction *notify; /* that has no answer yet */
	struct timer due;           /* of the next NOTIFY */
	struct timer timer;         /* the end of its life */
	uint64_t began, expires_at; /* loop_now */
	uint64_t told;              /* the last NOTIFY; 0: none yet */
	uint64_t print;             /* of the bindings that it told of */
	uint32_t version;
	struct subscription_limits limits; /* that count it */
	bool changed;                      /* while a NOTIFY was on its way */
	bool owed;                         /* for a SUBSCRIBE, whatever has changed */
};

struct reg_watches {
	struct sip *sip;
	struct table by_aor;
	struct reg_watch *all;
};

static struct reg_watched *reg_watches_of(struct sip *sip, struct str aor)
{
	struct reg_watches *all = sip->reg_watches;

	return all && all->all ? reg_watched_find(&all->by_aor, sip, aor) : NULL;
}

/* ---- the life of a watch ---- */

static void reg_watch_leave(struct reg_watch *w)
{
	struct reg_watched *a = w->watched;

	for (struct reg_watch **at = &a->first; *at; at = &(*at)->beside)
		if (*at == w) {
			*at = w->beside;
			break;
		}
	a->count--;
	reg_watched_trim(&w->sip->reg_watches->by_aor, a);
}

static void reg_watch_gauge(struct sip *sip, int more)
{
	sip->subscriptions += (uint32_t)more;
	counter_set(COUNTER_SUBSCRIPTIONS_ACTIVE, sip->subscriptions);
}

static void reg_watch_drop(struct reg_watch *w)
{
	if (--w->references == 0)
		free(w);
}

/* It is over: what comes in its dialog is 481. */
static void reg_watch_over(struct reg_watch *w)
{
	if (!w->dialog)
		return;
	loop_unset(w->sip->loop, &w->due);
	loop_unset(w->sip->loop, &w->timer);
	list_remove(w);
	reg_watch_leave(w);
	dialog_free(w->sip, w->dialog);
	w->dialog = NULL;
	reg_watch_gauge(w->sip, -1);
	subscription_limits_release(w->sip, &w->limits);
	count(SUBSCRIPTIONS_OVER);
	reg_watch_drop(w);
}

/* Whether a final response says that no further NOTIFY is wanted (RFC 6665 section 4.2.2): one that
 * is to be tried later says so. */
static bool reg_watch_is_refused(const struct message *m)
{
	return m->status >= 300 && !message_value(m, HEADER_RETRY_AFTER).n;
}

static void reg_watch_plan(struct reg_watch *w, uint64_t at)
{
	uint64_t now = loop_now(w->sip->loop),
		 soonest = w->told ? w->told + REG_WATCH_PAUSE_MS : now;

	if (at < soonest)
		at = soonest;
	loop_set(w->sip->loop, &w->due, at > now ? at - now : 0);
}

static void reg_watch_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct reg_watch *w = user;

	if (m->status < 200 || w->notify != t)
		return;
	w->notify = NULL;
	if (!w->dialog)
		return;
	if (reg_watch_is_refused(m))
		reg_watch_over(w);
	else if (w->changed)
		reg_watch_plan(w, 0);
}

static void reg_watch_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct reg_watch *w = user;

	(void)status;
	(void)error;
	if (w->notify != t)
		return;
	w->notify = NULL;
	count(SUBSCRIPTIONS_UNANSWERED);
	reg_watch_over(w);
}

static void reg_watch_on_gone(void *user, struct transaction *t)
{
	(void)t;
	reg_watch_drop(user);
}

static const struct client_user reg_watch_client = {.response = reg_watch_on_response,
	.failed = reg_watch_on_failed,
	.gone = reg_watch_on_gone};

/* ---- NOTIFY ---- */

static void reg_watch_write_head(struct writer *out, const struct reg_watch *w, struct str reason)
{
	const struct dialog *d = w->dialog;
	struct flow flow = dialog_flow(w->sip, d);
	uint64_t now = loop_now(w->sip->loop);
	char user[TOKEN_LENGTH];

	token_mint(&w->sip->keys.minting, TOKEN_CONTACT, d->slot, d->id, user);
	splice_write_own_contact(out, w->sip, (struct str){user, sizeof(user)}, &flow,
		str_starts(d->target, S("sips:")));
	write_literal(out, "Event: reg\r\nSubscription-State: ");
	if (reason.n) {
		write_literal(out, "terminated;reason=");
		write_str(out, reason);
	} else {
		write_literal(out, "active;expires=");
		write_number(out, w->expires_at > now ? (w->expires_at - now) / 1000 : 0);
	}
	write_literal(out, "\r\nContent-Type: " REG_INFO_TYPE "\r\n");
}

/* Plans the look at the end of the first binding. */
static void reg_watch_await_end(struct reg_watch *w, const struct reg_info_state *bindings)
{
	uint64_t now = clock_realtime_ms();

	if (bindings->ends)
		reg_watch_plan(w,
			loop_now(w->sip->loop) + (bindings->ends > now ? bindings->ends - now : 0));
}

enum reg_watch_when { REG_WATCH_CHANGED, REG_WATCH_ALWAYS };

/* Sends all bindings, always or if they are others than were told. reason: of a last one; n == 0:
 * the watch stands. False: it cannot go out. */
static bool reg_watch_send(struct reg_watch *w, enum reg_watch_when when, struct str reason)
{
	static char body[MESSAGE_RAW_MAX / 2];
	struct sip *sip = w->sip;
	struct dialog *d = w->dialog;
	char head[2048];
	struct writer lines = WRITER(head), document = WRITER(body);
	uint64_t branch = random_u64();
	struct wire *bytes;

	reg_watch_write_head(&lines, w, reason);
	struct reg_info_state bindings = reg_info_write(
		&document, sip, reg_watched_aor(w->watched), w->version);
	w->changed = false;
	if (when == REG_WATCH_CHANGED && !w->owed && w->version && bindings.print == w->print) {
		reg_watch_await_end(w, &bindings);
		return true;
	}
	if (lines.full || document.full || d->lost ||
		dialog_request_write(sip, d, S("NOTIFY"), ++d->local_cseq, branch,
			writer_text(&lines), writer_text(&document), &bytes))
		return false;
	struct flow flow = dialog_flow(sip, d);
	int error = transaction_send(sip->transactions, METHOD_NOTIFY, branch, d->slot, &flow,
		bytes, &reg_watch_client, w, &w->notify);
	wire_drop(bytes);
	if (error)
		return false;
	w->references++;
	w->version++;
	w->owed = false;
	w->print = bindings.print;
	w->told = loop_now(sip->loop);
	reg_watch_await_end(w, &bindings);
	count(REG_NOTIFIES);
	return true;
}

static void reg_watch_on_due(struct timer *t, void *arg)
{
	struct reg_watch *w = arg;

	(void)t;
	if (w->notify)
		w->changed = true;
	else if (!reg_watch_send(w, REG_WATCH_CHANGED, STR_EMPTY))
		loop_set(w->sip->loop, &w->due, REG_WATCH_PAUSE_MS);
}

static void reg_watch_time_over(struct timer *t, void *arg)
{
	(void)t;
	count(SUBSCRIPTIONS_EXPIRED);
	reg_watch_end(arg, S("timeout"));
}

void reg_watch_end(struct reg_watch *w, struct str reason)
{
	if (!w->dialog)
		return;
	reg_watch_send(w, REG_WATCH_ALWAYS, reason);
	reg_watch_over(w);
}

/* The bindings of somebody have changed. */
static void reg_watches_changed(void *arg, struct str aor)
{
	struct reg_watched *a = reg_watches_of(arg, aor);

	for (struct reg_watch *w = a ? a->first : NULL; w; w = w->beside)
		reg_watch_plan(w, 0);
}

/* ---- SUBSCRIBE ---- */

/* The canonical address of record that a request is about. n == 0: of none of ours. */
static struct str reg_watch_aor(const struct incoming *in, char buffer[AOR_MAX], unsigned *domain)
{
	const struct settings *settings = in->sip->settings;
	struct uri_parts to = uri_of(in->message, &in->message->to);
	long n = address_of_record(settings, &to, buffer);
	const char *at = n > 0 ? memrchr(buffer, '@', (size_t)n) : NULL;
	struct str host = at ? str_of(at + 1) : STR_EMPTY; /* and its port */

	*domain = at ? settings_domain_of(settings, (struct str){host.p, str_find(host, ':')})
	             : NONE_INDEX;
	return *domain != NONE_INDEX ? (struct str){buffer, (size_t)n} : STR_EMPTY;
}

bool reg_watch_is_asked(const struct incoming *in)
{
	char buffer[AOR_MAX];
	unsigned domain;

	return in->sip->reg_watches && in->message->method == METHOD_SUBSCRIBE &&
	       str_equal_nocase(event_package(in->message), S("reg")) &&
	       reg_watch_aor(in, buffer, &domain).n;
}

static bool reg_watch_is_permitted(const struct incoming *in, unsigned domain)
{
	struct str user = message_str(in->message, in->message->to.user);
	char name[USER_NAME_MAX];
	long n = uri_unescape(user, name, sizeof(name));

	if (in->sender.trusted)
		return true;
	return in->sender.authenticated && in->sender.domain == domain && n > 0 &&
	       str_equal((struct str){name, (size_t)n},
		       (struct str){in->sender.name, in->sender.name_length});
}

/* 0: it may; else the status of the refusal. */
static unsigned reg_watch_refusal(const struct incoming *in, struct str aor, unsigned domain)
{
	const struct message *m = in->message;
	const struct reg_watched *a = reg_watches_of(in->sip, aor);

	if (!reg_watch_is_permitted(in, domain))
		return 403;
	const struct settings *settings = in->sip->settings;
	struct str name = settings_str(settings, settings_domain(settings, domain)->name);
	if (user_is_gone(in->sip, message_str(m, m->to.user), name))
		return 404;
	if (!m->contact.whole.length)
		return 400;
	if (!reg_info_is_accepted(m))
		return 406;
	if (in->sip->subscriptions >= in->sip->settings->subscriptions_max ||
		(a && a->count >= REG_WATCHES_MAX)) {
		count(SUBSCRIPTIONS_LIMIT);
		return 503;
	}
	struct subscription_limits limits;
	subscription_limits_of(in, &limits);
	return in->explanation ? 0 : subscription_limits_admit(in->sip, &limits);
}

static uint64_t reg_watch_seconds(const struct message *m)
{
	if (m->expires < 0)
		return REG_WATCH_EXPIRES;
	return m->expires > REG_WATCH_EXPIRES_MAX ? REG_WATCH_EXPIRES_MAX : (uint64_t)m->expires;
}

/* Makes the dialog of a SUBSCRIBE whose answers have that tag. -errno. */
static int reg_watch_make_dialog(
	const struct incoming *in, struct str tag, uint64_t id, struct dialog **out)
{
	const struct message *m = in->message;
	struct sip *sip = in->sip;
	struct writer local = WRITER(sip->scratch.early_call.a_local),
		      route = WRITER(sip->scratch.early_call.a_route);

	write_address_tag(&local, message_value(m, HEADER_TO), tag);
	if (!dialog_write_route_set(&route, m, false) || local.full)
		return -ENOBUFS;
	struct dialog_parts parts = {.id = id,
		.slot = in->slot,
		.zone = (uint16_t)in->zone,
		.flow = &m->flow,
		.call_id = message_str(m, m->call_id),
		.local = writer_text(&local),
		.remote = message_value(m, HEADER_FROM),
		.remote_tag = message_str(m, m->from_tag),
		.route = writer_text(&route),
		.target = message_str(m, m->contact.whole),
		.remote_cseq = m->cseq};
	return dialog_new(sip, &parts, out);
}

static struct reg_watch *reg_watch_new(const struct incoming *in, struct str aor)
{
	struct sip *sip = in->sip;
	char buffer[TOKEN_LENGTH];
	struct str tag = transaction_tag(in->transaction, buffer);
	struct reg_watch *w = calloc(1, sizeof(*w));
	struct reg_watched *a = w ? reg_watched_make(&sip->reg_watches->by_aor, sip, aor) : NULL;
	uint8_t slot;
	uint64_t id;

	if (!a || token_prove(&sip->keys.minting, TOKEN_TAG, tag, &slot, &id) ||
		reg_watch_make_dialog(in, tag, id, &w->dialog)) {
		if (a)
			reg_watched_trim(&sip->reg_watches->by_aor, a);
		free(w);
		return NULL;
	}
	w->sip = sip;
	w->references = 1;
	w->began = loop_now(sip->loop);
	w->watched = a;
	w->beside = a->first;
	a->first = w;
	a->count++;
	w->dialog->watch = w;
	w->dialog->state = DIALOG_CONFIRMED;
	if (w->dialog->flow.id)
		sip_watch(sip, &w->dialog->flow, w->dialog->slot);
	timer_init(&w->due, reg_watch_on_due, w);
	timer_init(&w->timer, reg_watch_time_over, w);
	list_insert(&sip->reg_watches->all, w);
	reg_watch_gauge(sip, 1);
	subscription_limits_of(in, &w->limits);
	subscription_limits_hold(sip, &w->limits);
	count(SUBSCRIPTIONS);
	return w;
}

/* The 200, and what it says. */
static void reg_watch_answer(const struct reg_watch *w, const struct incoming *in, uint64_t seconds)
{
	const struct message *m = in->message;
	const struct dialog *d = w->dialog;
	struct flow flow = dialog_flow(w->sip, d);
	char buffer[SCRATCH_ROUTE_MAX + 1024], user[TOKEN_LENGTH];
	struct writer lines = WRITER(buffer);

	token_mint(&w->sip->keys.minting, TOKEN_CONTACT, d->slot, d->id, user);
	splice_write_own_contact(&lines, w->sip, (struct str){user, sizeof(user)}, &flow,
		str_starts(d->target, S("sips:")));
	if (d->route.n) {
		write_literal(&lines, "Record-Route: ");
		dialog_write_route_set(&lines, m, false);
		write_literal(&lines, "\r\n");
	}
	write_literal(&lines, "Expires: ");
	write_number(&lines, seconds);
	write_literal(&lines, "\r\n");
	answer(w->sip, in->transaction, lines.full ? 500 : 200,
		lines.full ? STR_EMPTY : writer_text(&lines));
}

/* Answers a SUBSCRIBE and sends the state that it asks for. */
static void reg_watch_serve(struct reg_watch *w, const struct incoming *in)
{
	uint64_t seconds = reg_watch_seconds(in->message);

	reg_watch_answer(w, in, seconds);
	if (!seconds) {
		reg_watch_end(w, S("timeout"));
		return;
	}
	w->expires_at = loop_now(w->sip->loop) + seconds * 1000;
	loop_set(w->sip->loop, &w->timer, seconds * 1000);
	w->owed = true;
	if (w->notify)
		w->changed = true;
	else if (!reg_watch_send(w, REG_WATCH_CHANGED, STR_EMPTY))
		loop_set(w->sip->loop, &w->due, REG_WATCH_PAUSE_MS);
}

void reg_watch_request(struct incoming *in)
{
	char buffer[AOR_MAX];
	unsigned domain;
	struct str aor = reg_watch_aor(in, buffer, &domain);
	unsigned status = reg_watch_refusal(in, aor, domain);

	if (in->explanation && !status) {
		explanation_say(in->explanation, "registrar", STR_EMPTY, 0,
			"the registrar tells of the bindings of %.*s (package reg)", (int)aor.n,
			aor.p);
		explanation_answer(in->explanation, 200, STR_EMPTY);
		return;
	}
	if (status) {
		if (!in->explanation)
			count(REG_WATCHES_REFUSED);
		incoming_answer(in, status,
			status == 503 || status == 480 ? subscription_limits_headers(status)
			: status == 406                ? S("Accept: " REG_INFO_TYPE "\r\n")
						       : STR_EMPTY);
		return;
	}
	if (!incoming_begin(in))
		return;
	struct reg_watch *w = reg_watch_new(in, aor);
	if (!w) {
		incoming_answer(in, 500, STR_EMPTY);
		return;
	}
	count(SUBSCRIBES);
	reg_watch_serve(w, in);
}

void reg_watch_pass(struct dialog *d, const struct incoming *in)
{
	const struct message *m = in->message;

	if (m->method != METHOD_SUBSCRIBE) {
		incoming_answer(in, 405, S("Allow: SUBSCRIBE\r\n"));
	} else if (!str_equal_nocase(event_package(m), S("reg"))) {
		incoming_answer(in, 489, S("Allow-Events: reg\r\n"));
	} else {
		dialog_refresh(in->sip, d, m);
		reg_watch_serve(d->watch, in);
	}
}

void reg_watch_lost(struct dialog *d)
{
	if (settings_zone(d->watch->sip->settings, d->zone)->trust)
		d->flow.id = 0; /* the next request opens another connection */
	else
		reg_watch_over(d->watch);
}

/* ---- all of them ---- */

void reg_watches_begin(struct sip *sip)
{
	struct reg_watches *all = calloc(1, sizeof(*all));

	if (!all || table_init(&all->by_aor, 64)) {
		free(all);
		return; /* nobody may watch */
	}
	all->sip = sip;
	sip->reg_watches = all;
	location_on_change(sip->location, reg_watches_changed, sip);
}

/* What the last NOTIFY of a watch that cannot stay says; n == 0: it stays. */
static struct str reg_watch_verdict(const struct reg_watch *w)
{
	const struct sip *sip = w->sip;
	uint8_t slot = w->dialog->slot;
	struct str aor = reg_watched_aor(w->watched);
	size_t colon = str_find(aor, ':');

	if (subscription_user_is_gone(sip, str_from(aor, colon < aor.n ? colon + 1 : 0)))
		return S(SUBSCRIPTION_LOST);
	if (subscription_listener_is_gone(sip, w->dialog) ||
		(sip->slots.worker[slot] == sip->index && sip->slots.next[slot] != sip->index))
		return S(SUBSCRIPTION_MOVED);
	return STR_EMPTY;
}

void reg_watches_sweep(struct sip *sip)
{
	struct reg_watch *next = sip->reg_watches ? sip->reg_watches->all : NULL;

	while (next) {
		struct reg_watch *w = next;

		next = w->next; /* while w is there */
		struct str reason = reg_watch_verdict(w);
		if (reason.n)
			reg_watch_end(w, reason);
	}
}

bool reg_watches_end_one(struct sip *sip, struct str reason)
{
	if (!sip->reg_watches || !sip->reg_watches->all)
		return false;
	reg_watch_end(sip->reg_watches->all, reason);
	return true;
}

void reg_watches_free(struct sip *sip)
{
	struct reg_watches *all = sip->reg_watches;

	if (!all)
		return;
	while (all->all)
		reg_watch_over(all->all);
	table_free(&all->by_aor);
	free(all);
	sip->reg_watches = NULL;
}

void reg_watches_each(
	const struct sip *sip, void (*visit)(void *arg, const struct reg_watch_row *row), void *arg)
{
	for (const struct reg_watch *w = sip->reg_watches ? sip->reg_watches->all : NULL; w;
		w = w->next)
		visit(arg, &(struct reg_watch_row){.dialog = w->dialog,
				   .aor = reg_watched_aor(w->watched),
				   .began = w->began,
				   .expires_at = w->expires_at});
}

void reg_watches_slots(const struct sip *sip, struct slot_set *out)
{
	for (const struct reg_watch *w = sip->reg_watches ? sip->reg_watches->all : NULL; w;
		w = w->next)
		slot_set_add(out, w->dialog->slot);
}
