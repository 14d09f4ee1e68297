/* wire_header.c - the headers of a finished message. Relies on its bytes being ours: whole lines
 * with CRLF. */
#include "wire_header.h"

bool wire_header(const struct wire *w, size_t *at, uint8_t *id, struct str *line, struct str *value)
{
	struct str all = {w->byte, w->size};
	size_t start = *at, end, colon;

	if (start == 0) {
		start = str_find(all, '\n');
		if (start == all.n)
			return false;
		start++;
	}
	if (start >= all.n || all.p[start] == '\r' || all.p[start] == '\n')
		return false;
	end = start;
	do {
		end += str_find(str_from(all, end), '\n');
		if (end == all.n)
			return false;
		end++;
	} while (end < all.n && (all.p[end] == ' ' || all.p[end] == '\t'));
	*line = (struct str){all.p + start, end - start};
	colon = str_find(*line, ':');
	if (colon == line->n)
		return false;
	*id = header_of(str_trim((struct str){line->p, colon}));
	*value = str_trim(str_from(*line, colon + 1));
	*at = end;
	return true;
}

struct str wire_to_tag(const struct wire *w)
{
	struct str line, value, tag = STR_NONE;
	struct address to;
	size_t at = 0;
	uint8_t id;

	while (wire_header(w, &at, &id, &line, &value)) {
		if (id != HEADER_TO)
			continue;
		if (address_next(&value, &to) == 0)
			param_find(to.params, S("tag"), &tag);
		break;
	}
	return tag;
}
