/* call_commands.c - what sipwardctl says of calls, which SIP workers know, and ends of them. */
#include "answer.h"
#include "commands.h"
#include "master/master.h"
#include "query_words.h"

#include <stdlib.h>

static const char *call_row_text(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

/* ---- calls ---- */

void command_calls(struct master *m, struct request *r, json_t *arguments)
{
	query_ask_list(m, r, COMMAND_calls, arguments, false, QUERY_CALLS);
}

/* ---- calls show ---- */

/* The callee's Call-IDs of the calls that an ID may mean: each has its own. */
static void call_refuse_several(struct request *r, json_t *rows)
{
	char text[512];
	size_t i, n = 0;
	json_t *row;

	json_array_foreach (rows, i, row)
		if (n < sizeof(text) && json_object_get(row, "state"))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
				call_row_text(row, "callee-call-id"));
	answer_refused(r, "several calls are meant; their callees' legs are %s", text);
}

static void call_shown(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;
	json_t *call = NULL, *row, *targets = json_array();
	unsigned calls = 0;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (json_object_get(row, "target")) {
			json_array_append(targets, json_object_get(row, "target"));
		} else {
			call = row;
			calls++;
		}
	}
	if (calls == 1)
		request_answer(q->r, json_pack("{s:b, s:O, s:o, s:o}", "ok", 1, "object", call,
					     "rows", targets, "missing", missing));
	else if (calls)
		call_refuse_several(q->r, rows);
	else
		answer_refused(q->r, "no call has a leg whose Call-ID is or begins with that%s",
			json_array_size(missing) ? "; not all workers have answered" : "");
	if (calls != 1) {
		json_decref(targets);
		json_decref(missing);
	}
	json_decref(rows);
	free(q);
}

static bool call_has_id(struct request *r, json_t *arguments)
{
	const char *id = json_string_value(json_object_get(arguments, "id"));

	if (!id || !*id)
		answer_refused(r, "an \"id\" is needed: a Call-ID");
	return id && *id;
}

void command_calls_show(struct master *m, struct request *r, json_t *arguments)
{
	if (call_has_id(r, arguments))
		query_ask_words(m, r, COMMAND_calls_show, arguments, false, QUERY_CALL, call_shown);
}

/* ---- calls end ---- */

static void call_ended(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;
	json_int_t ended = query_rows_sum(rows, "ended");

	if (ended)
		request_answer(q->r, json_pack("{s:b, s:{s:I}, s:o}", "ok", 1, "object", "ended",
					     ended, "missing", missing));
	else
		answer_refused(q->r, "no call has a leg with exactly that Call-ID%s",
			json_array_size(missing) ? "; not all workers have answered" : "");
	if (!ended)
		json_decref(missing);
	json_decref(rows);
	free(q);
}

void command_calls_end(struct master *m, struct request *r, json_t *arguments)
{
	if (call_has_id(r, arguments))
		query_ask_words(
			m, r, COMMAND_calls_end, arguments, false, QUERY_CALL_END, call_ended);
}
