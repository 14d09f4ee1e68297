/* Tests of common/json_text. */
#include "common/json_text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *text(unsigned char byte)
{
	static char out[JSON_TEXT_BYTE_MAX + 1];

	out[json_text_byte(byte, out)] = 0;
	return out;
}

Test(json_text, bytes)
{
	cr_assert_str_eq(text('a'), "a");
	cr_assert_str_eq(text('"'), "\\\"");
	cr_assert_str_eq(text('\\'), "\\\\");
	cr_assert_str_eq(text(0), "\\ufffd");
	for (unsigned byte = 1; byte < 256; byte++) {
		char expected[8];

		if (byte >= ' ' && byte < 0x7f)
			continue;
		snprintf(expected, sizeof(expected), "\\u%04x", byte);
		cr_assert_str_eq(text((unsigned char)byte), expected);
	}
}
