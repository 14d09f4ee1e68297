/* config_errors.c - see config_errors.h. Relies on nothing. */
#include "config_errors.h"

#include <string.h>
#include <strings.h>

/* The text of the operator's file ends up on a terminal: no escape sequence of it may. */
static void config_error_without_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void config_error_addv(
	struct config_errors *e, const char *file, int line, const char *format, va_list args)
{
	char *text;
	int n;

	if (e->count == CONFIG_ERRORS_MAX) {
		e->dropped++;
		return;
	}
	text = e->text[e->count++];
	file = config_sources_find(e->sources, file, line, &line);
	n = line > 0 ? snprintf(text, CONFIG_ERROR_TEXT_MAX, "%s:%d: ", file, line)
	             : snprintf(text, CONFIG_ERROR_TEXT_MAX, "%s: ", file);
	if (n > 0 && n < CONFIG_ERROR_TEXT_MAX)
		vsnprintf(text + n, CONFIG_ERROR_TEXT_MAX - (size_t)n, format, args);
	config_error_without_controls(text);
	/* the config file is parsed more than once where it has unknown names */
	for (size_t i = 0; i + 1 < e->count; i++)
		if (strcmp(e->text[i], text) == 0) {
			e->count--;
			return;
		}
}

void config_error_add(struct config_errors *e, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_error_addv(e, file, line, format, args);
	va_end(args);
}

void config_errors_print(const struct config_errors *e, FILE *to)
{
	for (size_t i = 0; i < e->count; i++)
		fprintf(to, "%s\n", e->text[i]);
	if (e->dropped)
		fprintf(to, "and %zu more\n", e->dropped);
}

#define WORD_MAX 63
/* Letters of a beginning that may stand for the whole. */
#define WORD_SHORT_MIN 3

/* Edit distance where exchanging two neighbours ("trsut") counts as one step; WORD_MAX where a word
 * is too long to compare. */
static size_t config_word_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	size_t row[3][WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				earlier[j - 2] + 1 < best)
				best = earlier[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

const char *config_nearest(const char *word, const char *const *list, size_t count)
{
	const char *found = NULL;
	size_t length = strlen(word),
	       best = length / 3 + 1; /* more steps than that is another word */

	for (size_t i = 0; i < count; i++) {
		size_t d;

		if (!list[i])
			continue;
		d = strcasecmp(word, list[i]) == 0 ? 0 : config_word_distance(word, list[i]);
		/* "cert": its beginning is a word's short name */
		if (length >= WORD_SHORT_MIN && strncasecmp(word, list[i], length) == 0 && d > 1)
			d = 1;
		if (d < best || (d == best && !found)) {
			best = d;
			found = list[i];
		}
	}
	return found;
}
