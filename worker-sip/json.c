/* json.c - JSON text in a writer. */
#include "json.h"

#include "common/json_text.h"

void write_json(struct writer *w, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char text[JSON_TEXT_BYTE_MAX];
		size_t n = json_text_byte((unsigned char)s.p[i], text);

		write_bytes(w, text, n);
	}
}

void write_json_field(struct writer *w, const char *name, struct str value)
{
	write_literal(w, "\"");
	write_str(w, str_of(name));
	write_literal(w, "\":\"");
	write_json(w, value);
	write_literal(w, "\",");
}
