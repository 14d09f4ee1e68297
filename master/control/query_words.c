/* query_words.c - see query_words.h. */
#include "query_words.h"

#include "answer.h"
#include "ipc/query_argument.h"
#include "master/master.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The argument of a command with that name in a request. False: it has none. */
static bool query_word_find(enum command command, const char *name, struct command_argument *out)
{
	const char *spec = command_rows[command].arguments;

	while (command_argument_next(&spec, out))
		if (strcmp(out->name, name) == 0)
			return true;
	return false;
}

static bool query_word_is_number(const struct command_argument *a)
{
	return strcmp(a->value, "SECONDS") == 0 || strcmp(a->value, "NUMBER") == 0;
}

bool query_words(
	struct request *r, enum command command, json_t *arguments, char out[QUERY_ARGUMENT_MAX])
{
	const char *name;
	json_t *value;

	out[0] = '\0';
	json_object_foreach (arguments, name, value) {
		struct command_argument a;
		const char *text = json_is_true(value) ? "yes" : json_string_value(value);
		uint64_t number;
		int error;

		if (!query_word_find(command, name, &a)) {
			answer_refused(r, "%s has no argument \"%.64s\"",
				command_rows[command].name, name);
			return false;
		}
		if (!text || (query_word_is_number(&a) && !query_number(str_of(text), &number))) {
			answer_refused(r, "%s%s: expected a %s%s%.64s%s", a.flag ? "--" : "",
				a.name, query_word_is_number(&a) ? "number" : "text",
				text ? ", found \"" : "", text ? text : "", text ? "\"" : "");
			return false;
		}
		error = query_argument_add(out, QUERY_ARGUMENT_MAX, a.name, text);
		if (error) {
			answer_refused(r, "%s%s %s", a.flag ? "--" : "", a.name,
				error == -EINVAL ? "has a control character" : "is too long");
			return false;
		}
	}
	return true;
}

void query_refuse(struct request *r, int error)
{
	answer_refused(
		r, "%s", error == -EAGAIN ? "too many questions are under way" : strerror(-error));
}

json_int_t query_rows_sum(const json_t *rows, const char *name)
{
	json_int_t sum = 0;

	for (size_t i = 0; i < json_array_size(rows); i++)
		sum += json_integer_value(json_object_get(json_array_get(rows, i), name));
	return sum;
}

static void query_rows_found(void *arg, json_t *rows, json_t *missing)
{
	answer_found(arg, rows, missing);
}

void query_ask_rows(
	struct master *m, struct request *r, unsigned role, uint16_t what, const char *argument)
{
	int error = query_start(&m->queries, role, false, what, argument, query_rows_found, r);

	if (error < 0)
		query_refuse(r, error);
}

void query_ask_words(struct master *m, struct request *r, enum command command, json_t *arguments,
	bool one, uint16_t what, query_done done)
{
	struct query_question *q = calloc(1, sizeof(*q));
	int error = q ? 0 : -ENOMEM;

	if (q && !query_words(r, command, arguments, q->words)) {
		free(q);
		return;
	}
	if (error == 0) {
		q->r = r;
		q->command = command;
		error = query_start(&m->queries, PEER_SIP, one, what, q->words, done, q);
	}
	if (error == 0)
		return;
	free(q);
	query_refuse(r, error);
}

/* Takes the rows {"matched": N} out of a list's, adds them up, and keeps at most limit of the
 * others (0: all). Returns the sum. A worker is not trusted: it may say any. */
static json_int_t query_rows_limit(json_t **rows, json_int_t limit)
{
	json_t *kept = json_array(), *row;
	json_int_t matched = 0;
	size_t i;

	json_array_foreach (*rows, i, row) {
		json_t *number = json_object_get(row, "matched");

		if (number)
			matched += json_integer_value(number);
		else if (!limit || json_array_size(kept) < (size_t)limit)
			json_array_append(kept, row);
	}
	json_decref(*rows);
	*rows = kept;
	return matched;
}

static void query_listed(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;
	json_int_t limit = (json_int_t)query_argument_number(q->words, "limit", QUERY_LISTED),
		   matched = query_rows_limit(&rows, limit);
	json_t *answer;

	if (query_argument(q->words, "count").p) {
		json_decref(rows);
		answer = json_pack("{s:b, s:{s:I}, s:o}", "ok", 1, "object",
			command_rows[q->command].name, matched, "missing", missing);
	} else {
		bool more = matched > (json_int_t)json_array_size(rows);

		answer = json_pack("{s:b, s:o, s:o}", "ok", 1, "rows", rows, "missing", missing);
		if (more)
			json_object_set_new(answer, "matched", json_integer(matched));
	}
	request_answer(q->r, answer);
	free(q);
}

void query_ask_list(struct master *m, struct request *r, enum command command, json_t *arguments,
	bool one, uint16_t what)
{
	query_ask_words(m, r, command, arguments, one, what, query_listed);
}
