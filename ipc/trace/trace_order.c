/* trace_order.c - which messages make a call, what was decided between them, and in which order
 * (trace_set.h).
 *
 * Records of calls count in milliseconds and messages in microseconds, by clocks of two workers: a
 * note about a target stands with the first message to it, and others count from the INVITE.
 * Relies on nothing.
 */
#include "trace_set.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define US_PER_MS 1000
#define US_PER_S 1000000
/* Notes about rules of one call, whatever its record says. */
#define ORDER_RULES_MAX 32

static const char *order_text(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static uint64_t order_number(const json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

/* The time of "2027-03-01T12:00:00.000Z" in microseconds; 0: it is none. */
static uint64_t order_time(const char *text)
{
	struct tm tm = {.tm_mday = 1};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t us;

	if (!rest)
		return 0;
	us = (uint64_t)timegm(&tm) * US_PER_S;
	return *rest == '.' ? us + (uint64_t)atoi(rest + 1) * US_PER_MS : us;
}

/* What is looked for by its Call-ID. */
struct order {
	struct trace_set *set;
	json_t *first, *answer; /* places of the first message, and of the first final response */
	json_t *asked;          /* of the last INVITE that came */
	json_t *call;           /* place of the record that has it for a leg */
};

static json_t *order_object(void)
{
	json_t *object = json_object();

	if (!object)
		abort();
	return object;
}

/* The event of that Call-ID in one of these objects; NULL: there is none. */
static const struct trace_event *order_event(
	const struct order *o, const json_t *places, const char *call_id)
{
	const json_t *place = json_object_get(places, call_id);

	return place ? &o->set->event[json_integer_value(place)] : NULL;
}

static void order_note_earlier(struct order *o, json_t *places, size_t i)
{
	const struct trace_event *e = &o->set->event[i], *have = order_event(o, places, e->call_id);

	if (*e->call_id && (!have || e->at_us < have->at_us))
		json_object_set_new(places, e->call_id, json_integer((json_int_t)i));
}

/* The INVITE of a caller who was challenged comes again, and is decided of then. */
static void order_note_asked(struct order *o, size_t i)
{
	const struct trace_event *e = &o->set->event[i], *have;

	if (e->out || e->n < 7 || strncmp(e->bytes, "INVITE ", 7) != 0 || !*e->call_id)
		return;
	have = order_event(o, o->asked, e->call_id);
	if (!have || e->at_us >= have->at_us)
		json_object_set_new(o->asked, e->call_id, json_integer((json_int_t)i));
}

static bool order_is_answer(const struct trace_event *e)
{
	return !e->out && e->n > 8 && strncmp(e->bytes, "SIP/2.0 ", 8) == 0 && e->bytes[8] >= '2';
}

/* The record that was written first has it. */
static void order_note_leg(struct order *o, const char *call_id, size_t i)
{
	if (!json_object_get(o->call, call_id))
		json_object_set_new(o->call, call_id, json_integer((json_int_t)i));
}

static void order_begin(struct order *o, struct trace_set *t)
{
	json_t *call, *target;
	size_t i, k;

	*o = (struct order){.set = t,
		.first = order_object(),
		.answer = order_object(),
		.asked = order_object(),
		.call = order_object()};
	for (i = 0; i < t->count; i++) {
		if (t->event[i].note)
			continue;
		order_note_earlier(o, o->first, i);
		order_note_asked(o, i);
		if (order_is_answer(&t->event[i]))
			order_note_earlier(o, o->answer, i);
	}
	json_array_foreach (t->calls, i, call) {
		order_note_leg(o, order_text(call, "call-id"), i);
		json_array_foreach (json_object_get(call, "targets"), k, target)
			order_note_leg(o, order_text(target, "call-id"), i);
	}
}

static void order_end(struct order *o)
{
	json_decref(o->first);
	json_decref(o->answer);
	json_decref(o->asked);
	json_decref(o->call);
}

static const struct trace_event *order_first(const struct order *o, const char *call_id)
{
	return order_event(o, o->first, call_id);
}

static void order_note(struct order *o, uint64_t at_us, const char *call_id, const char *format,
	...) __attribute__((format(printf, 4, 5)));
static void order_note(
	struct order *o, uint64_t at_us, const char *call_id, const char *format, ...)
{
	va_list args;
	struct trace_event *e = trace_set_new(o->set);

	e->at_us = at_us;
	e->call_id = strdup(call_id);
	va_start(args, format);
	if (vasprintf(&e->note, format, args) < 0 || !e->call_id)
		abort();
	va_end(args);
}

/* The note that was added last stands with a message: before it, or after it. */
static void order_stand_with(struct order *o, const json_t *places, const char *call_id, bool after)
{
	const struct trace_event *message = order_event(o, places, call_id);
	struct trace_event *note = &o->set->event[o->set->count - 1];

	if (!message)
		return;
	note->at_us = message->at_us;
	note->worker = message->worker;
	note->number = message->number;
	note->after = after;
}

/* "trunk carrier, 192.0.2.1:5060 UDP" */
static void order_target_name(const json_t *target, char *buffer, size_t size)
{
	const char *trunk = order_text(target, "trunk");

	snprintf(buffer, size, "%s%s%s%s %s", *trunk ? "trunk " : "", trunk, *trunk ? ", " : "",
		order_text(target, "address"), order_text(target, "transport"));
}

/* When a target was tried. */
static uint64_t order_target_time(const struct order *o, const json_t *target, uint64_t began_us)
{
	const struct trace_event *first = order_first(o, order_text(target, "call-id"));

	return first ? first->at_us : began_us + order_number(target, "start-ms") * US_PER_MS;
}

static void order_note_targets(struct order *o, const json_t *call, uint64_t began_us)
{
	const json_t *targets = json_object_get(call, "targets");
	const char *call_id = order_text(call, "call-id");

	for (size_t i = 0; i < json_array_size(targets); i++) {
		const json_t *target = json_array_get(targets, i),
			     *next = json_array_get(targets, i + 1);
		const char *outcome = order_text(target, "outcome");
		uint64_t at = order_target_time(o, target, began_us), end;
		char name[300];

		order_target_name(target, name, sizeof(name));
		const char *by = order_text(target, "forwarded-by");
		order_note(o, at, call_id, "target %zu: %s, zone %s%s%s%s%s", i + 1, name,
			order_text(target, "zone"), *by ? ", forwarded by " : "", by,
			*by ? ": " : "", order_text(target, "forwarded-because"));
		order_stand_with(o, o->first, order_text(target, "call-id"), false);
		if (strcmp(outcome, "answered") == 0 && order_number(target, "status") < 300)
			continue;
		if (strcmp(outcome, "pending") == 0)
			continue;
		end = at + order_number(target, "ms") * US_PER_MS;
		if (next && order_target_time(o, next, began_us) < end)
			end = order_target_time(o, next, began_us);
		if (order_number(target, "status"))
			order_note(o, end, call_id,
				"target %zu: %s, %" PRIu64 " after %" PRIu64 " ms%s", i + 1,
				outcome, order_number(target, "status"), order_number(target, "ms"),
				next ? ": the next one" : "");
		else
			order_note(o, end, call_id, "target %zu: %s after %" PRIu64 " ms%s", i + 1,
				outcome, order_number(target, "ms"), next ? ": the next one" : "");
		if (strcmp(outcome, "answered") == 0)
			order_stand_with(o, o->answer, order_text(target, "call-id"), true);
		else if (end == at)
			order_stand_with(o, o->first, order_text(target, "call-id"), true);
	}
}

static void order_note_route(struct order *o, const json_t *call, uint64_t began_us)
{
	const json_t *first = json_array_get(json_object_get(call, "targets"), 0);
	const char *route = order_text(call, "route"), *user = order_text(call, "user");
	uint64_t at = first ? order_target_time(o, first, began_us) : began_us;
	char who[300] = "";

	if (*user)
		snprintf(who, sizeof(who), ", user %s@%s", user, order_text(call, "domain"));
	if (*route)
		order_note(o, at, order_text(call, "call-id"),
			"zone %s%s: route %s (line %" PRIu64 " of the config)",
			order_text(call, "zone"), who, route, order_number(call, "route-line"));
	else
		order_note(o, at, order_text(call, "call-id"), "zone %s%s: no route",
			order_text(call, "zone"), who);
	if (first)
		order_stand_with(o, o->first, order_text(first, "call-id"), false);
	else
		order_stand_with(o, o->asked, order_text(call, "call-id"), true);
}

/* What rules have made of the INVITE, line by line, before the first target. */
static void order_note_rules(struct order *o, const json_t *call, uint64_t began_us)
{
	const json_t *first = json_array_get(json_object_get(call, "targets"), 0);
	const char *rules = order_text(call, "rules");

	for (unsigned i = 0; *rules && i < ORDER_RULES_MAX; i++) {
		size_t n = strcspn(rules, "\n");

		order_note(o, first ? order_target_time(o, first, began_us) : began_us,
			order_text(call, "call-id"), "rule of %.*s", (int)n, rules);
		if (first)
			order_stand_with(o, o->first, order_text(first, "call-id"), false);
		else
			order_stand_with(o, o->asked, order_text(call, "call-id"), true);
		rules += n + (rules[n] != '\0');
	}
}

/* It stands behind all messages of the call (order_put_ends). */
static void order_note_end(struct order *o, const json_t *call, uint64_t began_us)
{
	const json_t *total = json_object_get(call, "total-ms");
	const char *reason = order_text(call, "reason");

	if (!json_is_integer(total))
		return; /* it goes on */
	order_note(o, began_us + (uint64_t)json_integer_value(total) * US_PER_MS,
		order_text(call, "call-id"), "ended by %s: %s, status %" PRIu64 "%s%s",
		order_text(call, "ended-by"), order_text(call, "why"), order_number(call, "status"),
		*reason ? ", Reason: " : "", reason);
	o->set->event[o->set->count - 1].last = true;
}

/* Less than, equal to or greater than 0. */
static int order_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* By time, and within a microsecond by the message that an event is or stands with. */
static int order_compare(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;
	int way = order_numbers(x->at_us, y->at_us);

	if (!way)
		way = order_numbers(x->last, y->last);
	if (!way)
		way = order_numbers(x->worker, y->worker);
	if (!way)
		way = order_numbers(x->number, y->number);
	if (!way)
		way = order_numbers(x->after, y->after);
	if (!way)
		way = order_numbers(!x->note, !y->note);
	return way ? way : order_numbers(x->order, y->order);
}

static void order_sort(struct trace_set *t)
{
	if (t->count)
		qsort(t->event, t->count, sizeof(*t->event), order_compare);
}

/* The note that ends a call stands behind all that is of it. */
static void order_put_ends(struct trace_set *t)
{
	uint64_t *latest = calloc(t->groups + 1, sizeof(*latest));

	if (!latest)
		abort();
	for (size_t i = 0; i < t->count; i++)
		if (t->event[i].at_us > latest[t->event[i].group])
			latest[t->event[i].group] = t->event[i].at_us;
	for (size_t i = 0; i < t->count; i++)
		if (t->event[i].last)
			t->event[i].at_us = latest[t->event[i].group];
	free(latest);
}

/* Its call's group, or that of its Call-ID where it belongs to none. */
static void order_set_group(const struct order *o, json_t *groups, struct trace_event *e)
{
	const json_t *call = json_object_get(o->call, e->call_id);
	const char *name = e->call_id;
	char key[32];

	if (call) {
		snprintf(key, sizeof(key), " %" JSON_INTEGER_FORMAT, json_integer_value(call));
		name = key;
	}
	if (!json_object_get(groups, name))
		json_object_set_new(groups, name, json_integer((json_int_t)o->set->groups++));
	e->group = (size_t)json_integer_value(json_object_get(groups, name));
}

/* Where the events of each group are. */
static void order_note_groups(struct trace_set *t)
{
	t->begin = calloc(t->groups + 2, sizeof(*t->begin));
	t->place = calloc(t->count + 1, sizeof(*t->place));
	if (!t->begin || !t->place)
		abort();
	/* each group's size two behind it, so that filling one in moves its begin to its place */
	for (size_t i = 0; i < t->count; i++)
		t->begin[t->event[i].group + 2]++;
	for (size_t i = 2; i < t->groups + 2; i++)
		t->begin[i] += t->begin[i - 1];
	for (size_t i = 0; i < t->count; i++)
		t->place[t->begin[t->event[i].group + 1]++] = i;
}

void trace_set_order(struct trace_set *t)
{
	json_t *call, *groups = order_object();
	struct order o;
	size_t i;

	for (i = 0; i < t->count; i++)
		if (!t->event[i].call_id)
			t->event[i].call_id = strdup("");
	order_begin(&o, t);
	json_array_foreach (t->calls, i, call) {
		const struct trace_event *first = order_first(&o, order_text(call, "call-id"));
		uint64_t began_us = first ? first->at_us : order_time(order_text(call, "start"));

		order_note_route(&o, call, began_us);
		order_note_rules(&o, call, began_us);
		order_note_targets(&o, call, began_us);
		order_note_end(&o, call, began_us);
	}
	/* places end with this */
	trace_set_forget_places(t);
	order_sort(t);
	for (i = 0; i < t->count; i++)
		order_set_group(&o, groups, &t->event[i]);
	json_decref(groups);
	order_end(&o);
	order_put_ends(t);
	order_sort(t);
	order_note_groups(t);
}
