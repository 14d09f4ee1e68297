/* message.c - fuzz target of message_check: a hostile block from a transport worker that was taken
 * over.
 *
 * The input is a message's raw bytes, a NUL NUL, and edits of the block made from it: each three
 * octets, of which two say where and one what. So the fuzzer starts from blocks that pass. Without
 * edits or a parsable message, the input itself is the block. Whatever passes the check is read
 * through every accessor, and has a NUL in its header part only in quoted-pairs.
 */
#include "ipc/message_slot.h"
#include "ipc/syntax.h"
#include "worker-transport/parse/parse.h"

#include <stdlib.h>

static _Alignas(8) char buffer[MESSAGE_BLOCK_MAX];
static volatile unsigned sink;

static void touch(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		sink += (uint8_t)s.p[i];
}

static void touch_uri(const struct message *m, const struct uri *uri)
{
	struct uri_parts u = uri_of(m, uri);
	char aor[AOR_MAX];

	touch(u.whole);
	touch(u.user);
	touch(u.password);
	touch(u.host);
	touch(u.params);
	touch(u.headers);
	aor_of(&u, aor);
	uri_equal(&u, &u);
}

static void read_all(const void *block, size_t size)
{
	static const struct hash_key key;
	const struct message *m = block;
	struct str raw = message_raw_unchecked(block, size);

	touch(raw); /* what goes on record before the check */
	if (message_check(block, size))
		return;
	const struct span spans[] = {m->start_line, m->method_name, m->reason, m->via, m->via_host,
		m->via_branch, m->via_params, m->call_id, m->from_tag, m->to_tag, m->content_type,
		m->body};

	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++)
		touch(message_str(m, spans[i]));
	touch_uri(m, &m->request_uri);
	touch_uri(m, &m->from);
	touch_uri(m, &m->to);
	touch_uri(m, &m->contact);
	for (unsigned id = 0; id < HEADER_COUNT; id++) {
		for (const struct message_header *h = message_first(m, id); h;
			h = message_next(m, h)) {
			touch(message_header_name(m, h));
			touch(message_header_value(m, h));
		}
	}
	slot_of_message(m, &key, NULL);
	const struct message_header *h = message_headers(m);
	for (unsigned i = 0; i < m->header_count; i++, h++)
		if (h->id != HEADER_UNREADABLE &&
			memchr(message_raw(m) + h->line, 0, (size_t)(h->end - h->line)) &&
			(!header_takes_nul(h->id) || !controls_quoted(message_header_value(m, h))))
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memmem(data, size, "\0\0", 2);
	struct parse_error error;
	char *block;

	if (size > MESSAGE_RAW_MAX)
		return 0;
	if (end && !parse_message((const char *)data, (size_t)(end - data), buffer, sizeof(buffer),
			   &error)) {
		struct message *m = (struct message *)(void *)buffer;
		uint32_t whole = m->size;

		m->flow.transport = TRANSPORT_UDP;
		m->flow.peer.family = 4;
		for (end += 2; data + size - end >= 3; end += 3)
			buffer[(end[0] << 8 | end[1]) % whole] ^= (char)end[2];
		block = malloc(whole);
		memcpy(block, buffer, whole);
		read_all(block, whole);
	} else {
		block = malloc(size + 1);
		memcpy(block, data, size);
		read_all(block, size);
	}
	free(block);
	return 0;
}
