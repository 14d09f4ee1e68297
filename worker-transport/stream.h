/* stream.h - one connection that carries SIP: framing in, a bounded queue out, its time limits (RFC 3261 section 18, RFC 5626 section 4.4.1).
 *
 * Between the socket and the framing stands a layer: plain TCP in tcp.c; TLS and WebSocket are others.
 */
#ifndef SIPWARD_TRANSPORT_STREAM_H
#define SIPWARD_TRANSPORT_STREAM_H

#include "../common/loop.h"
#include "flow.h"
#include "frame.h"

#include <sys/types.h>
#include <sys/uio.h>

struct source;
struct stream;
struct streams;
struct transport_worker;

/* Bytes read from a stream before others get their turn. */
#define STREAM_TURN_BYTES 65536
/* After its last byte was written a stream is kept this long for the peer to read it: closing earlier could reset it away. */
#define STREAM_LINGER_MS 2000

/* What carries the bytes. Results are counts of bytes or 0, or -errno; -EAGAIN: not now. A layer that waits for another event than the direction it was asked for adds it to stream->wants. */
struct stream_layer {
	int (*open)(struct stream *s);       /* goes on opening: 0 once open; NULL: open from the start */
	ssize_t (*receive)(struct stream *s, void *room, size_t size); /* 0: the peer has ended */
	ssize_t (*send)(struct stream *s, const struct iovec *iov, unsigned n);
	void (*shut)(struct stream *s);      /* nothing more will be sent */
	void (*end)(struct stream *s);       /* frees stream->layer_state, or NULL; the fd is the stream's */
};

enum stream_state {
	STREAM_OPENING,   /* connecting, shaking hands: what is sent is queued */
	STREAM_OPEN,
	STREAM_FINISHING, /* writes what is queued, then ends; takes nothing new */
	STREAM_LINGERING, /* all is written and shut; waits for the peer to end */
	STREAM_DEAD       /* freed at the end of the turn */
};

struct chunk;

struct stream {
	struct flow_node node;
	struct streams *streams;
	const struct stream_layer *layer;
	void *layer_state;
	struct source *held;       /* the place it takes among its source's connections */
	struct loop_source *source;
	uint32_t events, wants;
	int fd;
	enum stream_state state;
	bool outgoing;
	bool named;                /* its id still holds */
	bool begun;                /* part of a message has come: deadline runs */
	bool dirty;                /* on the list of what has something to write */
	bool blocked;              /* the layer took no more: waits for room */
	struct stream *next, **link; /* all streams */
	struct stream *next_dirty, *next_dead;
	struct timer deadline;     /* of opening, of a message, of lingering */
	struct timer idle;
	uint64_t opened, active;   /* ms */
	uint64_t messages_in, messages_out;
	/* in */
	struct frame frame;
	char *in;
	size_t in_used, in_size;
	/* out */
	struct chunk *first, **last;
	size_t queued;             /* bytes, the cost of keeping them included */
};

int streams_new(struct streams **out, struct transport_worker *t); /* -ENOMEM */
void streams_free(struct streams *ss);
size_t streams_count(const struct streams *ss);
/* The most streams: the setting, or what the fd limit leaves. */
size_t streams_max(const struct streams *ss);

/* A stream over fd (non-blocking), which it owns on success. flow: all but the id. held: from admit_connect, given back with the stream. -errno. */
int stream_new(struct streams *ss, int fd, const struct flow *flow, const struct stream_layer *layer, bool outgoing, struct source *held, struct stream **out);

/* Queues bytes; written at the end of the turn. 0; -ENOTCONN it takes nothing any more; -EAGAIN its queue was full, and it has been closed: a peer that does not read is of no use. */
int stream_send(struct stream *s, const struct outgoing *out);

/* Ends it now: its id names nothing any more, watchers are told, what is queued fails with error (negative errno). */
void stream_close(struct stream *s, int error);
/* Ends it after what is queued is written. */
void stream_finish(struct stream *s);

/* Closes all streams of a source that was banned on listener. */
void streams_close_source(struct streams *ss, unsigned listener, const struct endpoint *source);

/* Writes what is queued and frees the dead: at the end of each turn. */
void streams_flush(struct streams *ss);
/* Calls visit for each stream that is not dead; visit may close it. */
void streams_each(struct streams *ss, void (*visit)(struct stream *s, void *arg), void *arg);
/* Bytes that are still queued. */
size_t streams_queued(const struct streams *ss);
/* Reads no more. */
void streams_stop(struct streams *ss);

#endif
