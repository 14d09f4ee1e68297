/* trace_collect.c - see trace_collect.h.
 *
 * What an operator asks for names one leg: the records of calls say which others belong to it, and
 * their messages are asked for as well. Relies on: the rows of "trace messages" and "trace calls".
 */
#include "trace_collect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* With more Call-IDs than these all messages are asked for at once. */
#define TRACE_IDS_ASKED 8
/* How much older than new messages the records are that are looked through, where not those of some
 * Call-IDs alone are asked for. */
#define TRACE_CALLS_BACK_US 60000000

static const char *trace_text(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static json_t *trace_set_exchange(struct trace_set *t, const struct options *o, const char *command,
	const char *filter, uint64_t since_us, int *code)
{
	char since[24];
	json_t *answer;
	size_t i;
	json_t *item;

	snprintf(since, sizeof(since), "%" PRIu64, since_us);
	answer = client_exchange(o, json_pack("{s:s, s:{s:s, s:s}}", "command", command,
					    "arguments", "filter", filter, "since", since));
	if (!answer) {
		*code = EXIT_UNREACHABLE;
		return NULL;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		*code = client_print(o, answer);
		return NULL;
	}
	if (!t->missing)
		t->missing = json_array();
	json_array_foreach (json_object_get(answer, "missing"), i, item)
		json_array_append(t->missing, item);
	return answer;
}

/* Asks for messages with that filter since a time, and adds those that are not there yet. */
static int trace_set_ask(
	struct trace_set *t, const struct options *o, const char *filter, uint64_t since_us)
{
	int code = EXIT_DONE;
	json_t *answer = trace_set_exchange(t, o, "trace messages", filter, since_us, &code);

	if (!answer)
		return code;
	trace_set_add(t, json_object_get(answer, "rows"));
	json_decref(answer);
	return EXIT_DONE;
}

/* ---- which calls ---- */

static bool trace_ids_has(const json_t *ids, const char *id)
{
	return *id && json_object_get(ids, id);
}

static void trace_ids_add(json_t *ids, const char *id)
{
	if (*id)
		json_object_set_new(ids, id, json_true());
}

static bool trace_call_is_one(const json_t *ids, const json_t *call)
{
	bool is = trace_ids_has(ids, trace_text(call, "call-id"));
	json_t *target;
	size_t i;

	json_array_foreach (json_object_get(call, "targets"), i, target)
		is |= trace_ids_has(ids, trace_text(target, "call-id"));
	return is;
}

static void trace_ids_add_call(json_t *ids, const json_t *call)
{
	json_t *target;
	size_t i;

	trace_ids_add(ids, trace_text(call, "call-id"));
	json_array_foreach (json_object_get(call, "targets"), i, target)
		trace_ids_add(ids, trace_text(target, "call-id"));
}

static bool trace_set_has_call(const struct trace_set *t, const json_t *call)
{
	const json_t *other;
	size_t i;

	json_array_foreach (t->calls, i, other)
		if (json_equal(
			    json_object_get(other, "call-id"), json_object_get(call, "call-id")) &&
			json_equal(json_object_get(other, "start"), json_object_get(call, "start")))
			return true;
	return false;
}

/* Asks for records; keeps those of calls that have to do with ids, whose other Call-IDs are
 * added. of_all: all of them have. */
static int trace_set_ask_calls(struct trace_set *t, const struct options *o, const char *filter,
	uint64_t since_us, bool of_all, json_t *ids)
{
	int code = EXIT_DONE;
	json_t *answer = trace_set_exchange(t, o, "trace calls", filter, since_us, &code), *row;
	size_t i;

	if (!answer)
		return code;
	if (!t->calls)
		t->calls = json_array();
	json_array_foreach (json_object_get(answer, "rows"), i, row)
		if ((of_all || trace_call_is_one(ids, row)) && !trace_set_has_call(t, row)) {
			json_array_append(t->calls, row);
			trace_ids_add_call(ids, row);
		}
	json_decref(answer);
	return code;
}

static void trace_set_note_ids(const struct trace_set *t, json_t *ids)
{
	for (size_t i = 0; i < t->count; i++)
		trace_ids_add(ids, t->event[i].call_id);
}

/* Asks for the messages of all ids. */
static int trace_set_ask_ids(
	struct trace_set *t, const struct options *o, const json_t *ids, uint64_t since_us)
{
	int code = EXIT_DONE;
	const char *id;
	json_t *value;

	if (json_object_size(ids) > TRACE_IDS_ASKED)
		return trace_set_ask(t, o, "all", since_us);
	json_object_foreach ((json_t *)(uintptr_t)ids, id, value) {
		char filter[300];

		snprintf(filter, sizeof(filter), "call:%s", id);
		if (code == EXIT_DONE)
			code = trace_set_ask(t, o, filter, since_us);
	}
	return code;
}

/* Leaves only messages of these ids. */
static void trace_set_keep(struct trace_set *t, const json_t *ids)
{
	trace_set_forget_places(t);
	for (size_t i = 0; i < t->count;) {
		struct trace_event *e = &t->event[i];

		if (trace_ids_has(ids, e->call_id)) {
			i++;
			continue;
		}
		trace_event_clear(e);
		*e = t->event[--t->count];
	}
}

static int trace_set_collect_ids(struct trace_set *t, const struct trace_wish *w, json_t *ids)
{
	char filter[300];
	int code = EXIT_DONE;

	if (w->call) {
		trace_ids_add(ids, w->call);
	} else if (w->trunk) {
		snprintf(filter, sizeof(filter), "trunk:%s", w->trunk);
		return trace_set_ask_calls(t, w->options, filter, 0, true, ids);
	} else {
		if (w->user || w->source)
			snprintf(filter, sizeof(filter), "%s:%s", w->user ? "user" : "source",
				w->user ? w->user : w->source);
		code = trace_set_ask(t, w->options, w->user || w->source ? filter : "all", 0);
		trace_set_note_ids(t, ids);
	}
	return code == EXIT_DONE ? trace_set_ask_calls(t, w->options, "all", 0, false, ids) : code;
}

int trace_set_collect(struct trace_set *t, const struct trace_wish *w)
{
	json_t *ids = json_object();
	int code = trace_set_collect_ids(t, w, ids);

	if (code == EXIT_DONE && (w->call || w->trunk || w->user || w->source))
		code = trace_set_ask_ids(t, w->options, ids, 0);
	if (code == EXIT_DONE) {
		if (w->call || w->trunk || w->user || w->source)
			trace_set_keep(t, ids);
		trace_set_order(t);
	}
	json_decref(ids);
	return code;
}

/* ---- what is new ---- */

/* Asks for the new messages of what the wish names, whose Call-IDs are added to ids. */
static int trace_set_ask_new(
	struct trace_set *t, const struct trace_wish *w, uint64_t since_us, json_t *ids)
{
	char filter[300];
	int code = EXIT_DONE;

	if (w->call) {
		trace_ids_add(ids, w->call);
	} else if (w->trunk) {
		snprintf(filter, sizeof(filter), "trunk:%s", w->trunk);
		code = trace_set_ask_calls(t, w->options, filter,
			json_object_size(ids) ? since_us - TRACE_CALLS_BACK_US : 0, true, ids);
	} else {
		snprintf(filter, sizeof(filter), "%s:%s", w->user ? "user" : "source",
			w->user ? w->user : w->source);
		code = trace_set_ask(t, w->options, filter, since_us);
		trace_set_note_ids(t, ids);
	}
	return code == EXIT_DONE ? trace_set_ask_ids(t, w->options, ids, since_us) : code;
}

/* Asks for the records of the calls that the messages are of, and adds their Call-IDs to ids. */
static int trace_set_ask_records(
	struct trace_set *t, const struct options *o, uint64_t since_us, json_t *ids)
{
	json_t *seen = json_object(), *value;
	int code = EXIT_DONE;
	const char *id;

	trace_set_note_ids(t, seen);
	if (json_object_size(seen) > TRACE_IDS_ASKED)
		code = trace_set_ask_calls(
			t, o, "all", since_us - TRACE_CALLS_BACK_US, false, seen);
	else
		json_object_foreach (seen, id, value) {
			char filter[300];

			snprintf(filter, sizeof(filter), "call:%s", id);
			if (code == EXIT_DONE)
				code = trace_set_ask_calls(t, o, filter, 0, true, ids);
		}
	json_object_update(ids, seen);
	json_decref(seen);
	return code;
}

int trace_set_collect_new(
	struct trace_set *t, const struct trace_wish *w, uint64_t since_us, const json_t *follow)
{
	bool filtered = w->call || w->trunk || w->user || w->source;
	json_t *ids = json_copy((json_t *)(uintptr_t)follow);
	int code = filtered ? trace_set_ask_new(t, w, since_us, ids)
	                    : trace_set_ask(t, w->options, "all", since_us);

	if (code == EXIT_DONE)
		code = trace_set_ask_records(t, w->options, since_us, ids);
	/* the other legs of these calls */
	if (code == EXIT_DONE && filtered)
		code = trace_set_ask_ids(t, w->options, ids, since_us);
	if (code == EXIT_DONE && filtered)
		trace_set_keep(t, ids);
	if (code == EXIT_DONE)
		trace_set_order(t);
	json_decref(ids);
	return code;
}
