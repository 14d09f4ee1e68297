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
