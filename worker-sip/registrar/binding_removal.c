/* binding_removal.c - see binding_removal.h. What stays is copied out of the store and put back as
 * a whole. */
#include "binding_removal.h"

#include <errno.h>
#include <stdlib.h>

#define STRINGS_SIZE                                                                               \
	(BINDINGS_MAX * (BINDING_CONTACT_MAX + BINDING_CALL_ID_MAX + BINDING_PATH_MAX +            \
				BINDING_INSTANCE_MAX + BINDING_USER_AGENT_MAX))

struct remaining {
	struct binding binding[BINDINGS_MAX];
	unsigned count, gone;
	bool (*goes)(void *arg, const struct binding *b);
	void *arg;
	struct writer strings;
};

static struct str remaining_keep(struct writer *w, struct str s)
{
	struct str out = {w->p + w->n, s.n};

	write_str(w, s);
	return out;
}

static void remaining_add(void *arg, const struct binding *b)
{
	struct remaining *rest = arg;

	if (rest->goes(rest->arg, b)) {
		rest->gone++;
		return;
	}
	struct binding *to = &rest->binding[rest->count++];
	*to = *b;
	to->contact = remaining_keep(&rest->strings, b->contact);
	to->call_id = remaining_keep(&rest->strings, b->call_id);
	to->path = remaining_keep(&rest->strings, b->path);
	to->instance = remaining_keep(&rest->strings, b->instance);
	to->user_agent = remaining_keep(&rest->strings, b->user_agent);
}

int binding_remove(struct location *l, struct str aor,
	bool (*goes)(void *arg, const struct binding *b), void *arg, unsigned *removed)
{
	char *buffer = malloc(STRINGS_SIZE);

	if (!buffer)
		return -ENOMEM;
	struct remaining rest = {
		.goes = goes, .arg = arg, .strings = {.p = buffer, .size = STRINGS_SIZE}};
	int error = location_lookup(l, aor, remaining_add, &rest);
	if (error > 0 && rest.gone)
		error = location_put(l, aor, rest.binding, rest.count, NULL, NULL);
	free(buffer);
	if (error < 0)
		return error;
	*removed = rest.gone;
	return 0;
}
