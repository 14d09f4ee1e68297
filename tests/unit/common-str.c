/* common-str.c - struct str. */
#include "common/str.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

Test(str, reads_numbers_to_their_exact_end)
{
	static const struct {
		const char *text;
		uint64_t max;
		int rc;
		uint64_t value;
	} row[] = {
		{"0", 0, 0, 0},
		{"1", 0, -EINVAL, 0},
		{"7", 5, -EINVAL, 0},
		{"5060", 65535, 0, 5060},
		{"65535", 65535, 0, 65535},
		{"65536", 65535, -EINVAL, 0},
		{"0000000000000000000000000042", 100, 0, 42},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -EINVAL, 0},
		{"99999999999999999999999", UINT64_MAX, -EINVAL, 0},
		{"4294967301", UINT32_MAX, -EINVAL, 0},
		{"", 9, -EINVAL, 0},
		{"-1", 9, -EINVAL, 0},
		{"+1", 9, -EINVAL, 0},
		{" 1", 9, -EINVAL, 0},
		{"1 ", 9, -EINVAL, 0},
		{"5abc", 9, -EINVAL, 0},
		{"0x5", 9, -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		uint64_t value = 4711;

		cr_assert_eq(str_number(str_of(row[i].text), row[i].max, &value), row[i].rc, "%s",
			row[i].text);
		cr_assert_eq(value, row[i].rc ? 4711 : row[i].value, "%s", row[i].text);
	}
}

Test(str, number_never_wraps)
{
	/* Every number of up to three digits against every bound. */
	for (unsigned n = 0; n < 1000; n += 7)
		for (unsigned max = 0; max < 1000; max++) {
			char text[8];
			uint64_t value;

			snprintf(text, sizeof(text), "%u", n);
			cr_assert_eq(str_number(str_of(text), max, &value), n <= max ? 0 : -EINVAL);
		}
}

Test(str, copies_what_fits)
{
	char buffer[4] = "zzz";

	cr_assert_eq(str_copy(S("abcd"), buffer, sizeof(buffer)), -ENOBUFS);
	cr_assert_str_eq(buffer, "zzz");
	cr_assert_eq(str_copy(S("abc"), buffer, sizeof(buffer)), 0);
	cr_assert_str_eq(buffer, "abc");
	cr_assert_eq(str_copy((struct str){0}, buffer, sizeof(buffer)), 0);
	cr_assert_str_eq(buffer, "");
	cr_assert_eq(str_copy(STR_EMPTY, buffer, 0), -ENOBUFS);
}

Test(str, compares_and_cuts)
{
	struct str s = S(" \t Via \r\n");

	cr_assert(str_equal(str_trim(s), S("Via")));
	cr_assert(str_equal_nocase(S("VIA"), S("via")));
	cr_assert(!str_equal_nocase(S("VIA"), S("vi")));
	cr_assert(str_equal((struct str){0}, STR_EMPTY));
	cr_assert(str_starts(S("z9hG4bKx"), S("z9hG4bK")));
	cr_assert(!str_starts(S("z9"), S("z9hG4bK")));
	cr_assert_eq(str_find(S("a:b:c"), ':'), 1);
	cr_assert_eq(str_find(S("abc"), ':'), 3);
	cr_assert(str_equal(str_from(S("abc"), 1), S("bc")));
	cr_assert_eq(str_trim(S(" \r\n")).n, 0);
}
