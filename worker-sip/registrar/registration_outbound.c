/* registration_outbound.c - what outbound (RFC 5626 section 6) asks of a REGISTER and adds to its
 * 200. */
#include "registration.h"

bool registration_supports(const struct message *m, struct str tag)
{
	static const enum header where[] = {HEADER_SUPPORTED, HEADER_REQUIRE};

	for (unsigned i = 0; i < 2; i++)
		for (const struct message_header *h = message_first(m, where[i]); h;
			h = message_next(m, h))
			if (list_has(message_header_value(m, h), tag))
				return true;
	return false;
}

/* Whether another server stands between the phone and us: each adds a Via. */
static bool outbound_is_relayed(const struct message *m)
{
	unsigned hops = 0;

	for (const struct message_header *h = message_first(m, HEADER_VIA); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), via;

		while (list_next(&rest, &via) == 0)
			hops++;
	}
	return hops > 1;
}

/* Whether the server next to the phone, which is the last of Path, keeps flows to it. */
static bool outbound_has_edge(struct str path)
{
	struct address a;
	struct str value;
	bool keeps = false;

	while (address_next(&path, &a) == 0)
		keeps = uri_param_find(a.uri.params, S("ob"), &value);
	return keeps;
}

bool registration_take_outbound(
	struct registration *q, const struct contact *contacts, unsigned count)
{
	bool asked = false;

	for (unsigned i = 0; i < count; i++)
		asked |= contacts[i].reg_id != 0;
	if (!asked || !registration_supports(q->m, S("outbound")))
		return true;
	if (outbound_is_relayed(q->m) && !outbound_has_edge(q->path)) {
		registration_refuse(q, COUNTER_REGISTER_FIRST_HOP, 439, STR_EMPTY, STR_EMPTY);
		return false;
	}
	q->outbound = true;
	return true;
}

void registration_write_outbound(const struct registration *q, struct writer *w)
{
	if (!q->outbound)
		return;
	write_literal(w, "Require: outbound\r\n");
	if (!q->domain->flow_timer)
		return;
	write_literal(w, "Flow-Timer: ");
	write_number(w, q->domain->flow_timer);
	write_literal(w, "\r\n");
}
