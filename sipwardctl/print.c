/* print.c - tables for people. */
#include "print.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 64
/* A column that is cut to fit the terminal keeps so much, or its head; those that still do not fit
 * are left out, the last ones first. */
#define CELL_LEAST 12
#define BETWEEN 2

/* Values may come from anybody's SIP messages: nothing in them may reach the terminal as a control
 * sequence (C0, DEL, and C1 in UTF-8). */
void ctl_print_text(const char *text, FILE *to)
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

		ctl_print_text(key, to);
		fprintf(to, "%*s  ", (int)(widest - print_width(key)), "");
		ctl_print_text(text, to);
		fputc('\n', to);
		free(text);
	}
}

size_t print_terminal(FILE *to)
{
	const char *columns = getenv("COLUMNS");
	unsigned long number = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize size;

	if (number)
		return number;
	if (!isatty(fileno(to)) || ioctl(fileno(to), TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

/* Cuts text to width characters; the last one says so. */
static void print_cut(char *text, size_t width)
{
	char *at = text;

	if (print_width(text) <= width)
		return;
	for (size_t n = 0; n + 1 < width; n++)
		do
			at++;
		while (((unsigned char)*at & 0xc0) == 0x80);
	/* Where the last character is shorter than the mark there is at least what was cut. */
	*at++ = '~';
	*at = '\0';
}

static void print_cell(const char *text, size_t width, bool right, bool last, FILE *to)
{
	int space = (int)(width - print_width(text));

	if (right)
		fprintf(to, "%*s", space, "");
	ctl_print_text(text, to);
	if (!last)
		fprintf(to, "%*s  ", right ? 0 : space, "");
}

struct print_table {
	const char *column[COLUMNS_MAX];
	size_t width[COLUMNS_MAX], columns;
	bool number[COLUMNS_MAX];
};

static void print_measure(struct print_table *t, const char *key, const json_t *value)
{
	size_t c = 0;
	char *text = print_text(value);

	while (c < t->columns && strcmp(t->column[c], key) != 0)
		c++;
	if (c == t->columns && t->columns < COLUMNS_MAX) {
		t->column[c] = key;
		t->width[c] = print_width(key);
		t->number[c] = true;
		t->columns++;
	}
	if (c < t->columns) {
		if (print_width(text) > t->width[c])
			t->width[c] = print_width(text);
		t->number[c] = t->number[c] && json_is_number(value);
	}
	free(text);
}

/* What a column may be cut to. */
static size_t print_least(const struct print_table *t, size_t c)
{
	size_t head = print_width(t->column[c]), least = head > CELL_LEAST ? head : CELL_LEAST;

	return t->number[c] || t->width[c] < least ? t->width[c] : least;
}

/* Makes the table fit: leaves out columns that there is no room for, and cuts the widest ones.
 * Returns how many columns are left. */
static size_t print_fit(struct print_table *t, size_t terminal)
{
	size_t left = 0, least = 0, total = 0;

	while (left < t->columns && (!left || least + BETWEEN + print_least(t, left) <= terminal)) {
		least += print_least(t, left) + (left ? BETWEEN : 0);
		total += t->width[left] + (left ? BETWEEN : 0);
		left++;
	}
	while (total > terminal) {
		size_t widest = left;

		for (size_t c = 0; c < left; c++)
			if (t->width[c] > print_least(t, c) &&
				(widest == left || t->width[c] > t->width[widest]))
				widest = c;
		if (widest == left)
			break;
		t->width[widest]--;
		total--;
	}
	return left;
}

static void print_left_out(const struct print_table *t, size_t left)
{
	if (left == t->columns)
		return;
	fputs("sipwardctl: no room for", stderr);
	for (size_t c = left; c < t->columns; c++)
		fprintf(stderr, "%s %s", c == left ? "" : ",", t->column[c]);
	fputs("; --json has all\n", stderr);
}

static void print_rows(const json_t *rows, FILE *to)
{
	struct print_table t = {.columns = 0};
	size_t i, terminal = print_terminal(to);
	const char *key;
	json_t *row, *value;

	json_array_foreach (rows, i, row)
		json_object_foreach (row, key, value)
			print_measure(&t, key, value);
	if (!t.columns) {
		fputs("none\n", to);
		return;
	}
	size_t left = terminal ? print_fit(&t, terminal) : t.columns;
	for (size_t c = 0; c < left; c++)
		print_cell(t.column[c], t.width[c], t.number[c], c + 1 == left, to);
	fputc('\n', to);
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < left; c++) {
			char *text = print_text(json_object_get(row, t.column[c]));

			print_cut(text, t.width[c]);
			print_cell(text, t.width[c], t.number[c], c + 1 == left, to);
			free(text);
		}
		fputc('\n', to);
	}
	print_left_out(&t, left);
}

void ctl_print(const json_t *answer, FILE *to)
{
	const char *error = json_string_value(json_object_get(answer, "error")),
		   *text = json_string_value(json_object_get(answer, "text"));
	json_t *object = json_object_get(answer, "object"), *rows = json_object_get(answer, "rows"),
	       *matched = json_object_get(answer, "matched");
	json_t *item;
	size_t i;

	if (object)
		print_object(object, to);
	if (object && rows)
		fputc('\n', to);
	if (rows)
		print_rows(rows, to);
	if (matched)
		fprintf(stderr, "sipwardctl: %zu of %lld; --limit 0 shows all\n",
			json_array_size(rows), (long long)json_integer_value(matched));
	if (object && text)
		fputc('\n', to);
	if (text)
		fputs(text, to);
	if (error) {
		fputs("sipwardctl: ", stderr);
		ctl_print_text(error, stderr);
		fputc('\n', stderr);
	}
	json_array_foreach (json_object_get(answer, "errors"), i, item)
		if (json_is_string(item)) {
			ctl_print_text(json_string_value(item), stderr);
			fputc('\n', stderr);
		}
	json_array_foreach (json_object_get(answer, "missing"), i, item)
		if (json_is_string(item)) {
			fputs("sipwardctl: no answer from ", stderr);
			ctl_print_text(json_string_value(item), stderr);
			fputc('\n', stderr);
		}
}
