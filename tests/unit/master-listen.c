/* master-listen.c - the SIP listeners' sockets. */
#include "common/log.h"
#include "master/listen.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void setup(void)
{
	log_init("test", -1, LOG_ERROR, quiet, NULL);
}

TestSuite(listen, .init = setup);

/* A socket as another program would have it; *port is its port. */
static int foreign(int type, uint16_t *port, bool share)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(*port)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	if (share)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		cr_assert_eq(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&a, &n);
	*port = ntohs(a.sin_port);
	return fd;
}

static struct config_listener row_at(uint8_t transport, uint16_t port, char *name)
{
	struct config_listener row = {.name = name, .transport = transport};

	cr_assert_eq(endpoint_parse_host(S("127.0.0.1"), port, &row.bind), 0);
	return row;
}

/* Free for UDP and for TCP: on a busy machine connections of others hold many a port. */
static uint16_t free_port(void)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint16_t port = 0;
		struct sockaddr_in a = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		close(foreign(SOCK_DGRAM, &port, false));
		a.sin_port = htons(port);
		int error = bind(fd, (struct sockaddr *)&a, sizeof(a));
		close(fd);
		if (error == 0)
			return port;
	}
	cr_assert_fail("no port is free");
	return 0;
}

Test(listen, each_worker_has_a_socket_of_each_listener)
{
	uint16_t port = free_port();
	struct config_listener rows[] = {
		row_at(TRANSPORT_UDP, port, "u"), row_at(TRANSPORT_TCP, port, "t")};
	struct listen l;

	cr_assert_eq(listen_open(&l, rows, 2, 3), 0);
	for (unsigned w = 0; w < 3; w++)
		for (unsigned i = 0; i < 2; i++) {
			int fd = listen_socket(&l, w, i), type = 0, value = 0;
			socklen_t n = sizeof(type);

			cr_assert_geq(fd, 0);
			getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n);
			cr_expect_eq(type, i ? SOCK_STREAM : SOCK_DGRAM);
			cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
			cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
			if (i == 0) {
				getsockopt(fd, IPPROTO_IP, IP_PKTINFO, &value, &n);
				cr_expect_eq(value, 1);
			}
		}
	cr_expect_eq(listen_socket(&l, 3, 0), -1);
	cr_expect_eq(listen_socket(&l, 0, 2), -1);
	listen_close(&l);
}

Test(listen, a_port_that_another_process_holds_is_an_error_even_if_shared)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

	for (unsigned i = 0; i < 2; i++)
		for (int share = 0; share < 2; share++) {
			uint16_t port = 0;
			int fd = foreign(types[i], &port, share);
			struct config_listener row = row_at(
				i ? TRANSPORT_TCP : TRANSPORT_UDP, port, "x");
			struct listen l = {0};

			cr_expect_eq(listen_open(&l, &row, 1, 1), -EADDRINUSE, "type %u share %d",
				i, share);
			listen_close(&l);
			close(fd);
		}
}

Test(listen, a_worker_that_stays_away_gives_its_share_to_the_others)
{
	uint16_t port = free_port();
	struct config_listener row = row_at(TRANSPORT_UDP, port, "u");
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	struct listen l;

	cr_assert_eq(listen_open(&l, &row, 1, 2), 0);
	listen_suspend(&l, 0);
	cr_expect_eq(listen_socket(&l, 0, 0), -1);
	cr_expect_not(listen_pending(&l, 1));
	for (unsigned i = 0; i < 16; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		cr_assert_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		close(fd);
	}
	unsigned got = 0;
	char c;
	cr_expect(listen_pending(&l, 1));
	while (recv(listen_socket(&l, 1, 0), &c, 1, 0) == 1)
		got++;
	cr_expect_eq(got, 16);
	cr_expect_eq(listen_resume(&l, 0), 0);
	cr_expect_geq(listen_socket(&l, 0, 0), 0);
	cr_expect_not(listen_pending(&l, 0));
	listen_close(&l);
}

Test(listen, ipv6_does_not_take_the_ipv4_port)
{
	uint16_t port = free_port();
	struct config_listener rows[] = {
		row_at(TRANSPORT_UDP, port, "four"), row_at(TRANSPORT_UDP, port, "six")};
	struct listen l;

	cr_assert_eq(endpoint_parse_host(S("::"), port, &rows[1].bind), 0);
	cr_assert_eq(endpoint_parse_host(S("0.0.0.0"), port, &rows[0].bind), 0);
	cr_expect_eq(listen_open(&l, rows, 2, 1), 0);
	listen_close(&l);
}
