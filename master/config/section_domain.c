/* section_domain.c - reads a domain: its realm, algorithms and expiries. */
#include "section.h"

#include "options.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000)
#define DAY (24 * 60 * 60 * SECOND)

static void domain_read_algorithms(struct reader *r, cfg_t *section, struct config_domain *d)
{
	size_t count = config_list_count(section, "algorithms");

	d->algorithms = count ? 0 : DIGEST_MD5 | DIGEST_SHA256;
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(section, "algorithms", i);
		uint8_t algorithm = digest_algorithm_of(str_of(v->text));

		if (algorithm)
			d->algorithms |= algorithm;
		else
			reader_expected(r, section, "algorithms", v,
				"\"SHA-512-256\", \"SHA-256\" or \"MD5\"");
	}
}

/* Whole seconds from 1 s to 30 days. False: it is not; nothing is written then. */
static bool domain_expires(const char *text, uint64_t *out_least, uint64_t *out_most)
{
	uint64_t least, most;

	if (unit_duration_range(str_of(text), &least, &most) != 0)
		return false;
	if (least < SECOND || most > 30 * DAY || least % SECOND || most % SECOND)
		return false;
	*out_least = least;
	*out_most = most;
	return true;
}

static void domain_read_expires(struct reader *r, cfg_t *section, struct config_domain *d)
{
	const struct config_value *v = config_value(section, "expires");
	uint64_t least, most;

	unit_duration_range(str_of(option_default("domain", "expires")), &least, &most);
	if (v && !domain_expires(v->text, &least, &most)) {
		reader_expected(r, section, "expires", v,
			"a range from 1s to 30d with units, as in \"60s..3600s\"");
		return; /* what the default has to be within is not known */
	}
	d->expires_min = (uint32_t)(least / SECOND);
	d->expires_max = (uint32_t)(most / SECOND);
	d->expires_default = d->expires_max;
	reader_duration_s(r, section, "expires-default", least, most, &d->expires_default);
}

/* Codes are a star and digits, each another one. */
static void domain_check_codes(struct reader *r, cfg_t *section)
{
	static const char *const options[] = {
		"code-always", "code-busy", "code-no-answer", "code-away"};
	const struct config_value *v, *other;

	for (size_t i = 0; i < 4; i++) {
		v = config_value(section, options[i]);
		if (!v)
			continue;
		if (v->text[0] != '*' || !v->text[1] ||
			strspn(v->text + 1, "0123456789") != strlen(v->text + 1))
			reader_expected(
				r, section, options[i], v, "a star and digits, as in \"*21\"");
		for (size_t k = 0; k < i; k++) {
			other = config_value(section, options[k]);
			if (other && strcmp(other->text, v->text) == 0)
				reader_error(r, section, v->line, "%s: it is %s already",
					options[i], options[k]);
		}
	}
}

void section_read_domain(struct reader *r, cfg_t *section, struct config_domain *d)
{
	const struct config_value *v = config_value(section, "realm");
	struct endpoint e;

	d->line = config_section_line(section);
	d->name = reader_copy(r, section->title);
	text_lower(d->name);
	if (!host_name_valid(str_of(section->title)) &&
		endpoint_parse_host(str_of(section->title), 0, &e) != 0)
		reader_error(r, section, d->line,
			"expected a host name as the domain's name, as in domain \"example.net\" { "
			"... }");
	d->realm = d->name ? reader_copy(r, d->name) : NULL;
	if (v && userfile_realm_valid(str_of(v->text))) {
		free(d->realm);
		d->realm = reader_copy(r, v->text);
	} else if (v) {
		reader_expected(r, section, "realm", v,
			"1 to %d bytes without colon, quote, backslash or control characters",
			REALM_MAX);
		free(d->realm);
		d->realm = NULL; /* users are not measured against it */
	}
	options_read(r, section, "domain", d);
	v = config_value(section, "users");
	d->users_line = v ? v->line : d->line;
	domain_read_algorithms(r, section, d);
	domain_read_expires(r, section, d);
	section_texts(r, section, "groups", GROUPS_MAX, section_group, &d->groups, &d->group_count);
	domain_check_codes(r, section);
}
