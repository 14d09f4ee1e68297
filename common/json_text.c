/* json_text.c - see json_text.h. Relies on nothing. */
#include "json_text.h"

#include <string.h>

size_t json_text_byte(unsigned char byte, char out[JSON_TEXT_BYTE_MAX])
{
	static const char hex[] = "0123456789abcdef";

	if (byte == 0) {
		/* Readers of JSON refuse a NUL, and with it the whole line. */
		memcpy(out, "\\ufffd", 6);
		return 6;
	}
	if (byte < 0x20 || byte >= 0x7f) {
		memcpy(out, "\\u00", 4);
		out[4] = hex[byte >> 4];
		out[5] = hex[byte & 15];
		return 6;
	}
	if (byte == '"' || byte == '\\') {
		out[0] = '\\';
		out[1] = (char)byte;
		return 2;
	}
	out[0] = (char)byte;
	return 1;
}
