/* target_rows.c - see target_rows.h. */
#include "target_rows.h"

#include "name_permit.h"
#include "names.h"

static unsigned target_rows_of_name(const struct sip *sip, unsigned trunk, unsigned written,
	const struct target_settings *t, struct target_settings *rows, unsigned room)
{
	const struct record_addresses *known = names_addresses(sip->names, trunk, written);
	unsigned count = 0;

	for (unsigned i = 0; known && i < known->count && count < room; i++) {
		const struct record_address *a = &known->address[i];
		uint16_t listener;

		/* the settings may have changed since it was found */
		if (!name_permit(sip->settings, trunk, a->transport, &a->endpoint, &listener))
			continue;
		struct target_settings *row = &rows[count++];
		*row = *t;
		row->endpoint = a->endpoint;
		row->transport = a->transport;
		row->explicit_transport |= a->by_service;
		row->listener = listener;
		row->written = (uint16_t)written;
		row->service_priority = a->service_priority;
		row->service_weight = a->service_weight;
		row->host = a->host;
	}
	return count;
}

unsigned target_rows_write(
	const struct sip *sip, unsigned trunk, struct target_settings rows[TARGETS_MAX])
{
	struct array targets = settings_trunk(sip->settings, trunk)->targets;
	unsigned count = 0;

	for (unsigned k = 0; k < targets.count && count < TARGETS_MAX; k++) {
		const struct target_settings *t = SETTINGS_ROW(
			sip->settings, struct target_settings, targets, k);

		if (target_is_name(t)) {
			count += target_rows_of_name(
				sip, trunk, k, t, rows + count, TARGETS_MAX - count);
			continue;
		}
		rows[count] = *t;
		rows[count++].written = (uint16_t)k;
	}
	return count;
}

struct flow target_row_flow(
	const struct settings *s, unsigned trunk, const struct target_settings *row)
{
	struct flow to = {
		.transport = row->transport, .listener = row->listener, .peer = row->endpoint};

	if (row->transport == TRANSPORT_TLS)
		to.profile = settings_profile(s, trunk, row->written);
	return to;
}

uint8_t write_target_host(struct writer *w, const struct settings *s, unsigned trunk,
	const struct target_settings *row)
{
	const struct target_settings *t = row;
	char text[ENDPOINT_TEXT_SIZE];

	if (target_is_name(row)) {
		t = SETTINGS_ROW(
			s, struct target_settings, settings_trunk(s, trunk)->targets, row->written);
		write_str(w, settings_str(s, row->name));
	} else {
		write_bytes(w, text, endpoint_host_text(&row->endpoint, text));
	}
	if (t->endpoint.port) {
		write_literal(w, ":");
		write_number(w, t->endpoint.port);
	}
	return t->transport;
}
