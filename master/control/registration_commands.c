/* registration_commands.c - what sipwardctl says of registrations, and removals of bindings. */
#include "answer.h"
#include "commands.h"
#include "query_words.h"

#include <stdlib.h>

void command_registrations(struct master *m, struct request *r, json_t *arguments)
{
	/* They all read the same store. */
	query_ask_list(m, r, COMMAND_registrations, arguments, true, QUERY_REGISTRATIONS);
}

static void registrations_removed(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;
	const char *error = NULL, *said;
	json_int_t removed = query_rows_sum(rows, "removed");
	size_t i;
	json_t *row;

	json_array_foreach (rows, i, row) {
		said = json_string_value(json_object_get(row, "error"));
		error = said ? said : error;
	}
	if (removed)
		request_answer(q->r, json_pack("{s:b, s:{s:I}, s:o}", "ok", 1, "object", "removed",
					     removed, "missing", missing));
	else
		answer_refused(q->r, "%.200s%s", error ? error : "there is no such binding",
			json_array_size(missing) ? "; not all workers have answered" : "");
	if (!removed)
		json_decref(missing);
	json_decref(rows);
	free(q);
}

void command_registrations_remove(struct master *m, struct request *r, json_t *arguments)
{
	if (!json_string_value(json_object_get(arguments, "aor")))
		answer_refused(r, "an \"aor\" is needed: an address of record");
	else
		/* The one that writes the record removes them. */
		query_ask_words(m, r, COMMAND_registrations_remove, arguments, false,
			QUERY_REGISTRATION_REMOVE, registrations_removed);
}
