/* section_numbers.c - reads a list of numbers: for whom it is, what they may call and what not. */
#include "section.h"

#include "groups.h"
#include "options.h"

void section_read_numbers(struct reader *r, cfg_t *section, struct config_numbers *n)
{
	n->line = config_section_line(section);
	n->name = section_name(r, section);
	options_read(r, section, "numbers", n);
	n->from = section_zones(r, section, "from");
	section_texts(r, section, "groups", GROUPS_MAX, groups_find, &n->groups, &n->group_count);
	section_texts(r, section, "permit", LIST_NUMBERS_MAX, section_pattern, &n->permit,
		&n->permit_count);
	section_texts(
		r, section, "block", LIST_NUMBERS_MAX, section_pattern, &n->block, &n->block_count);
	if (!config_list_count(section, "permit") && !config_list_count(section, "block"))
		reader_error(r, section, n->line,
			"expected permit or block with numbers, as in block = { \"^00\" }");
	if (n->calls_per_hour && !config_list_count(section, "permit"))
		reader_error(r, section, n->line,
			"calls-per-hour-per-user: expected permit with the numbers that it is of");
	bool minutes = n->minutes_per_day || n->minutes_per_day_per_user;
	if (minutes && !config_list_count(section, "permit"))
		reader_error(r, section, n->line,
			"minutes-per-day: expected permit with the numbers that they are of");
	if (n->minutes_end_calls && !minutes)
		reader_error(r, section, n->line,
			"minutes-end-calls: expected minutes-per-day or minutes-per-day-per-user "
			"beside it");
}
