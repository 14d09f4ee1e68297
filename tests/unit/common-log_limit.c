/* Tests of common/log_limit. */
#include "common/log_limit.h"

#include <criterion/criterion.h>

static uint64_t left_out;

static bool pass(struct log_limit *l, uint64_t now, unsigned lines)
{
	return log_limit_pass(l, now, lines, LOG_LIMIT_SECOND, &left_out);
}

Test(log_limit, one_line_a_second_tells_what_it_left_out)
{
	struct log_limit l = {0};

	cr_assert(pass(&l, 0, 1));
	cr_assert_eq(left_out, 0);
	cr_assert_not(pass(&l, 0, 1));
	cr_assert_not(pass(&l, 999, 1));
	cr_assert_eq(left_out, 0, "written although the line did not pass");
	cr_assert(pass(&l, 1000, 1));
	cr_assert_eq(left_out, 2);
	cr_assert(pass(&l, 2000, 1));
	cr_assert_eq(left_out, 0);
}

Test(log_limit, a_window_begins_with_its_first_line)
{
	struct log_limit l = {0};

	cr_assert(pass(&l, 700, 2));
	cr_assert(pass(&l, 1500, 2));
	cr_assert_not(pass(&l, 1600, 2));
	cr_assert_not(pass(&l, 1699, 2));
	cr_assert(pass(&l, 1700, 2));
	cr_assert_eq(left_out, 2);
	cr_assert(pass(&l, 1800, 2));
	cr_assert_not(pass(&l, 1900, 2));
}
