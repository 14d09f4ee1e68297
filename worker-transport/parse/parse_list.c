/* parse_list.c - header fields that are lists (parse_list.h). Relies on ipc/syntax.h. */
#include "parse_list.h"

#include "ipc/octet.h"
#include "ipc/syntax.h"

#include <errno.h>

/* Notes empty elements: an element does not begin where the one before it, or the list, said that
 * it would, or the list ends in a comma. */
static void parse_list_begin(struct parser *p, struct str value)
{
	p->expected = value.p;
	p->empty = value.n && value.p[value.n - 1] == ',';
}
static void parse_list_note_empty(struct parser *p, const char *begin, struct str rest)
{
	p->empty |= begin != p->expected;
	p->expected = rest.p;
}

void parse_list_addresses(struct parser *p, uint8_t id, struct str value, bool bracketed)
{
	struct address a;
	int error;
	bool any = false;

	parse_list_begin(p, value);
	while ((error = address_next(&value, &a)) == 0) {
		parse_list_note_empty(p, a.whole.p, value);
		if (bracketed && !a.bracketed) {
			error = -EINVAL;
			break;
		}
		any = true;
		if (!parse_list_count(p))
			return;
	}
	if (error != -ENOENT || !any)
		parse_fail_value(p, id, error);
}

void parse_list_tokens(struct parser *p, uint8_t id, struct str value)
{
	struct str item;
	int error;

	parse_list_begin(p, value);
	while ((error = list_next(&value, &item)) == 0) {
		parse_list_note_empty(p, item.p, value);
		if (!is_token(item)) {
			error = -EINVAL;
			break;
		}
		if (!parse_list_count(p))
			return;
	}
	if (error != -ENOENT)
		parse_fail_value(p, id, error);
}

void parse_list_bounded(struct parser *p, struct str value)
{
	size_t comma;

	if (!value.n)
		return;
	while (parse_list_count(p)) {
		comma = str_find(value, ',');
		p->empty |= !str_trim((struct str){value.p, comma}).n;
		if (comma == value.n)
			return;
		value = str_from(value, comma + 1);
	}
}

void parse_list_known(struct parser *p, uint8_t id, struct str value)
{
	struct str rest = value, element;
	bool closed = true;

	parse_list_begin(p, value);
	while (closed && list_element_next(&rest, &element, &closed)) {
		parse_list_note_empty(p, element.p, rest);
		if (!parse_list_count(p))
			return;
	}
	if (!closed)
		parse_fail_value(p, id, -EINVAL);
}

void parse_list_auth_params(struct parser *p, uint8_t id, struct str value)
{
	struct str name, item;
	int error;
	unsigned n = 0;

	parse_list_begin(p, value);
	while ((error = auth_param_next(&value, &name, &item)) == 0) {
		parse_list_note_empty(p, name.p, value);
		if (++n > PARSE_PARAMS_MAX) {
			error = -E2BIG;
			break;
		}
	}
	if (error != -ENOENT || !n)
		parse_fail_value(p, id, error);
}

void parse_list_challenge(struct parser *p, uint8_t id, struct str value)
{
	const char *end = value.p + value.n, *scheme = octet_span(value.p, end, OCTET_TOKEN),
		   *rest = octet_span(scheme, end, OCTET_LWS);
	struct str params = {rest, (size_t)(end - rest)};

	if (scheme == value.p || rest == scheme || !params.n)
		parse_fail_value(p, id, -EINVAL);
	else if (str_equal_nocase((struct str){value.p, (size_t)(scheme - value.p)}, S("Digest")))
		parse_list_auth_params(p, id, params);
	else
		parse_list_bounded(p, params);
}
