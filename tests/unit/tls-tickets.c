/* Keys of session tickets: made, rotated, told, wiped. */
#include "ipc/sign_packet.h"
#include "worker-tls/tickets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static struct loop *loop;
static struct tickets *t;
static unsigned changes;
static unsigned char buffer[SIGN_PACKET_MAX];

static void changed(void *arg)
{
	cr_assert_eq(arg, &changes);
	changes++;
}

static void setup(void)
{
	cr_assert(sodium_init() >= 0);
	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(tickets_new(&t, loop, changed, &changes), 0);
}

static void teardown(void)
{
	tickets_free(t);
	loop_free(loop);
}

TestSuite(tickets, .init = setup, .fini = teardown);

static struct sign_tickets told(void)
{
	struct sign_tickets out;
	size_t n = tickets_packet(t, buffer);

	cr_assert_eq(sign_tickets_decode(buffer, n, &out), 0);
	return out;
}

Test(tickets, are_off_until_told)
{
	cr_expect_not(tickets_on(t));
	cr_expect_eq(told().count, 0);
	tickets_rotate(t);
	cr_expect_eq(told().count, 0);
	cr_expect_eq(changes, 0);
	cr_expect_eq(tickets_set(t, false), 0);
	cr_expect_eq(changes, 0);
}

Test(tickets, the_newest_comes_first_and_expires_last)
{
	struct sign_tickets first, next;

	cr_assert_eq(tickets_set(t, true), 0);
	cr_expect(tickets_on(t));
	first = told();
	cr_assert_eq(first.count, 1);
	cr_expect_eq(first.key[0].expires_ms, loop_now(loop) + TICKET_KEYS_MAX * TICKETS_ROTATE_MS);
	cr_expect_eq(changes, 1);
	tickets_set(t, true);
	cr_expect_eq(changes, 1, "on is on");
	for (unsigned i = 2; i <= TICKET_KEYS_MAX + 2; i++) {
		tickets_rotate(t);
		next = told();
		cr_expect_eq(changes, i);
		cr_expect_eq(next.count, i < TICKET_KEYS_MAX ? i : TICKET_KEYS_MAX);
		cr_expect_neq(memcmp(&next.key[0], &first.key[0], sizeof(next.key[0])), 0);
		cr_expect_eq(memcmp(&next.key[1], &first.key[0], sizeof(next.key[0])), 0,
			"the one before goes on decrypting");
		first = next;
	}
	for (unsigned i = 0; i < TICKET_KEYS_MAX; i++)
		for (unsigned j = 0; j < i; j++) {
			cr_expect_neq(memcmp(first.key[i].name, first.key[j].name, 16), 0);
			cr_expect_neq(memcmp(first.key[i].aes, first.key[j].aes, 32), 0);
			cr_expect_neq(memcmp(first.key[i].hmac, first.key[j].hmac, 32), 0);
		}
}

Test(tickets, off_forgets_all)
{
	struct sign_tickets before;

	tickets_set(t, true);
	before = told();
	cr_expect_eq(tickets_set(t, false), 0);
	cr_expect_eq(changes, 2);
	cr_expect_eq(told().count, 0);
	tickets_set(t, true);
	cr_expect_eq(told().count, 1);
	cr_expect_neq(memcmp(told().key[0].aes, before.key[0].aes, 32), 0);
}
