/* stream_parts.h - shared by the parts of a stream: stream.c (its life), stream_input.c,
 * stream_output.c, stream_sent.c (the requests written to it), stream_keep_alive.c and streams.c
 * (all of them). Nobody else includes it. */
#ifndef SIPWARD_TRANSPORT_STREAM_PARTS_H
#define SIPWARD_TRANSPORT_STREAM_PARTS_H

#include "stream.h"

/* All streams of a transport worker. A dead stream stays in memory until the end of the turn. */
struct streams {
	struct transport_worker *t;
	struct stream *all;
	struct stream *dirty; /* have something to write at the end of the turn */
	struct stream *dead;  /* are freed at the end of the turn */
	struct stream *again; /* have more to read without an event */
	size_t count;         /* of all */
	size_t queued;        /* bytes over all queues */
	bool stopped;         /* nothing is read any more */
	char scratch[STREAM_TURN_BYTES];
};

/* Whether bytes are read from the stream at all. While it waits for answers they are dropped, so
 * that its end does not reset the answers away, and its peer's end is seen. */
static inline bool stream_may_read(const struct stream *s)
{
	switch (s->state) {
	case STREAM_OPEN: return !s->streams->stopped;
	case STREAM_DRAINING: return !s->ended && s->discarded < STREAM_DISCARD_MAX;
	case STREAM_LINGERING: return true;
	default: return false;
	}
}

/* Sets the events that the stream waits for, according to its state. */
void stream_watch(struct stream *s);
/* Everything is written: tells the peer, and gives it STREAM_LINGER_MS to read it. */
void stream_linger(struct stream *s);

/* A request was written to the stream, whose failure is reported to the SIP worker by cookie. */
void stream_sent_note(struct stream *s, uint16_t worker, uint64_t cookie);
/* Nothing comes by the stream any more: reports what was written lately as unanswered, and frees
 * the notes. */
void stream_sent_fail(struct stream *s);

/* Whether the bytes begin with the pong that the stream waits for: a CRLF. */
bool stream_keep_alive_is_pong(const struct stream *s, struct str bytes);
/* A pong has come, or what can only be meant as one. */
void stream_keep_alive_answered(struct stream *s);
/* No more pings. */
void stream_keep_alive_end(struct stream *s);

/* Reads what one event has brought, and what the layer still holds of earlier ones. After
 * STREAM_TURN_BYTES the rest has its turn after the other streams. May end the stream. */
void stream_receive_all(struct stream *s);

/* Puts the stream on the list of those that are flushed at the end of the turn. */
void stream_make_dirty(struct stream *s);
/* Writes what is queued, as far as the layer takes it; lingers when a finishing stream has nothing
 * left. May end the stream. */
void stream_flush(struct stream *s);
/* Drops what is queued and reports each message of it as failed with error (negative errno). */
void stream_fail_queue(struct stream *s, int error);

#endif
