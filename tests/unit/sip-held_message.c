/* Received messages that outlive their batch. */
#include "worker-sip/message/held_message.h"
#include "sip-message.h"

#include <criterion/criterion.h>

Test(held_message, is_the_whole_block)
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
