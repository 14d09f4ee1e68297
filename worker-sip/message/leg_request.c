/* leg_request.c - what a request carries on the other leg (leg_request.h). */
#include "leg_request.h"

#include "ipc/token.h"
#include "party.h"
#include "privacy.h"
#include "rewrite.h"
#include "route_set.h"
#include "worker-sip/call/dialog_reference.h"
#include "worker-sip/routing/later_rules.h"

#include <errno.h>

/* The text that was written; nothing where it did not fit. */
static struct str leg_request_text(const struct writer *w)
{
	return w->full ? STR_EMPTY : writer_text(w);
}

/* Within a dialog, requests that refresh its target have a Contact (RFC 3261 section 12.2.1.1, RFC
 * 6665 section 4.3.1). Outside one INVITE has it, and any other request where it came with one. */
static bool leg_request_has_contact(const struct leg_request *r)
{
	uint8_t method = r->message->method;

	if (!r->in_dialog)
		return method == METHOD_INVITE || message_first(r->message, HEADER_CONTACT);
	return method == METHOD_INVITE || method == METHOD_UPDATE || method == METHOD_SUBSCRIBE ||
	       method == METHOD_NOTIFY || method == METHOD_REFER;
}

/* Writes From with our tag and To without one, for a request outside a dialog. */
static int leg_request_parties(const struct leg_request *r, struct splice *s)
{
	struct scratch_leg_request *scratch = &r->sip->scratch.leg_request;
	struct writer from = WRITER(scratch->from), to = WRITER(scratch->to);
	const struct hosts hosts = hosts_between(r->sip, r->from_zone, r->to_zone, r->to);
	struct party_change change;
	char tag[TOKEN_LENGTH];

	token_mint(&r->sip->keys.minting, TOKEN_TAG, r->slot, r->id, tag);
	privacy_write_from(&from, &hosts, r->message, r->to_zone, (struct str){tag, sizeof(tag)},
		rewrite_party(r->rewrite, RULE_FROM_USER, &change));
	write_party(&to, &hosts, message_value(r->message, HEADER_TO), STR_EMPTY,
		rewrite_party(r->rewrite, RULE_TO_USER, &change));
	if (from.full || to.full)
		return -ENOBUFS;
	s->from = writer_text(&from);
	s->to_value = writer_text(&to);
	return 0;
}

/* Request-URI and Route, by the route set. */
static int leg_request_place(const struct leg_request *r, struct splice *s)
{
	struct scratch_leg_request *scratch = &r->sip->scratch.leg_request;
	struct writer uri = WRITER(scratch->request_uri), route = WRITER(scratch->route);

	if (!route_set_is_strict(r->route)) {
		s->request_uri = r->request_uri;
		s->route = r->route;
		return 0;
	}
	route_set_write_request_uri(&uri, r->route);
	route_set_write_rest(&route, r->route, r->request_uri);
	if (uri.full || route.full)
		return -ENOBUFS;
	s->request_uri = writer_text(&uri);
	s->route = writer_text(&route);
	return 0;
}

/* RAck is response-num CSeq-num Method: the second number is of this leg's INVITE (RFC 3262
 * section 7.2). Any other number could name an INVITE of the other leg that was not meant. */
static struct str leg_request_rack(const struct leg_request *r, struct str value)
{
	struct writer w = WRITER(r->sip->scratch.leg_request.rack);
	size_t space = str_find(value, ' ');
	struct str rest = str_trim(str_from(value, space));
	size_t second = str_find(rest, ' ');
	uint64_t number;

	if (str_number((struct str){rest.p, second}, UINT32_MAX, &number) || number != r->invite.in)
		return STR_EMPTY;
	write_bytes(&w, value.p, space);
	write_literal(&w, " ");
	write_number(&w, r->invite.out);
	write_str(&w, str_from(rest, second));
	return leg_request_text(&w);
}

/* The id of Event: refer is the CSeq number that the REFER had on this leg (RFC 3515
 * section 2.4.6): on the other leg it came with another one. */
static struct str leg_request_event_id(const struct leg_request *r, struct str value)
{
	struct writer w = WRITER(r->sip->scratch.leg_request.event_id);
	struct str id;
	uint64_t number;

	if (!param_find(value, S("id"), &id) || !id.p || str_number(id, UINT32_MAX, &number))
		return STR_EMPTY;
	if (!number || number != r->refer.out)
		return STR_EMPTY;
	write_number(&w, r->refer.in);
	return writer_text(&w);
}

static struct str leg_request_address(
	const struct leg_request *r, struct str value, char *buffer, size_t size)
{
	struct writer w = {.p = buffer, .size = size};
	const struct hosts hosts = hosts_between(r->sip, r->from_zone, r->to_zone, r->to);

	dialog_reference_address(&w, value, &hosts);
	return leg_request_text(&w);
}

static struct str leg_request_target_dialog(const struct leg_request *r, struct str value)
{
	struct writer w = WRITER(r->sip->scratch.leg_request.target_dialog);

	return dialog_reference_target_dialog(&w, r->sip, value) ? leg_request_text(&w) : STR_EMPTY;
}

static struct str leg_request_replaces(const struct leg_request *r, struct str value)
{
	struct writer w = WRITER(r->sip->scratch.leg_request.replaces);
	struct dialog *d = dialog_reference_find(r->sip, value);

	if (!d)
		return STR_EMPTY;
	dialog_reference_replaces(&w, d->other, value);
	return leg_request_text(&w);
}

/* The headers that name something of the sender's leg. */
static void leg_request_map(const struct leg_request *r, struct splice *s)
{
	struct scratch_leg_request *scratch = &r->sip->scratch.leg_request;
	const struct message *m = r->message;
	struct str value;

	if ((value = message_value(m, HEADER_RACK)).n)
		s->rack = leg_request_rack(r, value);
	if ((value = message_value(m, HEADER_REFER_TO)).n)
		s->refer_to = leg_request_address(
			r, value, scratch->refer_to, sizeof(scratch->refer_to));
	if ((value = message_value(m, HEADER_REFERRED_BY)).n)
		s->referred_by = leg_request_address(
			r, value, scratch->referred_by, sizeof(scratch->referred_by));
	if ((value = message_value(m, HEADER_TARGET_DIALOG)).n)
		s->target_dialog = leg_request_target_dialog(r, value);
	if (r->replaces.n)
		s->replaces = r->replaces;
	else if ((value = message_value(m, HEADER_REPLACES)).n ||
		 (value = message_value(m, HEADER_JOIN)).n)
		s->replaces = leg_request_replaces(r, value);
	if ((value = message_value(m, HEADER_EVENT)).n)
		s->event_id = leg_request_event_id(r, value);
}

int leg_request_splice(const struct leg_request *r, struct splice *s)
{
	char *user = r->sip->scratch.leg_request.contact_user;

	*s = (struct splice){.sip = r->sip,
		.in = r->message,
		.from_zone = r->from_zone,
		.to_zone = r->to_zone,
		.slot = r->slot,
		.to = r->to,
		.from = r->from,
		.to_value = r->to_value,
		.call_id = r->call_id,
		.cseq = r->cseq,
		.asserted = r->asserted,
		.rewrite = r->in_dialog ? later_rules_in_dialog(
						  r->sip, r->message, r->from_zone, r->to_zone)
	                                : r->rewrite};
	if (r->message->method == METHOD_SUBSCRIBE)
		s->expires_most = r->sip->settings->subscription_expires;
	if (leg_request_has_contact(r)) {
		token_mint(&r->sip->keys.minting, TOKEN_CONTACT, r->slot, r->id, user);
		s->contact_user = (struct str){user, TOKEN_LENGTH};
	}
	if (leg_request_place(r, s) || (!r->in_dialog && leg_request_parties(r, s)))
		return -ENOBUFS;
	leg_request_map(r, s);
	bool names_invite = s->rack.n || !message_first(r->message, HEADER_RACK);
	return r->message->method == METHOD_PRACK && !names_invite ? -ESRCH : 0;
}
