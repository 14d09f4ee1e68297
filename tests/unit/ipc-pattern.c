/* ipc-pattern.c - what patterns of the config mean, and that no match takes long. */
#include "ipc/pattern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <time.h>

static int match(const char *expression, struct str text)
{
	struct pattern_matcher *matcher;
	struct pattern_fault fault;
	struct pattern *p;

	cr_assert_eq(
		pattern_new(&p, str_of(expression), &fault), 0, "%s: %s", expression, fault.text);
	cr_assert_eq(pattern_matcher_new(&matcher), 0);
	int found = pattern_match(p, matcher, text);
	cr_assert_eq(pattern_match(p, matcher, text), found, "once more: %s", expression);
	pattern_free(p);
	pattern_matcher_free(matcher);
	return found;
}

static bool matches(const char *expression, const char *text)
{
	int found = match(expression, str_of(text));

	cr_assert_geq(found, 0, "%s over %s", expression, text);
	return found;
}

Test(pattern, means_what_people_write)
{
	cr_expect(matches("^\\d{3,5}$", "1234"));
	cr_expect_not(matches("^\\d{3,5}$", "12a4"));
	cr_expect(matches("^\\w+$", "alice_1"));
	cr_expect_not(matches("^\\w+$", "alice.1"));
	cr_expect(matches("^a\\sb$", "a b"));
	cr_expect(matches("^\\+?[0-9]{3,15}$", "+4930123"));
	cr_expect(matches("^(\\+1|001)?[2-9][0-9]{2}[2-9][0-9]{6}$", "0012125551234"));
	cr_expect(matches("^\\*[[:digit:]]+#?$", "*21#"));
	cr_expect(matches("^(?!0900)\\d+$", "0800"));
	cr_expect_not(matches("^(?!0900)\\d+$", "09001"));
	cr_expect(matches("^(\\d)\\1$", "77"));
	cr_expect(matches("23", "1234"), "anywhere");
}

/* A user part may hold any octet but NUL: none may lead past a rule. */
Test(pattern, is_not_evaded_by_octets)
{
	cr_expect_not(matches("^[0-9]+$", "123\n"), "only the very end is the end");
	cr_expect(matches("^0900.*$", "0900\n1"));
	cr_expect(matches("^0900.$", "0900\xff"));
	cr_expect_not(matches("^\\w$", "\xe4"));
	cr_expect_eq(match("^a.b$", (struct str){"a\0b", 3}), 1);
}

static void refused(const char *expression, size_t at, const char *text)
{
	struct pattern_fault fault;
	struct pattern *p;

	cr_assert_eq(pattern_new(&p, str_of(expression), &fault), -EINVAL, "%s", expression);
	cr_expect_eq(fault.at, at, "%s: %zu", expression, fault.at);
	cr_expect(strstr(fault.text, text) != NULL, "%s: %s", expression, fault.text);
}

Test(pattern, says_what_is_wrong_and_where)
{
	char deep[2 * PATTERN_PARENTHESES_MAX + 3] = "", longest[PATTERN_MAX + 2];

	refused("^(0", 3, "missing closing parenthesis");
	refused("[0-9", 4, "missing terminating ]");
	refused("^49)1", 3, "unmatched closing parenthesis");
	refused("*1", 0, "quantifier does not follow");
	refused("1\\", 2, "\\ at end of pattern");
	refused("((a{255}){255}){255}", 20, "too large");
	refused("(*UTF)a", 6, "UTF");
	for (int i = 0; i <= PATTERN_PARENTHESES_MAX; i++) {
		deep[i] = '(';
		deep[i + PATTERN_PARENTHESES_MAX + 1] = ')';
	}
	refused(deep, PATTERN_PARENTHESES_MAX + 1, "parentheses are too deeply nested");
	memset(longest, 'a', PATTERN_MAX + 1);
	longest[PATTERN_MAX + 1] = 0;
	refused(longest, 0, "pattern string is longer than the limit");
}

Test(pattern, is_given_up_where_it_takes_too_long)
{
	static const char *const costly[] = {"^(a+)+$", "^(a|aa)+$", "(a*)*[bc]",
		"^(?:a?){99}(?:a){300}[bc]", "(.*)(.*)(.*)(.*)[=;]", "(?R)?a(?R)?b|a(?R)*"};
	char text[513];
	struct timespec before, after;

	memset(text, 'a', 512);
	text[512] = 0;
	text[511] = '!';
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (size_t i = 0; i < sizeof(costly) / sizeof(*costly); i++) {
		int found = match(costly[i], str_of(text));

		cr_expect(found == -E2BIG || i == 5, "%s: %d", costly[i], found);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	/* a sanitizer's build is some ten times slower than the usual few milliseconds */
	cr_expect_lt(after.tv_sec - before.tv_sec, 2);
	/* a long user part alone is no reason */
	cr_expect_not(matches("^\\+?[0-9]{3,15}$", text));
	cr_expect(matches("^[^b]*!$", text));
	cr_expect(matches("^(a|b)*!$", text));
}
