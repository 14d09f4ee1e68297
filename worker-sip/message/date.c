/* date.c - the Date header (date.h). */
#include "date.h"

#include "common/date.h"

/* Two digits. */
static void date_write_two(struct writer *w, unsigned number)
{
	const char digits[] = {(char)('0' + number / 10 % 10), (char)('0' + number % 10)};

	write_bytes(w, digits, sizeof(digits));
}

void write_date(struct writer *w, uint64_t seconds)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct date d;

	date_of((int64_t)seconds, &d);
	write_literal(w, "Date: ");
	write_bytes(w, days[d.weekday], 3);
	write_literal(w, ", ");
	date_write_two(w, d.day);
	write_literal(w, " ");
	write_bytes(w, months[d.month - 1], 3);
	write_literal(w, " ");
	write_number(w, (uint64_t)d.year);
	write_literal(w, " ");
	date_write_two(w, d.hour);
	write_literal(w, ":");
	date_write_two(w, d.minute);
	write_literal(w, ":");
	date_write_two(w, d.second);
	write_literal(w, " GMT\r\n");
}
