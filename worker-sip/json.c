/* json.c - JSON text in a writer. */
#include "json.h"

/* s as the inside of a JSON string. */
void write_json(struct writer *w, struct str s)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			write_literal(w, "\\");
			write_bytes(w, s.p + i, 1);
		} else if (!c) {
			write_literal(w, "\\ufffd"); /* readers of JSON refuse a NUL, and with it
			                                the whole line */
		} else if (c < 0x20 || c >= 0x7f) {
			char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

			write_bytes(w, escape, sizeof(escape));
		} else {
			write_bytes(w, s.p + i, 1);
		}
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
