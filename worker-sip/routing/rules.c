/* rules.c - see rules.h. All patterns are compiled once for a config, however many calls come. */
#include "rules.h"

#include "common/log.h"

#include <errno.h>
#include <stdlib.h>

/* Where the rules of a zone, route or trunk stand among all. */
struct rules_place {
	uint32_t first, count;
};

struct rules {
	struct pattern_matcher *matcher;
	struct rules_row *all;
	size_t count;
	struct rules_place *place[RULES_OF_COUNT];
	unsigned places[RULES_OF_COUNT];
	uint8_t where[ZONES_MAX]; /* of zones */
};

static struct array rules_array(const struct settings *s, enum rules_of of, unsigned i)
{
	switch (of) {
	case RULES_OF_ZONE: return settings_zone(s, i)->rules;
	case RULES_OF_ROUTE: return settings_route(s, i)->rules;
	default: return settings_trunk(s, i)->rules;
	}
}

static size_t rules_count(const struct settings *s, const unsigned places[RULES_OF_COUNT])
{
	size_t count = 0;

	for (unsigned of = 0; of < RULES_OF_COUNT; of++)
		for (unsigned i = 0; i < places[of]; i++)
			count += rules_array(s, of, i).count;
	return count;
}

static int rules_compile(struct rules *r, const struct settings *s, const struct rule_settings *row)
{
	struct rules_row *to = &r->all[r->count];
	struct rule_fault fault;
	int error;

	to->text = settings_str(s, row->text);
	to->line = (unsigned)row->line;
	error = rule_read(&to->rule, to->text, &fault);
	if (error == 0)
		r->count++;
	else
		log_error("rule-bad", "line=%u error=\"%s\"", to->line, error_text(error));
	return error;
}

static int rules_fill(struct rules *r, const struct settings *s, enum rules_of of)
{
	unsigned places = r->places[of];
	int error = 0;

	r->place[of] = calloc(places ? places : 1, sizeof(*r->place[of]));
	if (!r->place[of])
		return -ENOMEM;
	for (unsigned i = 0; i < places; i++) {
		struct array a = rules_array(s, of, i);

		r->place[of][i] = (struct rules_place){(uint32_t)r->count, a.count};
		for (unsigned k = 0; k < a.count && error == 0; k++)
			error = rules_compile(r, s, SETTINGS_ROW(s, struct rule_settings, a, k));
		for (size_t k = r->place[of][i].first; of == RULES_OF_ZONE && k < r->count; k++)
			r->where[i] |= r->all[k].rule.where;
	}
	return error;
}

int rules_new(struct rules **out, const struct settings *settings)
{
	const unsigned places[RULES_OF_COUNT] = {[RULES_OF_ZONE] = settings->zones.count,
		[RULES_OF_ROUTE] = settings->routes.count,
		[RULES_OF_TRUNK] = settings->trunks.count};
	size_t count = rules_count(settings, places);
	struct rules *r;
	int error;

	*out = NULL;
	if (!count)
		return 0;
	if (count > RULES_IN_ALL_MAX || settings->zones.count > ZONES_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	memcpy(r->places, places, sizeof(places));
	r->all = calloc(count, sizeof(*r->all));
	error = r->all ? pattern_matcher_new(&r->matcher) : -ENOMEM;
	for (unsigned of = 0; of < RULES_OF_COUNT && error == 0; of++)
		error = rules_fill(r, settings, of);
	if (error) {
		rules_free(r);
		return error;
	}
	*out = r;
	return 0;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		rule_clear(&r->all[i].rule);
	for (unsigned of = 0; of < RULES_OF_COUNT; of++)
		free(r->place[of]);
	pattern_matcher_free(r->matcher);
	free(r->all);
	free(r);
}

const struct rules_row *rules_list(
	const struct rules *r, enum rules_of of, unsigned index, unsigned *count)
{
	*count = 0;
	if (index >= r->places[of])
		return NULL;
	*count = r->place[of][index].count;
	return &r->all[r->place[of][index].first];
}

struct pattern_matcher *rules_matcher(const struct rules *r)
{
	return r->matcher;
}

unsigned rules_where(const struct rules *r, unsigned zone)
{
	return zone < r->places[RULES_OF_ZONE] ? r->where[zone] : 0;
}
