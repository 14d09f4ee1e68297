/* routes.c - the rules of the settings with their expressions (routes.h). */
#include "routes.h"

#include "ipc/pattern.h"

#include <stdlib.h>

static int routes_compile(struct routes *r, unsigned i)
{
	struct str text = settings_str(r->settings, settings_route(r->settings, i)->number);
	int error = pattern_new(&r->number[i], text, NULL);

	if (error)
		log_error("route-expression-bad", "route=%u error=\"%s\"", i, error_text(error));
	return error;
}

/* All expressions are compiled here, for the settings are not believed; kept are those that any
 * number may match. The others wait, uncompiled again, for a number that begins as they do: ten
 * thousand would take memory that few of them earn. */
static int routes_prepare(struct routes *r, unsigned i)
{
	struct str expression = settings_str(r->settings, settings_route(r->settings, i)->number);
	struct number_prefix start[2] = {{{0}, 0}};
	unsigned starts = 1;

	if (expression.n) {
		int error = routes_compile(r, i);

		if (error)
			return error;
		starts = number_prefix_of_expression(expression.p, start);
		if (start[0].length && (starts == 1 || start[1].length)) {
			pattern_free(r->number[i]);
			r->number[i] = NULL;
		}
	}
	for (unsigned k = 0; k < starts; k++)
		number_prefixes_add(r->prefixes, &start[k], i);
	return 0;
}

int routes_new(struct routes **out, const struct settings *settings)
{
	struct routes *r = calloc(1, sizeof(*r));
	unsigned count = settings->routes.count;
	int error;

	if (!r)
		return -ENOMEM;
	r->settings = settings;
	r->count = count;
	r->number = calloc(count ? count : 1, sizeof(*r->number));
	error = r->number ? pattern_matcher_new(&r->matcher) : -ENOMEM;
	if (error == 0)
		error = number_prefixes_new(&r->prefixes, count);
	if (error == 0)
		error = rules_new(&r->rules, settings);
	for (unsigned i = 0; i < count && error == 0; i++)
		error = routes_prepare(r, i);
	if (error) {
		routes_free(r);
		return error;
	}
	number_prefixes_sort(r->prefixes);
	*out = r;
	return 0;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	for (unsigned i = 0; r->number && i < r->count; i++)
		pattern_free(r->number[i]);
	pattern_matcher_free(r->matcher);
	number_prefixes_free(r->prefixes);
	rules_free(r->rules);
	free(r->number);
	free(r);
}

/* A match that was given up, for the number was made to cost much. */
static void routes_gave_up(struct sip *sip, unsigned i)
{
	struct str name = settings_str(sip->settings, settings_route(sip->settings, i)->name);
	uint64_t left_out;

	count(ROUTE_PATTERN_LIMIT);
	if (log_limit_pass(&sip->routes->log, loop_now(sip->loop), 1, LOG_LIMIT_SECOND, &left_out))
		log_warn("route-pattern-limit", "route=%.*s left_out=%llu", STR(name),
			(unsigned long long)left_out);
}

bool routes_match(struct sip *sip, unsigned i, struct str number)
{
	struct routes *r = sip->routes;
	int found;

	if (!r->number[i] && routes_compile(r, i))
		return false;
	found = pattern_match(r->number[i], r->matcher, number);
	if (found >= 0)
		return found;
	routes_gave_up(sip, i);
	return settings_route(sip->settings, i)->action == ROUTE_REFUSE;
}
