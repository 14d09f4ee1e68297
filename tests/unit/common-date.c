/* Tests of common/date. */
#include "common/date.h"

#include <criterion/criterion.h>
#include <time.h>

static void same_as_the_library(int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct date d;
	struct tm tm;

	gmtime_r(&t, &tm);
	date_of(seconds, &d);
	cr_assert(d.year == tm.tm_year + 1900 && d.month == (unsigned)tm.tm_mon + 1 &&
			  d.day == (unsigned)tm.tm_mday && d.hour == (unsigned)tm.tm_hour &&
			  d.minute == (unsigned)tm.tm_min && d.second == (unsigned)tm.tm_sec &&
			  d.weekday == (unsigned)tm.tm_wday,
		"%lld", (long long)seconds);
}

/* Every day of an era before and one after 1970. */
Test(date, every_day)
{
	for (int64_t day = -146097; day < 146097; day++) {
		same_as_the_library(day * 86400);
		same_as_the_library(day * 86400 + 86399);
	}
}

Test(date, texts)
{
	char buffer[DATE_TEXT_SIZE];

	cr_assert_str_eq(date_text(0, buffer), "1970-01-01 00:00:00 UTC");
	cr_assert_str_eq(date_text(1803902400, buffer), "2027-03-01 12:00:00 UTC");
	cr_assert_str_eq(date_text(-1, buffer), "1969-12-31 23:59:59 UTC");
	cr_assert_str_eq(date_text(253402300799, buffer), "9999-12-31 23:59:59 UTC");
	cr_assert_str_eq(date_text(INT64_MAX, buffer), "292277026596-12-04 15:30:07 UTC");
}
