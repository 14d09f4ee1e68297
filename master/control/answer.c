/* answer.c - see answer.h. */
#include "answer.h"

void answer_refused(struct request *r, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", text);
	request_answer(r, answer ? answer : json_pack("{s:b, s:s}", "ok", 0, "error", "not text"));
}

void answer_errors(struct request *r, const char *text, const struct config_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(
			list, json_string(errors->text[i])
				      ?: json_string("an error whose text is not UTF-8"));
	request_answer(r, json_pack("{s:b, s:s, s:o}", "ok", 0, "error", text, "errors", list));
}

void answer_found(struct request *r, json_t *rows, json_t *missing)
{
	request_answer(r, json_pack("{s:b, s:o, s:o}", "ok", 1, "rows", rows, "missing", missing));
}

void answer_rows(struct request *r, json_t *rows)
{
	request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}
