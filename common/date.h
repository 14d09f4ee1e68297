/* date.h - dates and times of day in UTC, by the civil calendar. */
#ifndef SIPWARD_COMMON_DATE_H
#define SIPWARD_COMMON_DATE_H

#include <stdint.h>

struct date {
	int64_t year;
	unsigned month, day;           /* from 1 */
	unsigned hour, minute, second; /* from 0; there are no leap seconds */
	unsigned weekday;              /* 0: Sunday */
};

/* The date and time that is so many seconds after (before, where negative) 1970-01-01 00:00:00. */
void date_of(int64_t seconds, struct date *out);

/* Writes a time in unix seconds as "2027-03-01 12:00:00 UTC"; returns buffer. */
#define DATE_TEXT_SIZE 48
const char *date_text(int64_t seconds, char buffer[DATE_TEXT_SIZE]);

#endif
