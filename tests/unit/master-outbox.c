/* master-outbox.c - packets to a worker that does not read for a while. */
#include "master/workers/outbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

static struct outbox box;
static int pair[2];
static struct lifeline_packet packet;

static void setup(void)
{
	cr_assert(sodium_init() >= 0);
	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	outbox_init(&box);
}

static void teardown(void)
{
	outbox_clear(&box);
	close(pair[0]);
	close(pair[1]);
}

TestSuite(outbox, .init = setup, .fini = teardown);

static int send_peer(uint32_t n)
{
	struct lifeline_peer body = {.incarnation = n};

	return outbox_send(&box, pair[0], LIFELINE_PEER_DOWN, &body, sizeof(body), -1);
}

Test(outbox, keeps_the_order_over_a_full_lifeline)
{
	uint32_t sent = 0, read = 0;

	while (send_peer(sent) == 0)
		sent++;
	sent++;
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(send_peer(sent++), 1);
	cr_expect_eq(box.count, 101);
	cr_expect_eq(outbox_flush(&box, pair[0]), 1);
	while (read < sent) {
		int error = lifeline_receive(pair[1], true, &packet);

		if (error == -EAGAIN) {
			cr_assert_geq(outbox_flush(&box, pair[0]), 0);
			continue;
		}
		cr_assert_eq(error, 0);
		cr_assert_eq(((struct lifeline_peer *)packet.body)->incarnation, read);
		read++;
	}
	cr_expect_eq(outbox_flush(&box, pair[0]), 0);
	cr_expect_eq(box.count, 0);
	cr_expect_eq(send_peer(7), 0, "directly again");
}

Test(outbox, is_bounded)
{
	uint32_t n = 0;
	int error;

	while ((error = send_peer(n)) >= 0)
		cr_assert_lt(n++, 100000);
	cr_expect_eq(error, -ENOBUFS);
	cr_expect_eq(box.count, OUTBOX_MAX);
}

Test(outbox, a_waiting_fd_is_a_duplicate)
{
	int fds[2], got = -1;

	cr_assert_eq(pipe(fds), 0);
	while (send_peer(0) == 0)
		;
	cr_assert_eq(outbox_send(&box, pair[0], LIFELINE_SETTINGS, NULL, 0, fds[0]), 1);
	close(fds[0]);
	while (got < 0) {
		int error = lifeline_receive(pair[1], true, &packet);

		if (error == -EAGAIN)
			cr_assert_geq(outbox_flush(&box, pair[0]), 0);
		else if (packet.type == LIFELINE_SETTINGS)
			got = packet.fd[0];
	}
	char c = 0;
	cr_assert_eq(write(fds[1], "!", 1), 1);
	cr_expect_eq(read(got, &c, 1), 1);
	cr_expect_eq(c, '!');
}

Test(outbox, a_closed_lifeline_is_told)
{
	close(pair[1]);
	cr_expect_eq(send_peer(1), -EPIPE);
	pair[1] = -1;
}
