/* section.c - see section.h. */
#include "section.h"

#include <ctype.h>

/* The title as the section's name: letters, digits, '.', '-', '_'. */
char *section_name(struct reader *r, cfg_t *section)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *title = section->title;
	size_t n = strlen(title);

	if (n == 0 || n > NAME_MAX_LENGTH || strspn(title, letters) != n)
		reader_error(r, section, config_section_line(section),
			"expected a name of 1 to %d letters, digits, dots, hyphens or underscores",
			NAME_MAX_LENGTH);
	return reader_copy(r, title);
}

/* RFC 1035 labels and IPv4 addresses: a host as it may stand in a URI. An IPv6 address is for the
 * caller. */
bool host_name_valid(struct str s)
{
	if (s.n == 0 || s.n > 253 || s.p[0] == '.' || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
		if (i && s.p[i] == '.' && s.p[i - 1] == '.')
			return false;
	}
	return true;
}

void text_lower(char *s)
{
	for (; s && *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

void section_prefixes(struct reader *r, cfg_t *section, const char *option, size_t max,
	struct prefix **out, size_t *count)
{
	size_t n = config_list_count(section, option);

	if (n > max) {
		reader_error(r, section, config_list(section, option, max)->line,
			"%s: at most %zu are possible", option, max);
		n = max;
	}
	*out = reader_array(r, n, sizeof(**out));
	for (size_t i = 0; *out && i < n; i++) {
		const struct config_value *v = config_list(section, option, i);

		if (prefix_parse(str_of(v->text), &(*out)[*count]) == 0)
			++*count;
		else
			reader_expected(r, section, option, v,
				"an address or a network without host bits, as in \"192.0.2.7\" or "
				"\"192.0.2.0/24\"");
	}
}
