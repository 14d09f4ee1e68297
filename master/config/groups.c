/* groups.c - see groups.h. */
#include "groups.h"

#include <stdlib.h>

static bool groups_have(char *const *groups, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal(str_of(groups[i]), name))
			return true;
	return false;
}

char *groups_find(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v)
{
	const struct config *c = r->c;
	const char *known[GROUPS_MAX], *nearest;
	size_t n = 0;

	for (size_t i = 0; i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];

		if (groups_have(d->groups, d->group_count, str_of(v->text)))
			return reader_copy(r, v->text);
		for (size_t k = 0; k < d->group_count && n < GROUPS_MAX; k++)
			known[n++] = d->groups[k];
	}
	nearest = config_nearest(v->text, known, n);
	if (nearest)
		reader_error(r, section, v->line,
			"%s: no domain has a group \"%.64s\": did you mean \"%s\"?", option,
			v->text, nearest);
	else
		reader_error(r, section, v->line, "%s: no domain has a group \"%.64s\"", option,
			v->text);
	return NULL;
}

void groups_check(struct reader *r, const struct config_domain *d)
{
	for (size_t i = 0; i < d->users.count; i++) {
		const struct userfile_entry *e = &d->users.entries[i];
		struct str rest = str_of(e->groups), name;

		if (strcmp(e->realm, d->realm) != 0)
			continue; /* another domain's in the same file */
		while (userfile_group_next(&rest, &name))
			if (!groups_have(d->groups, d->group_count, name))
				config_error_add(r->errors, d->users_path, e->line,
					"user \"%s\" is in group \"%.*s\", which groups of "
					"domain \"%s\" (%s:%d) does not name",
					e->name, STR(name), d->name, r->c->path, d->line);
	}
}
