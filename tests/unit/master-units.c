/* values with units. */
#include "master/config/units.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(units, all)
{
	uint64_t n = 1, m = 2;
	uint32_t a, b, d;
	char buffer[UNIT_TEXT_SIZE];

	cr_assert_eq(unit_duration(S("500ms"), &n), 0);
	cr_assert_eq(n, 500);
	cr_assert_eq(unit_duration(S(" 2 h "), &n), 0);
	cr_assert_eq(n, 7200000);
	cr_assert_eq(unit_duration(S("5"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("s"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("-5s"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("5S"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("5.5s"), &n), -EINVAL);
	cr_assert_eq(unit_duration(STR_EMPTY, &n), -EINVAL);
	cr_assert_eq(unit_duration(S("99999999999999999999999s"), &n), -ERANGE);
	cr_assert_eq(unit_duration(S("1000000000000d"), &n), -ERANGE);
	cr_assert_eq(n, 7200000, "written on success only");
	cr_assert_eq(unit_size(S("64KB"), &n), 0);
	cr_assert_eq(n, 65536);
	cr_assert_eq(unit_size(S("64K"), &n), -EINVAL);
	cr_assert_eq(unit_duration_range(S("60s..1h"), &n, &m), 0);
	cr_assert_eq(n, 60000);
	cr_assert_eq(m, 3600000);
	cr_assert_eq(unit_duration_range(S("60..1h"), &n, &m), -EINVAL);
	cr_assert_eq(unit_duration_range(S("60s.1h"), &n, &m), -EINVAL);
	cr_assert_eq(unit_duration_range(S(".."), &n, &m), -EINVAL);
	cr_assert_eq(unit_duration_range(S("2h..1h"), &n, &m), -EINVAL);
	cr_assert_eq(unit_rate(S("50/s per source"), &a, &b), 0);
	cr_assert(a == 50 && b == 1000);
	cr_assert_eq(unit_rate(S("50/ s per source"), &a, &b), 0);
	cr_assert_eq(unit_rate(S("50/s per sources"), &a, &b), -EINVAL);
	cr_assert_eq(unit_rate(S("50/s per source x"), &a, &b), -EINVAL);
	cr_assert_eq(unit_rate(S("0/s per source"), &a, &b), -ERANGE);
	cr_assert_eq(unit_rate(S("5/0s per source"), &a, &b), -ERANGE);
	cr_assert_eq(unit_rate(S("5/1s"), &a, &b), -EINVAL);
	cr_assert_eq(unit_ban(S("10 failures in 60s for 15m"), &a, &b, &d), 0);
	cr_assert(a == 10 && b == 60000 && d == 900000);
	cr_assert_eq(unit_ban(S("10 failures for 15m"), &a, &b, &d), -EINVAL);
	cr_assert_eq(unit_ban(S("10 failures in 60s for 15m now"), &a, &b, &d), -EINVAL);
	cr_assert_eq(unit_ban(S("10 failures in 60s for 100d"), &a, &b, &d), -ERANGE);
	cr_assert_eq(unit_count(S("10"), &n), 0);
	cr_assert_eq(unit_count(S("10 x"), &n), -EINVAL);
	cr_assert_str_eq(unit_duration_text(180000, buffer), "3m");
	cr_assert_str_eq(unit_duration_text(1500, buffer), "1500ms");
	cr_assert_str_eq(unit_duration_text(0, buffer), "0ms");
	cr_assert_str_eq(unit_size_text(65536, buffer), "64KB");
}
