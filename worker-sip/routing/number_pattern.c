/* number_pattern.c - see number_pattern.h. */
#include "number_pattern.h"

#include "common/counters.h"
#include "ipc/pattern.h"

#include <errno.h>
#include <stdlib.h>

struct number_pattern {
	struct str text;
	struct pattern *compiled; /* NULL: not yet, or any number matches */
};

struct number_patterns {
	struct number_prefixes *prefixes;
	struct pattern_matcher *matcher;
	unsigned count, room;
	struct number_pattern pattern[];
};

int number_patterns_new(struct number_patterns **out, unsigned count)
{
	struct number_patterns *p = calloc(1, sizeof(*p) + count * sizeof(p->pattern[0]));
	int error = p ? pattern_matcher_new(&p->matcher) : -ENOMEM;

	if (error == 0)
		error = number_prefixes_new(&p->prefixes, count);
	if (error) {
		number_patterns_free(p);
		return error;
	}
	p->room = count;
	*out = p;
	return 0;
}

void number_patterns_free(struct number_patterns *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->count; i++)
		pattern_free(p->pattern[i].compiled);
	pattern_matcher_free(p->matcher);
	number_prefixes_free(p->prefixes);
	free(p);
}

/* All expressions are compiled here, for the settings are not believed; kept are those that any
 * number may match. The others wait, uncompiled again, for a number that begins as they do: ten
 * thousand would take memory that few of them earn. */
int number_patterns_add(struct number_patterns *p, struct str text)
{
	struct number_prefix start[2] = {{{0}, 0}};
	unsigned starts = 1, index = p->count;
	struct number_pattern *n = &p->pattern[index];

	if (index == p->room)
		return -ENOMEM;
	n->text = text;
	if (text.n) {
		int error = pattern_new(&n->compiled, text, NULL);

		if (error)
			return error;
		starts = number_prefix_of_expression(text.p, start);
		if (start[0].length && (starts == 1 || start[1].length)) {
			pattern_free(n->compiled);
			n->compiled = NULL;
		}
	}
	for (unsigned k = 0; k < starts; k++)
		number_prefixes_add(p->prefixes, &start[k], index);
	p->count++;
	return 0;
}

void number_patterns_sort(struct number_patterns *p)
{
	number_prefixes_sort(p->prefixes);
}

void number_patterns_walk(
	const struct number_patterns *p, struct str number, struct number_prefix_walk *w)
{
	number_prefix_walk(p->prefixes, number, w);
}

int number_patterns_match(struct number_patterns *p, unsigned index, struct str number)
{
	struct number_pattern *n = &p->pattern[index];

	if (!n->text.n)
		return 1;
	if (!n->compiled && pattern_new(&n->compiled, n->text, NULL))
		return 0;
	int found = pattern_match(n->compiled, p->matcher, number);
	if (found < 0)
		count(ROUTE_PATTERN_LIMIT);
	return found;
}
