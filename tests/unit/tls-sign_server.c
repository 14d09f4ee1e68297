/* A key edge: answers, refusals, floods, and a peer that does not read. */
#include "tls-fixture.h"

#include "common/counters.h"
#include "ipc/sign_packet.h"
#include "worker-tls/sign_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct page page;
static struct loop *loop;
static struct keystore *s;
static struct sign_server *edge;
static struct pair pair;
static int end;
static unsigned char buffer[SIGN_PACKET_MAX], text[SIGN_VERIFY_MAX], hash[32];
static size_t text_size;

static int make_edge(struct sign_server **out, unsigned peer)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	cr_assert_eq(sign_server_new(out, loop, fds[0], peer, s), 0);
	return fds[1];
}

static void setup(void)
{
	fixture_begin();
	counters_attach(&page);
	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(keystore_new(&s), 0);
	pair = make_pair("P-256", NULL, -DAY, DAY);
	cr_assert_eq(put_pair(s, 5, 0, "main", "", pair.chain, pair.key), 0);
	end = make_edge(&edge, 3);
	text_size = sign_policy_verify_text(hash, sizeof(hash), text);
}

static void teardown(void)
{
	sign_server_free(edge);
	keystore_free(s);
	loop_free(loop);
	fixture_end();
}

TestSuite(edge, .init = setup, .fini = teardown);

static int ask(int fd, uint32_t id, uint32_t generation, uint16_t certificate, uint16_t scheme)
{
	struct sign_request r = {
		.scheme = scheme, .id = id, .generation = generation, .certificate = certificate};

	return sign_packet_send(fd, buffer, sign_request_encode(&r, text, text_size, buffer));
}

/* The next answer that is there; -EAGAIN: none. */
static int take(int fd, struct sign_reply *reply, const unsigned char **signature)
{
	ssize_t n = sign_packet_receive(fd, buffer);

	return n < 0 ? (int)n : sign_reply_decode(buffer, (size_t)n, reply, signature);
}

static unsigned turns(unsigned most)
{
	unsigned i;

	for (i = 0; i < most; i++)
		loop_once(loop, 0);
	return i;
}

static uint64_t counted(enum counter c)
{
	return page.counter[c];
}

Test(edge, signs_what_is_permitted)
{
	struct sign_reply reply;
	const unsigned char *signature;

	cr_assert_eq(ask(end, 42, 5, 0, SCHEME_ECDSA_SHA256), 0);
	turns(1);
	cr_assert_eq(take(end, &reply, &signature), 0);
	cr_expect_eq(reply.id, 42);
	cr_expect_eq(reply.error, 0);
	cr_expect(
		verifies(pair.public, SCHEME_ECDSA_SHA256, text, text_size, signature, reply.size));
	cr_expect_eq(counted(COUNTER_SIGN_DONE), 1);
}

Test(edge, refuses_and_says_so)
{
	struct sign_reply reply;
	const unsigned char *signature;

	static const struct {
		uint32_t generation;
		uint16_t certificate, scheme;
		bool spoil;
		int error;
	} row[] = {
		{5, 0, SCHEME_ED25519, false, -EACCES},
		{5, 0, SCHEME_RSA_PKCS1_SHA256, false, -EACCES},
		{5, 0, SCHEME_ECDSA_SHA384, false, -EACCES},
		{5, 0, SCHEME_ECDSA_SHA256, true, -EACCES},
		{5, 1, SCHEME_ECDSA_SHA256, false, -ENOENT},
		{4, 0, SCHEME_ECDSA_SHA256, false, -ENOENT},
		{0, 0, SCHEME_ECDSA_SHA256, false, -ENOENT},
		{5, 65535, SCHEME_ECDSA_SHA256, false, -ENOENT},
	};

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		text[64] ^= row[i].spoil;
		cr_assert_eq(ask(end, i, row[i].generation, row[i].certificate, row[i].scheme), 0);
		text[64] ^= row[i].spoil;
		turns(1);
		cr_assert_eq(take(end, &reply, &signature), 0);
		cr_expect_eq(reply.id, i);
		cr_expect_eq(reply.error, row[i].error, "%u: %d", i, reply.error);
	}
	cr_expect_eq(counted(COUNTER_SIGN_REFUSED), 4);
	cr_expect_eq(counted(COUNTER_SIGN_UNKNOWN), 4);
	cr_expect_eq(counted(COUNTER_SIGN_DONE), 0);
	cr_expect(strstr(logged, "sign-refused peer=transport-3 reason=scheme scheme=0807"), "%s",
		logged);
	cr_expect(strstr(logged, "reason=shape scheme=0403"), "%s", logged);
}

Test(edge, packets_that_are_none_are_dropped)
{
	struct sign_reply reply;
	const unsigned char *signature;
	unsigned char junk[SIGN_PACKET_MAX + 10] = {1};

	for (size_t n = 1; n <= sizeof(junk); n += 101) {
		cr_assert_eq(send(end, junk, n, 0), (ssize_t)n);
		turns(1);
	}
	cr_expect_eq(take(end, &reply, &signature), -EAGAIN);
	cr_expect_eq(counted(COUNTER_SIGN_BAD_PACKETS), (sizeof(junk) + 100) / 101);
	cr_assert_eq(ask(end, 1, 5, 0, SCHEME_ECDSA_SHA256), 0);
	turns(1);
	cr_expect_eq(take(end, &reply, &signature), 0, "the edge goes on");
}

Test(edge, refusals_fill_no_log)
{
	unsigned lines = 0;

	for (unsigned i = 0; i < 100; i++) {
		cr_assert_eq(ask(end, i, 5, 0, SCHEME_ED25519), 0);
		turns(1);
		sign_packet_receive(end, buffer);
	}
	for (const char *p = logged; (p = strstr(p, "sign-refused")); p++)
		lines++;
	cr_expect_eq(lines, SIGN_SERVER_LOG_LINES);
	cr_expect_eq(counted(COUNTER_SIGN_REFUSED), 100);
}

Test(edge, a_flood_gets_no_more_than_its_share)
{
	struct sign_server *other;
	int quiet = make_edge(&other, 4);
	struct sign_reply reply;
	const unsigned char *signature;

	for (unsigned i = 0; i < 60; i++)
		cr_assert_eq(ask(end, i, 5, 0, SCHEME_ECDSA_SHA256), 0);
	cr_assert_eq(ask(quiet, 7, 5, 0, SCHEME_ECDSA_SHA256), 0);
	turns(1);
	cr_expect_leq(counted(COUNTER_SIGN_DONE), SIGN_SERVER_REQUESTS_PER_TURN + 1);
	cr_expect_eq(take(quiet, &reply, &signature), 0);
	cr_expect_eq(reply.id, 7);
	turns(20);
	cr_expect_eq(counted(COUNTER_SIGN_DONE), 61);
	for (unsigned i = 0; i < 60; i++) {
		cr_assert_eq(take(end, &reply, &signature), 0);
		cr_expect_eq(reply.id, i);
	}
	sign_server_free(other);
}

Test(edge, a_peer_that_does_not_read_is_not_read_from)
{
	struct sign_reply reply;
	const unsigned char *signature;
	unsigned sent = 0, got = 0;

	for (unsigned i = 0; i < 100; i++) {
		while (ask(end, sent, 5, 0, SCHEME_ECDSA_SHA256) == 0)
			sent++;
		turns(5);
	}
	cr_expect_lt(counted(COUNTER_SIGN_DONE), sent);
	while (got < sent) {
		while (take(end, &reply, &signature) == 0)
			cr_assert_eq(reply.id, got++);
		turns(1);
	}
	cr_expect_eq(counted(COUNTER_SIGN_DONE), sent, "nothing is lost");
}

Test(edge, ticket_keys_come_when_the_peer_reads_again)
{
	struct sign_tickets tickets = {.count = 1}, got;
	unsigned char packet[SIGN_PACKET_MAX];
	struct sign_reply reply;
	const unsigned char *signature;
	size_t size;
	ssize_t n;
	unsigned sent = 0, answers = 0, told = 0;

	memset(tickets.key[0].aes, 0x11, 32);
	size = sign_tickets_encode(&tickets, packet);
	sign_server_tickets(edge, packet, size);
	cr_assert_eq(sign_packet_receive(end, buffer), (ssize_t)size);
	cr_assert_eq(sign_tickets_decode(buffer, size, &got), 0);
	for (unsigned i = 0; i < 100; i++) {
		while (ask(end, sent, 5, 0, SCHEME_ECDSA_SHA256) == 0)
			sent++;
		turns(5);
	}
	sign_server_tickets(edge, packet, size);
	memset(tickets.key[0].aes, 0x22, 32);
	sign_tickets_encode(&tickets, packet);
	sign_server_tickets(edge, packet, size);
	for (unsigned i = 0; i < 10000 && (answers < sent || !told); i++) {
		while ((n = sign_packet_receive(end, buffer)) > 0) {
			if (sign_packet_kind(buffer, (size_t)n) == SIGN_TICKETS) {
				cr_assert_eq(sign_tickets_decode(buffer, (size_t)n, &got), 0);
				told++;
			} else {
				cr_assert_eq(
					sign_reply_decode(buffer, (size_t)n, &reply, &signature),
					0);
				answers++;
			}
		}
		turns(1);
	}
	cr_expect_eq(answers, sent);
	cr_expect_eq(told, 1, "the last one wins");
	cr_expect_eq(got.key[0].aes[0], 0x22);
}

Test(edge, the_end_of_the_peer_is_the_end_of_the_edge)
{
	unsigned char packet[SIGN_PACKET_MAX] = {0};

	cr_assert_eq(ask(end, 1, 5, 0, SCHEME_ECDSA_SHA256), 0);
	close(end);
	turns(3);
	sign_server_tickets(edge, packet, 20);
	turns(3);
}
