/* transport-resolve.c - queries to the DNS for SIP workers, with a server of the test's own: what
 * an order may be, what of its answer is handed on, and that all of it is bounded. */
#include "transport-fixture.h"

#include "ipc/dns.h"
#include "worker-transport/resolve.h"
#include "worker-transport/resolve_parts.h"

#define SOCKETS 2

/* A query for the address of "a.example", as SIP workers write it. */
static const uint8_t query[] = "\0\0\1\0\0\1\0\0\0\0\0\1"
			       "\1a\7example\0"
			       "\0\1\0\1"
			       "\0\0\51\4\320\0\0\0\0\0";
#define QUERY_SIZE sizeof(query)

static int server, server_port;

static void one_server(struct image *image)
{
	server = bound("127.0.0.1", SOCK_DGRAM, &server_port);
	image->dns_server = at("127.0.0.1", server_port);
	image->s.dns_servers = (struct array){offsetof(struct image, dns_server), 1};
	image->s.dns_timeout_ms = 60000;
	image->s.dns_attempts = 1;
}

static struct fixture *resolving(void)
{
	struct fixture *f = fixture_new(one_server);

	for (unsigned i = 0; i < SOCKETS; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		cr_assert_eq(resolver_socket(f->t.resolver, fd), 0);
	}
	return f;
}

static bool ask(struct fixture *f, uint64_t cookie, const uint8_t *bytes, size_t size)
{
	struct {
		struct record_lookup order;
		uint8_t query[DNS_QUERY_MAX + 1];
	} r = {.order = {.cookie = cookie, .size = (uint32_t)size}};

	memcpy(r.query, bytes, size);
	return from_sip_record(&f->t, PEER(PEER_SIP, 1), RECORD_LOOKUP, &r, sizeof(r.order) + size);
}

/* What the server was asked, answered with those flags besides QR. */
static size_t answered(struct fixture *f, unsigned flags)
{
	uint8_t bytes[DNS_QUERY_MAX];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	ssize_t n;

	UNTIL(f, (n = recvfrom(server, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from,
			  &length)) > 0);
	bytes[2] = (uint8_t)((flags | DNS_RESPONSE) >> 8);
	bytes[3] = (uint8_t)flags;
	cr_assert_eq(sendto(server, bytes, (size_t)n, 0, (struct sockaddr *)&from, length), n);
	return (size_t)n;
}

/* The answer to that cookie; NULL: there is none yet. */
static const struct record_looked_up *told(const struct fixture *f, uint64_t cookie)
{
	for (unsigned i = 0; i < f->count; i++) {
		const struct record_looked_up *r = f->noted[i].data;

		if (f->noted[i].type == RECORD_LOOKED_UP && r->cookie == cookie)
			return r;
	}
	return NULL;
}

Test(resolve, an_answer_is_handed_on_to_who_asked)
{
	struct fixture *f = resolving();

	cr_assert(ask(f, 7, query, QUERY_SIZE));
	size_t n = answered(f, 0);
	UNTIL(f, told(f, 7));
	cr_assert_eq(told(f, 7)->error, 0);
	cr_assert_eq(told(f, 7)->size, n);
	cr_assert_eq(f->noted[0].peer, PEER(PEER_SIP, 1));
	cr_assert_eq(COUNTED(DNS_ANSWERS), 1);
	fixture_free(f);
}

Test(resolve, nothing_else_leaves_than_a_question)
{
	struct fixture *f = resolving();
	uint8_t bytes[DNS_QUERY_MAX + 1] = {0};

	memcpy(bytes, query, QUERY_SIZE);
	cr_assert_not(ask(f, 1, bytes, QUERY_SIZE - 1));
	cr_assert_not(ask(f, 1, bytes, QUERY_SIZE + 1));
	for (unsigned at = 2; at < QUERY_SIZE; at++) {
		/* the letters of the name, and the size that an answer may have, are its own */
		if ((at > 12 && at < 14) || (at > 14 && at < 22) ||
			(at >= QUERY_SIZE - 8 && at < QUERY_SIZE - 2))
			continue;
		bytes[at] ^= 0x40;
		cr_assert_not(ask(f, 1, bytes, QUERY_SIZE), "octet %u", at);
		bytes[at] ^= 0x40;
	}
	cr_assert_eq(COUNTED(DNS_QUERIES), 0);
	cr_assert_gt(COUNTED(BAD_RECORDS), 20);
	fixture_free(f);
}

Test(resolve, those_that_wait_are_bounded_and_have_their_turn)
{
	struct fixture *f = resolving();
	unsigned most = SOCKETS + RESOLVE_WAITING_MAX;

	for (unsigned i = 1; i <= most; i++)
		cr_assert(ask(f, i, query, QUERY_SIZE));
	cr_assert_eq(f->count, 0);
	cr_assert(ask(f, most + 1, query, QUERY_SIZE));
	cr_assert_eq(told(f, most + 1)->error, -EAGAIN);
	cr_assert_eq(COUNTED(DNS_QUERIES_REFUSED), 1);
	forget(f);
	for (unsigned i = 1; i <= most; i++) {
		answered(f, 0);
		UNTIL(f, f->count == 1);
		forget(f);
	}
	fixture_free(f);
}

Test(resolve, an_answer_that_finds_no_room_is_counted)
{
	struct fixture *f = resolving();

	f->full_reserve = -EAGAIN;
	for (unsigned i = 1; i <= 2 * SOCKETS; i++) {
		cr_assert(ask(f, i, query, QUERY_SIZE));
		answered(f, 0);
		UNTIL(f, COUNTED(DNS_ANSWERS_LOST) == i);
	}
	fixture_free(f);
}

Test(resolve, a_server_that_is_not_there_is_said_to_be)
{
	struct fixture *f = resolving();

	close(server);
	cr_assert(ask(f, 1, query, QUERY_SIZE));
	UNTIL(f, told(f, 1));
	cr_assert_eq(told(f, 1)->error, -ECONNREFUSED);
	cr_assert_eq(COUNTED(DNS_SERVER_FAILURES), 1);
	fixture_free(f);
}

/* A server that says of each answer that it did not fit, and is silent over TCP. */
Test(resolve, queries_over_tcp_are_bounded)
{
	struct fixture *f = resolving();
	struct sockaddr_in own = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)server_port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned asked = 4 * RESOLVE_STREAMS_MAX;

	cr_assert_eq(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	cr_assert_eq(listen(fd, 1000), 0);
	for (unsigned i = 1; i <= asked; i++) {
		cr_assert(ask(f, i, query, QUERY_SIZE));
		answered(f, DNS_TRUNCATED);
		UNTIL(f, COUNTED(DNS_OVER_TCP) + f->count == i);
	}
	cr_assert_eq(COUNTED(DNS_OVER_TCP), RESOLVE_STREAMS_MAX);
	cr_assert_eq(told(f, asked)->error, -EAGAIN);
	close(fd); /* which ends those that it has */
	UNTIL(f, f->count == asked);
	cr_assert(ask(f, asked + 1, query, QUERY_SIZE));
	answered(f, 0);
	UNTIL(f, told(f, asked + 1));
	cr_assert_eq(told(f, asked + 1)->error, 0);
	fixture_free(f);
}
