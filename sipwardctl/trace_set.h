/* trace_set.h - messages and decisions of calls, collected from a gateway and put in order. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_SET_H
#define SIPWARD_SIPWARDCTL_TRACE_SET_H

#include "client.h"
#include "common/str.h"

/* What a trace is of. NULL: not that. */
struct trace_wish {
	const struct options *options;
	const char *call, *user, *trunk, *source;
};

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
	json_t *index;   /* place of each message by its worker and number; NULL: to be made anew */
	json_t *calls;   /* records of calls, as in CDRs */
	json_t *missing; /* workers that did not answer */
};

/* Asks for what the wish names, and for the other legs of the same calls; puts it in order. 0, or
 * an exit code after having said why. trace_set_free in any case. */
int trace_set_collect(struct trace_set *t, const struct trace_wish *w);
void trace_set_free(struct trace_set *t);

/* Asks for messages with that filter since a time, and adds those that are not there yet. 0, or an
 * exit code. */
int trace_set_ask(
	struct trace_set *t, const struct options *o, const char *filter, uint64_t since_us);
/* A new event behind the others, all zero but for its order. It stays where it is until the next
 * one. */
struct trace_event *trace_set_new(struct trace_set *t);
/* The events are about to have other places. */
void trace_set_forget_places(struct trace_set *t);
/* Makes notes of the records of calls, gives each event its group, and sorts. */
void trace_set_order(struct trace_set *t);

/* The header's value, or an empty string; compact is its compact form, or "". */
struct str trace_message_header(struct str message, const char *name, const char *compact);
/* What an arrow says of a message: "INVITE (SDP)", "200 OK (BYE)". Printable ASCII. */
void trace_message_label(const struct trace_event *e, char *buffer, size_t size);

#endif
