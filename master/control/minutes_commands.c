/* minutes_commands.c - what sipwardctl says of the minutes that lists of numbers give, which SIP
 * workers count. */
#include "answer.h"
#include "commands.h"
#include "query_words.h"

#include <stdlib.h>

static void minutes_listed(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;

	answer_found(q->r, rows, missing);
	free(q);
}

void command_minutes_list(struct master *m, struct request *r, json_t *arguments)
{
	/* They all read the same page. */
	query_ask_words(m, r, COMMAND_minutes_list, arguments, true, QUERY_MINUTES, minutes_listed);
}

static void minutes_were_reset(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;
	json_int_t reset = query_rows_sum(rows, "reset");

	if (reset)
		request_answer(q->r, json_pack("{s:b, s:{s:I}, s:o}", "ok", 1, "object", "reset",
					     reset, "missing", missing));
	else
		answer_refused(q->r, "nothing has been counted today%s",
			json_array_size(missing) ? "; not all workers have answered" : "");
	if (!reset)
		json_decref(missing);
	json_decref(rows);
	free(q);
}

void command_minutes_reset(struct master *m, struct request *r, json_t *arguments)
{
	if (!json_string_value(json_object_get(arguments, "user")))
		answer_refused(r, "a \"user\" is needed: NAME@DOMAIN, or \"all\"");
	else
		/* Each has counted for itself. */
		query_ask_words(m, r, COMMAND_minutes_reset, arguments, false, QUERY_MINUTES_RESET,
			minutes_were_reset);
}
