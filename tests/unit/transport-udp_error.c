/* transport-udp_error.c - ICMP errors that come for what was sent (RFC 3261 section 18.4). */
#include "transport-fixture.h"

#include "worker-transport/udp_error.h"

static char buffer[2048], raw[2048];

/* A port that nobody listens at. */
static int dead_port(void)
{
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port);

	close(fd);
	return port;
}

/* Writes a request as SIP workers do, with that branch. */
static size_t request_with(const char *branch)
{
	return (size_t)snprintf(raw, sizeof(raw),
		"INVITE sip:1@127.0.0.1;branch=z9hG4bKno SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:5062;branch=%s\r\nMax-Forwards: 70\r\n\r\n",
		branch);
}

#define OUR_BRANCH                                                                                 \
	"z9hG4bKsw07"                                                                              \
	"0"                                                                                        \
	"0123456789abcdef"                                                                         \
	"fedcba9876543210"

static void send_from(struct fixture *f, unsigned listener, int port, const char *branch)
{
	struct flow flow = {.transport = TRANSPORT_UDP,
		.listener = (uint16_t)listener,
		.peer = at("127.0.0.1", port)};

	order(f, &flow, raw, request_with(branch), 5, false);
}

Test(udp_error, a_port_that_is_unreachable_is_told_to_whom_the_request_is)
{
	struct fixture *f = fixture_new(NULL);
	int port = dead_port();
	struct endpoint to = at("127.0.0.1", port);
	const struct record_unreachable *r;

	send_from(f, CORE_UDP, port, OUR_BRANCH);
	UNTIL(f, f->count == 1);
	cr_assert_eq(f->noted[0].type, RECORD_UNREACHABLE);
	cr_assert_eq(f->noted[0].peer, PEER(PEER_SIP, 7 % 2), "the owner of its slot");
	r = f->noted[0].data;
	cr_assert_eq(r->error, -ECONNREFUSED);
	cr_assert(endpoint_equal(&r->to, &to));
	cr_assert(memcmp(r->branch, OUR_BRANCH, sizeof(r->branch)) == 0);
	cr_assert_eq(COUNTED(UDP_UNREACHABLE), 1);
	fixture_free(f);
}

static void peer_of_ipv6(struct image *image)
{
	image->source = (struct prefix){.network = at("[::1]", 0), .bits = 128};
}

Test(udp_error, an_ipv6_port_that_is_unreachable_is_told)
{
	struct fixture *f = fixture_new(peer_of_ipv6);
	struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, to;
	socklen_t length = sizeof(to);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    dead = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || dead < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) ||
		bind(dead, (struct sockaddr *)&own, sizeof(own)))
		cr_skip_test("no IPv6 here");
	cr_assert_eq(getsockname(dead, (struct sockaddr *)&to, &length), 0);
	close(dead);
	cr_assert_eq(udp_errors_ask(fd, AF_INET6), 0);
	size_t n = request_with(OUR_BRANCH);
	cr_assert_eq(sendto(fd, raw, n, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)n);
	UNTIL(f, (udp_errors_take(&f->t, fd, CORE_UDP), f->count == 1));
	const struct record_unreachable *r = f->noted[0].data;
	cr_assert_eq(r->error, -ECONNREFUSED);
	cr_assert_eq(r->to.family, 6);
	cr_assert_eq(r->to.port, ntohs(to.sin6_port));
	close(fd);
	fixture_free(f);
}

Test(udp_error, icmp_errors_that_prove_nothing_are_counted)
{
	struct fixture *f = fixture_new(NULL);
	int port = dead_port();

	send_from(f, CORE_UDP, port, "z9hG4bKtheirs");
	send_from(f, ACCESS_UDP, port, OUR_BRANCH); /* anybody may be there */
	UNTIL(f, COUNTED(UDP_UNREACHABLE_IGNORED) == 2);
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}

/* The error of one peer must not meet what is for another. */
Test(udp_error, an_icmp_error_costs_no_other_datagram)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port), dead = dead_port();
	unsigned refused = 0;

	for (unsigned i = 0; i < 100; i++) {
		send_from(f, CORE_UDP, dead, OUR_BRANCH);
		udp_flush(f->t.udp); /* the error is there when the next one goes */
		send_from(f, CORE_UDP, port, OUR_BRANCH);
		udp_flush(f->t.udp);
		loop_once(f->t.loop, 0);
		forget(f);
		UNTIL(f, hear(fd, buffer, sizeof(buffer)) > 0);
	}
	UNTIL(f, COUNTED(UDP_UNREACHABLE) == 100);
	for (unsigned i = 0; i < f->count; i++)
		refused += f->noted[i].type == RECORD_SEND_FAILED;
	cr_assert_eq(refused, 0);
	cr_assert_eq(COUNTED(FLOW_SEND_FAILED), 0);
	close(fd);
	fixture_free(f);
}
