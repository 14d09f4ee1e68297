/* target_listing.c - the rows that sipwardctl shows of the targets of trunks. */
#include "target_listing.h"

#include "names.h"
#include "target_state_parts.h"
#include "worker-sip/json.h"

/* What a row says of the look-up of its name. */
static void listing_name(struct writer *w, struct sip *sip, unsigned trunk, unsigned written)
{
	struct name_state state;

	if (!names_state(sip->names, trunk, written, &state))
		return;
	write_json_number(w, "ttl_s", state.ttl_s > 0 ? (uint64_t)state.ttl_s : 0);
	write_json_number(w, "stale", state.ttl_s < 0);
	write_json_field(w, "error", str_of(name_error_text(state.error)));
}

static void listing_target(
	const struct target_state *s, void (*add)(void *arg, struct str json), void *arg)
{
	const struct settings *settings = s->owner->sip->settings;
	const struct trunk_settings *trunk = settings_trunk(settings, s->trunk);
	const struct target_settings *t = target_state_row(s);
	uint64_t now = loop_now(s->owner->sip->loop);
	char buffer[2048], reason[TARGET_REASON_SIZE];
	struct writer w = WRITER(buffer);

	write_literal(&w, "{");
	write_json_field(&w, "trunk", settings_str(settings, trunk->name));
	write_json_field(&w, "target", settings_str(settings, t->uri));
	if (target_is_name(t)) {
		char address[ENDPOINT_TEXT_SIZE];
		size_t n = endpoint_text(&t->endpoint, address);

		write_json_field(&w, "address", (struct str){address, n});
		write_json_field(&w, "transport", str_of(transport_name(t->transport)));
		listing_name(&w, s->owner->sip, s->trunk, t->written);
	}
	write_json_field(&w, "state", s->down ? S("down") : S("up"));
	write_json_field(&w, "reason", str_of(target_state_reason(s, reason)));
	write_json_number(&w, "index", t->written);
	write_json_number(&w, "priority", t->priority);
	write_json_number(&w, "weight", t->weight);
	write_json_number(&w, "since_s", (now - s->changed_at) / 1000);
	if (s->ping.ever && s->ping.answered_at)
		write_json_number(&w, "rtt_ms", s->ping.rtt_ms);
	write_json_number(&w, "requests", s->requests);
	write_json_number(&w, "successes", s->successes);
	write_json_number(&w, "failures", s->failures);
	target_history_write(&s->history, &w);
	write_json_number(&w, "owner", target_ping_is_ours(s));
	write_json_end(&w);
	if (!w.full)
		add(arg, writer_text(&w));
}

/* A name without addresses has a row, too. */
static void listing_unresolved(struct sip *sip, unsigned trunk, unsigned written,
	void (*add)(void *arg, struct str json), void *arg)
{
	const struct settings *settings = sip->settings;
	const struct trunk_settings *t = settings_trunk(settings, trunk);
	const struct target_settings *g = SETTINGS_ROW(
		settings, struct target_settings, t->targets, written);
	struct name_state state;
	char buffer[2048];
	struct writer w = WRITER(buffer);

	if (!target_is_name(g) || names_addresses(sip->names, trunk, written) ||
		!names_state(sip->names, trunk, written, &state))
		return;
	write_literal(&w, "{");
	write_json_field(&w, "trunk", settings_str(settings, t->name));
	write_json_field(&w, "target", settings_str(settings, g->uri));
	write_json_field(&w, "state", S("unresolved"));
	write_json_field(&w, "reason", str_of(name_error_text(state.error)));
	listing_name(&w, sip, trunk, written);
	write_json_number(&w, "index", written);
	write_json_number(&w, "owner", state.ours);
	write_json_end(&w);
	if (!w.full)
		add(arg, writer_text(&w));
}

void target_listing(struct target_states *ts, struct str trunk,
	void (*add)(void *arg, struct str json), void *arg)
{
	const struct settings *settings = ts->sip->settings;

	for (unsigned i = 0; i < target_list_count(&ts->list); i++) {
		const struct target_state *s = ts->list.state[i];

		if (!trunk.n ||
			str_equal(settings_str(settings, settings_trunk(settings, s->trunk)->name),
				trunk))
			listing_target(s, add, arg);
	}
	for (unsigned i = 0; i < settings->trunks.count; i++) {
		const struct trunk_settings *t = settings_trunk(settings, i);

		if (trunk.n && !str_equal(settings_str(settings, t->name), trunk))
			continue;
		for (unsigned k = 0; k < t->targets.count; k++)
			listing_unresolved(ts->sip, i, k, add, arg);
	}
}
