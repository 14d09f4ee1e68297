/* Batches: decoded to their exact end or refused whole; built in place and kept in order. */
#include "ipc/batch.h"

#include <criterion/criterion.h>
#include <errno.h>

static _Alignas(8) unsigned char buffer[BATCH_MAX + 64];
static size_t used;

static void begin(void)
{
	memset(buffer, 0, sizeof(buffer));
	*(struct batch_header *)(void *)buffer = (struct batch_header){BATCH_MAGIC, 0};
	used = sizeof(struct batch_header);
}

static void *add(uint16_t type, uint32_t size)
{
	struct record_header *h = (void *)(buffer + used);

	*h = (struct record_header){size, type, 0};
	used += sizeof(*h) + ((size + 7) & ~7u);
	((struct batch_header *)(void *)buffer)->count++;
	return h + 1;
}

static void add_send(const char *bytes)
{
	struct record_send *send = add(RECORD_SEND, (uint32_t)(sizeof(*send) + strlen(bytes)));

	send->size = (uint32_t)strlen(bytes);
	memcpy(send + 1, bytes, strlen(bytes));
}

static void three(void)
{
	begin();
	add(RECORD_FLOW_CLOSED, sizeof(struct record_flow_closed));
	add_send("OPTIONS sip:a");
	add(RECORD_WATCH, sizeof(struct record_watch));
}

Test(record, walks_to_the_end)
{
	const void *data;
	size_t at = 0;
	const struct record_header *h;

	three();
	cr_assert_eq(batch_check(buffer, used), 0);
	h = batch_next(buffer, used, &at, &data);
	cr_assert_eq(h->type, RECORD_FLOW_CLOSED);
	h = batch_next(buffer, used, &at, &data);
	cr_assert_eq(h->type, RECORD_SEND);
	cr_assert_eq(((const struct record_send *)data)->size, 13);
	cr_assert(memcmp((const struct record_send *)data + 1, "OPTIONS sip:a", 13) == 0);
	h = batch_next(buffer, used, &at, &data);
	cr_assert_eq(h->type, RECORD_WATCH);
	cr_assert_null(batch_next(buffer, used, &at, &data));
}

Test(record, every_other_length_is_refused)
{
	three();
	for (size_t n = 0; n <= used + 32; n++)
		cr_assert_eq(batch_check(buffer, n), n == used ? 0 : -EBADMSG, "%zu", n);
}

Test(record, count_is_exact)
{
	struct batch_header *b = (void *)buffer;

	three();
	for (uint32_t n = 0; n < 6; n++) {
		b->count = n;
		cr_assert_eq(batch_check(buffer, used), n == 3 ? 0 : -EBADMSG);
	}
	b->count = UINT32_MAX;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
}

Test(record, nothing_is_larger_than_a_batch_may_be)
{
	struct record_send *send;
	uint32_t rest;

	begin();
	for (unsigned i = 0; i < 10000; i++)
		add(RECORD_WATCH, sizeof(struct record_watch));
	rest = (uint32_t)(BATCH_MAX - used - sizeof(struct record_header));
	send = add(RECORD_SEND, rest);
	send->size = rest - (uint32_t)sizeof(*send);
	cr_assert_eq(used, BATCH_MAX);
	cr_expect_eq(batch_check(buffer, used), 0);
	add(RECORD_WATCH, sizeof(struct record_watch));
	cr_expect_eq(batch_check(buffer, used), -EBADMSG);
}

Test(record, header_is_checked)
{
	struct record_header *h = (void *)(buffer + sizeof(struct batch_header));

	three();
	h->type = 0;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
	h->type = RECORD_TYPE_COUNT;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
	h->type = RECORD_FLOW_CLOSED;
	h->zero = 1;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
	h->zero = 0;
	cr_assert_eq(batch_check(buffer, used), 0);
	h->size = UINT32_MAX;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
	h->size = 0;
	buffer[0] ^= 1;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
}

Test(record, padding_is_zero)
{
	begin();
	add_send("12345");
	cr_assert_eq(batch_check(buffer, used), 0);
	buffer[used - 1] = 1;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
}

Test(record, sizes_are_those_of_the_type)
{
	static const struct {
		uint16_t type;
		uint32_t size;
		int expected;
	} rows[] = {
		{RECORD_FLOW_CLOSED, 0, -EBADMSG},
		{RECORD_WATCH, 8, -EBADMSG},
		{RECORD_WATCH, sizeof(struct record_watch) + 1, -EBADMSG},
		{RECORD_FLOW_CLOSED, sizeof(struct record_flow_closed), 0},
		{RECORD_SEND_FAILED, sizeof(struct record_send_failed), 0},
		{RECORD_PENALTY, sizeof(struct record_penalty), 0},
		{RECORD_PENALTY, 0, -EBADMSG},
		{RECORD_MESSAGE, sizeof(struct message), 0},
		{RECORD_MESSAGE, sizeof(struct message) - 1, -EBADMSG},
		{RECORD_MESSAGE, MESSAGE_BLOCK_MAX + 1, -EBADMSG},
		{RECORD_SEND, sizeof(struct record_send), -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		add(rows[i].type, rows[i].size);
		cr_assert_eq(batch_check(buffer, used), rows[i].expected, "row %zu", i);
	}
	begin();
	add_send("abc");
	((struct record_send *)(void *)(buffer + 16))->size = 4;
	cr_assert_eq(batch_check(buffer, used), -EBADMSG);
}

/* ---- what waits to be sent ---- */

static void put(struct outgoing *o, size_t size, uint64_t mark)
{
	void *data;

	cr_assert_eq(outgoing_record(o, RECORD_WATCH, size, false, &data), 0);
	cr_assert_eq((uintptr_t)data % 8, 0);
	memset(data, 0xee, size);
	memcpy(data, &mark, sizeof(mark));
}

Test(outgoing, batches_are_whole_and_in_order)
{
	struct batch_pool pool = {0};
	struct outgoing o;
	uint64_t next = 0;
	size_t records = 0;

	outgoing_init(&o, &pool);
	for (uint64_t i = 0; i < 10000; i++)
		put(&o, sizeof(struct record_watch), i);
	outgoing_close(&o);
	cr_assert_eq(o.records, 10000);
	while (o.first) {
		struct batch *b = outgoing_pop(&o);
		const void *data;
		size_t at = 0;

		cr_assert_leq(b->used, BATCH_TARGET);
		cr_assert_eq(batch_check(b->data, b->used), 0);
		records += batch_records(b);
		while (batch_next(b->data, b->used, &at, &data)) {
			uint64_t mark;

			memcpy(&mark, data, sizeof(mark));
			cr_assert_eq(mark, next++);
		}
		batch_give(&pool, b);
	}
	cr_assert_eq(records, 10000);
	cr_assert_eq(o.records, 0);
	cr_assert_eq(o.bytes, 0);
	batch_pool_free(&pool);
}

Test(outgoing, shrinks_and_takes_back)
{
	struct batch_pool pool = {0};
	struct outgoing o;
	struct batch *b;
	void *data;

	outgoing_init(&o, &pool);
	put(&o, sizeof(struct record_watch), 1);
	cr_assert_eq(
		outgoing_record(&o, RECORD_SEND, sizeof(struct record_send) + 1000, false, &data),
		0);
	memset(data, 0xff, sizeof(struct record_send) + 1000);
	((struct record_send *)data)->size = 3;
	outgoing_shrink(&o, sizeof(struct record_send) + 3);
	cr_assert_eq(outgoing_record(&o, RECORD_SEND, 5000, false, &data), 0);
	memset(data, 0xff, 5000);
	outgoing_shrink(&o, 0);
	put(&o, sizeof(struct record_watch), 2);
	cr_assert_eq(o.records, 3);
	outgoing_close(&o);
	b = outgoing_pop(&o);
	cr_assert_eq(batch_check(b->data, b->used), 0);
	cr_assert_eq(batch_records(b), 3);
	outgoing_put_back(&o, b);
	cr_assert_eq(outgoing_clear(&o), 3);
	cr_assert_eq(o.bytes, 0);
	batch_pool_free(&pool);
}

Test(outgoing, is_bounded_with_a_reserve)
{
	struct batch_pool pool = {0};
	struct outgoing o;
	void *data;
	int error;

	outgoing_init(&o, &pool);
	while (!(error = outgoing_record(&o, RECORD_SEND, 60000, false, &data)))
		;
	cr_assert_eq(error, -EAGAIN);
	cr_assert_leq(o.bytes, OUTGOING_SOFT_MAX);
	cr_assert_gt(o.bytes, OUTGOING_SOFT_MAX - 61000);
	while (!(error = outgoing_record(&o, RECORD_SEND, 60000, true, &data)))
		;
	cr_assert_eq(error, -EAGAIN);
	cr_assert_leq(o.bytes, OUTGOING_HARD_MAX);
	cr_assert_gt(o.bytes, OUTGOING_HARD_MAX - 61000);
	outgoing_clear(&o);
	cr_assert_eq(outgoing_record(&o, RECORD_SEND, BATCH_MAX - 16, true, &data), 0);
	cr_assert_eq(outgoing_record(&o, RECORD_SEND, BATCH_MAX - 15, true, &data), -EMSGSIZE);
	outgoing_clear(&o);
	batch_pool_free(&pool);
}

Test(record, permits_what_the_table_says)
{
	cr_expect(record_permits(RECORD_MESSAGE, PEER_TRANSPORT, PEER_SIP));
	cr_expect(record_permits(RECORD_MESSAGE, PEER_SIP, PEER_SIP));
	cr_expect_not(record_permits(RECORD_MESSAGE, PEER_SIP, PEER_TRANSPORT));
	cr_expect_not(record_permits(RECORD_SEND_FAILED, PEER_SIP, PEER_SIP));
	cr_expect(record_permits(RECORD_SEND, PEER_SIP, PEER_TRANSPORT));
	cr_expect_not(record_permits(RECORD_SEND, PEER_TRANSPORT, PEER_TRANSPORT));
	for (uint16_t type = 0; type <= RECORD_TYPE_COUNT; type++) {
		cr_expect_not(record_permits(type, PEER_TLS, PEER_SIP));
		cr_expect_not(record_permits(type, PEER_SIP, PEER_TLS));
		cr_expect_not(record_permits(type, PEER_NONE, PEER_SIP));
		cr_expect_not(record_permits(type, ROLE_COUNT, ROLE_COUNT));
	}
	cr_expect_not(record_permits(RECORD_NONE, PEER_SIP, PEER_SIP));
	cr_expect_not(record_permits(RECORD_TYPE_COUNT, PEER_SIP, PEER_SIP));
}

Test(record, names_come_from_the_table)
{
	cr_expect_str_eq(record_name(RECORD_PENALTY), "PENALTY");
	cr_expect_str_eq(record_name(RECORD_NONE), "?");
	cr_expect_str_eq(record_name(RECORD_TYPE_COUNT), "?");
}
