/* number_prefix.c - an index over the literal beginnings of expressions: a sorted array, searched
 * once for each length that occurs. A rule it leaves out cannot match; one it names is still to be
 * tried. */
#include "number_prefix.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct prefix_start start;
	uint32_t rule;
};

struct prefixes {
	uint64_t lengths; /* bits: those that occur */
	size_t count, buffer;
	struct entry entry[];
};
_Static_assert(PREFIX_MAX < 64, "a bit for each length");

/* ---- expressions ---- */

/* The character that an atom at *p stands for; 0 where it stands for several or for none. *p is
 * then behind it. */
static char literal(const char **p)
{
	const char *c = *p;

	if (*c == '\\') {
		/* others than these are GNU's operators, or undefined */
		if (!c[1] || !strchr(".[]$()|*+?{}\\^/-", c[1]))
			return 0;
		*p = c + 2;
		return c[1];
	}
	if (!*c || strchr(".[$()|*+?{\\^", *c))
		return 0;
	*p = c + 1;
	return *c;
}

/* Whether there is an alternative to the whole expression: a '|' in no parentheses. */
static bool has_alternative(const char *p)
{
	int depth = 0;

	for (; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
		} else if (*p == '[') {
			/* a ']' that comes first, after '^' too, is one of the characters; classes
			 * have their own brackets */
			p++;
			if (*p == '^')
				p++;
			if (*p == ']')
				p++;
			for (; *p && *p != ']'; p++)
				if (*p == '[' && p[1] && strchr(".:=", p[1])) {
					char kind = p[1];

					for (p += 2; *p && !(*p == kind && p[1] == ']'); p++)
						;
					if (*p)
						p++;
					if (!*p)
						break;
				}
			if (!*p)
				return true; /* not understood: no prefix then */
		} else if (*p == '(') {
			depth++;
		} else if (*p == ')' && depth) {
			depth--;
		} else if (*p == '|' && depth == 0) {
			return true;
		}
	}
	return false;
}

static bool is_quantifier(char c)
{
	return c == '*' || c == '+' || c == '?' || c == '{';
}

static void append(struct prefix_start *s, char c)
{
	if (s->length < PREFIX_MAX)
		s->text[s->length++] = c;
}

unsigned prefix_of_expression(const char *p, struct prefix_start start[2])
{
	unsigned variants = 1;
	bool first = true;

	start[0] = start[1] = (struct prefix_start){0};
	if (*p != '^' || has_alternative(p))
		return 1;
	p++;
	for (char c; (c = literal(&p)); first = false) {
		if (*p == '?' && first && !is_quantifier(p[1])) {
			append(&start[0], c);
			variants = 2;
			p++;
			continue;
		}
		if (is_quantifier(*p) && (*p != '+' || is_quantifier(p[1])))
			break; /* it may be missing */
		for (unsigned i = 0; i < variants; i++)
			append(&start[i], c);
		if (*p == '+')
			break;
	}
	return variants;
}

/* ---- the index ---- */

int prefixes_new(struct prefixes **out, unsigned rules)
{
	struct prefixes *p = calloc(1, sizeof(*p) + 2 * (size_t)rules * sizeof(p->entry[0]));

	if (!p)
		return -ENOMEM;
	p->buffer = 2 * (size_t)rules;
	*out = p;
	return 0;
}

void prefixes_free(struct prefixes *p)
{
	free(p);
}

void prefix_add(struct prefixes *p, const struct prefix_start *start, uint32_t rule)
{
	assert(p->count < p->buffer);
	p->entry[p->count++] = (struct entry){*start, rule};
	p->lengths |= UINT64_C(1) << start->length;
}

/* By length, then text: those of one prefix stand together. */
static int order(const struct prefix_start *a, const struct prefix_start *b)
{
	return a->length != b->length ? (a->length < b->length ? -1 : 1)
	                              : memcmp(a->text, b->text, a->length);
}

static int by_start(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int o = order(&a->start, &b->start);

	return o ? o : (a->rule > b->rule) - (a->rule < b->rule);
}

void prefixes_sort(struct prefixes *p)
{
	qsort(p->entry, p->count, sizeof(p->entry[0]), by_start);
}

/* The first entry that is not before start (or, beyond, not at it either). */
static const struct entry *bound(
	const struct prefixes *p, const struct prefix_start *start, bool beyond)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int o = order(&p->entry[middle].start, start);

		if (o < 0 || (beyond && o == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return p->entry + low;
}

void prefix_walk(const struct prefixes *p, struct str text, struct prefix_walk *w)
{
	struct prefix_start start = {0};

	w->lists = 0;
	w->last = -1;
	for (unsigned n = 0; n <= PREFIX_MAX && n <= text.n; n++) {
		if (n)
			start.text[n - 1] = text.p[n - 1];
		if (!(p->lengths >> n & 1))
			continue;
		start.length = (uint8_t)n;
		const struct entry *at = bound(p, &start, false), *end = bound(p, &start, true);

		if (at == end)
			continue;
		w->list[w->lists].at = at;
		w->list[w->lists++].end = end;
	}
}

bool prefix_next(struct prefix_walk *w, uint32_t *rule)
{
	int64_t best = -1;

	for (unsigned i = 0; i < w->lists; i++) {
		const struct entry *at = w->list[i].at, *end = w->list[i].end;

		while (at != end && at->rule <= w->last) /* the rule came by its other prefix */
			at++;
		w->list[i].at = at;
		if (at != end && (best < 0 || at->rule < best))
			best = at->rule;
	}
	if (best < 0)
		return false;
	w->last = best;
	*rule = (uint32_t)best;
	return true;
}
