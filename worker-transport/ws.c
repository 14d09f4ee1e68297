/* ws.c - SIP over WebSocket.
 *
 * wslay checks and unmasks the frames, and answers pings and closes. Messages are put together
 * here, so that memory follows the bytes that have come, and not the length or the number of frames
 * that a peer announces. The heads of frames are read here before wslay sees them, which tells of a
 * frame only once part of its payload has come: what is too large is refused at its head, and the
 * time of a message runs from its first octet. Nothing that is called from within wslay may free
 * it: a stream that ends meanwhile leaves that to the end of ws_take. Relies on: upgrade.c,
 * stream.c for all that is queued.
 */
#include "ws.h"

#include "common/counters.h"
#include "worker-transport/parse/parse.h"
#include "to_sip.h"
#include "transport_worker.h"
#include "upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <wslay/wslay.h>

/* The first buffer of a message, bytes. */
#define MESSAGE_MIN 2048
#define FIN 0x80
#define LENGTH_16 126 /* the length follows in 16 bits */
#define LENGTH_64 127 /* the length follows in 64 bits */
#define LENGTH 0x7f   /* of the second octet: the length, or one of the two above */
#define MASKED 0x80
#define CONTROL 0x08 /* of the opcode */
#define MASK_SIZE 4
#define HEAD_MAX 14
/* A frame without payload, as servers send it. */
static const uint8_t ws_ping[2] = {FIN | WSLAY_PING, 0};

/* How far the frames have been looked at. */
struct ws_heads {
	uint8_t head[HEAD_MAX];
	unsigned have;  /* octets of head */
	uint64_t left;  /* octets of the payload that are still to come */
	uint64_t total; /* octets that the frames of the message so far announce */
	bool within;    /* a message is to be continued by another frame */
};

struct ws {
	struct stream *stream;
	wslay_event_context_ptr frames; /* NULL: not upgraded yet */
	struct upgrade upgrade;
	const char *bytes; /* that wslay may take now: left of them */
	size_t left;
	char *message; /* as much of it as has come */
	size_t used, message_size;
	bool inside; /* wslay is at work */
	bool ended;  /* the stream has ended meanwhile */
	struct ws_heads heads;
	size_t pings;         /* keep-alives to be answered */
	bool control;         /* the frame that passes is a control frame, which wslay keeps */
	enum counter refused; /* why reading stopped */
	bool is_refused;
};

static struct transport_worker *ws_worker(const struct ws *ws)
{
	return stream_worker(ws->stream);
}

/* ---- out ---- */

static ssize_t ws_on_send(
	wslay_event_context_ptr frames, const uint8_t *data, size_t size, int flags, void *arg)
{
	struct ws *ws = arg;

	(void)flags;
	if (ws->ended || stream_queue(ws->stream, NULL, 0, data, size)) {
		wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	return (ssize_t)size;
}

static int ws_head(
	struct stream *s, const void *bytes, size_t size, uint8_t buffer[STREAM_HEAD_MAX])
{
	const struct ws *ws = s->framing_state;
	unsigned length_bytes = size < LENGTH_16 ? 0 : size <= UINT16_MAX ? 2 : 8;

	if (!ws->frames || !wslay_event_get_write_enabled(ws->frames))
		return -ENOTCONN;
	buffer[0] = FIN | (str_is_utf8((struct str){bytes, size}) ? WSLAY_TEXT_FRAME
								  : WSLAY_BINARY_FRAME);
	buffer[1] = (uint8_t)(length_bytes == 0 ? size : length_bytes == 2 ? LENGTH_16 : LENGTH_64);
	for (unsigned i = 0; i < length_bytes; i++)
		buffer[2 + i] = (uint8_t)(size >> 8 * (length_bytes - 1 - i));
	return (int)(2 + length_bytes);
}

/* ---- in ---- */

/* Reads no more, and closes with code (RFC 6455 section 7.4). */
static void ws_refuse(struct ws *ws, uint16_t code, enum counter counter)
{
	if (ws->is_refused)
		return;
	ws->is_refused = true;
	ws->refused = counter;
	wslay_event_queue_close(ws->frames, code, NULL, 0);
	wslay_event_shutdown_read(ws->frames);
}

static ssize_t ws_on_receive(
	wslay_event_context_ptr frames, uint8_t *buffer, size_t size, int flags, void *arg)
{
	struct ws *ws = arg;

	(void)flags;
	if (ws->left == 0) {
		wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (size > ws->left)
		size = ws->left;
	memcpy(buffer, ws->bytes, size);
	ws->bytes += size;
	ws->left -= size;
	return (ssize_t)size;
}

static void ws_on_frame(wslay_event_context_ptr frames,
	const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct ws *ws = arg;

	(void)frames;
	ws->control = wslay_is_ctrl_frame(frame->opcode);
}

static void ws_on_payload(wslay_event_context_ptr frames,
	const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct ws *ws = arg;
	size_t size = ws->message_size ? ws->message_size : MESSAGE_MIN;
	char *message;

	(void)frames;
	if (ws->is_refused || ws->control || chunk->data_length == 0)
		return;
	while (size < ws->used + chunk->data_length)
		size *= 2;
	if (size != ws->message_size) {
		message = realloc(ws->message, size);
		if (!message) {
			ws_refuse(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, COUNTER_STREAM_ERRORS);
			return;
		}
		ws->message = message;
		ws->message_size = size;
	}
	memcpy(ws->message + ws->used, chunk->data, chunk->data_length);
	ws->used += chunk->data_length;
}

/* A message is whole: hands it on, or answers a keep-alive. */
static void ws_deliver(struct ws *ws)
{
	struct str raw = {ws->message, ws->used};

	if (raw.n == 0 || parse_keepalive(raw.p, raw.n)) {
		/* RFC 7118 section 6: the keep-alives of RFC 5626 may be used too */
		counter_add(COUNTER_STREAM_PINGS, raw.n / 4);
		ws->pings += raw.n / 4;
		if (raw.n / 4 == 0)
			count(STREAM_PONGS);
	} else {
		stream_take_message(ws->stream, raw);
	}
	/* an idle connection keeps nothing */
	free(ws->message);
	ws->message = NULL;
	ws->used = ws->message_size = 0;
}

static void ws_on_message(wslay_event_context_ptr frames,
	const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct ws *ws = arg;
	struct stream *s = ws->stream;

	if (ws->is_refused)
		return;
	s->active = loop_now(ws_worker(ws)->loop);
	if (message->opcode == WSLAY_PING)
		count(STREAM_PINGS);
	else if (message->opcode == WSLAY_PONG)
		count(STREAM_PONGS);
	else if (message->opcode != WSLAY_CONNECTION_CLOSE)
		ws_deliver(ws);
	if (ws->ended || s->state != STREAM_OPEN)
		wslay_event_shutdown_read(frames);
}

/* ---- the upgrade ---- */

static bool ws_origin_allowed(void *arg, struct str origin)
{
	struct ws *ws = arg;
	const struct settings *settings = ws_worker(ws)->settings;
	const struct listener_settings *l = settings_listener(
		settings, ws->stream->node.flow.listener);
	const struct text *allowed = settings_array(settings, l->origins);

	/* nobody comes from a page of that name: it stands for no header */
	if (str_equal_nocase(origin, S(ORIGIN_NONE)))
		return l->origins.count == 0;
	if (origin.n == 0)
		origin = S(ORIGIN_NONE);
	for (unsigned i = 0; i < l->origins.count; i++)
		if (str_equal_nocase(settings_str(settings, allowed[i]), origin))
			return true;
	return l->origins.count == 0;
}

static int ws_begin_frames(struct ws *ws)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = ws_on_receive,
		.send_callback = ws_on_send,
		.on_frame_recv_start_callback = ws_on_frame,
		.on_frame_recv_chunk_callback = ws_on_payload,
		.on_msg_recv_callback = ws_on_message,
	};

	if (wslay_event_context_server_init(&ws->frames, &callbacks, ws)) {
		ws->frames = NULL;
		return -ENOMEM;
	}
	wslay_event_config_set_no_buffering(ws->frames, 1);
	wslay_event_config_set_max_recv_msg_length(ws->frames, MESSAGE_RAW_MAX);
	return 0;
}

/* Takes the request to upgrade. Returns how many bytes are used up; the stream may have ended. */
static size_t ws_take_upgrade(struct ws *ws, const char *bytes, size_t size)
{
	struct stream *s = ws->stream;
	struct upgrade_step step = {0};
	struct upgrade_rules rules = {.origin = ws_origin_allowed, .arg = ws};
	char answer[UPGRADE_ANSWER_MAX];
	enum upgrade_result result = upgrade_next(&ws->upgrade, bytes, size, &rules, &step);

	if (result == UPGRADE_MORE)
		return 0;
	if (result == UPGRADE_DONE && ws_begin_frames(ws)) {
		step.status = 500;
		step.counter = COUNTER_STREAM_ERRORS;
		result = UPGRADE_BAD;
	}
	if (stream_queue(s, NULL, 0, answer, upgrade_answer(&step, answer)))
		return size;
	if (result == UPGRADE_BAD) {
		to_sip_count_dropped(ws_worker(ws), &s->node.flow, step.counter);
		stream_finish(s);
		return size;
	}
	count(UPGRADES);
	s->active = loop_now(ws_worker(ws)->loop);
	loop_unset(ws_worker(ws)->loop, &s->deadline);
	return step.consume;
}

/* ---- the framing ---- */

static void ws_free(struct ws *ws)
{
	if (ws->frames)
		wslay_event_context_free(ws->frames);
	free(ws->message);
	free(ws);
}

/* The counter of the reason why nothing more is read. */
static enum counter ws_why_closed(const struct ws *ws, int error)
{
	if (error)
		return error == WSLAY_ERR_NOMEM ? COUNTER_STREAM_ERRORS
		                                : COUNTER_WS_PROTOCOL_ERRORS;
	if (ws->is_refused)
		return ws->refused;
	return wslay_event_get_close_received(ws->frames) ? COUNTER_WS_CLOSED
	                                                  : COUNTER_WS_PROTOCOL_ERRORS;
}

/* The octets of length that follow the first two of a head. */
static unsigned ws_length_bytes(const uint8_t *head)
{
	switch (head[1] & LENGTH) {
	case LENGTH_16: return 2;
	case LENGTH_64: return 8;
	default: return 0;
	}
}

/* The length of the payload, from a head whose octets of length have come. */
static uint64_t ws_length(const uint8_t *head)
{
	unsigned n = ws_length_bytes(head);
	uint64_t length = 0;

	for (unsigned i = 0; i < n; i++)
		length = length << 8 | head[2 + i];
	return n ? length : head[1] & LENGTH;
}

static bool ws_is_control(const uint8_t *head)
{
	return head[0] & CONTROL;
}

/* A frame has come to its end. */
static void ws_heads_end_frame(struct ws *ws)
{
	struct ws_heads *h = &ws->heads;

	if (!ws_is_control(h->head)) {
		h->within = !(h->head[0] & FIN);
		if (!h->within)
			h->total = 0;
	}
	if (!h->within)
		ws->stream->begun = false; /* what follows has its own time */
}

/* Whether the message is larger than may be with length octets more. */
static bool ws_is_too_large(const struct ws *ws, uint64_t length)
{
	uint64_t most = ws_worker(ws)->settings->message_max;

	return length > most || ws->heads.total > most - length;
}

/* Takes one octet of a head. False where the frame makes its message larger than may be. An
 * unmasked frame is left to wslay, which refuses it for that. */
static bool ws_heads_take(struct ws *ws, uint8_t octet)
{
	struct ws_heads *h = &ws->heads;
	unsigned known;
	uint64_t length;
	bool data;

	h->head[h->have++] = octet;
	if (h->have < 2)
		return true;
	known = 2 + ws_length_bytes(h->head);
	if (h->have < known)
		return true;
	length = ws_length(h->head);
	data = !ws_is_control(h->head);
	if (data && h->head[1] & MASKED && ws_is_too_large(ws, length))
		return false;
	if (h->have < known + (h->head[1] & MASKED ? MASK_SIZE : 0))
		return true;
	h->have = 0;
	h->left = length;
	if (data)
		h->total += length;
	if (length == 0)
		ws_heads_end_frame(ws);
	return true;
}

/* Looks at the heads of the frames in size bytes. Returns how many of them wslay may see: all, or
 * those before a frame that is too large. */
static size_t ws_heads_scan(struct ws *ws, const char *bytes, size_t size)
{
	struct ws_heads *h = &ws->heads;
	size_t at = 0, frame = 0;

	while (at < size) {
		uint64_t part = h->left < size - at ? h->left : size - at;

		if (part) {
			at += part;
			h->left -= part;
			if (h->left == 0)
				ws_heads_end_frame(ws);
			continue;
		}
		if (h->have == 0)
			frame = at;
		if (!ws_heads_take(ws, (uint8_t)bytes[at++]))
			return frame;
	}
	return size;
}

/* Sets the time of the message, or of the control frame, of which part has come. */
static void ws_set_deadline(struct ws *ws)
{
	struct stream *s = ws->stream;
	const struct ws_heads *h = &ws->heads;
	bool within = h->have || h->left || h->within;

	if (!within)
		loop_unset(ws_worker(ws)->loop, &s->deadline);
	else if (!s->begun)
		loop_set(ws_worker(ws)->loop, &s->deadline, ws_worker(ws)->settings->message_ms);
	s->begun = within;
}

/* Nothing more is read: a Close of ours is queued, or was sent. */
static void ws_finish(struct ws *ws, int error)
{
	struct stream *s = ws->stream;

	const enum counter why = ws_why_closed(ws, error);

	if (why == COUNTER_WS_CLOSED)
		count(WS_CLOSED);
	else
		to_sip_count_dropped(ws_worker(ws), &s->node.flow, why);
	/* A peer that has said Close waits for ours, and may not wait long. */
	if (wslay_event_get_close_received(ws->frames))
		stream_finish_within(s, STREAM_LINGER_MS);
	else
		stream_finish(s);
}

static size_t ws_take(struct stream *s, const char *bytes, size_t size)
{
	struct ws *ws = s->framing_state;
	size_t done = 0, seen, pings;
	int error;

	if (!ws->frames) {
		done = ws_take_upgrade(ws, bytes, size);
		if (s->state != STREAM_OPEN || !ws->frames)
			return done;
	}
	seen = ws_heads_scan(ws, bytes + done, size - done);
	ws->bytes = bytes + done;
	ws->left = seen;
	ws->inside = true;
	error = wslay_event_recv(ws->frames);
	if (seen < size - done && wslay_event_get_read_enabled(ws->frames))
		ws_refuse(ws, WSLAY_CODE_MESSAGE_TOO_BIG, COUNTER_WS_TOO_LARGE);
	pings = ws->pings;
	ws->pings = 0;
	if (!ws->ended)
		stream_pong(s, pings);
	/* A Close is the last frame: it waits for the answers to the messages before it. Sending
	 * fails only where the stream has ended. */
	if (wslay_event_get_read_enabled(ws->frames) || !s->awaited)
		wslay_event_send(ws->frames);
	ws->inside = false;
	if (ws->ended) {
		ws_free(ws);
		return size;
	}
	if (error || !wslay_event_get_read_enabled(ws->frames))
		ws_finish(ws, error);
	else
		ws_set_deadline(ws);
	return size;
}

/* Queues a control frame that wslay was given, if wslay took it. False where nothing went or the
 * stream has ended by it. */
static bool ws_send_control(struct ws *ws, int error)
{
	if (error)
		return false;
	ws->inside = true;
	wslay_event_send(ws->frames);
	ws->inside = false;
	if (!ws->ended)
		return true;
	ws_free(ws);
	return false;
}

static bool ws_farewell(struct stream *s)
{
	struct ws *ws = s->framing_state;

	if (!ws->frames)
		return false;
	if (wslay_event_want_write(ws->frames)) /* a Close that has waited */
		return ws_send_control(ws, 0);
	return ws_send_control(
		ws, wslay_event_queue_close(ws->frames, WSLAY_CODE_GOING_AWAY, NULL, 0));
}

/* Scripts in a browser cannot send pings, but every browser answers them. It is not wslay that
 * sends it, which would send a Close that waits as well. */
static bool ws_probe(struct stream *s)
{
	const struct ws *ws = s->framing_state;

	if (!ws->frames || !wslay_event_get_write_enabled(ws->frames))
		return false;
	return stream_queue(s, NULL, 0, ws_ping, sizeof(ws_ping)) == 0;
}

static int ws_open(struct stream *s)
{
	struct ws *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return -ENOMEM;
	ws->stream = s;
	s->framing_state = ws;
	loop_set(ws_worker(ws)->loop, &s->deadline, ws_worker(ws)->settings->handshake_ms);
	return 0;
}

static void ws_end(struct stream *s)
{
	struct ws *ws = s->framing_state;

	if (ws && ws->inside)
		ws->ended = true;
	else if (ws)
		ws_free(ws);
	s->framing_state = NULL;
}

const struct stream_framing ws_framing = {
	.open = ws_open,
	.take = ws_take,
	.head = ws_head,
	.farewell = ws_farewell,
	.probe = ws_probe,
	.end = ws_end,
};

int ws_prepare(void)
{
	char accept[UPGRADE_ACCEPT_LENGTH + 1];

	return upgrade_accept(S("dGhlIHNhbXBsZSBub25jZQ=="), accept);
}
