/* explain_lines.c - see explain_lines.h. Relies on the names of parts that both kinds of workers
 * give to their rows. */
#include "explain_lines.h"

#include "common/str.h"

#include <string.h>

/* What a part decides by, where a row does not say it itself ("section"). */
static const struct {
	const char *part, *section;
} explain_parts[] = {{"source", "listener"}, {"zone", "zone"}, {"route", "route"},
	{"trunk", "trunk"}, {"target", "trunk"}, {"number-list", "numbers"}};

static const char *explain_text(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static const char *explain_section(const json_t *row)
{
	const char *section = explain_text(row, "section"), *part = explain_text(row, "part");

	for (size_t i = 0; !*section && i < sizeof(explain_parts) / sizeof(explain_parts[0]); i++)
		if (strcmp(part, explain_parts[i].part) == 0)
			return explain_parts[i].section;
	return section;
}

#define EXPLAIN_FIND(list, count)                                                                  \
	do {                                                                                       \
		for (size_t i = 0; i < (count); i++)                                               \
			if (strcmp((list)[i].name, name) == 0)                                     \
				return (list)[i].line;                                             \
		return 0;                                                                          \
	} while (0)

/* The line where the section of that name begins, numbered through all files; 0: there is none. */
static int explain_section_line(const struct config *c, const char *section, const char *name)
{
	if (strcmp(section, "listener") == 0)
		EXPLAIN_FIND(c->listeners, c->listener_count);
	if (strcmp(section, "zone") == 0)
		EXPLAIN_FIND(c->zones, c->zone_count);
	if (strcmp(section, "domain") == 0)
		EXPLAIN_FIND(c->domains, c->domain_count);
	if (strcmp(section, "trunk") == 0)
		EXPLAIN_FIND(c->trunks, c->trunk_count);
	if (strcmp(section, "numbers") == 0)
		EXPLAIN_FIND(c->numbers, c->numbers_count);
	if (strcmp(section, "route") == 0)
		EXPLAIN_FIND(c->routes, c->route_count);
	return 0;
}

/* The line of the target of a trunk that a row names by its place; 0: it names none. */
static int explain_target_line(const struct config *c, const json_t *row, const char *name)
{
	const json_t *target = json_object_get(row, "target");
	json_int_t place = json_integer_value(target);

	for (size_t i = 0; json_is_integer(target) && i < c->trunk_count; i++)
		if (strcmp(c->trunks[i].name, name) == 0)
			return place >= 0 && (size_t)place < c->trunks[i].target_count
			               ? c->trunks[i].targets[place].line
			               : 0;
	return 0;
}

static void explain_add_line(const struct config *c, json_t *row)
{
	const char *name = explain_text(row, "of"), *section = explain_section(row), *file;
	int line, own;

	if (!*name)
		name = explain_text(row, "name");
	line = explain_target_line(c, row, name);
	if (!line)
		line = explain_section_line(c, section, name);
	json_object_del(row, "target");
	if (!line)
		return;
	file = config_sources_find(&c->sources, c->path, line, &own);
	/* a rule has the line of its own */
	if (!json_object_get(row, "line"))
		json_object_set_new(row, "line", json_integer(own));
	if (file != c->path && strcmp(file, c->path) != 0)
		json_object_set_new(row, "file", json_string(file));
}

void explain_add_lines(const struct config *c, json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		explain_add_line(c, row);
}
