/* The packets of the key edge: round trips, and nothing that is not exactly one of them. */
#include "ipc/sign_packet.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char buffer[SIGN_PACKET_MAX + 16];
static unsigned char bytes[SIGN_TEXT_MAX + 1];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
}

TestSuite(packet, .init = fill);

Test(packet, a_request_comes_back)
{
	struct sign_request r = {.scheme = 0x0403, .id = 77, .generation = 3, .certificate = 2},
			    got;
	const unsigned char *text;

	for (size_t n = 1; n <= SIGN_TEXT_MAX; n++) {
		size_t size = sign_request_encode(&r, bytes, n, buffer);

		cr_assert_eq(size, sizeof(r) + n);
		cr_assert_eq(sign_packet_kind(buffer, size), SIGN_REQUEST);
		cr_assert_eq(sign_request_decode(buffer, size, &got, &text), 0);
		cr_assert_eq(got.scheme, 0x0403);
		cr_assert_eq(got.id, 77);
		cr_assert_eq(got.generation, 3);
		cr_assert_eq(got.certificate, 2);
		cr_assert_eq(got.size, n);
		cr_assert_arr_eq(text, bytes, n);
		for (size_t other = 0; other < SIGN_PACKET_MAX; other++)
			if (other != size)
				cr_assert_eq(sign_request_decode(buffer, other, &got, &text),
					-EBADMSG, "%zu taken for %zu", other, size);
	}
	cr_assert_eq(sign_request_encode(&r, bytes, 0, buffer), 0);
	cr_assert_eq(sign_request_encode(&r, bytes, SIGN_TEXT_MAX + 1, buffer), 0);
}

Test(packet, a_reply_comes_back)
{
	struct sign_reply got;
	const unsigned char *signature;

	for (size_t n = 1; n <= SIGNATURE_MAX; n++) {
		size_t size = sign_reply_encode(9, 0, bytes, n, buffer);

		cr_assert_eq(sign_reply_decode(buffer, size, &got, &signature), 0);
		cr_assert_eq(got.id, 9);
		cr_assert_arr_eq(signature, bytes, n);
		cr_assert_eq(sign_reply_decode(buffer, size - 1, &got, &signature), -EBADMSG);
		cr_assert_eq(sign_reply_decode(buffer, size + 1, &got, &signature), -EBADMSG);
	}
	cr_assert_eq(sign_reply_decode(buffer, sign_reply_encode(9, -EACCES, NULL, 0, buffer), &got,
			     &signature),
		0);
	cr_assert_eq(got.error, -EACCES);
	cr_assert_null(signature);
	cr_assert_eq(sign_reply_encode(9, -EACCES, bytes, 4, buffer), 0);
	cr_assert_eq(sign_reply_encode(9, 0, NULL, 0, buffer), 0);
	cr_assert_eq(sign_reply_encode(9, 1, NULL, 0, buffer), 0);
	cr_assert_eq(sign_reply_encode(9, 0, bytes, SIGNATURE_MAX + 1, buffer), 0);
}

Test(packet, a_reply_that_makes_no_sense_is_refused)
{
	const struct sign_reply bad[] = {
		{.kind = SIGN_REPLY, .size = 4, .error = -EACCES},
		{.kind = SIGN_REPLY, .size = 4, .error = 1},
		{.kind = SIGN_REPLY, .size = 4, .zero = 1},
		{.kind = SIGN_REQUEST, .size = 4},
		{.kind = SIGN_REPLY, .size = 0},
		{.kind = SIGN_REPLY, .size = SIGNATURE_MAX + 1},
	};
	struct sign_reply got;
	const unsigned char *signature;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(buffer, &bad[i], sizeof(bad[i]));
		cr_expect_eq(
			sign_reply_decode(buffer, sizeof(bad[i]) + bad[i].size, &got, &signature),
			-EBADMSG, "%zu", i);
	}
}

Test(packet, tickets_come_back_without_what_is_not_counted)
{
	struct sign_tickets t = {.count = 2, .zero = 5}, got;
	size_t size;

	memset(t.key, 0xaa, sizeof(t.key));
	size = sign_tickets_encode(&t, buffer);
	cr_assert_eq(sign_tickets_decode(buffer, size, &got), 0);
	cr_assert_eq(got.count, 2);
	cr_assert_eq(got.zero, 0);
	cr_assert_eq(got.key[1].aes[31], 0xaa);
	for (size_t i = 0; i < sizeof(got.key[2]); i++)
		cr_assert_eq(((unsigned char *)&got.key[2])[i], 0);
	cr_assert_eq(sign_tickets_decode(buffer, size - 1, &got), -EBADMSG);
	cr_assert_eq(sign_tickets_decode(buffer, size + 1, &got), -EBADMSG);
	t.count = TICKET_KEYS_MAX + 1;
	cr_assert_eq(sign_tickets_encode(&t, buffer), 0);
	((struct sign_tickets *)(void *)buffer)->count = TICKET_KEYS_MAX + 1;
	cr_assert_eq(sign_tickets_decode(buffer, size, &got), -EBADMSG);
}

Test(packet, sends_and_receives_whole_packets_only)
{
	int pair[2];
	ssize_t n;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	cr_assert_eq(sign_packet_receive(pair[1], buffer), -EAGAIN);
	cr_assert_eq(sign_packet_send(pair[0], bytes, 20), 0);
	cr_assert_eq(sign_packet_receive(pair[1], buffer), 20);
	cr_assert_eq(send(pair[0], buffer, SIGN_PACKET_MAX + 1, 0), SIGN_PACKET_MAX + 1);
	cr_assert_eq(sign_packet_receive(pair[1], buffer), -EBADMSG);
	while ((n = sign_packet_send(pair[0], bytes, 512)) == 0)
		;
	cr_assert_eq(n, -EAGAIN);
	close(pair[1]);
	cr_assert_eq(sign_packet_send(pair[0], bytes, 20), -EPIPE);
}

Test(packet, an_fd_sent_along_does_not_arrive)
{
	int pair[2], before, after;
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {bytes, 20};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	before = dup(pair[0]); /* the lowest number that is free */
	close(before);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pair[0], sizeof(int));
	cr_assert_eq(sendmsg(pair[0], &m, 0), 20);
	cr_assert_eq(sign_packet_receive(pair[1], buffer), -EBADMSG);
	after = dup(pair[0]);
	cr_assert_eq(after, before, "nothing has taken a number");
	close(after);
}
