/* web_ladder.c - see web_ladder.h. It asks as sipwardctl does (trace_commands.c): first for the
 * records of the call, which name its other legs, then for the messages of one leg after the
 * other. */
#include "web_ladder.h"

#include "commands.h"
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct web_ladder {
	struct master *master;
	json_t *object; /* what there is so far */
	json_t *legs;   /* Call-IDs */
	size_t leg;     /* the next one that is asked for */
	void (*done)(void *arg, json_t *object);
	void *arg;
};

static void web_ladder_end(struct web_ladder *l)
{
	struct web_ladder ended = *l;

	json_decref(l->legs);
	free(l);
	ended.done(ended.arg, ended.object);
}

static void web_ladder_add_leg(struct web_ladder *l, const json_t *row)
{
	const char *id = json_string_value(json_object_get(row, "call-id"));
	const json_t *have;
	size_t i;

	json_array_foreach (l->legs, i, have)
		if (id && strcmp(json_string_value(have), id) == 0)
			return;
	if (id && *id && json_array_size(l->legs) < WEB_LADDER_LEGS)
		json_array_append_new(l->legs, json_string(id));
}

static void web_ladder_add_legs(struct web_ladder *l, const json_t *calls)
{
	const json_t *call, *target;
	size_t i, k;

	json_array_foreach (calls, i, call) {
		web_ladder_add_leg(l, call);
		json_array_foreach (json_object_get(call, "targets"), k, target)
			web_ladder_add_leg(l, target);
	}
}

static void web_ladder_ask(struct web_ladder *l, const char *call,
	void (*command)(struct master *m, struct request *r, json_t *arguments),
	void (*answered)(void *arg, json_t *answer))
{
	struct request *r = request_of_ours(answered, l);
	char filter[300];
	json_t *arguments;

	if (!r) {
		web_ladder_end(l);
		return;
	}
	snprintf(filter, sizeof(filter), "call:%s", call);
	arguments = json_pack("{s:s}", "filter", filter);
	command(l->master, r, arguments);
	json_decref(arguments);
}

static void web_ladder_next(struct web_ladder *l);

static void web_ladder_on_messages(void *arg, json_t *answer)
{
	struct web_ladder *l = arg;
	json_t *messages = json_object_get(l->object, "messages"), *row;
	size_t i;

	json_array_foreach (json_object_get(answer, "rows"), i, row)
		if (json_array_size(messages) < WEB_LADDER_ROWS)
			json_array_append(messages, row);
	json_decref(answer);
	web_ladder_next(l);
}

static void web_ladder_next(struct web_ladder *l)
{
	const char *leg = json_string_value(json_array_get(l->legs, l->leg));

	l->leg++;
	if (leg)
		web_ladder_ask(l, leg, command_trace_messages, web_ladder_on_messages);
	else
		web_ladder_end(l);
}

static void web_ladder_on_calls(void *arg, json_t *answer)
{
	struct web_ladder *l = arg;
	json_t *rows = json_object_get(answer, "rows");

	if (rows) {
		json_object_set(l->object, "calls", rows);
		web_ladder_add_legs(l, rows);
	}
	json_decref(answer);
	web_ladder_next(l);
}

void web_ladder_gather(
	struct master *m, const char *call, void (*done)(void *arg, json_t *object), void *arg)
{
	struct web_ladder *l = calloc(1, sizeof(*l));

	if (!l) {
		done(arg, NULL);
		return;
	}
	*l = (struct web_ladder){.master = m, .done = done, .arg = arg};
	l->object = json_pack("{s:[], s:[]}", "calls", "messages");
	l->legs = json_pack("[s]", call);
	if (l->object && l->legs)
		web_ladder_ask(l, call, command_trace_calls, web_ladder_on_calls);
	else
		web_ladder_end(l);
}
