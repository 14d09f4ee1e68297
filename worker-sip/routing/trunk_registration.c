/* trunk_registration.c - see trunk_registration.h. Relies on: transactions, whose timers are not
 * waited for (the trunk's answer-timeout ends a try), trunk_register.c for the request, and
 * trunk_auth.c for challenges. */
#include "trunk_registration_state.h"

#include "common/log.h"
#include "service_route.h"
#include "target_rows.h"
#include "target_state.h"
#include "trunk_binding.h"
#include "trunk_slot.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>
#include <stdlib.h>

static const struct client_user registration_client;

void trunk_registration_drop(struct trunk_registration *g)
{
	if (--g->references)
		return;
	loop_unset(g->sip->loop, &g->timer);
	loop_unset(g->sip->loop, &g->keep_alive_timer);
	free(g);
}

/* 0, or a negative errno: nothing was sent. expires 0: the binding is taken back. */
static int registration_send(struct trunk_registration *g, uint32_t expires)
{
	struct sip *sip = g->sip;
	unsigned first, count;
	const struct target_settings *rows = trunk_flow_rows(g, &first, &count);

	g->rows = (uint16_t)count;
	if (!count)
		return -EHOSTUNREACH; /* its names have no address now */
	g->row = rows[g->index % count];
	struct flow to = target_row_flow(sip->settings, g->trunk, &g->row);
	uint64_t branch = random_u64();
	struct writer w = scratch_message(&sip->scratch);
	struct transaction *client;
	struct wire *bytes;
	int error;

	trunk_registration_write(&w, g, &to, branch, expires);
	error = scratch_wire(&sip->scratch, &w, &bytes);
	if (error)
		return error;
	error = transaction_send(sip->transactions, METHOD_REGISTER, branch,
		trunk_slot(sip, g->trunk), &to, bytes, &registration_client, g, &client);
	wire_drop(bytes);
	if (error)
		return error;
	count(REGISTRATIONS_SENT);
	g->client = client;
	g->references++;
	g->flow = to;
	g->target = target_states_id(sip->target_states, g->trunk, first + g->index % count);
	g->sent_at = loop_now(sip->loop);
	g->answer_at = g->sent_at + trunk_registration_settings(g)->answer_ms;
	return 0;
}

/* ---- its outcome ---- */

/* Wakes up for the next try, or when the answer to the last one is overdue; or where the binding
 * ends before. */
static void registration_sleep(struct trunk_registration *g)
{
	uint64_t now = loop_now(g->sip->loop), at = g->client ? g->answer_at : g->next_at;

	if (g->state == REGISTERED && g->until < at)
		at = g->until;
	loop_set(g->sip->loop, &g->timer, at > now ? at - now : 0);
}

void trunk_registration_wait(struct trunk_registration *g, uint64_t ms)
{
	g->next_at = loop_now(g->sip->loop) + ms;
	registration_sleep(g);
}

uint64_t trunk_registration_jitter(uint64_t least, uint64_t most)
{
	return least + random_u64() % (most - least + 1);
}

void trunk_registration_log(const struct trunk_registration *g, const char *event)
{
	struct str name = settings_str(g->sip->settings, trunk_registration_settings(g)->name),
		   target = settings_str(g->sip->settings, trunk_registration_target(g)->uri);

	if (g->status >= 200 && g->status < 300 && !g->error)
		log_info(event, "trunk=%.*s target=%.*s expires_s=%llu", (int)name.n, name.p,
			(int)target.n, target.p,
			(unsigned long long)(g->until - loop_now(g->sip->loop)) / 1000);
	else
		log_warn(event, "trunk=%.*s target=%.*s status=%u error=\"%s\"", (int)name.n,
			name.p, (int)target.n, target.p, g->status,
			g->error ? error_text(g->error) : "");
}

/* Nothing that comes to the last request is heard any more. */
static void registration_cut(struct trunk_registration *g)
{
	struct transaction *t = g->client;

	if (!t)
		return;
	g->client = NULL;
	transaction_cut(t);
	g->references--; /* not the last one: that is the list's */
}

static void registration_try(struct trunk_registration *g)
{
	if (g->leaving)
		registration_cut(g);
	g->leaving = false;
	if (g->client || g->trunk == NONE_INDEX || g->ended)
		return;
	g->next_at = 0;
	if (registration_send(g, g->expires))
		/* our own queue is full, or its worker is not there yet */
		trunk_registration_wait(g, REGISTRATION_SPREAD_MS);
	else
		registration_sleep(g);
}

/* The binding does not stand any more, or there is none. */
static void registration_ends(struct trunk_registration *g)
{
	bool stood = g->state == REGISTERED;

	g->state = REFUSED;
	trunk_binding_found(g->sip, g->trunk, g->reg_id, 0, STR_EMPTY);
	if (!stood)
		return;
	count(REGISTRATIONS_LOST);
	trunk_registration_log(g, "trunk-registration-lost");
}

/* Whether all targets have refused to keep the binding; a server that has too much to do, or that
 * says nothing, keeps it as long as it said (RFC 3261 section 10.3 item 8). */
static bool registration_is_refused(unsigned status)
{
	return (status >= 400 && status < 500 && status != 408 && status != 429) || status >= 600;
}

/* Whether a binding stands: this worker's, or that of the one before, which has told of it. */
static bool registration_stands(const struct trunk_registration *g)
{
	if (g->state == UNREGISTERED)
		return trunk_binding_stands_by(g->sip, g->trunk, g->reg_id);
	return loop_now(g->sip->loop) < g->until;
}

/* What became of the last request says whether its target is up, as that of a call does. */
static void registration_heard(const struct trunk_registration *g, unsigned status, int error)
{
	target_states_heard(g->sip->target_states, g->target, g->sent_at, status, error);
}

/* The next target has its turn, or all of them have to wait. */
static void registration_failed(struct trunk_registration *g, unsigned status, int error)
{
	bool known = g->failures != 0;

	count(REGISTRATIONS_FAILED);
	g->status = (uint16_t)status;
	g->error = error;
	g->challenges = (struct trunk_challenges){0};
	g->longer = false;
	if (!known)
		trunk_registration_log(g, "trunk-registration-failed");
	g->index++;
	g->tried++;
	if (!registration_stands(g) || (g->tried >= g->rows && registration_is_refused(status)))
		registration_ends(g);
	if (g->tried < g->rows) {
		registration_try(g);
		return;
	}
	g->tried = 0;
	g->failures++;
	trunk_registration_wait(g, trunk_flow_pause(g));
}

/* The service route that the answer gives (RFC 3608), in w; empty where it gives none that can be
 * used. */
static struct str registration_route(
	struct trunk_registration *g, const struct message *m, bool news, struct writer *w)
{
	struct str name = settings_trunk_name(g->sip->settings, g->trunk);

	if (service_route_read(g->sip->settings, m, w) == 0)
		return writer_text(w);
	count(SERVICE_ROUTES_REFUSED);
	if (news) /* and not with each refresh */
		log_warn("trunk-service-route-refused", "trunk=%.*s", STR(name));
	return STR_EMPTY;
}

static void registration_accepted(struct trunk_registration *g, const struct message *m)
{
	uint64_t granted = (uint64_t)trunk_registration_granted(g, m) * 1000, wait;
	char buffer[SERVICE_ROUTE_MAX];
	struct writer route = WRITER(buffer);
	bool news = g->state != REGISTERED;

	if (!granted) { /* it has removed what it was asked to keep */
		g->until = 0;
		if (g->state == UNREGISTERED)
			g->state = REFUSED;
		registration_failed(g, m->status, -ENODATA);
		return;
	}
	g->status = m->status;
	g->error = 0;
	g->challenges = (struct trunk_challenges){0};
	g->longer = false;
	g->spare_tries = 0;
	g->tried = 0;
	g->state = REGISTERED;
	g->accepted_at = loop_now(g->sip->loop);
	g->until = g->accepted_at + granted;
	g->bound = g->asked;
	g->stream = transport_is_stream(m->flow.transport) ? m->flow.id : 0;
	if (g->stream)
		sip_watch(g->sip, &m->flow, trunk_slot(g->sip, g->trunk));
	trunk_binding_found(
		g->sip, g->trunk, g->reg_id, g->until, registration_route(g, m, news, &route));
	trunk_flow_accepted(g, m, news);
	wait = trunk_registration_jitter(granted / 2, granted / 4 * 3);
	if (trunk_registration_line_is_old(g))
		wait = 0; /* the credentials have changed meanwhile */
	trunk_registration_wait(
		g, wait < REGISTRATION_REFRESH_LEAST_MS ? REGISTRATION_REFRESH_LEAST_MS : wait);
	count(REGISTRATIONS_ACCEPTED);
	if (news)
		trunk_registration_log(g, "trunk-registered");
}

/* Whether the answer asks for the same with something else: credentials, a longer time (423), or no
 * outbound (439, RFC 5626 section 11.6). */
static bool registration_goes_again(struct trunk_registration *g, const struct message *m)
{
	uint64_t least;

	if (m->status == 439 && trunk_flow_is_outbound(g)) {
		g->plain = true;
		g->status = m->status;
		g->error = 0;
		count(TRUNK_OUTBOUND_REFUSED);
		trunk_registration_log(g, "trunk-outbound-refused");
		return true;
	}
	if (m->status == 401 || m->status == 407)
		return trunk_auth_take(g->sip, g->id, m, &g->challenges);
	if (m->status != 423 || g->longer ||
		str_number(message_value(m, HEADER_MIN_EXPIRES), UINT32_MAX, &least) ||
		least <= g->expires || least > REGISTRATION_EXPIRES_MAX)
		return false;
	g->expires = (uint32_t)least;
	g->longer = true;
	return true;
}

/* The answer to what takes the binding back. */
static void registration_on_left(struct trunk_registration *g, const struct message *m)
{
	bool again = (m->status == 401 || m->status == 407) &&
	             trunk_auth_take(g->sip, g->id, m, &g->challenges);

	if (!again || registration_send(g, 0))
		g->leaving = false;
}

static void registration_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct trunk_registration *g = user;

	if (m->status < 200 || g->client != t)
		return;
	g->client = NULL;
	if (g->trunk == NONE_INDEX)
		return;
	registration_heard(g, m->status, 0);
	if (g->leaving)
		registration_on_left(g, m);
	else if (m->status < 300)
		registration_accepted(g, m);
	else if (registration_goes_again(g, m))
		registration_try(g);
	else
		registration_failed(g, m->status, 0);
}

static void registration_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct trunk_registration *g = user;

	if (g->client != t)
		return;
	g->client = NULL;
	registration_heard(g, status, error);
	if (g->leaving)
		g->leaving = false;
	else if (g->trunk != NONE_INDEX)
		registration_failed(g, error ? 0 : status, error);
}

static void registration_on_gone(void *user, struct transaction *t)
{
	(void)t;
	trunk_registration_drop(user);
}

static const struct client_user registration_client = {.response = registration_on_response,
	.failed = registration_on_failed,
	.gone = registration_on_gone};

static void registration_timer(struct timer *timer, void *arg)
{
	struct trunk_registration *g = arg;
	uint64_t now = loop_now(g->sip->loop);

	(void)timer;
	if (g->client && now >= g->answer_at) {
		registration_cut(g);
		if (trunk_flow_may_be_lost_here(g)) {
			registration_try(g);
			return;
		}
		registration_heard(g, 0, -ETIMEDOUT);
		registration_failed(g, 0, -ETIMEDOUT);
		return;
	}
	if (g->state == REGISTERED && now >= g->until) {
		if (g->client) { /* it has not answered in time */
			g->status = 0;
			g->error = -ETIMEDOUT;
		}
		registration_ends(g);
	}
	if (g->client || now < g->next_at)
		registration_sleep(g);
	else
		registration_try(g);
}

/* ---- which there are ---- */

/* Takes the binding back where there may be one. */
static void registration_undo(struct trunk_registration *g)
{
	bool bound = g->client || loop_now(g->sip->loop) < g->until;

	loop_unset(g->sip->loop, &g->timer);
	trunk_keep_alive_end(g);
	registration_cut(g);
	g->next_at = 0;
	g->challenges = (struct trunk_challenges){0};
	if (bound)
		g->leaving = registration_send(g, 0) == 0;
	g->until = 0;
	g->state = UNREGISTERED;
	if (g->trunk != NONE_INDEX)
		trunk_binding_found(g->sip, g->trunk, g->reg_id, 0, STR_EMPTY);
}

/* Takes it out of the list. */
static void registration_forget(struct trunk_registration **at)
{
	struct trunk_registration *g = *at;

	*at = g->next;
	loop_unset(g->sip->loop, &g->timer);
	trunk_keep_alive_end(g);
	registration_cut(g);
	trunk_registration_drop(g);
}

static struct trunk_registration *registration_find(
	const struct sip *sip, uint64_t id, uint32_t reg_id)
{
	struct trunk_registration *g = sip->trunk_registrations;

	while (g && (g->id != id || g->reg_id != reg_id))
		g = g->next;
	return g;
}

static bool registration_is_wanted(const struct sip *sip, unsigned trunk)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);

	return t->register_s && t->username.length && t->targets.count && trunk_is_ours(sip, trunk);
}

/* The config asks for another time: so does a binding that stands, now, for it may be refreshed
 * much later than the new time is over. */
static void registration_change_time(struct trunk_registration *g, uint32_t seconds)
{
	g->wanted = g->expires = seconds;
	if (g->state == REGISTERED)
		registration_try(g);
}

/* Registers the trunk of that index by that flow, where that is not being done. */
static void registration_begin(struct sip *sip, unsigned trunk, uint32_t reg_id)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);
	uint64_t id = trunk_id(settings_str(sip->settings, t->name));
	struct trunk_registration *g = registration_find(sip, id, reg_id);

	if (g) {
		g->trunk = (uint16_t)trunk;
		if (g->wanted != t->register_s)
			registration_change_time(g, t->register_s);
		return;
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		log_error("trunk-registration-failed", "error=\"%s\"", error_text(-ENOMEM));
		return;
	}
	*g = (struct trunk_registration){.next = sip->trunk_registrations,
		.sip = sip,
		.id = id,
		.call = random_u64(),
		.expires = t->register_s,
		.wanted = t->register_s,
		.references = 1,
		.trunk = (uint16_t)trunk,
		.reg_id = reg_id};
	if (reg_id)
		g->row.written = (uint16_t)(reg_id - 1);
	sip->trunk_registrations = g;
	timer_init(&g->timer, registration_timer, g);
	trunk_keep_alive_init(g);
	trunk_registration_wait(g, trunk_registration_jitter(1, REGISTRATION_SPREAD_MS));
}

/* Registers the trunk of that index, by each flow that it is to have. */
static void registration_begin_all(struct sip *sip, unsigned trunk)
{
	unsigned flows = trunk_flow_count(settings_trunk(sip->settings, trunk));

	for (uint32_t reg_id = flows ? 1 : 0; reg_id <= flows; reg_id++)
		registration_begin(sip, trunk, reg_id);
}

void trunk_registrations_take(struct sip *sip)
{
	struct trunk_registration **at = &sip->trunk_registrations, *g;

	if (!sip->transactions)
		return; /* it has only begun */
	for (g = sip->trunk_registrations; g; g = g->next)
		g->trunk = NONE_INDEX;
	for (unsigned i = 0; i < sip->settings->trunks.count; i++)
		if (registration_is_wanted(sip, i))
			registration_begin_all(sip, i);
	while ((g = *at)) {
		if (g->trunk != NONE_INDEX)
			at = &g->next;
		else
			registration_forget(at);
	}
}

static bool registration_text_stays(
	const struct sip *sip, struct text a, const struct settings *next, struct text b)
{
	return str_equal(settings_str(sip->settings, a), settings_str(next, b));
}

/* Whether the trunk of that index in the next settings is to have the binding that g has. */
static bool registration_stays(
	const struct trunk_registration *g, const struct settings *next, unsigned trunk)
{
	const struct sip *sip = g->sip;
	const struct trunk_settings *a = trunk_registration_settings(g),
				    *b = settings_trunk(next, trunk);

	if (trunk_id(settings_str(next, b->name)) != g->id || !b->register_s ||
		b->outbound != (g->reg_id != 0) || b->targets.count <= g->row.written)
		return false;
	const struct target_settings *target = SETTINGS_ROW(
		next, struct target_settings, b->targets, g->row.written);
	return registration_text_stays(sip, a->username, next, b->username) &&
	       registration_text_stays(sip, a->contact_user, next, b->contact_user) &&
	       registration_text_stays(sip, a->from_domain, next, b->from_domain) &&
	       a->match == b->match &&
	       registration_text_stays(sip, trunk_registration_target(g)->uri, next, target->uri);
}

void trunk_registrations_leave(struct sip *sip, const struct settings *next)
{
	struct trunk_registration **at = &sip->trunk_registrations;

	while (*at) {
		bool stays = false;

		for (unsigned i = 0; i < next->trunks.count; i++)
			stays |= registration_stays(*at, next, i);
		if (stays) {
			at = &(*at)->next;
		} else {
			registration_undo(*at);
			registration_forget(at);
		}
	}
}

void trunk_registrations_credentials(struct sip *sip)
{
	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next)
		if (g->state == REGISTERED && g->trunk != NONE_INDEX &&
			trunk_registration_line_is_old(g))
			registration_try(g);
}

bool trunk_registrations_leaving(const struct sip *sip)
{
	const struct trunk_registration *g = sip->trunk_registrations;

	while (g && !g->leaving)
		g = g->next;
	return g != NULL;
}

void trunk_registrations_stop(struct sip *sip)
{
	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next) {
		g->ended = true;
		if (!g->leaving)
			registration_undo(g);
	}
}

bool trunk_registration_order(struct sip *sip, struct str trunk, bool registered)
{
	uint64_t id = trunk_id(trunk);
	bool found = false;

	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next) {
		if (g->id != id)
			continue;
		found = true;
		g->ended = !registered;
		g->failures = g->tried = 0;
		if (registered)
			registration_try(g);
		else
			registration_undo(g);
	}
	return found;
}

void trunk_registrations_free(struct sip *sip)
{
	while (sip->trunk_registrations)
		registration_forget(&sip->trunk_registrations);
}
