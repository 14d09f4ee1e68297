/* stream.h - one connection that carries SIP: framing in, a bounded queue out, its time limits (RFC
 * 3261 section 18, RFC 5626 section 4.4.1).
 *
 * A layer stands between the socket and the framing: plain TCP in tcp_layer.c, TLS in tls/tls.c.
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

/* Bytes that are read from a stream before others get their turn. */
#define STREAM_TURN_BYTES 65536
/* The most bytes that a framing puts before a message. */
#define STREAM_HEAD_MAX 16
/* Milliseconds that a peer which was asked for an answer has for it, at most. */
#define STREAM_PROBE_MS 10000
/* Milliseconds that a stream is kept for its peer to read the last byte that was written. Closing
 * earlier could reset that byte away. */
#define STREAM_LINGER_MS 2000
/* Bytes that are read and dropped while a stream waits for answers, at most. */
#define STREAM_DISCARD_MAX 262144

/* The layer that carries the bytes. Its functions return counts of bytes or 0, or a negative errno;
 * -EAGAIN means not now. A layer that waits for another event than that of the direction it was
 * asked for adds the event to stream->wants. */
struct stream_layer {
	/* Goes on with opening. 0 once the layer is open. With -EAGAIN, stream->wants is set to the
	 * events that it waits for; to 0 where it will call stream_go_on itself. NULL: the layer is
	 * open from the start. */
	int (*open)(struct stream *s);
	/* Reads up to size bytes. 0: the peer has ended. */
	ssize_t (*receive)(struct stream *s, void *buffer, size_t size);
	/* Whether bytes were taken off the socket that receive has not given yet. NULL: never. */
	bool (*pending)(const struct stream *s);
	/* Writes from the n pieces; may write part of them. */
	ssize_t (*send)(struct stream *s, const struct iovec *iov, unsigned n);
	/* Whether bytes may be sent to a peer that has ended. NULL: always. */
	bool (*one_way)(const struct stream *s);
	/* Tells the peer that nothing more will be sent. */
	void (*shut)(struct stream *s);
	/* Frees stream->layer_state; NULL: there is none. The fd is the stream's. */
	void (*end)(struct stream *s);
};

/* The order in which messages stand among those bytes, where it is not SIP's own framing:
 * WebSocket. A framing knows nothing of the layer below. */
struct stream_framing {
	/* The layer is open: begins. 0, or a negative errno. */
	int (*open)(struct stream *s);
	/* Takes what it can use from the front of size bytes and returns how many those are. The
	 * rest comes again, with more behind it. May finish or close the stream. */
	size_t (*take)(struct stream *s, const char *bytes, size_t size);
	/* Writes what goes before a message of size bytes. Its length, or a negative errno where no
	 * message can be sent. */
	int (*head)(
		struct stream *s, const void *bytes, size_t size, uint8_t buffer[STREAM_HEAD_MAX]);
	/* Everything is written and the stream is about to end: true where it has queued last
	 * words. */
	bool (*farewell)(struct stream *s);
	/* Asks a peer that has been silent for an answer. False where it cannot. */
	bool (*probe)(struct stream *s);
	/* Frees stream->framing_state. */
	void (*end)(struct stream *s);
};

enum stream_state {
	STREAM_OPENING,   /* it connects or shakes hands; what is sent is queued */
	STREAM_OPEN,      /* messages pass both ways */
	STREAM_DRAINING,  /* nothing comes any more; it waits for the answers to what has come */
	STREAM_FINISHING, /* it writes what is queued, then ends; it takes nothing new */
	STREAM_LINGERING, /* everything is written and shut; it waits for the peer to end */
	STREAM_DEAD       /* it is freed at the end of the turn */
};

struct chunk;
struct stream_keep_alive;
struct stream_sent;

struct stream {
	struct flow_node node;
	struct streams *streams;
	const struct stream_layer *layer;
	void *layer_state;
	const struct stream_framing *framing; /* NULL: SIP's own */
	void *framing_state;
	struct source *held; /* the place that it takes among its source's connections */
	struct loop_source *source;
	uint32_t events; /* of epoll, that it is registered for */
	uint32_t wants;  /* events that the layer waits for besides */
	int fd;
	enum stream_state state;
	bool outgoing; /* we connected */
	bool named;    /* its id still holds */
	bool begun;    /* part of a message has come: deadline runs */
	bool ended;    /* the peer has said that nothing more comes */
	bool tells;    /* it ends with a response that cannot be read to its end: what ends the call
	                  that it answers still goes to the peer */
	bool dirty;    /* it stands on the list of streams with something to write */
	bool blocked;  /* the layer took no more: it waits for EPOLLOUT */
	bool again;    /* it stands on the list of streams with more to read without an event */
	struct stream *next, **link; /* of all streams */
	struct stream *next_dirty, *next_dead, *next_again;
	struct timer deadline; /* of opening, of a message, of draining, of lingering */
	struct timer idle;
	uint64_t probed; /* ms: when the peer was asked for an answer last */
	uint64_t opened; /* ms */
	uint64_t active; /* ms: when a message passed last */
	uint64_t messages_in, messages_out;
	uint64_t drained; /* ms: when draining is over */
	size_t discarded; /* bytes, since nothing is taken any more */
	uint32_t awaited; /* requests that came by it, less the final answers that went */
	/* in: part of a message */
	struct frame frame;
	char *in;
	size_t in_used, in_size;
	/* out: the queue */
	struct chunk *first, **last;
	size_t queued;            /* bytes, the cost of keeping them included */
	struct stream_sent *sent; /* requests written lately, of a stream of ours; NULL: none */
	struct stream_keep_alive *keep_alive; /* of a stream of ours; NULL: none was asked for */
};

/* A stream begins with this. */
struct stream_start {
	int fd;           /* non-blocking */
	bool outgoing;    /* we have connected */
	struct flow flow; /* all but its id */
	const struct stream_layer *layer;
	void *layer_state;                    /* the layer frees it */
	const struct stream_framing *framing; /* NULL: SIP's own */
	struct source *held; /* from admit_connect; NULL: a source without limits */
};

/* Makes a stream, which owns fd, layer_state and held on success, and gives held back when it ends.
 * 0, or a negative errno; the three are then still the caller's. */
int stream_new(struct streams *ss, const struct stream_start *start, struct stream **out);

/* Goes on with opening, when something has come that the layer waited for besides the socket. To be
 * called from the loop. */
void stream_go_on(struct stream *s);

/* The worker that the stream is in. */
struct transport_worker *stream_worker(const struct stream *s);

/* Hands on a message that came by the stream, and notes whether an answer will follow. Where it
 * shows that the bytes before it were cut wrongly, the stream finishes. */
void stream_take_message(struct stream *s, struct str raw);
/* The stream ends within a message, for that static reason, which has a counter. Where it is a
 * response with its whole head, what it answers ends: true, and the end is counted. */
bool stream_cut_message(struct stream *s, enum counter counter, const char *reason);
/* Answers n keep-alives (RFC 5626 section 4.4.1); also on a stream that finishes. A peer that asks
 * and does not read is closed like any other that does not read. */
void stream_pong(struct stream *s, size_t n);

/* The stream with that node of a flow. */
struct stream *stream_of(struct flow_node *n);
/* From now on pings go by the stream, which we have made, and each has to be answered by a pong
 * within STREAM_PROBE_MS (RFC 5626 section 4.4.1): one in so many seconds
 * (struct record_keep_alive). 0; -EINVAL: not by such a stream; -ENOMEM. */
int stream_keep_alive(struct stream *s, uint32_t seconds);

/* Queues a message, which is written at the end of the turn. 0; -ENOTCONN where the stream takes
 * nothing any more, or only answers; -EAGAIN where its queue was full or no memory is left. A
 * stream whose queue was full has been closed, for a peer that does not read is of no use. */
int stream_send(struct stream *s, const struct outgoing *out);
/* Queues head and bytes as they are, for the framing; also on a stream that finishes. Errors as
 * stream_send's. */
int stream_queue(
	struct stream *s, const void *head, size_t head_size, const void *bytes, size_t size);

/* Ends the stream now: its id names nothing any more, watchers are told, and what is queued fails
 * with error (negative errno). The memory stays until the end of the turn. */
void stream_close(struct stream *s, int error);
/* Takes nothing more from the stream, and ends it after the answers to what it has brought are
 * written, or after 64*T1, which is as long as a request other than INVITE can take. An INVITE that
 * is still unanswered then has lost its caller. */
void stream_finish(struct stream *s);
/* The same, but waits for answers for at most so many milliseconds. */
void stream_finish_within(struct stream *s, uint64_t ms);

#endif
