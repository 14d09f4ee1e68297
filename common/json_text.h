/* json_text.h - the inside of a JSON string. */
#ifndef SIPWARD_COMMON_JSON_TEXT_H
#define SIPWARD_COMMON_JSON_TEXT_H

#include <stddef.h>

/* Bytes that one byte takes at most. */
#define JSON_TEXT_BYTE_MAX 6

/* Writes what stands for a byte: itself, \" or \\, \u00HH for a control character and for what is
 * not ASCII, \ufffd for a NUL. Returns its length. */
size_t json_text_byte(unsigned char byte, char out[JSON_TEXT_BYTE_MAX]);

#endif
