/* config_sources.c - see config_sources.h. */
#include "config_sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int config_sources_add(struct config_sources *s, int first, const char *path, int own)
{
	struct config_part *more = reallocarray(s->part, s->count + 1, sizeof(*more));
	char *copy = strdup(path);

	if (more)
		s->part = more;
	if (!more || !copy) {
		free(copy);
		return -ENOMEM;
	}
	more += s->count++;
	more->first = first;
	more->own = own;
	more->path = copy;
	return 0;
}

const char *config_sources_find(
	const struct config_sources *s, const char *file, int line, int *own)
{
	size_t i;

	*own = line;
	if (!s || !s->count || line <= 0 || strcmp(file, s->part[0].path) != 0)
		return file;
	for (i = s->count; i > 1 && s->part[i - 1].first > line; i--)
		;
	*own = line - s->part[i - 1].first + s->part[i - 1].own;
	return s->part[i - 1].path;
}

void config_sources_clear(struct config_sources *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->part[i].path);
	free(s->part);
	*s = (struct config_sources){.count = 0};
}
