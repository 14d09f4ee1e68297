/* trace_set.c - see trace_set.h. Relies on the rows of "trace messages". */
#include "trace_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *trace_memory(void *p)
{
	if (!p)
		abort();
	return p;
}

static const char *trace_text(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

struct trace_event *trace_set_new(struct trace_set *t)
{
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->event = trace_memory(realloc(t->event, t->room * sizeof(*t->event)));
	}
	t->event[t->count] = (struct trace_event){.order = t->count};
	return &t->event[t->count++];
}

void trace_event_clear(struct trace_event *e)
{
	free(e->note);
	free(e->peer);
	free(e->local);
	free(e->transport);
	free(e->bytes);
	free(e->call_id);
}

void trace_set_free(struct trace_set *t)
{
	for (size_t i = 0; i < t->count; i++)
		trace_event_clear(&t->event[i]);
	free(t->event);
	free(t->place);
	free(t->begin);
	json_decref(t->index);
	json_decref(t->calls);
	json_decref(t->missing);
	*t = (struct trace_set){.event = NULL};
}

/* ---- messages ---- */

/* The bytes of a text in which each code point below 256 stands for one. */
static size_t trace_bytes(const char *text, char *out)
{
	size_t n = 0;

	while (*text) {
		unsigned char c = (unsigned char)*text++;

		if ((c == 0xc2 || c == 0xc3) && *text) {
			out[n++] = (char)((c & 3) << 6 | ((unsigned char)*text++ & 0x3f));
		} else if (c >= 0x80) {
			out[n++] = 0; /* what stood for a NUL */
			while (((unsigned char)*text & 0xc0) == 0x80)
				text++;
		} else {
			out[n++] = (char)c;
		}
	}
	return n;
}

#define TRACE_KEY_SIZE 32

static void trace_key(unsigned worker, uint64_t number, char key[TRACE_KEY_SIZE])
{
	snprintf(key, TRACE_KEY_SIZE, "%u %" PRIu64, worker, number);
}

static void trace_set_note_place(struct trace_set *t, size_t i)
{
	char key[TRACE_KEY_SIZE];

	trace_key(t->event[i].worker, t->event[i].number, key);
	json_object_set_new(t->index, key, json_integer((json_int_t)i));
}

static struct trace_event *trace_set_find(struct trace_set *t, unsigned worker, uint64_t number)
{
	char key[TRACE_KEY_SIZE];
	const json_t *place;

	if (!t->index) {
		t->index = trace_memory(json_object());
		for (size_t i = 0; i < t->count; i++)
			if (!t->event[i].note)
				trace_set_note_place(t, i);
	}
	trace_key(worker, number, key);
	place = json_object_get(t->index, key);
	return place ? &t->event[json_integer_value(place)] : NULL;
}

void trace_set_forget_places(struct trace_set *t)
{
	json_decref(t->index);
	t->index = NULL;
}

static void trace_set_add_row(struct trace_set *t, const json_t *row)
{
	unsigned worker = (unsigned)json_integer_value(json_object_get(row, "worker"));
	uint64_t number = (uint64_t)json_integer_value(json_object_get(row, "number"));
	size_t offset = (size_t)json_integer_value(json_object_get(row, "offset"));
	const char *text = trace_text(row, "text");
	struct trace_event *e = trace_set_find(t, worker, number);

	if (!e) {
		e = trace_set_new(t);
		e->worker = worker;
		e->number = number;
		trace_set_note_place(t, t->count - 1);
		e->at_us = (uint64_t)json_integer_value(json_object_get(row, "at_us"));
		e->out = strcmp(trace_text(row, "direction"), "out") == 0;
		e->error = (int)json_integer_value(json_object_get(row, "error"));
		e->size = (size_t)json_integer_value(json_object_get(row, "size"));
		e->peer = trace_memory(strdup(trace_text(row, "peer")));
		e->local = trace_memory(strdup(trace_text(row, "local")));
		e->transport = trace_memory(strdup(trace_text(row, "transport")));
	}
	if (offset != e->n)
		return; /* it has come before */
	e->bytes = trace_memory(realloc(e->bytes, e->n + strlen(text) + 1));
	e->n += trace_bytes(text, e->bytes + e->n);
	e->bytes[e->n] = 0;
}

void trace_set_add(struct trace_set *t, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		trace_set_add_row(t, row);
	for (i = 0; i < t->count; i++) {
		struct trace_event *e = &t->event[i];

		if (!e->call_id && !e->note) {
			struct str id = trace_message_header(
				(struct str){e->bytes, e->n}, "Call-ID", "i");

			e->call_id = trace_memory(strndup(id.n ? id.p : "", id.n));
		}
	}
}
