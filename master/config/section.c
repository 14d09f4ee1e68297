/* section.c - see section.h. */
#include "section.h"

#include "ipc/pattern.h"

#include <ctype.h>
#include <errno.h>

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

size_t section_list_count(struct reader *r, cfg_t *section, const char *option, size_t max)
{
	size_t n = config_list_count(section, option);

	if (n <= max)
		return n;
	reader_error(r, section, config_list(section, option, max)->line,
		"%s: at most %zu are possible", option, max);
	return max;
}

void section_prefixes(struct reader *r, cfg_t *section, const char *option, size_t max,
	struct prefix **out, size_t *count)
{
	size_t n = section_list_count(r, section, option, max);

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

uint64_t section_zones(struct reader *r, cfg_t *section, const char *option)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < config_list_count(section, option); i++) {
		uint16_t zone = reader_find(r, section, option, config_list(section, option, i),
			"zone", r->c->zones, r->c->zone_count, sizeof(*r->c->zones));

		if (zone != NONE_INDEX)
			bits |= UINT64_C(1) << zone;
	}
	return bits;
}

char *section_pattern(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v)
{
	struct pattern_fault fault;
	struct pattern *pattern;
	int error;

	if (!v->text[0] || strlen(v->text) > PATTERN_MAX) {
		reader_expected(r, section, option, v, "a regular expression of 1 to %d bytes",
			PATTERN_MAX);
		return NULL;
	}
	error = pattern_new(&pattern, str_of(v->text), &fault);
	if (error == -ENOMEM) {
		r->no_memory = true;
		return NULL;
	}
	if (error) {
		reader_error(r, section, v->line,
			"%s: expected a regular expression, found \"%.80s\": %s, at offset %zu, "
			"before \"%.20s\"",
			option, v->text, fault.text, fault.at, v->text + fault.at);
		return NULL;
	}
	pattern_free(pattern);
	return reader_copy(r, v->text);
}

void section_texts(struct reader *r, cfg_t *section, const char *option, size_t max,
	section_text read, char ***out, size_t *count)
{
	size_t n = section_list_count(r, section, option, max);

	*out = reader_array(r, n, sizeof(**out));
	for (size_t i = 0; *out && i < n; i++) {
		char *text = read(r, section, option, config_list(section, option, i));

		if (text)
			(*out)[(*count)++] = text;
	}
}

char *section_group(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v)
{
	if (userfile_group_valid(str_of(v->text)))
		return reader_copy(r, v->text);
	reader_expected(r, section, option, v,
		"names of 1 to %d letters, digits, dots, hyphens or underscores", GROUP_NAME_MAX);
	return NULL;
}
