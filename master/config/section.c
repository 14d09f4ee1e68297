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
