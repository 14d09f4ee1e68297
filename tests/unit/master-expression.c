/* master-expression.c - which regular expressions of the config are compiled. */
#include "master/config/expression.h"

#include <criterion/criterion.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

Test(expression, takes_what_operators_write)
{
	static const char *const good[] = {"^\\+?[0-9]{3,15}$",
		"^(\\+1|001)?[2-9][0-9]{2}[2-9][0-9]{6}$", "^00(43|49|41)[0-9]*$", "^\\*[0-9]+#?$",
		"^[*#+?{]+$", "^[]*+]+$", "^[[:digit:]]+$", "(ab)*c", "^(1|2)(3|4)+$", "", "a{3}"};
	regex_t compiled;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		cr_assert_null(expression_fault(good[i]), "%s", good[i]);
		cr_assert_eq(
			regcomp(&compiled, good[i], REG_EXTENDED | REG_NOSUB), 0, "%s", good[i]);
		regfree(&compiled);
	}
}

Test(expression, refuses_what_would_never_be_compiled)
{
	char stars[128] = "^\\";
	static const char *const bad[] = {"a**", "a*?", "a{2}{3}", "(a*)*", "((a+))?", "^[0-9]**$",
		"a{101}(b){101}", "((a{255}b){255}c){255}"};

	memset(stars + 2, '*', 90);
	cr_assert_str_eq(expression_fault(stars), "a repetition of a repetition");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_not_null(expression_fault(bad[i]), "%s", bad[i]);
}

Test(expression, refuses_more_repetitions_than_the_bound)
{
	char text[2 * (EXPRESSION_REPETITIONS_MAX + 1) + 1] = "";

	for (int i = 0; i < EXPRESSION_REPETITIONS_MAX; i++)
		strcat(text, "a*");
	cr_assert_null(expression_fault(text));
	strcat(text, "a*");
	cr_assert_str_eq(expression_fault(text), "too many repetitions");
}

/* Where the text ends within something, regcomp says so. */
Test(expression, ends_with_the_text)
{
	static const char *const open[] = {
		"[", "[^", "[]", "[[:", "[[:digit:", "a{", "a{2", "a{2,", "\\", "(", "["};

	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		expression_fault(open[i]);
}
