/* section_route.c - reads a route: what it matches, and where it sends a call. */
#include "section.h"

#include "ipc/syntax.h"
#include "options.h"

#include <stdlib.h>

#define ROUTE_UNKNOWN UINT32_MAX /* an action that is missing or none of those that there are */

static void route_read_number(struct reader *r, cfg_t *section, struct config_route *t)
{
	const struct config_value *v = config_value(section, "number");
	char *number = v ? section_pattern(r, section, "number", v) : NULL;

	if (!number)
		return;
	free(t->number);
	t->number = number;
}

static void route_read_events(struct reader *r, cfg_t *section, struct config_route *t)
{
	size_t count = section_list_count(r, section, "events", ROUTE_EVENTS_MAX);

	if (!count)
		return;
	t->events = reader_array(r, count, sizeof(*t->events));
	for (size_t i = 0; t->events && i < count; i++) {
		const struct config_value *v = config_list(section, "events", i);
		char *copy;

		if (strlen(v->text) > ROUTE_EVENT_LENGTH_MAX || !is_token(str_of(v->text))) {
			reader_expected(r, section, "events", v,
				"the name of an event package of 1 to %d characters, as in "
				"\"presence\"",
				ROUTE_EVENT_LENGTH_MAX);
			continue;
		}
		copy = reader_copy(r, v->text);
		if (copy)
			t->events[t->event_count++] = copy;
	}
}

static void route_read_trunks(struct reader *r, cfg_t *section, struct config_route *t)
{
	size_t count = config_list_count(section, "trunk");

	if (!t->action)
		return; /* which is an error of its own */
	if (count && t->action != ROUTE_TRUNK) {
		reader_error(r, section, config_list(section, "trunk", 0)->line,
			"trunk: only action = \"trunk\" has trunks");
		return;
	}
	if (t->action == ROUTE_TRUNK)
		reader_required(r, section, "trunk", "{ \"pbx\" }");
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(section, "trunk", i);
		uint16_t trunk = reader_find(r, section, "trunk", v, "trunk", r->c->trunks,
			r->c->trunk_count, sizeof(*r->c->trunks));

		if (t->trunk_count == ROUTE_TRUNKS_MAX) {
			reader_error(r, section, v->line, "trunk: at most %d are possible",
				ROUTE_TRUNKS_MAX);
			return;
		}
		if (trunk != NONE_INDEX)
			t->trunks[t->trunk_count++] = trunk;
	}
}

void section_read_route(struct reader *r, cfg_t *section, struct config_route *t)
{
	static const char *const actions[] = {"registered", "trunk", "refuse"};
	const struct config_value *v;
	uint32_t action = ROUTE_UNKNOWN;
	uint32_t status = (uint32_t)strtoul(option_default("route", "status"), NULL, 10);

	t->line = config_section_line(section);
	t->name = section_name(r, section);
	t->number = reader_copy(r, "");
	t->to_domain = NONE_INDEX;
	options_read(r, section, "route", t);
	section_rules(r, section, &t->rules);
	t->from = section_zones(r, section, "from");
	v = config_value(section, "to-domain");
	if (v)
		t->to_domain = reader_find(r, section, "to-domain", v, "domain", r->c->domains,
			r->c->domain_count, sizeof(*r->c->domains));
	route_read_number(r, section, t);
	route_read_events(r, section, t);
	reader_word(r, section, "action", actions, 3, &action);
	if (action != ROUTE_UNKNOWN)
		t->action = (uint8_t)(ROUTE_REGISTERED + action);
	route_read_trunks(r, section, t);
	reader_count(r, section, "status", 400, 699, &status);
	v = config_value(section, "status");
	if (t->action == ROUTE_REFUSE)
		t->status = (uint16_t)status;
	else if (v && t->action)
		reader_error(r, section, v->line, "status: only action = \"refuse\" has one");
	v = config_value(section, "redirect");
	if (t->action == ROUTE_REFUSE && v)
		reader_error(r, section, v->line,
			"redirect: action = \"refuse\" leads to nobody who could redirect");
	if (t->action == ROUTE_REGISTERED && config_value(section, "action") &&
		r->c->domain_count == 0)
		reader_error(r, section, config_value(section, "action")->line,
			"action: \"registered\" needs a domain whose users can be registered, and "
			"there is none");
}
