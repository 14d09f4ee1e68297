/* emergency_numbers.c - see emergency_numbers.h. */
#include "emergency_numbers.h"

#include "section.h"

#include <ctype.h>

/* "sos", or a service below it, as "sos.police" (RFC 5031 section 4.2). */
static bool emergency_service_valid(struct str s)
{
	const size_t sos = sizeof("sos") - 1;
	char last = '.';

	if (s.n < sos || s.n > EMERGENCY_SERVICE_MAX ||
		!str_equal_nocase((struct str){s.p, sos}, S("sos")) ||
		(s.n > sos && s.p[sos] != '.'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? last == '.' : s.p[i] != '-' && !isalnum((unsigned char)s.p[i]))
			return false;
		last = s.p[i];
	}
	return last != '.';
}

static bool emergency_number_valid(struct str s)
{
	for (size_t i = *s.p == '+'; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]) && s.p[i] != '*' && s.p[i] != '#')
			return false;
	return s.n >= 2 && s.n <= EMERGENCY_NUMBER_MAX;
}

/* "112", or "110=sos.police". False: it is neither. */
static bool emergency_read_one(struct reader *r, struct str text, struct config_emergency *out)
{
	struct str number = {text.p, str_find(text, '=')};
	char buffer[EMERGENCY_SERVICE_MAX + 1] = "";

	if (!emergency_number_valid(number))
		return false;
	if (number.n < text.n) {
		struct str service = str_from(text, number.n + 1);

		if (!emergency_service_valid(service))
			return false;
		str_copy(service, buffer, sizeof(buffer));
		text_lower(buffer);
	}
	out->service = reader_copy(r, buffer);
	str_copy(number, buffer, sizeof(buffer));
	out->number = reader_copy(r, buffer);
	return true;
}

void emergency_read(struct reader *r, cfg_t *limits)
{
	size_t count = section_list_count(r, limits, "emergency", EMERGENCY_MAX);
	struct config *c = r->c;

	c->emergency = reader_array(r, count, sizeof(*c->emergency));
	for (size_t i = 0; c->emergency && i < count; i++) {
		const struct config_value *v = config_list(limits, "emergency", i);

		if (emergency_read_one(r, str_of(v->text), &c->emergency[c->emergency_count]))
			c->emergency_count++;
		else
			reader_expected(r, limits, "emergency", v,
				"a number of 2 to 32 digits, as in \"112\", or with its service "
				"as in \"110=sos.police\"");
	}
}
