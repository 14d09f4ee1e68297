/* print.c - tables for people. */
#include "print.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 64

/* Values may come from anybody's SIP messages: nothing in them may reach the terminal as a control
 * sequence (C0, DEL, and C1 in UTF-8). */
static void print_safe(const char *text, FILE *to)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) {
			fputc('?', to);
			c++;
		} else {
			fputc(*c < 0x20 || *c == 0x7f ? '?' : *c, to);
		}
	}
}

static size_t print_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* The text of a value; lists joined by commas. The caller frees. */
static char *print_text(const json_t *value)
{
	char *text = NULL;
	size_t size = 0, i;
	json_t *item;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	if (json_is_string(value)) {
		fputs(json_string_value(value), f);
	} else if (json_is_array(value)) {
		json_array_foreach (value, i, item) {
			char *one = print_text(item);

			fprintf(f, "%s%s", i ? ", " : "", one);
			free(one);
		}
	} else if (value && !json_is_null(value)) {
		json_dumpf(value, f, JSON_ENCODE_ANY | JSON_COMPACT);
	}
	fclose(f);
	return text;
}

static void print_object(json_t *object, FILE *to)
{
	const char *key;
	json_t *value;
	size_t widest = 0;

	json_object_foreach (object, key, value)
		if (print_width(key) > widest)
			widest = print_width(key);
	json_object_foreach (object, key, value) {
		char *text = print_text(value);

		print_safe(key, to);
		fprintf(to, "%*s  ", (int)(widest - print_width(key)), "");
		print_safe(text, to);
		fputc('\n', to);
		free(text);
	}
}

static void print_cell(const char *text, size_t width, bool right, bool last, FILE *to)
{
	int space = (int)(width - print_width(text));

	if (right)
		fprintf(to, "%*s", space, "");
	print_safe(text, to);
	if (!last)
		fprintf(to, "%*s  ", right ? 0 : space, "");
}

static void print_rows(const json_t *rows, FILE *to)
{
	const char *column[COLUMNS_MAX], *key;
	size_t width[COLUMNS_MAX], columns = 0, i;
	bool number[COLUMNS_MAX];
	json_t *row, *value;

	json_array_foreach (rows, i, row)
		json_object_foreach (row, key, value) {
			size_t c = 0;
			char *text = print_text(value);

			while (c < columns && strcmp(column[c], key) != 0)
				c++;
			if (c == columns && columns < COLUMNS_MAX) {
				column[c] = key;
				width[c] = print_width(key);
				number[c] = true;
				columns++;
			}
			if (c < columns) {
				if (print_width(text) > width[c])
					width[c] = print_width(text);
				number[c] = number[c] && json_is_number(value);
			}
			free(text);
		}
	if (!columns) {
		fputs("none\n", to);
		return;
	}
	for (size_t c = 0; c < columns; c++)
		print_cell(column[c], width[c], number[c], c + 1 == columns, to);
	fputc('\n', to);
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < columns; c++) {
			char *text = print_text(json_object_get(row, column[c]));

			print_cell(text, width[c], number[c], c + 1 == columns, to);
			free(text);
		}
		fputc('\n', to);
	}
}

void ctl_print(const json_t *answer, FILE *to)
{
	const char *error = json_string_value(json_object_get(answer, "error")),
		   *text = json_string_value(json_object_get(answer, "text"));
	json_t *object = json_object_get(answer, "object"), *rows = json_object_get(answer, "rows");
	json_t *item;
	size_t i;

	if (object)
		print_object(object, to);
	if (rows)
		print_rows(rows, to);
	if (object && text)
		fputc('\n', to);
	if (text)
		fputs(text, to);
	if (error) {
		fputs("sipwardctl: ", stderr);
		print_safe(error, stderr);
		fputc('\n', stderr);
	}
	json_array_foreach (json_object_get(answer, "errors"), i, item)
		if (json_is_string(item)) {
			print_safe(json_string_value(item), stderr);
			fputc('\n', stderr);
		}
	json_array_foreach (json_object_get(answer, "missing"), i, item)
		if (json_is_string(item)) {
			fputs("sipwardctl: no answer from ", stderr);
			print_safe(json_string_value(item), stderr);
			fputc('\n', stderr);
		}
}
