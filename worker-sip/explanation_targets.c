/* explanation_targets.c - what is said of the targets of a request and of what they would get
 * (explanation_targets.h): the same functions write it that write what is sent. */
#include "explanation_targets.h"

#include "ipc/token.h"
#include "worker-sip/message/leg_request.h"
#include "worker-sip/message/policy.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/routing/asserted_identity.h"
#include "worker-sip/routing/later_rules.h"
#include "worker-sip/routing/target_state.h"

/* What becomes of each header line on its way to a zone. */
static void explanation_headers(const struct incoming *in, unsigned zone, const struct flow *to)
{
	const struct message *m = in->message;
	const struct message_header *h = message_headers(m);
	const struct policy_sides sides = policy_sides(in->sip, m, in->zone, zone, to);
	uint8_t what[MESSAGE_HEADERS_MAX];
	char word[POLICY_WORD_SIZE];

	policy_decide(&sides, h, h + m->header_count, what);
	for (unsigned i = 0; i < m->header_count; i++)
		explanation_say(in->explanation, "header", message_header_name(m, &h[i]), 0, "%s",
			policy_word(&sides, &h[i], what[i], word));
}

void explanation_sends(
	const struct incoming *in, unsigned zone, const struct flow *to, const struct wire *bytes)
{
	explanation_headers(in, zone, to);
	for (struct str rest = {bytes->byte, bytes->size}; rest.n;) {
		size_t end = str_find(rest, '\r');

		if (!end)
			break; /* the body passes, as its header lines say */
		explanation_say(in->explanation, "sends", STR_EMPTY, 0, "%.*s", (int)end, rest.p);
		rest = str_from(rest, end + 2 < rest.n ? end + 2 : rest.n);
	}
}

/* What the target gets. */
static void explanation_request(
	const struct incoming *in, const struct target *t, struct str replaces)
{
	char call_id[TOKEN_LENGTH], name[ASSERTED_IDENTITY_MAX];
	struct writer asserted = WRITER(name);
	bool anonymous = false;

	asserted_identity_write(&asserted, in, &anonymous);
	bool goes = asserted.n && asserted_identity_goes(in->sip->settings, t->zone, anonymous);
	if (goes)
		explanation_say(in->explanation, "identity", STR_EMPTY, 0,
			"this zone is told that the caller is %.*s", STR(writer_text(&asserted)));
	struct leg_request r = {.sip = in->sip,
		.message = in->message,
		.from_zone = in->zone,
		.to_zone = t->zone,
		.slot = in->slot,
		.id = random_u64(),
		.to = &t->flow,
		.request_uri = t->request_uri,
		.route = t->route,
		.call_id = {call_id, sizeof(call_id)},
		.cseq = 1,
		.replaces = replaces,
		.asserted = goes ? writer_text(&asserted) : STR_EMPTY,
		.rewrite = t->rewrite};
	struct splice s;
	struct wire *bytes;

	token_mint(&in->sip->keys.minting, TOKEN_CALL_ID, in->slot, r.id, call_id);
	if (leg_request_splice(&r, &s)) {
		explanation_answer(in->explanation, 500, STR_EMPTY);
		return;
	}
	s.branch = random_u64();
	if (splice_request(&s, &bytes)) {
		explanation_answer(in->explanation, 500, STR_EMPTY);
		return;
	}
	explanation_sends(in, t->zone, &t->flow, bytes);
	wire_drop(bytes);
}

/* The place of a trunk's target among those that are written in the config; NONE_INDEX: it has none
 * there. */
static unsigned explanation_written(const struct sip *sip, unsigned trunk, unsigned index)
{
	const struct target_settings *rows;
	unsigned count;

	if (trunk == NONE_INDEX)
		return NONE_INDEX;
	if (!sip->target_states)
		return index;
	rows = target_states_rows(sip->target_states, trunk, &count);
	return index < count ? rows[index].written : NONE_INDEX;
}

static void explanation_target(const struct incoming *in, const struct target *t, unsigned place)
{
	const struct sip *sip = in->sip;
	bool trunk = t->trunk != NONE_INDEX;
	bool down = trunk && target_states_any_down(sip->target_states) &&
	            target_states_avoid(sip->target_states, t->trunk, t->index, false);
	struct str name = trunk ? settings_trunk_name(sip->settings, t->trunk) : S("binding");
	const struct explanation_place of = {
		"trunk", name, explanation_written(sip, t->trunk, t->index), 0};
	char peer[ENDPOINT_TEXT_SIZE];

	endpoint_text(&t->flow.peer, peer);
	explanation_say_of(in->explanation, "target", name, trunk ? &of : NULL,
		"%u: %.*s, over %s to %s, zone %.*s%s", place, STR(t->request_uri),
		transport_name(t->flow.transport), peer,
		STR(settings_zone_name(sip->settings, t->zone)),
		!trunk ? ""
		: down ? ", down: tried last"
		       : ", up");
}

/* Whether a target before that one is of its zone. */
static bool explanation_zone_told(const struct target *targets, unsigned place)
{
	for (unsigned i = 0; i < place; i++)
		if (targets[i].zone == targets[place].zone)
			return true;
	return false;
}

void explanation_targets(const struct incoming *in, const struct target *targets, unsigned count,
	struct str replaces)
{
	for (unsigned i = 0; i < count; i++)
		explanation_target(in, &targets[i], i + 1);
	for (unsigned i = 0; i < count; i++) {
		if (explanation_zone_told(targets, i))
			continue;
		explanation_request(in, &targets[i], replaces);
		if (targets[i].zone != in->zone)
			later_rules_explain(in->explanation, in->sip, targets[i].zone);
	}
	later_rules_explain(in->explanation, in->sip, in->zone);
	explanation_say(in->explanation, "answer", STR_EMPTY, 0,
		"that of the targets: it would be passed on");
}
