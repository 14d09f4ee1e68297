/* sip-number_prefix.c - the index over the beginnings of number rules never leaves out a rule that
 * matches. */
#include "ipc/pattern.h"
#include "worker-sip/routing/number_prefix.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void check(const char *expression, unsigned variants, const char *a, const char *b)
{
	struct number_prefix start[2];

	cr_assert_eq(number_prefix_of_expression(expression, start), variants, "%s", expression);
	cr_assert(start[0].length == strlen(a) && memcmp(start[0].text, a, start[0].length) == 0,
		"%s: %.*s", expression, start[0].length, start[0].text);
	if (variants == 2)
		cr_assert(start[1].length == strlen(b) &&
				  memcmp(start[1].text, b, start[1].length) == 0,
			"%s: %.*s", expression, start[1].length, start[1].text);
}

Test(number_prefix, of_expressions)
{
	check("^\\+49[0-9]+$", 1, "+49", NULL);
	check("^\\+?49[0-9]{3,15}$", 2, "+49", "49");
	check("^0049.*", 1, "0049", NULL);
	check("^100$", 1, "100", NULL);
	check("^10?$", 1, "1", NULL);
	check("^10*", 1, "1", NULL);
	check("^10{2}", 1, "1", NULL);
	check("^10+", 1, "10", NULL);
	check("^(49|43)1", 1, "", NULL);
	check("^49|^43", 1, "", NULL);
	check("^49(1|2)", 1, "49", NULL);
	check("^49[|]1", 1, "49", NULL);
	check("^[]|]49|5", 1, "", NULL);
	check("^49[[:digit:]|]1", 1, "49", NULL);
	check("^\\w49", 1, "", NULL);
	check("^49\\d+$", 1, "49", NULL);
	check("^49[\\]|]1|5", 1, "", NULL);
	check("^49[[:a]|b[:]]", 1, "", NULL);
	check("^4(?:9|3)1", 1, "4", NULL);
	/* what these parentheses and quotes are is not looked at */
	check("^49(?#()|5", 1, "", NULL);
	check("^49(?i)1", 1, "", NULL);
	check("^49(*FAIL)|5", 1, "", NULL);
	check("^4\\Q(\\E|5", 1, "", NULL);
	check("^4\\c(|5", 1, "", NULL);
	check("49", 1, "", NULL);
	check("^", 1, "", NULL);
	check("^^49", 1, "", NULL);
	check("^\\+?", 2, "+", "");
	check("^1??2", 1, "", NULL);
	check("^alice\\.b", 1, "alice.b", NULL);
	check("^0123456789012345678901234567890123456789", 1, "012345678901234567890123456", NULL);
}

Test(number_prefix, names_rules_in_order_and_once)
{
	static const char *const text[] = {"", "49", "+49", "49", "4", "5", ""};
	struct number_prefixes *p;
	struct number_prefix_walk w;
	uint32_t rule, expected[] = {0, 1, 3, 4, 6}, n = 0;

	cr_assert_eq(number_prefixes_new(&p, 7), 0);
	for (uint32_t i = 0; i < 7; i++) {
		struct number_prefix start = {{0}, (uint8_t)strlen(text[i])};

		memcpy(start.text, text[i], start.length);
		number_prefixes_add(p, &start, i);
		if (i == 1) {
			start.length = 1; /* the same rule by two prefixes of one number */
			number_prefixes_add(p, &start, i);
		}
	}
	number_prefixes_sort(p);
	number_prefix_walk(p, (struct str){"4930", 4}, &w);
	while (number_prefix_next(&w, &rule)) {
		cr_assert_lt(n, 5);
		cr_assert_eq(rule, expected[n++]);
	}
	cr_assert_eq(n, 5);
	number_prefix_walk(p, STR_NONE, &w);
	for (n = 0; number_prefix_next(&w, &rule); n++)
		cr_assert(rule == 0 || rule == 6);
	cr_assert_eq(n, 2);
	number_prefixes_free(p);
}

/* Expressions and texts made of few characters, so that many match. */
Test(number_prefix, leaves_out_nothing_that_matches)
{
	static const char *const piece[] = {"1", "2", "\\+", "?", "*", "+", "{2}", "{0,1}", ".",
		"[12]", "[^1]", "[]1|]", "(1|2)", "(12)?", "|", "$", "^", "\\.", "[[:digit:]]",
		"\\d", "[\\]|]", "[[:1]", "(?:1|2)", "(?#(1)", "(?i)", "\\Q(|\\E", "(?=1)", "(?!2)",
		"*+", "??"};
	struct pattern_matcher *matcher;
	unsigned matched = 0;

	cr_assert_eq(pattern_matcher_new(&matcher), 0);

	srand(1);
	for (unsigned round = 0; round < 40000; round++) {
		char expression[128] = "^", text[12] = "";
		struct number_prefix start[2];
		struct number_prefixes *p;
		struct number_prefix_walk w;
		struct pattern *compiled;
		uint32_t rule;
		bool named = false;

		if (rand() % 8 == 0)
			expression[0] = 0;
		for (int i = rand() % 6; i >= 0; i--)
			strcat(expression,
				piece[(unsigned)rand() % (sizeof(piece) / sizeof(piece[0]))]);
		if (pattern_new(&compiled, str_of(expression), NULL))
			continue;
		for (int i = rand() % 6; i > 0; i--)
			strcat(text, &"1\0002\0+\0.\0|"[2 * (rand() % 5)]);
		if (pattern_match(compiled, matcher, str_of(text)) == 1) {
			unsigned starts = number_prefix_of_expression(expression, start);

			cr_assert_eq(number_prefixes_new(&p, 1), 0);
			for (unsigned i = 0; i < starts; i++)
				number_prefixes_add(p, &start[i], 0);
			number_prefixes_sort(p);
			number_prefix_walk(p, str_of(text), &w);
			while (number_prefix_next(&w, &rule))
				named = true;
			cr_assert(named, "%s matches %s", expression, text);
			number_prefixes_free(p);
			matched++;
		}
		pattern_free(compiled);
	}
	pattern_matcher_free(matcher);
	cr_assert_gt(matched, 5000, "%u", matched);
}
