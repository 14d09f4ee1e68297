/* routes.c - the rules of the settings with their expressions (routes.h). */
#include "routes.h"

#include "common/log.h"

#include <errno.h>
#include <stdlib.h>

static int routes_add(struct routes *r, const struct settings *settings, unsigned i)
{
	struct str expression = settings_str(settings, settings_route(settings, i)->number);
	int error = number_patterns_add(r->numbers, expression);

	if (error)
		log_error("route-expression-bad", "route=%u error=\"%s\"", i, error_text(error));
	return error;
}

int routes_new(struct routes **out, const struct settings *settings)
{
	struct routes *r = calloc(1, sizeof(*r));
	unsigned count = settings->routes.count;
	int error = r ? number_patterns_new(&r->numbers, count) : -ENOMEM;

	if (error == 0)
		error = rules_new(&r->rules, settings);
	for (unsigned i = 0; i < count && error == 0; i++)
		error = routes_add(r, settings, i);
	if (error) {
		routes_free(r);
		return error;
	}
	number_patterns_sort(r->numbers);
	*out = r;
	return 0;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	number_patterns_free(r->numbers);
	rules_free(r->rules);
	free(r);
}

/* A match that was given up, for the number was made to cost much. */
static void routes_gave_up(struct sip *sip, unsigned i)
{
	struct str name = settings_str(sip->settings, settings_route(sip->settings, i)->name);
	uint64_t left_out;

	if (log_limit_pass(&sip->routes->log, loop_now(sip->loop), 1, LOG_LIMIT_SECOND, &left_out))
		log_warn("route-pattern-limit", "route=%.*s left_out=%llu", STR(name),
			(unsigned long long)left_out);
}

const struct rules *route_rules(const struct sip *sip)
{
	return sip->routes ? sip->routes->rules : NULL;
}

bool routes_match(struct sip *sip, unsigned i, struct str number)
{
	int found = number_patterns_match(sip->routes->numbers, i, number);

	if (found >= 0)
		return found;
	routes_gave_up(sip, i);
	return settings_route(sip->settings, i)->action == ROUTE_REFUSE;
}
