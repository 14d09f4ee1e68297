/* config_errors.h - the errors found in the operator's files, collected so that one check tells all
 * of them. */
#ifndef SIPWARD_COMMON_CONFIG_ERRORS_H
#define SIPWARD_COMMON_CONFIG_ERRORS_H

#include "config_sources.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONFIG_ERRORS_MAX 20
#define CONFIG_ERROR_TEXT_MAX 512 /* bytes with the NUL; what is longer is cut */

struct config_errors {
	size_t count;   /* held in text, in the order found */
	size_t dropped; /* found after the room was full */
	/* of the config that lines are of; NULL: each file is one by itself */
	const struct config_sources *sources;
	char text[CONFIG_ERRORS_MAX]
		 [CONFIG_ERROR_TEXT_MAX]; /* "FILE:LINE: ...", no newline, no control characters */
};

/* Adds "FILE:LINE: message"; line 0: "FILE: message". Control characters of the message become '?'.
 * What was said already is not said again. */
void config_error_add(struct config_errors *e, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void config_error_addv(struct config_errors *e, const char *file, int line, const char *format,
	va_list args) __attribute__((format(printf, 4, 0)));
/* One line each, and a last line that counts what was dropped. */
void config_errors_print(const struct config_errors *e, FILE *to);

/* The word of the list (count words; NULL words are passed over) that is nearest to word, where it
 * is near enough to be meant; otherwise NULL. */
const char *config_nearest(const char *word, const char *const *list, size_t count);

#endif
