/* The last times at which a target went down and came up: as many as there are places, the latest
 * first. */
#include "worker-sip/routing/target_history.h"

#include <criterion/criterion.h>
#include <errno.h>

static char text[2048];

static const char *written(const struct target_history *h)
{
	struct writer w = WRITER(text);

	target_history_write(h, &w);
	cr_assert_not(w.full);
	text[w.n] = '\0';
	return text;
}

static unsigned found(const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

Test(target_history, is_empty_first)
{
	struct target_history h = {.next = 0};

	cr_assert_str_eq(written(&h), "\"history\":[],");
}

Test(target_history, has_the_latest_first_and_the_last_ones_alone)
{
	struct target_history h = {.next = 0};

	target_history_add(&h, true, 0, -ETIMEDOUT);
	target_history_add(&h, false, 200, 0);
	written(&h);
	cr_expect_lt(strstr(text, " up: answered 200\""), strstr(text, " down: no answer\""));
	for (unsigned i = 0; i < TARGET_CHANGES; i++)
		target_history_add(&h, true, 500 + i, 0);
	written(&h);
	cr_expect_eq(found(" UTC "), TARGET_CHANGES);
	cr_expect_eq(found("no answer"), 0);
	cr_expect_lt(strstr(text, "507"), strstr(text, "500"));
}

Test(target_history, says_why)
{
	char buffer[TARGET_REASON_SIZE];

	cr_expect_str_eq(target_reason(0, 0, buffer), "");
	cr_expect_str_eq(target_reason(503, 0, buffer), "answered 503");
	cr_expect_str_eq(target_reason(0, -ETIMEDOUT, buffer), "no answer");
	cr_expect_str_eq(target_reason(0, -ECONNREFUSED, buffer), "Connection refused");
}
