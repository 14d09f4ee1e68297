/* Date: RFC 3261 section 20.17. */
#include "worker-sip/message/date.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static const char *date_of(uint64_t seconds)
{
	static char buffer[64];
	struct writer w = {.p = buffer, .size = sizeof(buffer) - 1};

	write_date(&w, seconds);
	cr_assert(!w.full);
	buffer[w.n] = 0;
	return buffer;
}

Test(date, known_ones)
{
	cr_assert_str_eq(date_of(0), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
	cr_assert_str_eq(date_of(951827696), "Date: Tue, 29 Feb 2000 12:34:56 GMT\r\n");
	cr_assert_str_eq(date_of(4107542400), "Date: Mon, 01 Mar 2100 00:00:00 GMT\r\n");
	cr_assert_str_eq(date_of(253402300799), "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
}

/* Every day of 400 years, which is when the calendar starts again, as the C library has it. */
Test(date, every_day)
{
	for (uint64_t day = 0; day < 146097; day++) {
		time_t seconds = (time_t)(day * 86400 + day % 86400);
		struct tm tm;
		char expected[64];

		gmtime_r(&seconds, &tm);
		strftime(expected, sizeof(expected), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		cr_assert_str_eq(date_of((uint64_t)seconds), expected);
	}
}
