/* date.c - the Date header (date.h), by hand: gmtime_r looks for time zone files, and the jail has
 * none. Days become dates by the civil calendar in eras of 400 years, with years that start in
 * March. */
#include "date.h"

void write_date(struct writer *w, uint64_t seconds)
{
	static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	uint64_t day = seconds / 86400, z = day + 719468, era_day = z % 146097;
	uint64_t era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	uint64_t year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100),
		 from_march = (5 * year_day + 2) / 153;
	uint64_t month = from_march < 10 ? from_march + 3 : from_march - 9,
		 second = seconds % 86400;
	uint64_t year = era_year + z / 146097 * 400 + (month <= 2);
	uint64_t part[] = {year_day - (153 * from_march + 2) / 5 + 1, second / 3600,
		second / 60 % 60, second % 60};
	char two[4][2];

	for (unsigned i = 0; i < 4; i++) {
		two[i][0] = (char)('0' + part[i] / 10 % 10);
		two[i][1] = (char)('0' + part[i] % 10);
	}
	write_literal(w, "Date: ");
	write_bytes(w, days[day % 7], 3);
	write_literal(w, ", ");
	write_bytes(w, two[0], 2);
	write_literal(w, " ");
	write_bytes(w, months[month - 1], 3);
	write_literal(w, " ");
	write_number(w, year);
	for (unsigned i = 1; i < 4; i++) {
		write_str(w, i == 1 ? S(" ") : S(":"));
		write_bytes(w, two[i], 2);
	}
	write_literal(w, " GMT\r\n");
}
