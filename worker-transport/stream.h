/* stream.h - one connection that carries SIP: framing in, a bounded queue out, its time limits (RFC
 * 3261 section 18, RFC 5626 section 4.4.1).
 *
 * Between the socket and the framing stands a layer: plain TCP in tcp.c, TLS in tls.c.
 */
#ifndef SIPWARD_TRANSPORT_STREAM_H
#define SIPWARD_TRANSPORT_STREAM_H

#include "common/loop.h"
#include "flow.h"
#include "worker-transport/parse/frame.h"

#include <sys/types.h>
#include <sys/uio.h>

struct source;
struct stream;
struct streams;
struct transport_worker;

/* Bytes read from a stream before others get their turn. */
#define STREAM_TURN_BYTES 65536
/* The most bytes that a framing puts before a message. */
#define STREAM_HEAD_MAX 16
/* How long at most a peer that was asked for an answer has for it. */
#define STREAM_PROBE_MS 10000
/* After its last byte was written a stream is kept this long for the peer to read it: closing
 * earlier could reset it away. */
#define STREAM_LINGER_MS 2000

/* What carries the bytes. Results are counts of bytes or 0, or -errno; -EAGAIN: not now. A layer
 * that waits for another event than the direction it was asked for adds it to stream->wants. */
struct stream_layer {
	int (*open)(struct stream *s); /* goes on opening: 0 once open; NULL: open from the start.
	                                  With -EAGAIN, wants is set to all that it waits for; 0:
	                                  stream_go_on will be called */
	ssize_t (*receive)(struct stream *s, void *buffer, size_t size); /* 0: the peer has ended */
	bool (*pending)(const struct stream *s); /* bytes were taken off the socket that receive has
	                                            not given yet; NULL: never */
	ssize_t (*send)(struct stream *s, const struct iovec *iov, unsigned n);
	void (*shut)(struct stream *s); /* nothing more will be sent */
	void (*end)(
		struct stream *s); /* frees stream->layer_state, or NULL; the fd is the stream's */
};

/* How messages stand among those bytes, where that is not SIP's own framing: WebSocket. It knows
 * nothing of the layer below. */
struct stream_framing {
	int (*open)(struct stream *s); /* the layer is open; -errno */
	/* How many of the bytes are used up; the rest comes again, with more behind it. May finish
	 * or close the stream. */
	size_t (*take)(struct stream *s, const char *bytes, size_t size);
	/* Writes what goes before a message; its length, or -errno where none can be sent. */
	int (*head)(
		struct stream *s, const void *bytes, size_t size, uint8_t buffer[STREAM_HEAD_MAX]);
	bool (*farewell)(struct stream *s); /* all is written and the stream is to end: true where
	                                       it has queued last words */
	bool (*probe)(struct stream *s);    /* asks a peer that has been silent for an answer: false
	                                       where it cannot */
	void (*end)(struct stream *s);      /* frees stream->framing_state */
};

enum stream_state {
	STREAM_OPENING, /* connecting, shaking hands: what is sent is queued */
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
	const struct stream_framing *framing; /* NULL: SIP's own */
	void *framing_state;
	struct source *held; /* the place it takes among its source's connections */
	struct loop_source *source;
	uint32_t events, wants;
	int fd;
	enum stream_state state;
	bool outgoing;
	bool named;                  /* its id still holds */
	bool begun;                  /* part of a message has come: deadline runs */
	bool dirty;                  /* on the list of what has something to write */
	bool blocked;                /* the layer took no more: waits for room */
	bool again;                  /* on the list of what has more to read without an event */
	struct stream *next, **link; /* all streams */
	struct stream *next_dirty, *next_dead, *next_again;
	struct timer deadline; /* of opening, of a message, of lingering */
	struct timer idle;
	uint64_t probed;         /* ms; when it was asked for an answer last */
	uint64_t opened, active; /* ms */
	uint64_t messages_in, messages_out;
	/* in */
	struct frame frame;
	char *in;
	size_t in_used, in_size;
	/* out */
	struct chunk *first, **last;
	size_t queued; /* bytes, the cost of keeping them included */
};

int streams_new(struct streams **out, struct transport_worker *t); /* -ENOMEM */
void streams_free(struct streams *ss);
size_t streams_count(const struct streams *ss);
/* The most streams: the setting, or what the fd limit leaves. */
size_t streams_max(const struct streams *ss);

/* A stream over fd (non-blocking), which it owns on success. flow: all but the id. held: from
 * admit_connect, given back with the stream. -errno; layer_state is then the caller's still. */
int stream_new(struct streams *ss, int fd, const struct flow *flow,
	const struct stream_layer *layer, void *layer_state, bool outgoing, struct source *held,
	struct stream **out);

/* Goes on with opening: what it waited for besides the socket has come. To be called from the
 * loop. */
void stream_go_on(struct stream *s);

struct transport_worker *stream_worker(const struct stream *s);

/* Queues a message; written at the end of the turn. 0; -ENOTCONN it takes nothing any more; -EAGAIN
 * its queue was full, and it has been closed: a peer that does not read is of no use. */
int stream_send(struct stream *s, const struct outgoing *out);
/* Queues head and bytes as they are, for the framing; also on a stream that finishes. Errors as
 * stream_send's. */
int stream_queue(
	struct stream *s, const void *head, size_t head_size, const void *bytes, size_t size);

/* Ends it now: its id names nothing any more, watchers are told, what is queued fails with error
 * (negative errno). */
void stream_close(struct stream *s, int error);
/* Ends it after what is queued is written. */
void stream_finish(struct stream *s);

/* Closes all streams of a source that was banned on listener. */
void streams_close_source(struct streams *ss, unsigned listener, const struct endpoint *source);

/* Reads what is left to be read, writes what is queued and frees the dead: at the end of each turn.
 * True where something is left to be read. */
bool streams_flush(struct streams *ss);
/* Calls visit for each stream that is not dead; visit may close it. */
void streams_each(struct streams *ss, void (*visit)(struct stream *s, void *arg), void *arg);
/* Bytes that are still queued. */
size_t streams_queued(const struct streams *ss);
/* Reads no more. */
void streams_stop(struct streams *ss);

#endif
