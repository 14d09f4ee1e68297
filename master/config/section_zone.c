/* section_zone.c - reads a zone: its sources, the limits of each, and what others do not see. */
#include "section.h"

#include "options.h"
#include "units.h"

static char *zone_hidden_name(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v)
{
	struct str name = str_of(v->text);
	char *copy;

	if (!host_name_valid(name) || name.p[name.n - 1] == '.') {
		reader_expected(
			r, section, option, v, "a host name or a domain, as in \"corp.example\"");
		return NULL;
	}
	copy = reader_copy(r, v->text);
	text_lower(copy);
	return copy;
}

static void zone_read_rate(struct reader *r, cfg_t *section, struct config_zone *z)
{
	const struct config_value *v = config_value(section, "rate");

	if (!z->trust)
		unit_rate(str_of(option_default("zone", "rate")), &z->rate, &z->rate_window_ms);
	if (!v)
		return;
	if (strcmp(v->text, "off") == 0)
		z->rate = 0;
	else if (unit_rate(str_of(v->text), &z->rate, &z->rate_window_ms) != 0)
		reader_expected(r, section, "rate", v, "off or a rate such as \"50/s per source\"");
}

static void zone_read_ban(struct reader *r, cfg_t *section, struct config_zone *z)
{
	const struct config_value *v = config_value(section, "ban");

	if (!z->trust)
		unit_ban(str_of(option_default("zone", "ban")), &z->ban_failures, &z->ban_window_ms,
			&z->ban_ms);
	if (!v)
		return;
	if (strcmp(v->text, "off") == 0)
		z->ban_failures = 0;
	else if (unit_ban(str_of(v->text), &z->ban_failures, &z->ban_window_ms, &z->ban_ms) != 0)
		reader_expected(r, section, "ban", v,
			"off or a rule such as \"10 failures in 60s for 15m\"");
	else if (z->trust)
		reader_error(r, section, v->line,
			"ban: the sources of a trusted zone are never banned; take the ban out");
}

/* A source that is denied as a whole is a mistake in one list or the other. */
static void zone_read_deny(struct reader *r, cfg_t *section, struct config_zone *z)
{
	section_prefixes(r, section, "deny", DENY_MAX, &z->deny, &z->deny_count);
	for (size_t i = 0; i < z->deny_count; i++)
		for (size_t k = 0; k < z->source_count; k++)
			if (prefix_contains(&z->deny[i], &z->sources[k].network) &&
				z->deny[i].bits <= z->sources[k].bits) {
				const struct config_value *v = config_list(section, "deny", i);

				reader_error(r, section, v->line,
					"deny: \"%.80s\" holds all of \"%.80s\" in sources, which "
					"is "
					"never heard then: take one of them out",
					v->text, config_list(section, "sources", k)->text);
				return;
			}
}

void section_read_zone(struct reader *r, cfg_t *section, struct config_zone *z)
{
	z->line = config_section_line(section);
	z->name = section_name(r, section);
	options_read(r, section, "zone", z);
	section_rules(r, section, &z->rules);
	/* the table has the defaults of an untrusted zone; a trusted one is not limited */
	if (z->trust && !config_value(section, "auth"))
		z->auth = ZONE_AUTH_NONE;
	if (z->trust && !config_value(section, "connections-per-source"))
		z->connections_per_source = 0;
	section_prefixes(r, section, "sources", SOURCES_MAX, &z->sources, &z->source_count);
	zone_read_deny(r, section, z);
	section_prefixes(
		r, section, "never-ban", NEVER_BAN_MAX, &z->never_ban, &z->never_ban_count);
	if (z->trust && z->never_ban_count)
		reader_error(r, section, config_list(section, "never-ban", 0)->line,
			"never-ban: the sources of a trusted zone are never banned; take it out");
	section_texts(r, section, "hidden-names", HIDDEN_NAMES_MAX, zone_hidden_name,
		&z->hidden_names, &z->hidden_name_count);
	zone_read_rate(r, section, z);
	zone_read_ban(r, section, z);
}
