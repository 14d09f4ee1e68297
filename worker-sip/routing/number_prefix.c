/* number_prefix.c - an index over the literal beginnings of expressions: a sorted array, searched
 * once for each length that occurs. A rule it leaves out cannot match; one it names is still to be
 * tried. */
#include "number_prefix.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct number_entry {
	struct number_prefix start;
	uint32_t rule;
};

struct number_prefixes {
	uint64_t lengths; /* bits: those that occur */
	size_t count, limit;
	struct number_entry entry[];
};
_Static_assert(NUMBER_PREFIX_MAX < 64, "a bit for each length");

/* ---- expressions ---- */

/* The character that an atom at *p stands for; 0 where it stands for several or for none. *p is
 * then behind it. */
static char number_literal(const char **p)
{
	const char *c = *p;

	if (*c == '\\') {
		/* others than these stand for several characters, or for none */
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

/* Behind an escape that stands for itself, a class of characters or a condition, at p; NULL where
 * more than one character follows the backslash, or may: "\\Q(", "\\c|". */
static const char *number_skip_escape(const char *p)
{
	return p[1] && !strchr("QEc", p[1]) ? p + 2 : NULL;
}

/* Behind the character class that begins at p; NULL where it is not understood. A ']' that comes
 * first, after '^' too, is one of the characters, and "[:digit:]" has brackets of its own. */
static const char *number_skip_class(const char *p)
{
	p++;
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	while (p && *p && *p != ']') {
		if (*p == '\\') {
			p = number_skip_escape(p);
		} else if (*p == '[' && p[1] && strchr(".:=", p[1])) {
			p += 2;
			p += strspn(p, "^abcdefghijklmnopqrstuvwxyz");
			if (p[0] != ':' || p[1] != ']')
				return NULL;
			p += 2;
		} else {
			p++;
		}
	}
	return p && *p ? p + 1 : NULL;
}

/* Whether there is an alternative to the whole expression: a '|' in no parentheses. True where the
 * expression is not understood: it has no prefix then. That is so for parentheses which are more
 * than a group, for they may be comments, or change how the rest is read. */
static bool number_has_alternative(const char *p)
{
	int depth = 0;

	while (p && *p) {
		if (*p == '\\') {
			p = number_skip_escape(p);
			continue;
		}
		if (*p == '[') {
			p = number_skip_class(p);
			continue;
		}
		if (*p == '(' && (p[1] == '*' || (p[1] == '?' && p[2] != ':')))
			return true;
		if (*p == '|' && depth == 0)
			return true;
		depth += *p == '(';
		depth -= *p == ')' && depth;
		p++;
	}
	return !p;
}

static bool number_is_quantifier(char c)
{
	return c == '*' || c == '+' || c == '?' || c == '{';
}

static void number_append(struct number_prefix *s, char c)
{
	if (s->length < NUMBER_PREFIX_MAX)
		s->text[s->length++] = c;
}

unsigned number_prefix_of_expression(const char *p, struct number_prefix start[2])
{
	unsigned variants = 1;
	bool first = true;

	start[0] = start[1] = (struct number_prefix){0};
	if (*p != '^' || number_has_alternative(p))
		return 1;
	p++;
	for (char c; (c = number_literal(&p)); first = false) {
		if (*p == '?' && first && !number_is_quantifier(p[1])) {
			number_append(&start[0], c);
			variants = 2;
			p++;
			continue;
		}
		if (number_is_quantifier(*p) && (*p != '+' || number_is_quantifier(p[1])))
			break; /* it may be missing */
		for (unsigned i = 0; i < variants; i++)
			number_append(&start[i], c);
		if (*p == '+')
			break;
	}
	return variants;
}

/* ---- the index ---- */

int number_prefixes_new(struct number_prefixes **out, unsigned rules)
{
	struct number_prefixes *p = calloc(1, sizeof(*p) + 2 * (size_t)rules * sizeof(p->entry[0]));

	if (!p)
		return -ENOMEM;
	p->limit = 2 * (size_t)rules;
	*out = p;
	return 0;
}

void number_prefixes_free(struct number_prefixes *p)
{
	free(p);
}

void number_prefixes_add(
	struct number_prefixes *p, const struct number_prefix *start, uint32_t rule)
{
	assert(p->count < p->limit);
	p->entry[p->count++] = (struct number_entry){*start, rule};
	p->lengths |= UINT64_C(1) << start->length;
}

/* By length, then text: those of one prefix stand together. */
static int number_order(const struct number_prefix *a, const struct number_prefix *b)
{
	return a->length != b->length ? (a->length < b->length ? -1 : 1)
	                              : memcmp(a->text, b->text, a->length);
}

static int number_compare(const void *pa, const void *pb)
{
	const struct number_entry *a = pa, *b = pb;
	int o = number_order(&a->start, &b->start);

	return o ? o : (a->rule > b->rule) - (a->rule < b->rule);
}

void number_prefixes_sort(struct number_prefixes *p)
{
	qsort(p->entry, p->count, sizeof(p->entry[0]), number_compare);
}

/* The first entry that is not before start (or, beyond, not at it either). */
static const struct number_entry *number_bound(
	const struct number_prefixes *p, const struct number_prefix *start, bool beyond)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int o = number_order(&p->entry[middle].start, start);

		if (o < 0 || (beyond && o == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return p->entry + low;
}

void number_prefix_walk(
	const struct number_prefixes *p, struct str text, struct number_prefix_walk *w)
{
	struct number_prefix start = {0};

	w->lists = 0;
	w->last = -1;
	for (unsigned n = 0; n <= NUMBER_PREFIX_MAX && n <= text.n; n++) {
		if (n)
			start.text[n - 1] = text.p[n - 1];
		if (!(p->lengths >> n & 1))
			continue;
		start.length = (uint8_t)n;
		const struct number_entry *at = number_bound(p, &start, false),
					  *end = number_bound(p, &start, true);

		if (at == end)
			continue;
		w->list[w->lists].at = at;
		w->list[w->lists++].end = end;
	}
}

bool number_prefix_next(struct number_prefix_walk *w, uint32_t *rule)
{
	int64_t best = -1;

	for (unsigned i = 0; i < w->lists; i++) {
		const struct number_entry *at = w->list[i].at, *end = w->list[i].end;

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
