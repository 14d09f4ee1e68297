/* forwarding.c - see forwarding.h. */
#include "forwarding_state.h"

#include "common/hash.h"
#include "common/log.h"
#include "limits.h"
#include "minutes.h"
#include "worker-sip/routing/number_list.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/routing/telephone.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of a value in a line of the log. */
#define VALUE_MAX 160
/* Bytes of a number that is called, at most; what is longer is compared by its beginning. */
#define FORWARD_NUMBER_MAX 128
/* Bytes of a user's name with his domain, at most. */
#define FORWARD_NAME_MAX (USER_NAME_MAX + 1 + 255)

/* ---- hops ---- */

static enum redirect forward_redirect(const struct settings *s, unsigned route)
{
	if (route >= s->routes.count)
		return REDIRECT_REFUSE;
	const struct route_settings *r = settings_route(s, route);

	if (r->redirect != REDIRECT_AUTO)
		return r->redirect;
	return r->action == ROUTE_REGISTERED ? REDIRECT_FOLLOW : REDIRECT_REFUSE;
}

static void forward_hop_user(struct forward_hop *hop, unsigned domain, const struct user_row *user)
{
	hop->domain = user ? (uint16_t)domain : NONE_INDEX;
	if (!user)
		return;
	hop->name_length = user->name_length;
	memcpy(hop->name, user->name, user->name_length);
}

/* The zone where a user without a phone would register. */
static uint16_t forward_home_zone(const struct settings *s)
{
	uint16_t home = 0;
	bool found = false;

	for (unsigned i = 0; i < s->zones.count; i++) {
		const struct zone_settings *z = settings_zone(s, i);

		if (z->trust)
			continue;
		if (z->auth == ZONE_AUTH_DIGEST)
			return (uint16_t)i;
		if (!found)
			home = (uint16_t)i;
		found = true;
	}
	return home;
}

static uint16_t forward_zone_of(
	const struct settings *s, const struct target *targets, unsigned count)
{
	return count ? (uint16_t)targets[0].zone : forward_home_zone(s);
}

void forwarding_begin(struct forwarding *fw, struct fork *f, struct call_record **record,
	const struct incoming *in, const struct target *targets, unsigned count)
{
	fw->fork = f;
	fw->record = record;
	fw->first.redirect = forward_redirect(in->sip->settings, in->route);
	fw->first.zone = forward_zone_of(in->sip->settings, targets, count);
	forward_hop_user(&fw->first, in->user_domain, in->user);
	if (in->sip->forwards && count)
		user_forward_rings(fw, &fw->first);
}

void forwarding_settled(struct forwarding *fw)
{
	if (fw->ringing)
		loop_unset(fw->fork->sip->loop, &fw->ring);
	fw->ringing = NULL;
}

void forwarding_end(struct forwarding *fw)
{
	struct forward_hop *hop;

	if (fw->fork)
		forwarding_settled(fw);
	while ((hop = fw->later)) {
		fw->later = hop->next;
		minutes_end(hop->minutes);
		free(hop);
	}
}

struct forward_hop *forwarding_hop(struct forwarding *fw, uint8_t number)
{
	struct forward_hop *hop = fw->later;

	while (hop && hop->number != number)
		hop = hop->next;
	return hop ? hop : &fw->first;
}

struct minutes *forwarding_take_minutes(struct forwarding *fw, uint8_t number)
{
	struct forward_hop *hop = fw->later;
	struct minutes *minutes = NULL;

	while (hop && hop->number != number)
		hop = hop->next;
	if (hop) {
		minutes = hop->minutes;
		hop->minutes = NULL;
	}
	return minutes;
}

uint32_t forwarding_duration(struct forwarding *fw, uint8_t number, unsigned trunk)
{
	const struct forward_hop *by = forwarding_hop(fw, number)->from;

	return by ? limits_duration(fw->fork->sip, by->zone, by->domain, trunk) : 0;
}

struct uri_parts forward_hop_uri(const struct fork *f, const struct forward_hop *hop)
{
	const struct message *m = &f->request->message;
	struct uri_parts uri;

	if (hop->uri.n && uri_parse_contact(hop->uri, &uri) == 0)
		return uri;
	return uri_of(m, &m->request_uri);
}

struct str forward_hop_text(
	const struct fork *f, const struct forward_hop *hop, char *buffer, size_t size)
{
	struct writer w = {.p = buffer, .size = size};

	if (hop->domain == NONE_INDEX) {
		const struct uri_parts uri = forward_hop_uri(f, hop);

		return uri.user.n ? uri.user : uri.whole;
	}
	write_bytes(&w, hop->name, hop->name_length);
	write_literal(&w, "@");
	write_str(&w, settings_str(f->sip->settings,
			      settings_domain(f->sip->settings, hop->domain)->name));
	return writer_text(&w);
}

/* What a call to a user, or to a number or whatever a URI names, is known by within one call. */
static uint64_t forward_key(
	const struct sip *sip, unsigned domain, struct str name, const struct uri_parts *uri)
{
	char number[FORWARD_NUMBER_MAX];
	uint64_t part[2] = {domain, 0};
	long n;

	if (domain != NONE_INDEX) {
		part[1] = hash_str(&sip->keys.slot_key, name);
		return hash_bytes(&sip->keys.slot_key, part, sizeof(part));
	}
	n = telephone_digits(uri, number, sizeof(number));
	if (n < 0)
		n = uri_unescape(uri->user, number, sizeof(number));
	part[1] = hash_str(
		&sip->keys.slot_key, n > 0 ? (struct str){number, (size_t)n} : uri->whole);
	return hash_bytes(&sip->keys.slot_key, part, sizeof(part));
}

static uint64_t forward_hop_key(const struct fork *f, struct forward_hop *hop)
{
	const struct uri_parts uri = forward_hop_uri(f, hop);

	if (!hop->key)
		hop->key = forward_key(
			f->sip, hop->domain, (struct str){hop->name, hop->name_length}, &uri);
	return hop->key;
}

/* ---- may it go there ---- */

/* How often others have forwarded the call before it came here, as those say that are trusted. */
static unsigned forward_count_before(const struct fork *f)
{
	const struct message *m = &f->request->message;
	unsigned count = 0;

	if (!settings_zone(f->sip->settings, f->zone)->trust)
		return 0;
	for (const struct message_header *h = message_first(m, HEADER_DIVERSION); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), element;
		bool closed;

		while (count <= FORWARD_HOPS_MAX && list_element_next(&rest, &element, &closed))
			count++;
	}
	return count;
}

static bool forward_is_loop(struct forwarding *fw, const struct fork *f, uint64_t key)
{
	if (forward_hop_key(f, &fw->first) == key)
		return true;
	for (struct forward_hop *hop = fw->later; hop; hop = hop->next)
		if (hop->key == key)
			return true;
	return false;
}

static void forward_log_refused(
	const struct fork *f, const struct forward *forward, unsigned status)
{
	struct sip *sip = f->sip;
	char by[VALUE_MAX], by_text[FORWARD_NAME_MAX], to[VALUE_MAX], call_id[VALUE_MAX];
	const struct message *m = &f->request->message;
	uint64_t left_out;

	if (!log_limit_pass(&sip->forward_log, loop_now(sip->loop), 1, LOG_LIMIT_SECOND, &left_out))
		return;
	log_warn("forward-refused", "call-id=%s by=%s to=%s status=%u reason=\"%s\" left_out=%llu",
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		log_value(forward_hop_text(f, forward->from, by_text, sizeof(by_text)), by,
			sizeof(by)),
		log_value(forward->to.whole, to, sizeof(to)), status,
		status == 482   ? "who is called there has been called already"
		: status == 483 ? "forwarded too often"
		: status == 416 ? "no URI that is called"
		: status == 500 ? "no room"
				: "what he may not call, or who is not there",
		(unsigned long long)left_out);
}

unsigned forward_refuse(const struct forwarding *fw, const struct forward *forward, unsigned status)
{
	if (status == 482)
		count(FORWARD_LOOPS);
	else if (status == 483)
		count(FORWARDS_TOO_MANY);
	else
		count(FORWARDS_REFUSED);
	forward_log_refused(fw->fork, forward, status);
	return status;
}

/* ---- the way there ---- */

/* The call as if who forwards it had made it. */
static void forward_incoming(
	const struct fork *f, const struct forward *forward, struct incoming *in)
{
	const struct forward_hop *by = forward->from;
	const struct settings *s = f->sip->settings;

	*in = (struct incoming){.sip = f->sip,
		.message = &f->request->message,
		.forwarded_to = &forward->to,
		.zone = forward->zone,
		.slot = f->slot,
		.trunk = NONE_INDEX,
		.route = NONE_INDEX,
		.number_list = NONE_INDEX,
		.callee_domain = NONE_INDEX,
		.shown = true};
	in->sender.trusted = settings_zone(s, forward->zone)->trust;
	in->sender.domain = by->domain;
	in->sender.authenticated = by->domain != NONE_INDEX;
	in->sender.name_length = by->name_length;
	memcpy(in->sender.name, by->name, by->name_length);
}

/* Asks the routes. 0 and the targets are in the worker's scratch. */
static unsigned forward_route(const struct fork *f, struct incoming *in, struct decision *d)
{
	struct scratch *scratch = &f->sip->scratch;
	unsigned most = f->sip->settings->forks_max;

	scratch->rewrites_size = 0;
	route_request(in, scratch->targets, most < TARGETS_MAX ? most : TARGETS_MAX, d);
	in->route = d->route;
	in->callee = d->callee;
	in->callee_domain = d->callee_domain;
	in->number_list = d->numbers.list;
	if (d->numbers.blocked)
		number_lists_tell(in, &d->numbers);
	if (d->emergency)
		return 403;
	if (d->to_self)
		return 404;
	return d->status;
}

static struct forward_hop *forward_hop_new(const struct forwarding *fw,
	const struct forward *forward, const struct incoming *in, const struct decision *d)
{
	struct str uri = forward->to.whole;
	struct forward_hop *hop = calloc(1, sizeof(*hop) + uri.n);

	if (!hop)
		return NULL;
	memcpy(hop + 1, uri.p, uri.n);
	hop->uri = (struct str){(const char *)(hop + 1), uri.n};
	hop->from = forward->from;
	hop->number = (uint8_t)(fw->count + 1);
	hop->depth = (uint8_t)(forward->from->depth + 1);
	hop->cause = forward->cause;
	hop->status = (uint16_t)forward->status;
	hop->rang = forward->rang;
	hop->redirect = forward_redirect(in->sip->settings, d->route);
	hop->zone = forward_zone_of(in->sip->settings, in->sip->scratch.targets, d->count);
	forward_hop_user(hop, d->callee_domain, d->user);
	return hop;
}

/* Adds the targets in the scratch. 0, or 500. */
static unsigned forward_add(struct forwarding *fw, struct forward_hop *hop, unsigned count,
	const uint64_t limit[LIMIT_KEYS])
{
	struct fork *f = fw->fork;
	struct target *targets = f->sip->scratch.targets;
	char by[FORWARD_NAME_MAX];
	struct call_forwarded told = {
		.cause = hop->cause, .by = forward_hop_text(f, hop->from, by, sizeof(by))};

	for (unsigned i = 0; i < count; i++)
		targets[i].hop = hop->number;
	memcpy(told.limit, limit, sizeof(told.limit));
	forward_headers(f, hop, targets, count);
	if (count && fork_extend(f, targets, count))
		return 500;
	call_record_forwarded(fw->record, targets, count, &told);
	hop->next = fw->later;
	fw->later = hop;
	fw->count++;
	return 0;
}

/* Makes the next hop, with the targets that the routes have given. 0, or the status for which there
 * is none. */
static unsigned forward_to_hop(struct forwarding *fw, const struct forward *forward,
	const struct incoming *in, const struct decision *d, uint64_t key)
{
	const struct forward_row *row = user_forward_at_once(
		in->sip, d->callee_domain, d->user, d->status);
	unsigned count = row ? 0 : d->count, status = row ? 0 : d->status;
	uint64_t limit[LIMIT_KEYS];
	struct forward_hop *hop;

	if (status || !limits_admit_forward(in, limit, &status))
		return forward_refuse(fw, forward, status);
	if (!minutes_admit_forward(in))
		return forward_refuse(fw, forward, 403);
	hop = forward_hop_new(fw, forward, in, d);
	if (!hop)
		return forward_refuse(fw, forward, 500);
	hop->key = key;
	status = forward_add(fw, hop, count, limit);
	if (status) {
		free(hop);
		return forward_refuse(fw, forward, status);
	}
	hop->minutes = minutes_new(in);
	count(CALLS_FORWARDED);
	if (row) {
		hop->asked = true;
		return user_forward(fw, hop, row);
	}
	if (in->sip->forwards)
		user_forward_rings(fw, hop);
	return 0;
}

unsigned forwarding_forward(struct forwarding *fw, const struct forward *forward)
{
	const struct fork *f = fw->fork;
	unsigned depth = forward->from->depth + 1u, status;
	struct incoming in;
	struct decision d;
	uint64_t key;

	if (depth + forward_count_before(f) > f->sip->settings->forwards_max ||
		fw->count == FORWARD_HOPS_MAX)
		return forward_refuse(fw, forward, 483);
	forward_incoming(f, forward, &in);
	status = forward_route(f, &in, &d);
	d.status = status;
	if (status && !d.user)
		return forward_refuse(fw, forward, status);
	key = forward_key(f->sip, d.user ? d.callee_domain : NONE_INDEX,
		d.user ? (struct str){d.user->name, d.user->name_length} : STR_EMPTY, &forward->to);
	if (forward_is_loop(fw, f, key))
		return forward_refuse(fw, forward, 482);
	return forward_to_hop(fw, forward, &in, &d, key);
}
