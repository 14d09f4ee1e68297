/* section_forward.c - reads where calls to a user go on. */
#include "section.h"

#include "ipc/forwards.h"
#include "options.h"

#include <string.h>

/* The domain of the config with that name; NULL: there is none. */
static const struct config_domain *forward_domain(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->c->domain_count; i++)
		if (r->c->domains[i].name && strcasecmp(r->c->domains[i].name, name) == 0)
			return &r->c->domains[i];
	return NULL;
}

static void forward_read_title(struct reader *r, cfg_t *section, struct config_forward *f)
{
	const char *at = strrchr(section->title, '@');
	size_t n = at ? (size_t)(at - section->title) : 0;
	const struct config_domain *d = at ? forward_domain(r, at + 1) : NULL;

	if (!d || !userfile_name_valid((struct str){section->title, n})) {
		reader_error(r, section, f->line,
			"expected NAME@DOMAIN with a domain of this config, as in forward "
			"\"bob@example.net\" { ... }");
		return;
	}
	for (const struct config_forward *other = r->c->forwards; other < f; other++)
		if (other->user && strncmp(other->user, section->title, n) == 0 &&
			!other->user[n] && strcmp(other->domain, d->name) == 0)
			reader_error(r, section, f->line,
				"the forwards of this user stand at line %d already", other->line);
	f->user = reader_copy(r, section->title);
	if (f->user)
		f->user[n] = '\0';
	f->domain = reader_copy(r, d->name);
}

void section_read_forward(struct reader *r, cfg_t *section, struct config_forward *f)
{
	char uri[FORWARD_TO_MAX + 1];
	bool any = false;

	f->line = config_section_line(section);
	f->name = reader_copy(r, section->title);
	options_read(r, section, "forward", f);
	forward_read_title(r, section, f);
	for (unsigned i = 0; i < FORWARD_WHENS; i++) {
		const char *option = forward_when_name(i);
		const struct config_value *v = config_value(section, option);

		any |= v != NULL;
		if (!v || !f->domain)
			continue;
		if (forward_uri(str_of(v->text), str_of(f->domain), uri) < 0)
			reader_expected(r, section, option, v,
				"a user or a number, or a URI of sip or tel, of at most %d bytes, "
				"as in \"carol\", \"+4930123\" or \"sip:carol@example.net\"",
				FORWARD_TO_MAX);
		else if (f->user && forward_is_own(str_of(uri), str_of(f->user), str_of(f->domain)))
			reader_error(r, section, v->line,
				"%s: \"%s\" is this user himself: his calls would go round", option,
				v->text);
	}
	const struct config_value *after = config_value(section, "no-answer-after");
	if (after && !config_value(section, "no-answer"))
		reader_error(r, section, after->line,
			"no-answer-after goes with no-answer, which is missing");
	if (!any)
		reader_error(r, section, f->line,
			"expected always, busy, no-answer or away, as in no-answer = \"carol\"");
}
