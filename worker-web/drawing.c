/* drawing.c - see drawing.h. The messages in it are of strangers: this process is the one that has
 * nothing to lose. */
#include "drawing.h"

#include "common/hash.h"
#include "ipc/trace/ladder.h"

#include <errno.h>
#include <stdlib.h>

void drawing_prepare(void)
{
	json_object_seed((size_t)random_u64() | 1);
}

static int drawing_of(const struct trace_set *t, char **svg, size_t *svg_size)
{
	FILE *f = open_memstream(svg, svg_size);

	if (!f)
		return -ENOMEM;
	ladder_svg(t, f);
	if (fclose(f) == 0)
		return 0;
	free(*svg);
	return -ENOMEM;
}

int drawing_make(const char *json, size_t size, char **svg, size_t *svg_size)
{
	struct trace_set t = {.event = NULL};
	json_t *root = json_loadb(json, size, 0, NULL);
	int error;

	if (!json_is_array(json_object_get(root, "calls"))) {
		json_decref(root);
		return -EBADMSG;
	}
	t.calls = json_incref(json_object_get(root, "calls"));
	trace_set_add(&t, json_object_get(root, "messages"));
	trace_set_order(&t);
	error = t.count ? drawing_of(&t, svg, svg_size) : -ENOENT;
	trace_set_free(&t);
	json_decref(root);
	return error;
}
