/* debug_commands.c - messages that are logged at the level debug, picked by call, user or source.
 * Which ones the master knows (struct supervisor), who tells SIP and transport workers of every
 * life. */
#include "answer.h"
#include "commands.h"
#include "common/clock.h"
#include "master/config/units.h"
#include "master/master.h"

#include <stdio.h>

#define DEBUG_FOR_MS (10 * 60 * 1000u)           /* where no time is given */
#define DEBUG_FOR_MOST_MS (24u * 60 * 60 * 1000) /* longer is forgotten */

static const char *const debug_kinds[] = {
	[DEBUG_CALL] = "call", [DEBUG_USER] = "user", [DEBUG_SOURCE] = "source"};

/* Takes out those that are over. */
static struct lifeline_debug *debug_current(struct master *m)
{
	struct lifeline_debug *d = &m->supervisor.debug;
	uint64_t now = clock_monotonic_ms();
	unsigned kept = 0;

	for (unsigned i = 0; i < d->count; i++)
		if (now < d->watch[i].until)
			d->watch[kept++] = d->watch[i];
	d->count = kept;
	return d;
}

static void debug_tell(struct master *m)
{
	struct lifeline_debug *d = &m->supervisor.debug;

	for (unsigned i = 0; i < m->supervisor.count; i++)
		if (role_has(m->supervisor.worker[i].role, ROLE_MESSAGES))
			worker_tell(&m->supervisor.worker[i], LIFELINE_DEBUG, d, sizeof(*d), -1);
}

static void debug_answer(struct master *m, struct request *r)
{
	const struct lifeline_debug *d = debug_current(m);
	uint64_t now = clock_monotonic_ms();
	json_t *rows = json_array();

	for (unsigned i = 0; i < d->count; i++)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:I}", "by", debug_kinds[d->watch[i].kind],
				      "value", d->watch[i].value, "left_s",
				      (json_int_t)((d->watch[i].until - now + 999) / 1000)));
	answer_rows(r, rows);
}

/* Reads what is picked: kind 0 where nothing is. False: the request has been refused. */
static bool debug_pick(struct request *r, json_t *arguments, struct lifeline_debug_watch *w)
{
	*w = (struct lifeline_debug_watch){.kind = 0};
	for (unsigned kind = DEBUG_CALL; kind <= DEBUG_SOURCE; kind++) {
		const char *value = json_string_value(
			json_object_get(arguments, debug_kinds[kind]));

		if (!value)
			continue;
		if (w->kind) {
			answer_refused(r, "one of --call, --user and --source is picked");
			return false;
		}
		w->kind = (uint8_t)kind;
		if (!*value || str_copy(str_of(value), w->value, sizeof(w->value))) {
			answer_refused(r, "--%s has 1 to %zu bytes", debug_kinds[kind],
				sizeof(w->value) - 1);
			return false;
		}
	}
	if (w->kind == DEBUG_SOURCE && prefix_parse(str_of(w->value), &w->sources)) {
		answer_refused(r, "--source is an address or a network, as 192.0.2.0/24");
		return false;
	}
	return true;
}

/* Forgets the ones like w, or all where w picks nothing. */
static void debug_forget(struct lifeline_debug *d, const struct lifeline_debug_watch *w)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < d->count; i++)
		if (w->kind &&
			(d->watch[i].kind != w->kind || strcmp(d->watch[i].value, w->value) != 0))
			d->watch[kept++] = d->watch[i];
	d->count = kept;
}

/* False: the request has been refused. */
static bool debug_add(
	struct master *m, struct request *r, json_t *arguments, struct lifeline_debug_watch *w)
{
	struct lifeline_debug *d = debug_current(m);
	const char *text = json_string_value(json_object_get(arguments, "for"));
	uint64_t ms = DEBUG_FOR_MS;

	if (text && (unit_duration(str_of(text), &ms) || !ms || ms > DEBUG_FOR_MOST_MS)) {
		answer_refused(
			r, "expected a time up to 24h, as in \"15m\", found \"%.100s\"", text);
		return false;
	}
	debug_forget(d, w);
	if (d->count == DEBUG_WATCHES_MAX) {
		answer_refused(r, "%d are picked, and more are not possible: debug off",
			DEBUG_WATCHES_MAX);
		return false;
	}
	w->until = clock_monotonic_ms() + ms;
	d->watch[d->count++] = *w;
	return true;
}

void command_debug(struct master *m, struct request *r, json_t *arguments)
{
	const char *word = json_string_value(json_object_get(arguments, "switch"));
	bool off = word && strcmp(word, "off") == 0;
	struct lifeline_debug_watch w;

	if (word && !off && strcmp(word, "on") != 0 && strcmp(word, "list") != 0) {
		answer_refused(r, "expected on, off or list, found \"%.64s\"", word);
		return;
	}
	if (!debug_pick(r, arguments, &w))
		return;
	if (word && strcmp(word, "on") == 0 && !w.kind) {
		answer_refused(r, "--call, --user or --source is needed; for all: log level debug");
		return;
	}
	if (word && strcmp(word, "list") == 0 && json_object_size(arguments) > 1) {
		answer_refused(r, "list takes nothing else; it shows all that are picked");
		return;
	}
	if (off)
		debug_forget(debug_current(m), &w);
	else if (w.kind && !debug_add(m, r, arguments, &w))
		return;
	if (off || w.kind)
		debug_tell(m);
	debug_answer(m, r);
}
