/* parse.c - fuzz target of the parser and of stream framing: any bytes.
 *
 * Beyond memory safety: what parses passes the receiver's check, in a block of exactly its size;
 * parsing the block's own raw bytes again gives the same block; what may be answered has a way back
 * and is answered; a keep-alive is no message; a room too small for any message of that size is
 * refused; framing gives the same results whole and octet by octet; a stateless answer is one
 * message, and of a request that parses one that parses; what is repaired as a zone has it passes
 * the check, too.
 */
#include "ipc/message_slot.h"
#include "ipc/syntax.h"
#include "worker-transport/parse/frame.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/reading.h"
#include "worker-transport/parse/repair.h"
#include "worker-transport/parse/stateless_answer.h"

#include <errno.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

static _Alignas(8) char buffer[MESSAGE_BLOCK_MAX], again[MESSAGE_BLOCK_MAX];

/* An answer to what the block holds is one message to whoever frames it. */
static void check_answer(const struct message *m, bool parsed)
{
	static const struct hash_key key;
	static const struct stateless_answer whys[] = {{.status = 503, .retry_after = 5},
		{.status = 400, .reason = "a", .server = S("b")}};
	static char out[STATELESS_ANSWER_MAX];
	static const struct endpoint peers[] = {{.family = 4, .port = 5060}, {.family = 6}};
	struct message *answer = (struct message *)(void *)again;
	struct frame frame = {.scanned = 0};
	struct frame_step step;
	struct parse_error error;

	for (size_t i = 0; i < 2; i++) {
		long n = stateless_answer_write(&key, m, &peers[i], &whys[i], out, sizeof(out));

		if (!m->is_request || m->method == METHOD_ACK) {
			CHECK(n == -EPERM);
			continue;
		}
		CHECK(n > 0 || n == -ENOBUFS);
		if (n < 0 || n > MESSAGE_RAW_MAX)
			continue;
		CHECK(frame_next(&frame, out, (size_t)n, sizeof(out), &step) == FRAME_MESSAGE &&
			step.consume == (size_t)n);
		if (parsed)
			CHECK(parse_message(out, (size_t)n, again, sizeof(again), &error) == 0 &&
				answer->status == whys[i].status &&
				/* one with further Vias is not for us */
				answer->broken == (m->via_count > 1));
		CHECK(stateless_answer_write(&key, m, &peers[i], &whys[i], out, (size_t)n - 1) ==
			-ENOBUFS);
	}
	if (parsed)
		stateless_answer_is_ack(&key, m);
}

static void check_parsed(void)
{
	static const struct hash_key key;
	struct message *m = (struct message *)(void *)buffer;
	struct parse_error error;

	m->flow.transport = TRANSPORT_UDP;
	m->flow.peer.family = 4;
	void *exact = malloc(m->size); /* so that a read behind the block is seen */
	CHECK(exact);
	memcpy(exact, m, m->size);
	CHECK(message_check(exact, m->size) == 0);
	const struct message *copy = exact;
	struct uri_parts uri = uri_of(copy, &copy->from), other = uri_of(copy, &copy->to);
	char aor[AOR_MAX];

	aor_of(&uri, aor);
	uri_equal(&uri, &other);
	CHECK(copy->broken || uri_equal(&uri, &uri)); /* it may have none */
	slot_of_message(copy, &key, NULL);
	CHECK(aor_of(&uri, aor) < 0 || !memchr(aor, 0, (size_t)aor_of(&uri, aor)));
	const struct message_header *h = message_headers(copy);
	for (unsigned i = 0; i < copy->header_count; i++, h++) {
		struct str value = message_header_value(copy, h);

		CHECK(h->id == HEADER_UNREADABLE ||
			!memchr(message_raw(copy) + h->line, 0, (size_t)(h->end - h->line)) ||
			(header_takes_nul(h->id) && controls_quoted(value)));
	}
	CHECK(parse_message(message_raw(copy), copy->raw_size, again, sizeof(again), &error) == 0);
	struct message *second = (struct message *)(void *)again;
	second->flow = m->flow;
	CHECK(second->size == m->size && !memcmp(second, m, m->size));
	check_answer(copy, !m->broken);
	free(exact);
}

static void check_answerable(void)
{
	static const enum header copied[] = {
		HEADER_VIA, HEADER_FROM, HEADER_TO, HEADER_CALL_ID, HEADER_CSEQ};
	const struct message *m = (struct message *)(void *)buffer;

	CHECK(m->is_request && m->method != METHOD_ACK && m->via.length && m->via_host.length &&
		message_first(m, HEADER_VIA));
	/* what is written behind the top Via's element lies in its line */
	struct str line = message_value(m, HEADER_VIA), top = message_str(m, m->via);
	CHECK(top.p >= line.p && top.p + top.n <= line.p + line.n);
	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		for (const struct message_header *h = message_first(m, copied[i]); h;
			h = message_next(m, h)) {
			struct str value = message_header_value(m, h);

			CHECK(value.p + value.n <= (const char *)m + m->size);
			if (value.n && memchr(value.p, 0, value.n))
				CHECK(header_takes_nul(h->id) && controls_quoted(value));
			for (size_t at = 0; at < value.n; at++)
				CHECK(value.p[at] != '\n' ||
					(at && value.p[at - 1] == '\r' && at + 1 < value.n &&
						(value.p[at + 1] == ' ' ||
							value.p[at + 1] == '\t')));
		}
	}
}

/* What is repaired is of the kind that it is repaired to, and what passes as it is checks. */
static void check_repairs(const char *bytes, size_t size)
{
	static char out[MESSAGE_RAW_MAX];
	struct parse_error error;
	struct str raw = {bytes, size};
	size_t n = repair_line_ends(raw, out, sizeof(out));

	CHECK(n <= sizeof(out));
	if (n) /* done once is done */
		CHECK(repair_line_ends((struct str){out, n}, again, sizeof(again)) == 0);
	n = repair_octets(raw, false, out, sizeof(out));
	CHECK(n <= sizeof(out) && repair_is_utf8((struct str){out, n}));
	CHECK(repair_octets(raw, true, out, sizeof(out)) <= sizeof(out));
	n = repair_response(raw, out, sizeof(out));
	CHECK(n <= sizeof(out) &&
		repair_line_ends((struct str){out, n}, again, sizeof(again)) == 0);
	if (parse_message_octets(bytes, size, true, again, sizeof(again), &error) == 0) {
		struct message *m = (struct message *)(void *)again;

		m->flow.transport = TRANSPORT_UDP;
		m->flow.peer.family = 4;
		CHECK(message_check(m, m->size) == 0);
	}
}

/* Whatever the options of its zone are, what is read passes the check. */
static void check_readings(struct str raw)
{
	static struct reading reading;
	struct zone_settings zone = {.auth = ZONE_AUTH_NONE};
	struct reading_rules rules = {.zone = &zone, .message_max = MESSAGE_RAW_MAX};
	struct message *m = (struct message *)(void *)reading.block;
	struct parse_error error;

	for (unsigned n = 0; n < 12; n++) {
		zone.not_utf8 = n % 3;
		zone.line_ends = n / 3 % 2;
		rules.datagram = n / 6;
		error = (struct parse_error){0};
		if (reading_parse(&reading, &rules, raw, &error) == 0) {
			m->flow.transport = TRANSPORT_UDP;
			m->flow.peer.family = 4;
			CHECK(message_check(m, m->size) == 0);
		} else {
			CHECK(error.reason && (error.status != 0) == error.answerable);
			if (error.answerable)
				check_answer(m, false);
		}
	}
}

static void check_frames(const char *bytes, size_t size)
{
	struct frame whole = {.scanned = 0}, single = {.scanned = 0};
	size_t at = 0;

	if (size > 1024)
		return; /* octet by octet is slow enough */
	for (;;) {
		struct frame_step a, b;
		enum frame_result x = frame_next(&whole, bytes + at, size - at, 512, &a),
				  y = FRAME_MORE;

		for (size_t n = 0; n <= size - at && y == FRAME_MORE; n++)
			y = frame_next(&single, bytes + at, n, 512, &b);
		CHECK(x == y && a.consume == b.consume && a.status == b.status &&
			a.header_size == b.header_size && a.reason == b.reason);
		CHECK(x != FRAME_MORE || size - at < 512);
		if (x == FRAME_MORE || x == FRAME_BAD)
			return;
		CHECK(a.consume && a.consume <= size - at);
		at += a.consume;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parse_error error;
	const char *bytes = (const char *)data;

	if (size > MESSAGE_RAW_MAX)
		return 0;
	int result = parse_message(bytes, size, buffer, sizeof(buffer), &error);

	CHECK(result == 0 || result == -EBADMSG);
	if (!result) {
		check_parsed();
	} else if (error.answerable) {
		check_answerable();
		check_answer((const struct message *)(void *)buffer, false);
	}
	CHECK(!result || (error.reason && (error.status != 0) == error.answerable));
	CHECK(!parse_keepalive(bytes, size) || (result && !error.answerable));
	CHECK(parse_message(bytes, size, again, message_block_size(MESSAGE_HEADERS_MAX, size) - 1,
		      &error) == -ENOBUFS);
	check_frames(bytes, size);
	check_repairs(bytes, size);
	check_readings((struct str){bytes, size});
	return 0;
}
