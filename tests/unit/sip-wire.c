/* Shared bytes, kept messages, the writer. */
#include "worker-sip/message/wire.h"
#include "sip-message.h"

#include <criterion/criterion.h>

Test(wire, lives_as_long_as_its_last_reference)
{
	char text[] = "abc";
	struct wire *w = wire_new(text, 3), *same;

	text[0] = 'x'; /* a copy */
	cr_assert_eq(w->size, 3);
	cr_assert_eq(w->references, 1);
	cr_assert_arr_eq(w->byte, "abc", 3);
	same = wire_hold(w);
	cr_assert_eq(same, w);
	wire_drop(w);
	cr_assert_eq(same->references, 1);
	cr_assert_arr_eq(same->byte, "abc", 3);
	wire_drop(same);
	wire_drop(NULL);
}

Test(wire, may_be_empty)
{
	struct wire *w = wire_new(NULL, 0);

	cr_assert_not_null(w);
	cr_assert_eq(w->size, 0);
	wire_drop(w);
}

Test(wire, kept_is_the_whole_block)
{
	struct flow flow = {.transport = TRANSPORT_UDP, .listener = 3};
	struct message *m = message_of(
		"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: "
		"<sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\nbody",
		&flow);
	struct held_message *k = held_message_new(m), *same;

	cr_assert_eq(((uintptr_t)&k->message) % 8, 0);
	cr_assert_eq(memcmp(&k->message, m, m->size), 0);
	free(m);
	same = held_message_hold(k);
	held_message_drop(k);
	cr_assert(str_equal(message_str(&same->message, same->message.body), S("body")));
	cr_assert_eq(same->message.flow.listener, 3);
	held_message_drop(same);
	held_message_drop(NULL);
}

Test(wire, writer_leaves_out_what_does_not_fit)
{
	char buffer[8];
	struct writer w = WRITER(buffer);

	write_literal(&w, "abcd");
	write_number(&w, 0);
	cr_assert(!w.full);
	write_str(&w, S("too long"));
	cr_assert(w.full);
	cr_assert(str_equal(writer_text(&w), S("abcd0")));
	/* what fits is still written, but full stays */
	write_number(&w, 123);
	cr_assert(str_equal(writer_text(&w), S("abcd0123")));
	cr_assert(w.full);
	write_bytes(&w, NULL, 0);
	write_number(&w, 1);
	cr_assert_eq(w.n, 8);
}

Test(wire, writer_writes_numbers)
{
	char buffer[64];
	struct writer w = WRITER(buffer);

	write_number(&w, 7);
	write_literal(&w, " ");
	write_number(&w, 4294967296);
	write_literal(&w, " ");
	write_number(&w, UINT64_MAX);
	cr_assert(str_equal(writer_text(&w), S("7 4294967296 18446744073709551615")));
}
