/* trunk_registration_listing.c - what an operator sees of our registrations at trunks. */
#include "trunk_registration_state.h"

#include "worker-sip/json.h"

/* The target that was asked last. */
static void listing_write_target(struct writer *w, const struct trunk_registration *g)
{
	char address[ENDPOINT_TEXT_SIZE];
	size_t n = endpoint_text(&g->row.endpoint, address);

	if (!g->rows)
		return;
	write_json_number(w, "registration_index", g->row.written);
	if (target_is_name(&g->row))
		write_json_field(w, "registration_address", (struct str){address, n});
}

void trunk_registrations_list(
	struct sip *sip, struct str trunk, void (*add)(void *arg, struct str json), void *arg)
{
	static const char *const names[] = {"registering", "registered", "failed"};
	uint64_t now = loop_now(sip->loop);

	for (const struct trunk_registration *g = sip->trunk_registrations; g; g = g->next) {
		char buffer[2048];
		struct writer w = WRITER(buffer);
		struct str name = settings_str(sip->settings, trunk_registration_settings(g)->name);

		if (trunk.n && !str_equal(trunk, name))
			continue;
		write_literal(&w, "{");
		write_json_field(&w, "trunk", name);
		write_json_field(&w, "registration",
			g->ended && g->state == UNREGISTERED ? S("unregistered")
							     : str_of(names[g->state]));
		write_json_number(&w, "registered_s", g->until > now ? (g->until - now) / 1000 : 0);
		write_json_number(&w, "registration_status", g->status);
		listing_write_target(&w, g);
		write_json_number(&w, "next_s", g->next_at > now ? (g->next_at - now) / 1000 : 0);
		if (g->reg_id)
			write_json_number(&w, "keep_alive_s", g->keep_alive);
		write_json_end(&w);
		if (!w.full)
			add(arg, writer_text(&w));
	}
}
