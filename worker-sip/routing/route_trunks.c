/* route_trunks.c - the targets of a route's trunks, in the order in which they are tried
 * (route_search.h). Relies on target_state.h and trunk_binding.h for which of them are up. */
#include "route_search.h"

#include "balance.h"
#include "target_rows.h"
#include "target_state.h"
#include "telephone.h"
#include "trunk_binding.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/message/hosts.h"
#include "worker-sip/message/rewrite.h"

/* The trunk's targets as they are reached. Where no state is kept they are those of the settings.
 */
static const struct target_settings *route_trunk_rows(
	const struct route_search *s, unsigned trunk, unsigned *count)
{
	const struct settings *settings = s->sip->settings;
	struct array written = settings_trunk(settings, trunk)->targets;

	if (s->sip->target_states)
		return target_states_rows(s->sip->target_states, trunk, count);
	*count = written.count;
	return settings_array(settings, written);
}

/* Writes the parameters of the Request-URI that go on to a trunk's target, without the hosts of the
 * sender's side: "target" (RFC 4458) is a URI, and of others nobody knows what they are. */
static void route_write_trunk_params(struct writer *w, const struct route_search *s, unsigned trunk,
	const struct target_settings *t, const struct uri_parts *uri)
{
	const struct settings *settings = s->sip->settings;
	char buffer[TARGET_TEXT_MAX];
	struct writer params = WRITER(buffer);

	if (uri->scheme == URI_TEL || !uri->params.n) {
		telephone_write_params(w, uri);
		return;
	}
	const struct flow to = target_row_flow(settings, trunk, t);
	const struct hosts hosts = hosts_between(
		s->sip, s->zone, settings_trunk(settings, trunk)->zone, &to);

	telephone_write_params(&params, uri);
	w->full |= params.full;
	if (hosts_suspected(&hosts, writer_text(&params)))
		write_without_hosts(w, &hosts, writer_text(&params));
	else
		write_str(w, writer_text(&params));
}

/* Writes the Request-URI for a trunk's target: the called user there, with all that belongs to who
 * is called. */
static void route_write_trunk_uri(struct writer *w, const struct route_search *s, unsigned trunk,
	const struct target_settings *t)
{
	struct uri_parts uri = s->uri;
	uint8_t transport;

	rewrite_uri(s->rewrite, &uri);
	write_str(w, s->secure ? S("sips:") : S("sip:"));
	if (uri.user.n) {
		telephone_write_user(w, &uri);
		write_literal(w, "@");
	}
	transport = write_target_host(w, s->sip->settings, trunk, t);
	route_write_trunk_params(w, s, trunk, t, &uri);
	if (transport == TRANSPORT_TCP)
		write_literal(w, ";transport=tcp");
	else if (transport == TRANSPORT_TLS && !s->secure)
		write_literal(w, ";transport=tls");
}

/* Adds that one of the rows of the trunk of that index. One that would come back to us is none:
 * 482. */
static void route_add_trunk_target(struct route_search *s, uint16_t trunk,
	const struct target_settings *rows, unsigned index, struct decision *out)
{
	const struct settings *settings = s->sip->settings;
	const struct target_settings *t = &rows[index];
	struct target *to = &s->targets[s->count];
	struct writer w = WRITER(to->buffer);

	if (settings_listener_at_address(settings, &t->endpoint) != NONE_INDEX) {
		out->status = 482;
		return;
	}
	if (s->secure && !route_is_secure(t->transport))
		return;
	memset(to, 0, offsetof(struct target, buffer));
	route_write_trunk_uri(&w, s, trunk, t);
	to->request_uri = writer_text(&w);
	write_str(&w, trunk_binding_route(s->sip, trunk, t->written));
	if (w.full) {
		out->status = 414;
		out->too_long = true;
		return;
	}
	to->route = str_from(writer_text(&w), to->request_uri.n);
	to->flow = target_row_flow(settings, trunk, t);
	to->rewrite = s->rewrite;
	to->zone = settings_trunk(settings, trunk)->zone;
	to->q = 1000;
	to->trunk = trunk;
	to->index = (uint16_t)index;
	to->explicit_transport = t->explicit_transport;
	s->count++;
}

/* By what a trunk's targets are chosen. */
static uint64_t route_balance_key(const struct route_search *s, const struct trunk_settings *t)
{
	static const struct hash_key same;
	const struct message *m = s->message;
	struct str from = message_str(m, m->from.user);

	switch (t->balance) {
	case BALANCE_CALL_ID: return hash_str(&same, message_str(m, m->call_id));
	case BALANCE_CALLER:
		return hash_str(&same, from) ^ hash_str_nocase(&same, message_str(m, m->from.host));
	case BALANCE_CALLED: return hash_str(&same, (struct str){s->number, s->number_length});
	default: return random_u64();
	}
}

/* Targets that are tried after all others. */
struct route_later {
	unsigned count;
	struct {
		const struct target_settings *rows;
		const struct rewrite *rewrite;
		uint16_t trunk, index;
	} target[TARGETS_MAX];
};

static void route_explain_trunk(const struct route_search *s, unsigned trunk, const char *what)
{
	if (s->explanation)
		explanation_trunk(s->explanation, s->sip->settings, trunk, what);
}

/* Whether the request may go out by the trunk, whose rules have then been applied. */
static bool route_permits_trunk(struct route_search *s, uint16_t trunk, struct decision *out)
{
	if (target_states_is_disabled(s->sip->target_states, trunk)) {
		count(TRUNKS_PASSED_OVER);
		route_explain_trunk(s, trunk, "is disabled: passed over");
		return false;
	}
	if (s->rules && !route_rewrite(s, RULES_OF_TRUNK, trunk)) {
		out->rule_refused = true;
		return false;
	}
	/* Of those that are tried only after others it is asked then (fork_user.permits). */
	if (!s->count && s->message->method == METHOD_INVITE && !out->emergency &&
		!limits_admit_trunk(s->sip, trunk)) {
		out->full = true;
		route_explain_trunk(s, trunk, "has all the calls that it may have: passed over");
		return false;
	}
	return true;
}

/* Adds the targets of one trunk, or keeps them for later. False: its names have no address now. */
static bool route_add_trunk(
	struct route_search *s, uint16_t trunk, struct route_later *later, struct decision *out)
{
	const struct trunk_settings *t = settings_trunk(s->sip->settings, trunk);
	unsigned targets;
	const struct target_settings *rows = route_trunk_rows(s, trunk, &targets);
	bool resolved = targets != 0, hashed = t->balance != BALANCE_ORDER && targets > 1;
	bool missed = trunk_binding_is_missed(s->sip, trunk);
	uint8_t order[TARGETS_MAX];

	if (missed) {
		count(TRUNKS_PUT_LAST);
		route_explain_trunk(s, trunk, "this gateway is not registered there: tried last");
	}
	if (!resolved)
		route_explain_trunk(s, trunk, "none of its names has an address now");
	if (targets > TARGETS_MAX)
		targets = TARGETS_MAX;
	balance_order(rows, hashed, targets > 1 ? route_balance_key(s, t) : 0, targets, order);
	for (unsigned n = 0; n < targets && s->count < s->limit; n++) {
		unsigned i = order[n];
		bool last = missed ||
		            trunk_binding_flow_is_missed(s->sip, trunk, rows[i].written) ||
		            (target_states_any_down(s->sip->target_states) &&
				    target_states_avoid(s->sip->target_states, trunk, i,
					    !s->count && !s->explanation));

		if (!last) {
			route_add_trunk_target(s, trunk, rows, i, out);
		} else if (later->count < TARGETS_MAX) {
			later->target[later->count].rows = rows;
			later->target[later->count].rewrite = s->rewrite;
			later->target[later->count].trunk = trunk;
			later->target[later->count++].index = (uint16_t)i;
		}
	}
	return resolved;
}

void route_add_trunks(struct route_search *s, const struct route_settings *r, struct decision *out)
{
	const uint16_t *trunks = settings_array(s->sip->settings, r->trunks);
	struct route_later later;
	bool unresolved = false; /* a trunk whose names have no address now */

	later.count = 0;
	for (unsigned k = 0; k < r->trunks.count; k++)
		if (route_permits_trunk(s, trunks[k], out))
			unresolved |= !route_add_trunk(s, trunks[k], &later, out);
	for (unsigned i = 0; i < later.count && s->count < s->limit; i++) {
		s->rewrite = later.target[i].rewrite;
		route_add_trunk_target(
			s, later.target[i].trunk, later.target[i].rows, later.target[i].index, out);
	}
	if (s->count)
		out->status = 0;
	else if (!out->status)
		out->status = out->full || unresolved ? 503 : out->rule_refused ? 403 : 480;
	out->full = out->full && out->status == 503;
	if (!s->count)
		count(ROUTE_NO_TARGET);
}
