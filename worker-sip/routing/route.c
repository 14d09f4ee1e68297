/* route.c - the rules: which targets a request has. Pure over message, settings, users and location
 * store. */
#include "route_search.h"

#include "ipc/emergency.h"
#include "rewriting.h"
#include "route_uri.h"
#include "routes.h"
#include "telephone.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/registrar/location.h"
#include "worker-sip/subscription/event.h"

#include <errno.h>

/* Writes the called number or user as the rules see it: a telephone number is one thing however it
 * is written (telephone.h), a user unescaped. A NUL stands behind it. Returns its length; -EINVAL
 * where a NUL is in it, -ENOBUFS where it is too long. */
static long route_called(const struct uri_parts *uri, char buffer[NUMBER_MAX + 1])
{
	long n = telephone_digits(uri, buffer, NUMBER_MAX);

	if (n == -EINVAL)
		n = uri_unescape(uri->user, buffer, NUMBER_MAX);
	if (n >= 0)
		buffer[n] = '\0';
	return n;
}

_Static_assert(TARGET_TEXT_MAX >= BINDING_CONTACT_MAX + BINDING_PATH_MAX,
	"a target holds what a binding has");

void target_copy(struct target *to, const struct target *from)
{
	*to = *from;
	to->request_uri.p = to->buffer + (from->request_uri.p - from->buffer);
	if (from->route.n)
		to->route.p = to->buffer + (from->route.p - from->buffer);
}

/* ---- rules about numbers and headers ---- */

/* Has the request be for whom the rules have made of it up to the stage. */
static void route_take_number(struct route_search *s, enum rules_of stage)
{
	long n;

	s->uri = s->came;
	rewriting_uri(&s->sip->scratch.rewriting[stage], &s->uri);
	n = route_called(&s->uri, s->number);
	s->number_length = n > 0 ? (size_t)n : 0;
}

bool route_rewrite(struct route_search *s, enum rules_of of, unsigned index)
{
	struct rewriting *w = &s->sip->scratch.rewriting[of];

	if (of != RULES_OF_ZONE)
		*w = w[-1];
	return rewriting_apply(w, s->rules, of, index, &s->rewrite);
}

static bool route_rewrite_zone(struct route_search *s, unsigned zone, bool emergency)
{
	struct rewriting *w = &s->sip->scratch.rewriting[RULES_OF_ZONE];

	s->came = s->uri;
	rewriting_begin(w, s->sip, s->message, &s->uri, emergency);
	if (!route_rewrite(s, RULES_OF_ZONE, zone))
		return false;
	route_take_number(s, RULES_OF_ZONE);
	return true;
}

bool route_rewrite_caller(const struct incoming *in, struct target *target)
{
	struct sip *sip = in->sip;
	struct rewriting *w = &sip->scratch.rewriting[RULES_OF_ZONE];

	if (!sip->routes->rules)
		return true;
	rewriting_begin(w, sip, in->message, NULL, in->emergency);
	return rewriting_apply(w, sip->routes->rules, RULES_OF_ZONE, in->zone, &target->rewrite);
}

/* ---- targets ---- */

/* The strings of the targets from that one on, which have been moved, point into their buffers. */
static void route_point(struct route_search *s, unsigned from)
{
	for (unsigned i = from; i < s->count; i++) {
		s->targets[i].request_uri.p = s->targets[i].buffer;
		s->targets[i].route.p = s->targets[i].buffer + BINDING_CONTACT_MAX;
	}
}

/* Whether a target of that q and turn has its turn before the other one. */
static bool route_goes_before(uint16_t q, uint8_t turn, const struct target *other)
{
	return q != other->q ? q > other->q : turn < other->turn;
}

/* Makes room for a target of that q and turn, behind those that it does not go before. NULL: there
 * is none. */
static struct target *route_insert(struct route_search *s, uint16_t q, uint8_t turn)
{
	unsigned at = s->count;

	while (at && route_goes_before(q, turn, &s->targets[at - 1]))
		at--;
	if (at >= s->limit)
		return NULL;
	if (s->count == s->limit)
		s->count--;
	struct target *to = &s->targets[at];
	memmove(to + 1, to, (s->count - at) * sizeof(*to));
	s->count++;
	route_point(s, at + 1);
	return to;
}

/* ---- a phone's flows ---- */

/* Whether target k is another flow of the phone of target i, which is tried before: it was
 * refreshed later, and is the likelier to live (RFC 5626 section 7). */
static bool route_flow_goes_before(const struct route_search *s, unsigned k, unsigned i)
{
	const struct target *a = &s->targets[k], *b = &s->targets[i];

	if (k == i || a->instance != b->instance)
		return false;
	return a->expires_at > b->expires_at || (k < i && a->expires_at == b->expires_at);
}

/* Which turn target i has among the flows of its phone. */
static uint8_t route_flow_turn(const struct route_search *s, unsigned i)
{
	unsigned turn = 0;

	for (unsigned k = 0; s->targets[i].instance && k < s->count; k++)
		turn += route_flow_goes_before(s, k, i);
	return (uint8_t)turn;
}

/* Has one flow of each phone tried before its others: a phone is one target, however many ways
 * there are to it (section 7). */
static void route_order_flows(struct route_search *s)
{
	unsigned count = s->count < TARGETS_MAX ? s->count : TARGETS_MAX;
	uint8_t turn[TARGETS_MAX] = {0};
	struct target moved;

	for (unsigned i = 0; i < count; i++)
		turn[i] = route_flow_turn(s, i);
	for (unsigned i = count; i-- > 0;) {
		if (!turn[i])
			continue;
		moved = s->targets[i];
		moved.turn = turn[i];
		s->count--;
		memmove(&s->targets[i], &s->targets[i + 1], (s->count - i) * sizeof(moved));
		*route_insert(s, moved.q, moved.turn) = moved;
		route_point(s, i);
	}
}

/* Whether a stored binding can be reached with the settings of today. */
static bool route_binding_usable(const struct settings *s, const struct binding *b)
{
	return b->contact.n <= BINDING_CONTACT_MAX && b->path.n <= BINDING_PATH_MAX &&
	       b->flow.listener < s->listeners.count &&
	       !settings_listener(s, b->flow.listener)->gone &&
	       settings_listener(s, b->flow.listener)->transport == b->flow.transport;
}

static void route_add_binding(void *arg, const struct binding *b)
{
	struct route_search *search = arg;
	const struct settings *s = search->sip->settings;
	bool permitted;

	if (!route_binding_usable(s, b))
		return;
	unsigned zone = settings_zone_of(s, b->flow.listener, &b->flow.peer, &permitted);
	if (!permitted || (search->secure && !route_is_secure(b->flow.transport)))
		return;
	struct target *to = route_insert(search, b->q, 0);
	if (!to)
		return;
	memset(to, 0, offsetof(struct target, buffer));
	memcpy(to->buffer, b->contact.p, b->contact.n);
	if (b->path.n)
		memcpy(to->buffer + BINDING_CONTACT_MAX, b->path.p, b->path.n);
	to->rewrite = search->rewrite;
	to->flow = b->flow;
	to->request_uri = (struct str){to->buffer, b->contact.n};
	to->route = (struct str){to->buffer + BINDING_CONTACT_MAX, b->path.n};
	to->zone = zone;
	to->q = b->q;
	to->trunk = NONE_INDEX;
	to->explicit_transport = 1;
	if (!b->reg_id)
		return;
	to->instance = hash_str(&search->sip->keys.slot_key, b->instance) | 1;
	to->expires_at = b->expires_at;
	search->flows = true;
}

/* Finds the user of the domain that is called, and how a URI names it: as it is written, else by
 * its digits. NULL: the domain has no such user. */
static const struct user_row *route_find_user(const struct route_search *s, struct str *out)
{
	const struct users *users = s->sip->users;
	struct str digits = {s->number, s->number_length};
	const struct user_row *user = NULL;
	char written[USER_NAME_MAX];
	long n = uri_unescape(s->uri.user, written, sizeof(written));

	if (s->domain == NONE_INDEX || !users)
		return NULL;
	if (n > 0)
		user = users_find(users, s->domain, (struct str){written, (size_t)n});
	if (user) {
		*out = s->uri.user;
		return user;
	}
	if (digits.n)
		user = users_find(users, s->domain, digits);
	if (user)
		*out = digits;
	return user;
}

/* NAME@DOMAIN of the user who is called, in the worker's scratch. */
static struct str route_note_called(const struct route_search *s, const struct uri_parts *record)
{
	struct writer w = WRITER(s->sip->scratch.called);

	write_str(&w, record->user);
	write_literal(&w, "@");
	write_str(&w, record->host);
	return w.full ? STR_EMPTY : writer_text(&w);
}

/* Adds the bindings of the user in the domain. False where the domain has no such user: the next
 * rule is tried. */
static bool route_add_registered(struct route_search *s, struct decision *out)
{
	const struct settings *settings = s->sip->settings;
	struct uri_parts record = s->uri;
	const struct user_row *user = route_find_user(s, &record.user);
	char aor[AOR_MAX];

	if (!user)
		return false;
	record.scheme = URI_SIP;
	record.host = settings_str(settings, settings_domain(settings, s->domain)->name);
	record.port = 0;
	long length = aor_of(&record, aor);
	if (length < 0)
		return false;
	location_lookup(s->sip->location, (struct str){aor, (size_t)length}, route_add_binding, s);
	if (s->flows)
		route_order_flows(s);
	out->callee = limits_callee_key(s->sip, s->domain, (struct str){aor, (size_t)length});
	out->callee_domain = s->domain;
	out->user = user;
	out->called = route_note_called(s, &record);
	out->status = s->count ? 0 : 480;
	if (!s->count)
		count(ROUTE_USER_AWAY);
	return true;
}

/* ---- rules ---- */

static enum route_match route_match(
	const struct route_search *s, unsigned rule, unsigned zone, bool emergency)
{
	const struct route_settings *r = settings_route(s->sip->settings, rule);

	if (emergency && r->action == ROUTE_REFUSE)
		return ROUTE_NOT_EMERGENCY;
	if (!(r->from >> zone & 1))
		return ROUTE_OTHER_ZONE;
	if (r->to_domain != NONE_INDEX && r->to_domain != s->domain)
		return ROUTE_OTHER_DOMAIN;
	if (r->events.count && !event_is_among(s->message, s->sip->settings, r->events))
		return ROUTE_OTHER_EVENT;
	if (r->action == ROUTE_REGISTERED && event_is_for_server(s->message))
		return ROUTE_FOR_SERVER;
	if (!r->number.length)
		return ROUTE_MATCHES;
	if (!s->number_length)
		return ROUTE_NO_NUMBER;
	return routes_match(s->sip, rule, (struct str){s->number, s->number_length})
	               ? ROUTE_MATCHES
	               : ROUTE_OTHER_NUMBER;
}

/* Does what the rule says. False where it is not for this request after all. */
static bool route_apply(struct route_search *s, unsigned rule, struct decision *out)
{
	const struct route_settings *r = settings_route(s->sip->settings, rule);

	out->route = (uint16_t)rule;
	if (s->rules && r->action != ROUTE_REFUSE) {
		if (!route_rewrite(s, RULES_OF_ROUTE, rule)) {
			out->status = 403;
			out->rule_refused = true;
			return true;
		}
		route_take_number(s, RULES_OF_ROUTE);
	}
	if (r->action == ROUTE_REGISTERED && !route_add_registered(s, out)) {
		if (s->rules)
			route_take_number(s, RULES_OF_ZONE);
		out->route = NONE_INDEX;
		return false;
	}
	if (r->action == ROUTE_TRUNK)
		route_add_trunks(s, r, out);
	if (r->action == ROUTE_REFUSE) {
		out->status = r->status;
		count(ROUTE_REFUSED);
	}
	out->count = s->count;
	return true;
}

/* Finds the domain of ours that the request names. sender: that of an authenticated sender. False
 * where the request is for the gateway itself. */
static bool route_find_domain(struct route_search *s, unsigned sender)
{
	const struct settings *settings = s->sip->settings;

	s->domain = NONE_INDEX;
	/* A telephone number without a host is one of the sender's domain, as if it had dialled
	 * it. */
	if (s->uri.scheme == URI_TEL && settings_has_domain(settings))
		s->domain = sender != NONE_INDEX ? sender : settings->first_domain;
	if (s->uri.scheme != URI_SIP && s->uri.scheme != URI_SIPS)
		return true;
	bool ours = settings_listener_at(settings, s->uri.host, s->uri.port) != NONE_INDEX;
	s->domain = settings_domain_of(settings, s->uri.host);
	/* Our own address stands for the first domain. */
	if (s->domain == NONE_INDEX && ours && settings_has_domain(settings))
		s->domain = settings->first_domain;
	return s->uri.user.n || (!ours && s->domain == NONE_INDEX);
}

/* Whether it is a call for help. A service of emergency (RFC 5031) is called by its number, in the
 * domain of the sender. */
static bool route_find_emergency(struct route_search *s)
{
	const struct settings *settings = s->sip->settings;
	struct str number;

	if (s->uri.scheme != URI_OTHER || !emergency_service(settings, s->uri.whole, &number))
		return false;
	s->uri = (struct uri_parts){.scheme = URI_TEL, .whole = s->uri.whole, .user = number};
	return true;
}

/* The same as the walk of route_request, and says of each rule why it is not the one. */
static bool route_explained(struct route_search *s, const struct incoming *in, struct decision *out)
{
	for (unsigned rule = 0; rule < s->sip->settings->routes.count; rule++) {
		enum route_match match = route_match(s, rule, in->zone, out->emergency);
		bool said = match != ROUTE_MATCHES ||
		            settings_route(s->sip->settings, rule)->action != ROUTE_REGISTERED;

		if (said)
			route_explain(in, rule, match);
		bool applied = match == ROUTE_MATCHES && route_apply(s, rule, out);
		if (!said)
			route_explain(in, rule, applied ? match : ROUTE_NO_USER);
		if (applied)
			return true;
	}
	return false;
}

void route_request(
	const struct incoming *in, struct target *targets, unsigned limit, struct decision *out)
{
	struct number_prefix_walk walk;
	struct route_search s;
	uint32_t rule;

	*out = (struct decision){
		.route = NONE_INDEX, .numbers = {.list = NONE_INDEX, .group = NONE_INDEX}};
	s.sip = in->sip;
	s.message = in->message;
	s.zone = in->zone;
	s.rules = in->sip->routes->rules;
	s.rewrite = NULL;
	s.uri = route_uri(in);
	out->emergency = route_find_emergency(&s);
	s.secure = s.uri.scheme == URI_SIPS;
	s.targets = targets;
	s.explanation = in->explanation;
	s.count = 0;
	s.flows = false;
	s.limit = limit < TARGETS_MAX ? limit : TARGETS_MAX;
	if (s.secure && !route_is_secure(in->message->flow.transport)) {
		/* It promises TLS on every hop, and came over one without (RFC 5630
		 * section 5.3). */
		out->status = 416;
		return;
	}
	if (!route_find_domain(&s, in->sender.domain)) {
		out->to_self = true;
		return;
	}
	long called = route_called(&s.uri, s.number);
	if (called == -ENOBUFS) {
		out->status = 414;
		out->too_long = true;
		return;
	}
	/* Behind us another user could be read in "%00": the one before the NUL. */
	s.number_length = called > 0 ? (size_t)called : 0;
	out->emergency |= emergency_has(s.sip->settings, (struct str){s.number, s.number_length});
	if (s.rules && called >= 0) {
		if (!route_rewrite_zone(&s, in->zone, out->emergency)) {
			out->status = 403;
			out->rule_refused = true;
			return;
		}
		out->emergency |= emergency_has(
			s.sip->settings, (struct str){s.number, s.number_length});
		s.sip->scratch.rewriting[RULES_OF_ZONE].emergency = out->emergency;
	}
	if (!out->emergency)
		out->numbers = number_lists_decide(
			s.sip, in->zone, &in->sender, (struct str){s.number, s.number_length});
	if (in->explanation && !out->emergency)
		number_lists_explain(in, &out->numbers);
	if (out->numbers.blocked) {
		out->status = 403;
		return;
	}
	if (in->explanation && called >= 0 && route_explained(&s, in, out))
		return;
	if (in->explanation)
		called = -ENOENT;
	number_patterns_walk(
		s.sip->routes->numbers, (struct str){s.number, s.number_length}, &walk);
	while (called >= 0 && number_prefix_next(&walk, &rule))
		if (route_match(&s, rule, in->zone, out->emergency) == ROUTE_MATCHES &&
			route_apply(&s, rule, out))
			return;
	count(ROUTE_NONE);
	struct str number = {s.number, s.number_length};
	out->status = in->sender.trusted || telephone_is_number(number) ? 404 : 403;
}
