/* ws.c - fuzz target of WebSocket: any bytes on a connection, before and after its upgrade.
 *
 * The first octet says how: its lowest bit whether a good upgrade goes before the rest, the others
 * in what pieces it comes. The stream is a real one over a layer made here; SIP workers take some
 * messages and have no room for others, so that answers are written from within. Beyond memory
 * safety: what reaches a SIP worker passes its check, and what is written is an HTTP answer, then
 * whole frames as servers send them, nothing after a Close.
 */
#include "common/counters.h"
#include "ipc/mesh.h"
#include "worker-transport/flow.h"
#include "worker-transport/stream.h"
#include "worker-transport/streams.h"
#include "worker-transport/transport.h"
#include "worker-transport/ws.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)
#define UPGRADE                                                                                    \
	"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "                          \
	"Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                               \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
#define CLOSE 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct image {
	struct settings s;
	struct zone_settings zone;
	struct listener_settings listener;
	char pool[8];
} image;
static struct transport_worker t;
static const uint8_t *input;
static size_t left, piece;
static uint8_t output[1 << 20];
static size_t written;
static unsigned taken;
static _Alignas(8) char block[MESSAGE_BLOCK_MAX + 8];

static void check_block(void)
{
	const struct message *m = (const void *)block;

	if (taken)
		CHECK(message_check(block, m->size) == 0);
}

static int record(void *arg, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	(void)arg;
	(void)peer;
	(void)reserve;
	check_block(); /* the last one is whole now */
	if (size % 3 == 0)
		return -EAGAIN;
	CHECK(size <= sizeof(block));
	taken = type == RECORD_MESSAGE;
	*data = block;
	return 0;
}

static ssize_t give(struct stream *s, void *buffer, size_t size)
{
	(void)s;
	if (left == 0)
		return -EAGAIN;
	size = size < piece ? size : piece;
	size = size < left ? size : left;
	memcpy(buffer, input, size);
	input += size;
	left -= size;
	return (ssize_t)size;
}

static ssize_t take(struct stream *s, const struct iovec *iov, unsigned n)
{
	size_t before = written;

	(void)s;
	for (unsigned i = 0; i < n; i++) {
		CHECK(written + iov[i].iov_len <= sizeof(output));
		memcpy(output + written, iov[i].iov_base, iov[i].iov_len);
		written += iov[i].iov_len;
	}
	return (ssize_t)(written - before);
}

static void shut(struct stream *s)
{
	(void)s;
}

static const struct stream_layer layer = {.receive = give, .send = take, .shut = shut};

static void start(void)
{
	CHECK(sodium_init() >= 0);
	image.s = (struct settings){.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(image),
		.zones = {offsetof(struct image, zone), 1},
		.listeners = {offsetof(struct image, listener), 1},
		.workers = {[PEER_TRANSPORT] = 1, [PEER_SIP] = 1},
		.idle_ms = 60000,
		.message_ms = 60000,
		.handshake_ms = 60000,
		.connections_max = 10,
		.connection_queue = 3000,
		.message_max = 4096,
		.handshakes_max = 10,
		.handshakes_per_source = 10};
	image.listener.transport = TRANSPORT_WS;
	image.listener.bind.family = 4;
	CHECK(loop_new(&t.loop) == 0);
	t.settings = &image.s;
	t.fds_limit = 1024;
	t.incarnation = 1;
	t.upstream.record = record;
	CHECK(transport_start(&t) == 0);
}

static void check_output(void)
{
	const uint8_t *end = memmem(output, written, "\r\n\r\n", 4);
	size_t at;

	if (written == 0)
		return;
	CHECK(memcmp(output, "HTTP/1.1 ", 9) == 0 && end);
	at = (size_t)(end - output) + 4;
	CHECK(output[9] == '1' || at == written);
	while (at < written) {
		unsigned opcode = output[at] & 15;
		size_t length, head = 2;

		CHECK((output[at] & 0xf0) == 0x80 &&
			(opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10)) &&
			written - at >= 2);
		length = output[at + 1];
		CHECK(length <= 126);
		if (length == 126) {
			CHECK(written - at >= 4);
			length = (size_t)output[at + 2] << 8 | output[at + 3];
			head = 4;
			CHECK(length >= 126 && opcode < 8);
		}
		CHECK(written - at >= head + length);
		at += head + length;
		CHECK(opcode != CLOSE || at == written);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t all[sizeof(UPGRADE) + 65536];
	struct stream_start with = {.layer = &layer,
		.framing = &ws_framing,
		.flow = {.transport = TRANSPORT_WS,
			.peer = {.family = 4, .port = 9},
			.local = {.family = 4, .port = 9}}};
	struct stream *s;
	size_t n = 0;

	if (!t.loop)
		start();
	if (size == 0 || size > 65536)
		return 0;
	if (data[0] & 1) {
		memcpy(all, UPGRADE, sizeof(UPGRADE) - 1);
		n = sizeof(UPGRADE) - 1;
	}
	piece = data[0] >> 1 ? data[0] >> 1 : SIZE_MAX;
	memcpy(all + n, data + 1, size - 1);
	input = all;
	left = n + size - 1;
	written = 0;
	taken = 0;
	with.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(with.fd >= 0);
	CHECK(stream_new(t.streams, &with, &s) == 0);
	/* as many turns as there are pieces; then what was queued goes out */
	while (left && streams_count(t.streams) && s->state == STREAM_OPEN) {
		loop_once(t.loop, 0);
		streams_flush(t.streams);
		if (streams_count(t.streams) == 0)
			break;
	}
	check_block();
	check_output();
	if (streams_count(t.streams))
		stream_close(s, -ENOTCONN);
	streams_flush(t.streams);
	flow_reports_flush(t.flows);
	return 0;
}
