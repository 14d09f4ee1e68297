/* status_commands.c - status, counters and metrics: the gateway as a whole. */
#include "commands.h"

#include "answer.h"
#include "common/clock.h"
#include "master/certificates/certificates.h"
#include "master/jail/jail_report.h"
#include "master/hep.h"
#include "master/master.h"
#include "master/workers/drain.h"
#include "master/workers/quarantine.h"
#include "metrics.h"
#include "worker/jail.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of what is said of the collector of section hep. */
#define STATUS_COLLECTOR_MAX 256

static uint64_t status_counter(const struct worker_slot *w, enum counter c)
{
	return __atomic_load_n(&w->page->counter[c], __ATOMIC_RELAXED);
}

/* "main until 2027-03-01" ..., after what is wrong with them. */
static json_t *status_certificates(const struct master *m)
{
	const struct certificate_set *set = certificates_committed(m->certificates);
	json_t *list = json_array();

	json_array_append_new(list, json_string(certificates_state(m->certificates)));
	for (size_t i = 0; set && i < set->count; i++) {
		char text[160], date[DATE_TEXT_SIZE];

		snprintf(text, sizeof(text), "%s until %s", set->entry[i].name,
			certificate_expiry_text(&set->entry[i], date));
		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* One word where it holds for all live workers; else what holds for each. */
static json_t *status_jail(const struct supervisor *s)
{
	json_t *list = json_array();
	const char *all = NULL;
	bool same = true;

	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *w = &s->worker[i];
		const char *mode = jail_mode(w);
		char text[64];

		if (!*mode)
			continue;
		same = same && (!all || strcmp(all, mode) == 0);
		all = mode;
		snprintf(text, sizeof(text), "%s-%u %s", role_name(w->role), w->index, mode);
		json_array_append_new(list, json_string(text));
	}
	if (!same)
		return list;
	json_decref(list);
	return json_string(all ? all : "");
}

/* Steps that live workers could not take, with the workers where it is not all of them. */
static json_t *status_missing_steps(const struct supervisor *s)
{
	json_t *list = json_array();

	for (unsigned step = 1; step < JAIL_STEP_COUNT; step++) {
		const char *name = jail_step_name((enum jail_step)step);
		unsigned live = 0, lack = 0;
		char text[64];

		for (unsigned i = 0; i < s->count; i++) {
			live += worker_lives(&s->worker[i]);
			lack += jail_lacks(&s->worker[i], step);
		}
		if (lack && lack == live)
			json_array_append_new(list, json_string(name));
		for (unsigned i = 0; i < s->count && lack < live; i++) {
			const struct worker_slot *w = &s->worker[i];

			if (!jail_lacks(w, step))
				continue;
			snprintf(text, sizeof(text), "%s of %s-%u", name, role_name(w->role),
				w->index);
			json_array_append_new(list, json_string(text));
		}
	}
	return list;
}

static void status_add(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void status_add(json_t *list, const char *format, ...)
{
	char text[CERTIFICATES_TEXT_MAX + 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(list, json_string(text));
}

/* What a worker lacks of what the config asks for. */
static void status_worker_lacks(json_t *list, const struct config *c, const struct worker_slot *w)
{
	if (w->retired || w->leaving)
		return;
	if (w->state != WORKER_READY)
		status_add(list, "%s-%u is %s", role_name(w->role), w->index,
			worker_state_name(w->state));
	else if (w->lost.text[0] && w->lost.index < c->listener_count)
		status_add(list, "%s-%u: client-ca of listener \"%s\" %s", role_name(w->role),
			w->index, c->listeners[w->lost.index].name, w->lost.text);
	else if (w->lost.text[0])
		status_add(list, "%s-%u%s %s", role_name(w->role), w->index,
			w->lost.index == CERTIFICATES_ALL ? "" : ": tls trust", w->lost.text);
}

/* Why it is degraded; empty where it is not. */
static json_t *status_degraded(const struct master *m)
{
	const struct certificate_set *set = certificates_committed(m->certificates);
	const char *certificates = certificates_state(m->certificates);
	int64_t now = clock_realtime_s();
	json_t *list = json_array();

	for (unsigned i = 0; i < m->supervisor.count; i++)
		status_worker_lacks(list, m->config, &m->supervisor.worker[i]);
	/* "in force", "none", or what is wrong */
	if (strchr(certificates, ':'))
		status_add(list, "certificates %s", certificates);
	for (size_t i = 0; set && i < set->count; i++) {
		char date[DATE_TEXT_SIZE];

		if (set->entry[i].not_after && set->entry[i].not_after < now &&
			!strchr(certificates, ':'))
			status_add(list, "certificate \"%s\" expired at %s", set->entry[i].name,
				certificate_expiry_text(&set->entry[i], date));
	}
	return list;
}

/* The users of all domains: their number stands at the head of what workers have of them. */
static json_int_t status_users(const struct supervisor *s)
{
	struct users head;

	if (pread(s->users, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return 0;
	return head.count - head.of_trunks;
}

void command_status(struct master *m, struct request *r, json_t *arguments)
{
	const struct supervisor *s = &m->supervisor;
	unsigned ready = 0, workers = 0;
	char collector[STATUS_COLLECTOR_MAX];
	json_t *listeners = json_array(), *degraded = status_degraded(m);

	(void)arguments;
	for (unsigned i = 0; i < s->count; i++) {
		ready += s->worker[i].state == WORKER_READY;
		workers += !s->worker[i].retired;
	}
	for (size_t i = 0; i < m->config->listener_count; i++) {
		const struct config_listener *l = &m->config->listeners[i];
		char text[ENDPOINT_TEXT_SIZE + 24], bound[ENDPOINT_TEXT_SIZE];

		if (!listen_is_open(&m->listen, (unsigned)i))
			continue;
		endpoint_text(&l->bind, bound);
		snprintf(text, sizeof(text), "%s:%s%s", transport_name(l->transport), bound,
			l->gone ? " (removed)" : "");
		for (char *c = text; *c && *c != ':'; c++)
			*c = (char)tolower((unsigned char)*c);
		json_array_append_new(listeners, json_string(text));
	}
	json_t *object = json_pack("{s:s, s:s, s:i, s:I, s:I, s:i, s:i, s:I, s:I, s:o}", "state",
		drain_is_stop(s)             ? "stopping"
		: s->drain.mode != DRAIN_OFF ? "draining"
		: json_array_size(degraded)  ? "degraded"
					     : "running",
		"version", SIPWARD_VERSION, "pid", (int)getpid(), "uptime_s",
		(json_int_t)((loop_now(m->loop) - m->started) / 1000), "generation",
		(json_int_t)m->generation, "workers", (int)workers, "workers_ready", (int)ready,
		"worker_deaths", (json_int_t)counters_page->counter[COUNTER_WORKER_DEATHS],
		"slot_epoch", (json_int_t)s->slots.epoch, "listeners", listeners);
	if (s->drain.mode != DRAIN_OFF)
		json_object_set_new(object, "calls_left", json_integer((json_int_t)drain_calls(s)));
	if (json_array_size(degraded))
		json_object_set(object, "degraded", degraded);
	json_decref(degraded);
	json_object_set_new(object, "ipc", json_string(carrier_name(s->carrier)));
	json_object_set_new(object, "jail", status_jail(s));
	json_object_set_new(object, "jail_missing", status_missing_steps(s));
	json_object_set_new(
		object, "quarantined", json_integer((json_int_t)quarantine_count(m->quarantine)));
	json_object_set_new(object, "certificates", status_certificates(m));
	if (hep_state(m, collector, sizeof(collector)))
		json_object_set_new(object, "collector", json_string(collector));
	json_object_set_new(object, "users", json_integer(status_users(s)));
	/* All gauges, summed over the workers: calls, bindings, trunks up and down among them. */
	for (int c = 0; c < COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		if (!counter_rows[c].gauge)
			continue;
		for (unsigned i = 0; i < s->count; i++)
			sum += status_counter(&s->worker[i], c);
		json_object_set_new(object, counter_rows[c].name, json_integer((json_int_t)sum));
	}
	request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "object", object));
}

void command_counters(struct master *m, struct request *r, json_t *arguments)
{
	const char *all = json_string_value(json_object_get(arguments, "all"));

	if (all && strcasecmp(all, "all") != 0) {
		answer_refused(r, "expected all, found \"%.32s\"", all);
		return;
	}
	answer_rows(r, metrics_rows(&m->supervisor, all != NULL));
}

void command_metrics(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	const struct metrics_source from = {.supervisor = &m->supervisor,
		.certificates = certificates_committed(m->certificates),
		.labels = &m->labels,
		.generation = m->generation};
	char *text = NULL;
	size_t size = 0;
	int error = metrics_text(&from, &text, &size);
	json_t *value = error ? NULL : json_stringn(text, size);

	if (!error)
		free(text);
	if (!value)
		answer_refused(r, "out of memory");
	else
		request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "text", value));
}
