/* json.c - JSON text in a writer. */
#include "json.h"

#include "common/json_text.h"

void write_json(struct writer *w, struct str s)
{
	size_t plain = 0; /* from where on nothing had to be escaped */

	for (size_t i = 0; i < s.n; i++) {
		unsigned char byte = (unsigned char)s.p[i];
		char text[JSON_TEXT_BYTE_MAX];

		if (byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\')
			continue;
		write_bytes(w, s.p + plain, i - plain);
		write_bytes(w, text, json_text_byte(byte, text));
		plain = i + 1;
	}
	write_bytes(w, s.p + plain, s.n - plain);
}

void write_json_field(struct writer *w, const char *name, struct str value)
{
	write_literal(w, "\"");
	write_str(w, str_of(name));
	write_literal(w, "\":\"");
	write_json(w, value);
	write_literal(w, "\",");
}

void write_json_number(struct writer *w, const char *name, uint64_t value)
{
	write_literal(w, "\"");
	write_str(w, str_of(name));
	write_literal(w, "\":");
	write_number(w, value);
	write_literal(w, ",");
}

void write_json_end(struct writer *w)
{
	w->n--; /* the last comma */
	write_literal(w, "}");
}

void json_number_line(
	const char *name, uint64_t value, void (*line)(void *arg, struct str json), void *arg)
{
	char buffer[64];
	struct writer w = WRITER(buffer);

	write_literal(&w, "{");
	write_json_number(&w, name, value);
	write_json_end(&w);
	line(arg, writer_text(&w));
}
