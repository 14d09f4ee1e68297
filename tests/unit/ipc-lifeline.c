/* The lifeline: packets with fds, and what the table does not allow. */
#include "ipc/lifeline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int pair[2];
static struct lifeline_packet packet;

static void setup(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

TestSuite(lifeline, .init = setup);

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A packet that lifeline_send would refuse. */
static void send_raw(const void *p, size_t n, const int *fds, unsigned count)
{
	struct iovec part = {(void *)(uintptr_t)p, n};
	char buffer[CMSG_SPACE(sizeof(int) * 16)] = {0};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (count) {
		struct cmsghdr *c;

		m.msg_control = buffer;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	cr_assert_eq(sendmsg(pair[0], &m, 0), (ssize_t)n);
}

Test(lifeline, carries_an_fd)
{
	struct lifeline_welcome w = {
		.incarnation = 5, .role = PEER_SIP, .index = 3, .root = "/run/x"};
	struct lifeline_welcome got;
	struct stat a, b;
	int fd = memfd_create("page", MFD_CLOEXEC);

	cr_assert_eq(lifeline_send(pair[0], LIFELINE_WELCOME, &w, sizeof(w), NULL, 0, &fd, 1), 0);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), 0);
	cr_assert_eq(packet.type, LIFELINE_WELCOME);
	cr_assert_eq(packet.size, sizeof(w));
	cr_assert_eq(packet.fds, 1);
	cr_assert_eq((uintptr_t)packet.body % 8, 0);
	memcpy(&got, packet.body, sizeof(got));
	cr_assert(memcmp(&w, &got, sizeof(w)) == 0);
	cr_assert(fcntl(packet.fd[0], F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(packet.fd[1], -1);
	fstat(fd, &a);
	fstat(packet.fd[0], &b);
	cr_assert_eq(a.st_ino, b.st_ino);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EAGAIN);
	close(pair[0]);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EPIPE);
	cr_assert_eq(lifeline_send(pair[1], LIFELINE_READY, NULL, 0, NULL, 0, NULL, 0), -EPIPE);
}

Test(lifeline, body_and_more_are_one)
{
	struct lifeline_log log = {.level = 2};
	struct lifeline_log *got = (void *)packet.body;

	cr_assert_eq(
		lifeline_send(pair[1], LIFELINE_LOG, &log, sizeof(log), "a line", 6, NULL, 0), 0);
	cr_assert_eq(lifeline_receive(pair[0], false, &packet), 0);
	cr_assert_eq(packet.size, sizeof(log) + 6);
	cr_assert_eq(got->level, 2);
	cr_assert(memcmp(got + 1, "a line", 6) == 0);
}

Test(lifeline, send_refuses_what_the_table_does_not_allow)
{
	struct lifeline_probe_result result = {0};
	struct lifeline_log log = {0};
	char line[1025] = {0};
	int fd = 0;

	cr_assert_eq(lifeline_send(pair[0], LIFELINE_NONE, NULL, 0, NULL, 0, NULL, 0), -EINVAL);
	cr_assert_eq(
		lifeline_send(pair[0], LIFELINE_TYPE_COUNT, NULL, 0, NULL, 0, NULL, 0), -EINVAL);
	cr_assert_eq(lifeline_send(pair[0], LIFELINE_PROBE_RESULT, &result, sizeof(result) - 1,
			     NULL, 0, NULL, 0),
		-EINVAL);
	cr_assert_eq(lifeline_send(pair[0], LIFELINE_PROBE_RESULT, &result, sizeof(result), NULL, 0,
			     &fd, 1),
		-EINVAL);
	cr_assert_eq(lifeline_send(pair[0], LIFELINE_SETTINGS, NULL, 0, NULL, 0, NULL, 0), -EINVAL);
	cr_assert_eq(lifeline_send(pair[0], LIFELINE_LOG, &log, sizeof(log), line, 1025, NULL, 0),
		-EINVAL);
	cr_assert_eq(
		lifeline_send(pair[0], LIFELINE_LOG, &log, sizeof(log), line, 0, NULL, 0), -EINVAL);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EAGAIN);
}

Test(lifeline, receive_refuses_the_wrong_sender)
{
	cr_assert_eq(lifeline_send(pair[0], LIFELINE_GO, NULL, 0, NULL, 0, NULL, 0), 0);
	cr_assert_eq(lifeline_receive(pair[1], false, &packet), -EBADMSG);
	cr_assert_eq(lifeline_send(pair[0], LIFELINE_READY, NULL, 0, NULL, 0, NULL, 0), 0);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
}

Test(lifeline, receive_refuses_and_leaks_nothing)
{
	struct {
		struct lifeline_header h;
		char body[64];
	} raw = {{LIFELINE_GO, 0, 0}, {0}};
	int fds[6];
	int before;
	char *huge = calloc(1, LIFELINE_PACKET_MAX + 64);

	for (int i = 0; i < 6; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	before = open_fds();
	for (unsigned n = 1; n <= 6;
		n++) { /* fds that GO does not carry, and more than there is room for */
		send_raw(&raw, sizeof(raw.h), fds, n);
		cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
		cr_assert_eq(packet.fds, 0);
		cr_assert_eq(packet.fd[0], -1);
	}
	for (size_t n = 1; n < sizeof(raw.h); n++) {
		send_raw(&raw, n, NULL, 0);
		cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
	}
	send_raw(&raw, sizeof(raw.h) + 1, NULL, 0); /* size says less */
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
	raw.h.size = 8; /* says more than GO has */
	send_raw(&raw, sizeof(raw.h) + 8, NULL, 0);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
	raw.h = (struct lifeline_header){LIFELINE_GO, 1, 0};
	send_raw(&raw, sizeof(raw.h), NULL, 0);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
	raw.h = (struct lifeline_header){999, 0, 0};
	send_raw(&raw, sizeof(raw.h), fds, 2);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
	*(struct lifeline_header *)(void *)huge = (struct lifeline_header){
		LIFELINE_SLOTS, 0, LIFELINE_PACKET_MAX + 8};
	send_raw(huge, LIFELINE_PACKET_MAX + 16, fds, 1);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EBADMSG);
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(lifeline_receive(pair[1], true, &packet), -EAGAIN);
	free(huge);
}

Test(lifeline, a_full_pair_does_not_block)
{
	struct lifeline_probe_result result = {0};
	int error;
	uint32_t sent = 0;

	while (!(error = lifeline_send(pair[1], LIFELINE_PROBE_RESULT, &result, sizeof(result),
			 NULL, 0, NULL, 0)))
		result.error = (int32_t)++sent;
	cr_assert_eq(error, -EAGAIN);
	for (uint32_t i = 0; i < sent; i++) {
		cr_assert_eq(lifeline_receive(pair[0], false, &packet), 0);
		memcpy(&result, packet.body, sizeof(result));
		cr_assert_eq(result.error, (int32_t)i);
	}
	cr_assert_eq(lifeline_receive(pair[0], false, &packet), -EAGAIN);
}

Test(lifeline, names_come_from_the_table)
{
	cr_assert_str_eq(lifeline_name(LIFELINE_PEER_DOWN), "PEER_DOWN");
	cr_assert_str_eq(lifeline_name(0), "?");
	cr_assert_str_eq(lifeline_name(LIFELINE_TYPE_COUNT), "?");
}

Test(lifeline, permits_what_the_table_says)
{
	cr_expect(lifeline_permits(LIFELINE_USERS, PEER_NONE, PEER_SIP));
	cr_expect_not(lifeline_permits(LIFELINE_USERS, PEER_NONE, PEER_TRANSPORT));
	cr_expect_not(lifeline_permits(LIFELINE_USERS, PEER_SIP, PEER_NONE));
	cr_expect_not(lifeline_permits(LIFELINE_KEYS, PEER_NONE, PEER_TLS));
	cr_expect(lifeline_permits(LIFELINE_ACK, PEER_SIP, PEER_NONE));
	cr_expect_not(lifeline_permits(LIFELINE_ACK, PEER_TRANSPORT, PEER_NONE));
	cr_expect_not(lifeline_permits(LIFELINE_ACK, PEER_SIP, PEER_SIP));
	for (unsigned role = ROLE_FIRST; role < ROLE_COUNT; role++) {
		cr_expect(lifeline_permits(LIFELINE_STOP, PEER_NONE, role));
		cr_expect(lifeline_permits(LIFELINE_LOG, role, PEER_NONE));
		cr_expect_not(lifeline_permits(LIFELINE_LOG, PEER_NONE, role));
	}
	cr_expect_not(lifeline_permits(LIFELINE_NONE, PEER_NONE, PEER_SIP));
	cr_expect_not(lifeline_permits(LIFELINE_TYPE_COUNT, PEER_NONE, PEER_SIP));
	cr_expect_not(lifeline_permits(LIFELINE_STOP, PEER_NONE, ROLE_COUNT));
	cr_expect_not(lifeline_permits(LIFELINE_LOG, ROLE_COUNT, PEER_NONE));
}
