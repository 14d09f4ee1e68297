/* trace_set.h - messages and decisions of calls, as a gateway tells them, put in order: for
 * sipwardctl and for the page of sipward-web. */
#ifndef SIPWARD_IPC_TRACE_SET_H
#define SIPWARD_IPC_TRACE_SET_H

#include "common/str.h"

#include <jansson.h>

/* A message, or what was decided between messages. */
struct trace_event {
	uint64_t at_us; /* of 1970 */
	size_t order;   /* among those of the same time */
	char *note;     /* what was decided; NULL: this is a message */
	bool after;     /* a note that stands behind the message of its time */
	bool last;      /* the note that ends a call */
	bool out;
	int error; /* negative errno: it could not be sent */
	unsigned worker;
	uint64_t number;
	char *peer, *local, *transport;
	char *bytes;    /* of the message, as far as they were kept */
	size_t n, size; /* how many they are, and how many the message had */
	char *call_id;  /* of notes that of the caller's leg */
	size_t group;   /* number of its call, or of its Call-ID where it belongs to none */
};

struct trace_set {
	struct trace_event *event;
	size_t count, room;
	size_t groups;
	size_t *place; /* of the events, group by group and in their order; begin: where in it each
	                * group begins, and one more behind the last. Once they are in order */
	size_t *begin;
	json_t *index;   /* place of each message by its worker and number; NULL: to be made anew */
	json_t *calls;   /* records of calls, as in CDRs */
	json_t *missing; /* workers that did not answer */
};

void trace_set_free(struct trace_set *t);
/* Adds the messages of these rows that are not there yet. */
void trace_set_add(struct trace_set *t, const json_t *rows);
/* Frees what an event holds. */
void trace_event_clear(struct trace_event *e);

/* A new event behind the others, all zero but for its order. It stays where it is until the next
 * one. */
struct trace_event *trace_set_new(struct trace_set *t);
/* The events are about to have other places. */
void trace_set_forget_places(struct trace_set *t);
/* For each event of a group, in its order; e is a const struct trace_event *. */
#define TRACE_GROUP_EACH(t, group, e)                                                              \
	for (size_t at_ = (t)->begin[group];                                                       \
		at_ < (t)->begin[(group) + 1] && ((e) = &(t)->event[(t)->place[at_]]); at_++)

/* Makes notes of the records of calls, gives each event its group, and sorts. */
void trace_set_order(struct trace_set *t);

/* The header's value, or an empty string; compact is its compact form, or "". */
struct str trace_message_header(struct str message, const char *name, const char *compact);
/* What an arrow says of a message: "INVITE (SDP)", "200 OK (BYE)". Printable ASCII. */
void trace_message_label(const struct trace_event *e, char *buffer, size_t size);

#endif
