/* ws.c - SIP over WebSocket.
 *
 * wslay checks and unmasks the frames, and answers pings and closes. Messages are put together
 * here, so that memory follows the bytes that have come, and not the length or the number of frames
 * that a peer announces. Nothing that is called from within wslay may free it: a stream that ends
 * meanwhile leaves that to the end of ws_take. Relies on: upgrade.c, stream.c for all that is
 * queued.
 */
#include "ws.h"

#include "common/counters.h"
#include "worker-transport/parse/parse_line.h"
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

struct ws {
	struct stream *stream;
	wslay_event_context_ptr frames; /* NULL: not upgraded yet */
	struct upgrade upgrade;
	const char *bytes; /* that wslay may take now: left of them */
	size_t left;
	char *message; /* as much of it as has come */
	size_t used, message_size;
	bool inside;          /* wslay is at work */
	bool ended;           /* the stream has ended meanwhile */
	bool control;         /* the frame that passes is a control frame, which wslay keeps */
	bool ping;            /* a keep-alive is to be answered */
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
	buffer[0] = FIN | (line_is_utf8(bytes, (const char *)bytes + size) ? WSLAY_TEXT_FRAME
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
	struct stream *s = ws->stream;
	const struct settings *settings = ws_worker(ws)->settings;

	(void)frames;
	ws->control = wslay_is_ctrl_frame(frame->opcode);
	if (ws->control)
		return;
	/* wslay bounds each frame; we keep the message, and bound their sum */
	if (ws->used + frame->payload_length > settings->message_max) {
		ws_refuse(ws, WSLAY_CODE_MESSAGE_TOO_BIG, COUNTER_WS_TOO_LARGE);
	} else if (!s->begun) {
		s->begun = true;
		loop_set(ws_worker(ws)->loop, &s->deadline, settings->message_ms);
	}
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
	struct stream *s = ws->stream;
	struct transport_worker *t = ws_worker(ws);
	struct str raw = {ws->message, ws->used};

	s->begun = false;
	loop_unset(t->loop, &s->deadline);
	if (raw.n == 0 || parse_keepalive(raw.p, raw.n)) {
		/* RFC 7118 section 6: the keep-alives of RFC 5626 may be used too */
		if (raw.n >= 4) {
			count(STREAM_PINGS);
			ws->ping = true;
		} else {
			count(STREAM_PONGS);
		}
	} else {
		s->messages_in++;
		to_sip_message(t, &s->node.flow, loop_now_ns(t->loop), raw);
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
		counter_add(step.counter, 1);
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
	if (wslay_event_get_close_received(ws->frames))
		return COUNTER_WS_CLOSED;
	return wslay_event_get_status_code_sent(ws->frames) == WSLAY_CODE_MESSAGE_TOO_BIG
	               ? COUNTER_WS_TOO_LARGE
	               : COUNTER_WS_PROTOCOL_ERRORS;
}

static size_t ws_take(struct stream *s, const char *bytes, size_t size)
{
	struct ws *ws = s->framing_state;
	size_t done = 0;
	bool ping;
	int error;

	if (!ws->frames) {
		done = ws_take_upgrade(ws, bytes, size);
		if (s->state != STREAM_OPEN || !ws->frames)
			return done;
	}
	ws->bytes = bytes + done;
	ws->left = size - done;
	ws->inside = true;
	error = wslay_event_recv(ws->frames);
	wslay_event_send(ws->frames); /* fails only where the stream has ended */
	ws->inside = false;
	if (ws->ended) {
		ws_free(ws);
		return size;
	}
	ping = ws->ping;
	ws->ping = false;
	if (error || !wslay_event_get_read_enabled(ws->frames)) {
		counter_add(ws_why_closed(ws, error), 1);
		stream_finish(s);
	} else if (ping) {
		/* there is one answer, however many keep-alives came at once */
		stream_send(s, &(struct outgoing){.bytes = "\r\n", .size = 2});
	}
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
	return ws_send_control(
		ws, wslay_event_queue_close(ws->frames, WSLAY_CODE_GOING_AWAY, NULL, 0));
}

/* Scripts in a browser cannot send pings, but every browser answers them. */
static bool ws_probe(struct stream *s)
{
	static const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
	struct ws *ws = s->framing_state;

	return ws->frames && ws_send_control(ws, wslay_event_queue_msg(ws->frames, &ping));
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
