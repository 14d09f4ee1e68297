/* date.c - the civil calendar by hand (date.h): gmtime_r looks for time zone files, and a jail has
 * none.
 *
 * Days are counted in eras of 400 years, after which the calendar starts again, from 1 March of the
 * year 0: a leap day is then the last of its year.
 */
#include "date.h"

#include <stdio.h>

#define DAY_SECONDS 86400
#define ERA_DAYS 146097
/* Days from 1 March of the year 0 to 1 January 1970, which was a Thursday. */
#define EPOCH_DAYS 719468
#define EPOCH_WEEKDAY 4

/* The quotient that leaves a remainder from 0. */
static int64_t date_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void date_of(int64_t seconds, struct date *out)
{
	int64_t epoch_day = date_floor(seconds, DAY_SECONDS), day = epoch_day + EPOCH_DAYS,
		era = date_floor(day, ERA_DAYS), of_day = seconds - epoch_day * DAY_SECONDS;
	unsigned of_era = (unsigned)(day - era * ERA_DAYS);
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned from_march = (5 * of_year + 2) / 153;

	out->day = of_year - (153 * from_march + 2) / 5 + 1;
	out->month = from_march < 10 ? from_march + 3 : from_march - 9;
	out->year = era * 400 + year + (out->month <= 2);
	out->hour = (unsigned)(of_day / 3600);
	out->minute = (unsigned)(of_day / 60 % 60);
	out->second = (unsigned)(of_day % 60);
	out->weekday = (unsigned)(epoch_day + EPOCH_WEEKDAY -
				  date_floor(epoch_day + EPOCH_WEEKDAY, 7) * 7);
}

const char *date_text(int64_t seconds, char buffer[DATE_TEXT_SIZE])
{
	struct date d;

	date_of(seconds, &d);
	snprintf(buffer, DATE_TEXT_SIZE, "%04lld-%02u-%02u %02u:%02u:%02u UTC", (long long)d.year,
		d.month % 100, d.day % 100, d.hour % 100, d.minute % 100, d.second % 100);
	return buffer;
}
