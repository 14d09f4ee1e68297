/* trunk_commands.c - what sipwardctl says of trunks. Their state is known to SIP workers, all of
 * which are asked: each counts its own requests, and the one that pings a trunk knows best the
 * rest. Which trunks are disabled is the master's to know (struct supervisor). */
#include "trunk_commands.h"

#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/control/query_words.h"
#include "master/master.h"

#include <errno.h>
#include <stdlib.h>

/* A question about trunks under way. */
struct trunk_question {
	struct master *m;
	struct request *r;
	char name[NAME_MAX_LENGTH + 1]; /* empty: all */
	bool targets;                   /* of all trunks */
};

static const struct config_trunk *trunk_find(const struct master *m, const char *name)
{
	for (size_t i = 0; i < m->config->trunk_count; i++)
		if (strcmp(m->config->trunks[i].name, name) == 0)
			return &m->config->trunks[i];
	return NULL;
}

/* The trunk that is meant, or NULL after having refused. */
static const struct config_trunk *trunk_argument(
	struct master *m, struct request *r, json_t *arguments)
{
	const char *name = json_string_value(json_object_get(arguments, "trunk"));
	const struct config_trunk *t = name ? trunk_find(m, name) : NULL;

	if (!t)
		answer_refused(r, "there is no trunk \"%.200s\"", name ? name : "");
	return t;
}

static bool trunk_is_disabled(const struct master *m, const char *name)
{
	uint64_t id = trunk_id(str_of(name));

	for (unsigned i = 0; i < m->supervisor.trunks.count; i++)
		if (m->supervisor.trunks.trunk[i] == id)
			return true;
	return false;
}

static json_int_t trunk_number(const json_t *row, const char *name)
{
	return json_integer_value(json_object_get(row, name));
}

static bool trunk_text_is(const json_t *row, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(row, name));

	return value && strcmp(value, text) == 0;
}

/* What the workers say of one target together, or of one address of a target that is a name. */
struct trunk_target {
	const json_t *best; /* of the worker that pings it, else of any; NULL: nobody knows it */
	json_int_t requests, successes, failures;
};

/* "": the target has an address itself, or its name has none. */
static const char *trunk_address(const json_t *row)
{
	const char *address = json_string_value(json_object_get(row, "address"));

	return address ? address : "";
}

static bool trunk_is_of_target(const json_t *row, const struct config_trunk *t, size_t index)
{
	return trunk_text_is(row, "trunk", t->name) &&
	       trunk_text_is(row, "target", t->targets[index].uri) &&
	       trunk_number(row, "index") == (json_int_t)index;
}

/* Together with the rows that say the same address of it over the same transport as that one. */
static struct trunk_target trunk_target_of(
	const json_t *rows, const struct config_trunk *t, size_t index, const json_t *like)
{
	struct trunk_target out = {NULL, 0, 0, 0};
	const char *transport = json_string_value(json_object_get(like, "transport"));
	size_t i;
	const json_t *row;

	json_array_foreach (rows, i, row) {
		if (!trunk_is_of_target(row, t, index) ||
			strcmp(trunk_address(row), trunk_address(like)) != 0 ||
			(transport && !trunk_text_is(row, "transport", transport)))
			continue;
		if (!out.best || trunk_number(row, "owner"))
			out.best = row;
		out.requests += trunk_number(row, "requests");
		out.successes += trunk_number(row, "successes");
		out.failures += trunk_number(row, "failures");
	}
	return out;
}

/* Whether an earlier row says the same address, over the same transport. */
static bool trunk_is_repeated(
	const json_t *rows, const struct config_trunk *t, size_t index, size_t at)
{
	const json_t *row = json_array_get(rows, at);
	const char *transport = json_string_value(json_object_get(row, "transport"));

	for (size_t i = 0; i < at; i++) {
		const json_t *before = json_array_get(rows, i);

		if (trunk_is_of_target(before, t, index) &&
			strcmp(trunk_address(before), trunk_address(row)) == 0 &&
			(!transport || trunk_text_is(before, "transport", transport)))
			return true;
	}
	return false;
}

/* The next row at or behind *at that says something new of the target, or NULL. The workers may not
 * agree on what a name has for a moment: then a name without an address says nothing. */
static const json_t *trunk_next(
	const json_t *rows, const struct config_trunk *t, size_t index, size_t *at)
{
	for (; *at < json_array_size(rows); (*at)++)
		if (trunk_is_of_target(json_array_get(rows, *at), t, index) &&
			!trunk_is_repeated(rows, t, index, *at))
			return json_array_get(rows, (*at)++);
	return NULL;
}

static bool trunk_is_registration(const json_t *row, const struct config_trunk *t)
{
	return trunk_text_is(row, "trunk", t->name) && json_object_get(row, "registration");
}

/* What the worker that registers the trunk says of it, of more than one flow of one that lives;
 * NULL: nothing. */
static const json_t *trunk_registration(const json_t *rows, const struct config_trunk *t)
{
	const json_t *row, *said = NULL;
	size_t i;

	json_array_foreach (rows, i, row)
		if (trunk_is_registration(row, t) &&
			(!said || !trunk_text_is(said, "registration", "registered")))
			said = row;
	return said;
}

/* Whether calls are to wait for a binding that does not stand. */
static bool trunk_misses_binding(const json_t *rows, const struct config_trunk *t)
{
	const json_t *said = trunk_registration(rows, t);

	return t->register_s && t->register_required && said &&
	       !trunk_text_is(said, "registration", "registered");
}

/* In words. Just after a start nobody may know yet: no worker says anything of its targets, or of
 * what the server answers to our first REGISTER. */
static const char *trunk_state(const struct master *m, const json_t *rows,
	const struct config_trunk *t, bool said, bool up)
{
	bool misses = trunk_misses_binding(rows, t);

	if (trunk_is_disabled(m, t->name))
		return "disabled";
	if (up && !misses)
		return "up";
	if (!said ||
		(up && trunk_text_is(trunk_registration(rows, t), "registration", "registering")))
		return "unknown";
	return "down";
}

static void trunk_add_registration(json_t *out, const json_t *rows, const struct config_trunk *t)
{
	static const char *const names[] = {
		"registration", "registered_s", "registration_status", "next_s"};
	const json_t *said = trunk_registration(rows, t);
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(said, names[i]);

		json_object_set(out, names[i], value ? value : json_null());
	}
}

static json_t *trunk_row(const struct master *m, const json_t *rows, const struct config_trunk *t)
{
	unsigned up = 0;
	bool said = false;
	json_int_t requests = 0, failures = 0;
	json_t *targets = json_array();

	for (size_t k = 0; k < t->target_count; k++) {
		const json_t *row;
		bool alive = false;
		size_t at = 0;

		while ((row = trunk_next(rows, t, k, &at))) {
			struct trunk_target target = trunk_target_of(rows, t, k, row);

			said = true;
			alive |= trunk_text_is(target.best, "state", "up");
			requests += target.requests;
			failures += target.failures;
		}
		up += alive;
		json_array_append_new(targets, json_string(t->targets[k].uri));
	}
	json_t *out = json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:i, s:o}", "trunk", t->name,
		"state", trunk_state(m, rows, t, said, up > 0), "zone",
		m->config->zones[t->zone].name, "targets_up", (int)up, "targets",
		(int)t->target_count, "requests", requests, "failures", failures, "ping_s",
		(int)t->ping, "target", targets);
	trunk_add_registration(out, rows, t);
	return out;
}

/* Whether a registration was made, or tried last, at that address of the target. */
static bool trunk_is_registered_at(const json_t *said, size_t index, const char *address)
{
	const char *at = json_string_value(json_object_get(said, "registration_address"));

	return json_object_get(said, "registration_index") &&
	       trunk_number(said, "registration_index") == (json_int_t)index &&
	       strcmp(at ? at : "", address ? address : "") == 0;
}

/* Of the target where we are registered, or where it was tried last, what became of that. */
static void trunk_add_target_registration(
	json_t *out, const json_t *rows, const struct config_trunk *t, size_t index)
{
	const char *address = json_string_value(json_object_get(out, "address"));
	const json_t *row, *here = NULL;
	size_t i;

	json_array_foreach (rows, i, row)
		if (trunk_is_registration(row, t) && trunk_is_registered_at(row, index, address))
			here = row;
	json_object_set(
		out, "registration", here ? json_object_get(here, "registration") : json_null());
	if (t->outbound)
		json_object_set(out, "keep_alive_s",
			here ? json_object_get(here, "keep_alive_s") : json_null());
}

static json_t *trunk_target_row(
	const json_t *rows, const struct config_trunk *t, size_t index, const json_t *like)
{
	struct trunk_target target = trunk_target_of(rows, t, index, like);
	json_t *row = json_pack("{s:s, s:i, s:i}", "target", t->targets[index].uri, "priority",
		(int)t->targets[index].priority, "weight", (int)t->targets[index].weight);
	static const char *const names[] = {"state", "since_s", "reason", "rtt_ms", "history"};
	static const char *const of_names[] = {"address", "transport", "ttl_s", "error"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(target.best, names[i]);

		json_object_set(row, names[i], value ? value : json_null());
	}
	json_object_set_new(row, "requests", json_integer(target.requests));
	json_object_set_new(row, "successes", json_integer(target.successes));
	json_object_set_new(row, "failures", json_integer(target.failures));
	for (size_t i = 0; i < sizeof(of_names) / sizeof(of_names[0]) && t->targets[index].name;
		i++) {
		json_t *value = json_object_get(target.best, of_names[i]);

		json_object_set(row, of_names[i], value ? value : json_null());
	}
	if (t->register_s)
		trunk_add_target_registration(row, rows, t, index);
	return row;
}

/* One row, or of a name one for each address. */
static void trunk_target_rows(
	json_t *out, const json_t *rows, const struct config_trunk *t, size_t index)
{
	size_t at = 0, before = json_array_size(out);
	const json_t *row;

	while ((row = trunk_next(rows, t, index, &at)))
		json_array_append_new(out, trunk_target_row(rows, t, index, row));
	if (json_array_size(out) == before) /* no worker has answered */
		json_array_append_new(out, trunk_target_row(rows, t, index, NULL));
}

/* Of all targets, with the trunk's name. */
static void trunk_all_target_rows(json_t *out, const json_t *rows, const struct config_trunk *t)
{
	size_t first = json_array_size(out);

	for (size_t k = 0; k < t->target_count; k++)
		trunk_target_rows(out, rows, t, k);
	for (size_t i = first; i < json_array_size(out); i++)
		json_object_set_new(json_array_get(out, i), "trunk", json_string(t->name));
}

static void trunk_answered(void *arg, json_t *rows, json_t *missing)
{
	struct trunk_question *q = arg;
	const struct config *c = q->m->config;
	json_t *out = json_array();

	for (size_t i = 0; i < c->trunk_count && !q->name[0] && !q->targets; i++)
		json_array_append_new(out, trunk_row(q->m, rows, &c->trunks[i]));
	for (size_t i = 0; i < c->trunk_count && q->targets; i++)
		trunk_all_target_rows(out, rows, &c->trunks[i]);
	/* it may have gone with a reload meanwhile */
	const struct config_trunk *t = q->name[0] ? trunk_find(q->m, q->name) : NULL;
	for (size_t k = 0; t && k < t->target_count; k++)
		trunk_target_rows(out, rows, t, k);
	json_decref(rows);
	answer_found(q->r, out, missing);
	free(q);
}

/* How many requests the worker has sent that does this for the trunk. */
static void trunk_answer_sent(
	struct trunk_question *q, json_t *rows, json_t *missing, const char *name, const char *does)
{
	json_int_t sent = query_rows_sum(rows, "pinged");

	json_decref(rows);
	if (sent) {
		request_answer(q->r, json_pack("{s:b, s:{s:s, s:I}, s:o}", "ok", 1, "object",
					     "trunk", q->name, name, sent, "missing", missing));
	} else {
		json_decref(missing);
		answer_refused(q->r, "the worker that %s trunk \"%s\" is not there", does, q->name);
	}
	free(q);
}

static void trunk_pinged(void *arg, json_t *rows, json_t *missing)
{
	trunk_answer_sent(arg, rows, missing, "pinged", "pings");
}

static void trunk_resolved(void *arg, json_t *rows, json_t *missing)
{
	trunk_answer_sent(arg, rows, missing, "asked", "asks for the names of");
}

static void trunk_ask_of(struct master *m, struct request *r, uint16_t what, const char *name,
	bool targets, query_done done)
{
	struct trunk_question *q = calloc(1, sizeof(*q));
	int error = -ENOMEM;

	if (q) {
		*q = (struct trunk_question){.m = m, .r = r, .targets = targets};
		error = str_copy(str_of(name), q->name, sizeof(q->name));
	}
	if (error == 0)
		error = query_start(&m->queries, PEER_SIP, false, what, name, done, q);
	if (error == 0)
		return;
	free(q);
	query_refuse(r, error);
}

static void trunk_ask(
	struct master *m, struct request *r, uint16_t what, const char *name, query_done done)
{
	trunk_ask_of(m, r, what, name, false, done);
}

void trunk_targets_list(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	trunk_ask_of(m, r, QUERY_TRUNKS, "", true, trunk_answered);
}

void command_trunks_list(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	trunk_ask(m, r, QUERY_TRUNKS, "", trunk_answered);
}

void command_trunks_show(struct master *m, struct request *r, json_t *arguments)
{
	const struct config_trunk *t = trunk_argument(m, r, arguments);

	if (t)
		trunk_ask(m, r, QUERY_TRUNKS, t->name, trunk_answered);
}

void command_trunks_ping(struct master *m, struct request *r, json_t *arguments)
{
	const struct config_trunk *t = trunk_argument(m, r, arguments);

	if (t)
		trunk_ask(m, r, QUERY_TRUNK_PING, t->name, trunk_pinged);
}

void command_trunks_resolve(struct master *m, struct request *r, json_t *arguments)
{
	const struct config_trunk *t = trunk_argument(m, r, arguments);
	bool named = false;

	for (size_t k = 0; t && k < t->target_count; k++)
		named |= t->targets[k].name != NULL;
	if (t && !named)
		answer_refused(r, "trunk \"%s\" has no target that is a name", t->name);
	else if (t)
		trunk_ask(m, r, QUERY_TRUNK_RESOLVE, t->name, trunk_resolved);
}

/* ---- registration ---- */

static void trunk_ordered(void *arg, json_t *rows, json_t *missing)
{
	struct trunk_question *q = arg;
	bool done = json_array_size(rows) > 0;

	json_decref(rows);
	if (done) {
		request_answer(
			q->r, json_pack("{s:b, s:{s:s, s:s}, s:o}", "ok", 1, "object", "trunk",
				      q->name, "result", "asked; trunks list tells what came of it",
				      "missing", missing));
	} else {
		json_decref(missing);
		answer_refused(q->r, "trunk \"%s\" is not registered by any worker that is there",
			q->name);
	}
	free(q);
}

static void trunk_order(struct master *m, struct request *r, json_t *arguments, uint16_t what)
{
	const struct config_trunk *t = trunk_argument(m, r, arguments);

	if (t && !t->register_s)
		answer_refused(r, "trunk \"%s\" has no option register", t->name);
	else if (t)
		trunk_ask(m, r, what, t->name, trunk_ordered);
}

void command_trunks_register(struct master *m, struct request *r, json_t *arguments)
{
	trunk_order(m, r, arguments, QUERY_TRUNK_REGISTER);
}

void command_trunks_unregister(struct master *m, struct request *r, json_t *arguments)
{
	trunk_order(m, r, arguments, QUERY_TRUNK_UNREGISTER);
}

/* ---- no new calls ---- */

/* Leaves out those that the config has no more. */
static void trunks_prune(struct master *m)
{
	struct lifeline_trunks *d = &m->supervisor.trunks;
	unsigned kept = 0;

	for (unsigned i = 0; i < d->count; i++) {
		bool there = false;

		for (size_t k = 0; k < m->config->trunk_count; k++)
			there |= d->trunk[i] == trunk_id(str_of(m->config->trunks[k].name));
		if (there)
			d->trunk[kept++] = d->trunk[i];
	}
	d->count = kept;
}

static void trunk_set(struct master *m, struct request *r, json_t *arguments, bool disable)
{
	const struct config_trunk *t = trunk_argument(m, r, arguments);
	struct lifeline_trunks *d = &m->supervisor.trunks;
	unsigned kept = 0;

	if (!t)
		return;
	trunks_prune(m);
	uint64_t id = trunk_id(str_of(t->name));
	for (unsigned i = 0; i < d->count; i++)
		if (d->trunk[i] != id)
			d->trunk[kept++] = d->trunk[i];
	d->count = kept;
	if (disable)
		d->trunk[d->count++] = id; /* a config has LIFELINE_TRUNKS_MAX trunks at most */
	for (unsigned i = 0; i < m->supervisor.count; i++)
		if (m->supervisor.worker[i].role == PEER_SIP)
			worker_tell(&m->supervisor.worker[i], LIFELINE_TRUNKS, d, sizeof(*d), -1);
	request_answer(r, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object", "trunk", t->name,
				  "state", disable ? "disabled" : "enabled"));
}

void command_trunks_disable(struct master *m, struct request *r, json_t *arguments)
{
	trunk_set(m, r, arguments, true);
}

void command_trunks_enable(struct master *m, struct request *r, json_t *arguments)
{
	trunk_set(m, r, arguments, false);
}

_Static_assert(LIFELINE_TRUNKS_MAX >= TRUNKS_MAX, "all can be disabled");
