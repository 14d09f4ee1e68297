/* explanation.c - an explanation's rows (explanation.h). */
#include "explanation.h"

#include "json.h"

#include <stdarg.h>
#include <stdio.h>

/* Bytes of what a row says: a header line is cut to it. */
#define EXPLANATION_SAYS_MAX 1024
/* And of the whole row, each byte of which may be escaped. */
#define EXPLANATION_ROW_MAX 8192

static void explanation_row(struct explanation *x, const char *part, struct str name, uint32_t line,
	const struct explanation_place *place, struct str says)
{
	char buffer[EXPLANATION_ROW_MAX];
	struct writer w = WRITER(buffer);

	write_literal(&w, "{");
	write_json_field(&w, "part", str_of(part));
	if (name.n)
		write_json_field(&w, "name", name);
	if (line)
		write_json_number(&w, "line", line);
	if (place) {
		write_json_field(&w, "section", str_of(place->section));
		write_json_field(&w, "of", place->of);
	}
	if (place && place->target != NONE_INDEX)
		write_json_number(&w, "target", place->target);
	write_json_field(&w, "says", says);
	write_json_end(&w);
	if (!w.full)
		x->row(x->arg, writer_text(&w));
}

static struct str explanation_format(char text[EXPLANATION_SAYS_MAX], const char *format,
	va_list arguments) __attribute__((format(printf, 2, 0)));
static struct str explanation_format(
	char text[EXPLANATION_SAYS_MAX], const char *format, va_list arguments)
{
	int n = vsnprintf(text, EXPLANATION_SAYS_MAX, format, arguments);

	if (n < 0)
		return STR_EMPTY;
	return (struct str){text, n < EXPLANATION_SAYS_MAX ? (size_t)n : EXPLANATION_SAYS_MAX - 1};
}

void explanation_say(struct explanation *x, const char *part, struct str name, uint32_t line,
	const char *format, ...)
{
	char text[EXPLANATION_SAYS_MAX];
	va_list arguments;

	va_start(arguments, format);
	explanation_row(x, part, name, line, NULL, explanation_format(text, format, arguments));
	va_end(arguments);
}

void explanation_say_of(struct explanation *x, const char *part, struct str name,
	const struct explanation_place *place, const char *format, ...)
{
	char text[EXPLANATION_SAYS_MAX];
	va_list arguments;

	va_start(arguments, format);
	explanation_row(x, part, name, place ? place->line : 0, place,
		explanation_format(text, format, arguments));
	va_end(arguments);
}

void explanation_answer_reason(
	struct explanation *x, unsigned status, struct str phrase, struct str headers)
{
	if (!phrase.n)
		phrase = str_of(status_reason(status));
	explanation_say(x, "answer", STR_EMPTY, 0, "%u %.*s", status, STR(phrase));
	while (headers.n) {
		size_t end = str_find(headers, '\r');

		if (end)
			explanation_row(
				x, "answer", STR_EMPTY, 0, NULL, (struct str){headers.p, end});
		headers = str_from(headers, end + 2 < headers.n ? end + 2 : headers.n);
	}
}

void explanation_answer(struct explanation *x, unsigned status, struct str headers)
{
	explanation_answer_reason(x, status, STR_EMPTY, headers);
}

/* ---- steps ---- */

void explanation_zone(
	struct explanation *x, const struct settings *s, unsigned zone, bool permitted)
{
	const struct zone_settings *z = settings_zone(s, zone);

	explanation_say(x, "zone", settings_str(s, z->name), 0, "%s, %s%s",
		z->trust ? "trusted" : "not trusted",
		z->trust                    ? "nobody is asked who he is"
		: z->auth == ZONE_AUTH_NONE ? "auth = none"
					    : "auth = digest",
		permitted ? "" : "; this source is none of its sources: dropped without an answer");
}

void explanation_bindings(struct explanation *x, struct str aor, unsigned changed, unsigned count)
{
	explanation_say(
		x, "registrar", aor, 0, "%u bindings change, %u there are then", changed, count);
	explanation_answer(x, 200, STR_EMPTY);
}

void explanation_trunk(
	struct explanation *x, const struct settings *s, unsigned trunk, const char *says)
{
	explanation_say(x, "trunk", settings_trunk_name(s, trunk), 0, "%s", says);
}
