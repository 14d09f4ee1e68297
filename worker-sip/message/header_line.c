/* header_line.c - header lines that are written anew: see header_line.h. */
#include "header_line.h"

void header_line_write(
	struct writer *w, const struct message *m, const struct message_header *h, struct str value)
{
	write_str(w, message_header_name(m, h));
	write_literal(w, ": ");
	write_str(w, value);
	write_literal(w, "\r\n");
}

/* Writes text without hosts, whatever the receiver's zone says of other headers. */
static void header_line_hidden(struct writer *w, const struct hosts *hosts, struct str text)
{
	struct hosts hidden = *hosts;

	hidden.keep = false;
	write_without_hosts(w, &hidden, text);
}

void header_line_elements(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts)
{
	struct str rest = message_header_value(m, h), element;
	bool any = false, closed;

	while (list_element_next(&rest, &element, &closed)) {
		if (any) {
			write_literal(w, ", ");
		} else {
			write_str(w, message_header_name(m, h));
			write_literal(w, ": ");
		}
		any = true;
		if (hosts)
			header_line_hidden(w, hosts, element);
		else
			write_str(w, element);
	}
	if (any)
		write_literal(w, "\r\n");
}

void header_line_warning(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts)
{
	struct str rest = str_trim(message_header_value(m, h));

	for (;;) {
		while (rest.n && rest.p[0] == ',') /* an empty element */
			rest = str_trim(str_from(rest, 1));
		if (!rest.n)
			return;
		size_t space = str_find(rest, ' ');
		struct str code = {rest.p, space};
		uint64_t number;

		if (space == rest.n || str_number(code, 999, &number))
			return;
		rest = str_trim(str_from(rest, space));
		space = str_find(rest, ' ');
		if (space == rest.n)
			return;
		rest = str_trim(str_from(rest, space));
		if (!rest.n || rest.p[0] != '"')
			return;
		size_t end = 1;
		while (end < rest.n && rest.p[end] != '"')
			end += rest.p[end] == '\\' ? 2 : 1;
		if (end >= rest.n)
			return;
		struct str text = {rest.p, end + 1};
		write_str(w, message_header_name(m, h));
		write_literal(w, ": ");
		write_str(w, code);
		write_literal(w, " sipward ");
		write_without_hosts(w, hosts, text);
		write_literal(w, "\r\n");
		rest = str_trim(str_from(rest, end + 1));
		if (rest.n && rest.p[0] == ',')
			rest = str_trim(str_from(rest, 1));
		else
			return;
	}
}

void header_line_event(struct writer *w, const struct message *m, const struct message_header *h,
	struct str id, const struct hosts *hosts)
{
	struct str value = message_header_value(m, h);
	size_t semicolon = str_find(value, ';');
	struct str params = semicolon < value.n ? str_from(value, semicolon + 1) : STR_EMPTY, name,
		   item;

	write_str(w, message_header_name(m, h));
	write_literal(w, ": ");
	write_str(w, str_trim((struct str){value.p, semicolon}));
	while (param_next(&params, &name, &item) == 0) {
		bool is_id = str_equal_nocase(name, S("id"));

		if (is_id && id.n)
			item = id;
		write_literal(w, ";");
		write_str(w, name);
		if (item.p) {
			write_literal(w, "=");
			write_without_hosts(w, hosts, item);
		}
	}
	write_literal(w, "\r\n");
}

void header_line_text(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts, struct str value)
{
	write_str(w, message_header_name(m, h));
	write_literal(w, ": ");
	header_line_hidden(w, hosts, value);
	write_literal(w, "\r\n");
}

void header_line_hosts(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts)
{
	header_line_text(w, m, h, hosts, message_header_value(m, h));
}
