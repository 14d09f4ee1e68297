/* Copies of messages for a collector: the form of HEP version 3 byte by byte, what is left out of
 * them, and what becomes of those that cannot be sent. */
#include "transport-fixture.h"

#include "worker-transport/capture.h"
#include "worker-transport/hep.h"
#include "worker-transport/hep_packet.h"

#include <unistd.h>

static struct endpoint from(const char *host, uint16_t port)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse_host(str_of(host), port, &e), 0);
	return e;
}

Test(hep, has_the_chunks_of_version_3)
{
	static const unsigned char wanted[] = "HEP3\0\x77"
					      "\0\0\0\1\0\7\2"
					      "\0\0\0\2\0\7\21"
					      "\0\0\0\3\0\12\xc0\0\2\1"
					      "\0\0\0\4\0\12\xc0\0\2\2"
					      "\0\0\0\7\0\10\x13\xc4"
					      "\0\0\0\10\0\10\x13\xc6"
					      "\0\0\0\11\0\12\x12\x34\x56\x78"
					      "\0\0\0\12\0\12\0\1\xe2\x40"
					      "\0\0\0\13\0\7\1"
					      "\0\0\0\14\0\12\0\0\7\xd1"
					      "\0\0\0\16\0\11key"
					      "\0\0\0\21\0\11c@h"
					      "\0\0\0\17\0\10\r\n";
	struct hep_packet p = {.from = from("192.0.2.1", 5060),
		.to = from("192.0.2.2", 5062),
		.at_us = UINT64_C(0x12345678) * 1000000 + 123456,
		.capture_id = 2001,
		.transport = TRANSPORT_UDP,
		.password = S("key"),
		.correlation = S("c@h"),
		.message = S("\r\n")};
	static unsigned char out[HEP_PACKET_MAX];
	size_t kept, size = hep_packet_write(&p, out, &kept);

	cr_assert_eq(size, sizeof(wanted) - 1, "%zu", size);
	cr_assert_arr_eq(out, wanted, size);
	cr_assert_eq(kept, 2);
}

Test(hep, has_ipv6_and_streams_as_tcp)
{
	struct hep_packet p = {.from = from("2001:db8::1", 5061),
		.to = from("2001:db8::2", 40000),
		.transport = TRANSPORT_WSS,
		.message = S("x")};
	static unsigned char out[HEP_PACKET_MAX];
	size_t kept, size = hep_packet_write(&p, out, &kept);

	cr_assert_arr_eq(out + 6, "\0\0\0\1\0\7\12", 7); /* AF_INET6 */
	cr_assert_arr_eq(out + 13, "\0\0\0\2\0\7\6", 7);
	cr_assert_arr_eq(out + 20, "\0\0\0\5\0\26\x20\1\xd\xb8", 10);
	cr_assert_arr_eq(out + 42, "\0\0\0\6\0\26\x20\1\xd\xb8", 10);
	cr_assert_arr_eq(out + size - 7, "\0\0\0\17\0\7x", 7);
}

Test(hep, is_never_larger_than_a_datagram)
{
	static char text[65535], id[1000];
	static unsigned char out[HEP_PACKET_MAX];
	struct hep_packet p = {.from = from("2001:db8::1", 5061),
		.to = from("2001:db8::2", 40000),
		.password = {text, HEP_PASSWORD_MAX},
		.correlation = {id, sizeof(id)},
		.message = {text, sizeof(text)}};
	size_t kept;

	cr_assert_eq(hep_packet_write(&p, out, &kept), HEP_PACKET_MAX);
	cr_assert_leq(HEP_PACKET_MAX - kept, HEP_HEAD_MAX + HEP_PASSWORD_MAX);
	cr_assert_lt(kept, sizeof(text));
	p.message.n = 0;
	cr_assert_leq(hep_packet_write(&p, out, &kept), HEP_HEAD_MAX + HEP_PASSWORD_MAX);
}

/* ---- on their way ---- */

struct collector {
	struct fixture *f;
	struct flow flow;
	int fd;
	char text[HEP_PACKET_MAX + 1];
};

static void collector_open(struct collector *c)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	struct lifeline_hep how = {.capture_id = 7};
	int to = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	c->f = fixture_new(NULL);
	for (unsigned i = 0; i < ZONES; i++)
		c->f->image.zone[i].hep = 1;
	c->flow = (struct flow){.transport = TRANSPORT_UDP,
		.peer = at("127.0.0.3", 5060),
		.local = at("127.0.0.1", 5060)};
	c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(c->fd, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(getsockname(c->fd, (struct sockaddr *)&address, &length), 0);
	cr_assert_eq(connect(to, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(hep_use(&c->f->t.hep, to, &how), 0);
}

static void collector_close(struct collector *c)
{
	close(c->fd);
	fixture_free(c->f);
}

/* The size of the next copy; 0: there is none. */
static size_t collector_take(struct collector *c)
{
	ssize_t n = recv(c->fd, c->text, sizeof(c->text) - 1, 0);

	c->text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void collector_copy(struct collector *c, const char *text)
{
	capture_add(&c->f->t, &c->flow, &c->flow.local, false, str_of(text));
}

static struct collector collector;

Test(hep, keeps_secrets_and_says_the_call_id)
{
	struct collector *c = &collector;

	collector_open(c);
	collector_copy(c, "REGISTER sip:example.net SIP/2.0\r\ni: abc\r\n"
			  "Authorization: Digest username=\"alice\", response=\"0123\"\r\n\r\n");
	cr_assert_eq(collector_take(c), 0, "not before the end of the turn");
	transport_turn(&c->f->t);
	size_t n = collector_take(c);
	cr_assert_gt(n, 0);
	cr_assert(memmem(c->text, n, "\0\21\0\11abc", 7));
	cr_assert(memmem(c->text, n, "username=\"alice\", response=\"xxxx\"", 33));
	cr_assert_eq(collector_take(c), 0);
	cr_assert_eq(COUNTED(HEP_SENT), 1);
	collector_close(c);
}

Test(hep, has_nothing_of_zones_that_are_left_out)
{
	struct collector *c = &collector;

	collector_open(c);
	c->f->image.zone[c->f->image.listener[c->flow.listener].zone].hep = 0;
	collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
	transport_turn(&c->f->t);
	cr_assert_eq(collector_take(c), 0);
	collector_close(c);
}

/* What could not be sent is not on the wire, and no other copy is lost with it. */
Test(hep, takes_back_what_did_not_go)
{
	struct collector *c = &collector;
	struct outgoing out = {.bytes = "SIP/2.0 200 OK\r\n\r\n", .size = 18};
	struct flow nowhere;

	collector_open(c);
	nowhere = c->flow;
	nowhere.id = 99;
	collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
	cr_assert_eq(flow_send(&c->f->t, &nowhere, &out), -ENOTCONN);
	transport_turn(&c->f->t);
	size_t n = collector_take(c);
	cr_assert(memmem(c->text, n, "OPTIONS sip:a", 13));
	cr_assert_eq(collector_take(c), 0);
	collector_close(c);
}

/* More in one turn than there are places for, and more bytes. */
Test(hep, sends_earlier_where_there_is_no_room)
{
	struct collector *c = &collector;
	static char large[60000];
	size_t bytes = 0;
	int size = 8 << 20;

	collector_open(c);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	memset(large, 'a', sizeof(large) - 1);
	for (int i = 0; i < 200; i++)
		collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
	for (int i = 0; i < 200; i++)
		cr_assert_gt(collector_take(c) + (i >= 192), 0, "%d", i);
	for (int i = 0; i < 5; i++)
		collector_copy(c, large);
	transport_turn(&c->f->t);
	for (size_t n; (n = collector_take(c)) > 0;)
		bytes += n;
	cr_assert_gt(COUNTED(HEP_SENT) + COUNTED(HEP_DROPPED), 204);
	cr_assert_gt(bytes, 60000);
	collector_close(c);
}

Test(hep, counts_what_it_cuts)
{
	struct collector *c = &collector;
	static char large[HEP_PACKET_MAX + 1];

	collector_open(c);
	memset(large, 'a', sizeof(large) - 1);
	collector_copy(c, large);
	cr_assert_eq(COUNTED(HEP_CUT), 1);
	collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
	cr_assert_eq(COUNTED(HEP_CUT), 1);
	collector_close(c);
}

/* A reload gives another socket; what is no password is refused, and the old one stays. */
Test(hep, takes_another_socket)
{
	struct collector *c = &collector;
	struct lifeline_hep how = {.password_size = HEP_PASSWORD_MAX + 1};
	int pair[2];

	collector_open(c);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert_eq(hep_use(&c->f->t.hep, pair[0], &how), -EPROTO);
	collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
	transport_turn(&c->f->t);
	cr_assert_gt(collector_take(c), 0);
	how.password_size = 0;
	cr_assert_eq(hep_use(&c->f->t.hep, pair[0], &how), 0);
	collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
	transport_turn(&c->f->t);
	cr_assert_eq(collector_take(c), 0);
	cr_assert_gt(recv(pair[1], c->text, sizeof(c->text), 0), 0);
	close(pair[1]);
	collector_close(c);
}

/* Nobody receives: the kernel says so of the next copy. */
Test(hep, drops_and_counts_what_nobody_takes)
{
	struct collector *c = &collector;
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	collector_open(c);
	cr_assert_eq(getsockname(c->fd, (struct sockaddr *)&address, &length), 0);
	close(c->fd);
	for (int i = 0; i < 3; i++) {
		collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
		transport_turn(&c->f->t);
	}
	cr_assert_eq(COUNTED(HEP_SENT) + COUNTED(HEP_DROPPED), 3);
	cr_assert_geq(COUNTED(HEP_DROPPED), 1);
	cr_assert_eq(COUNTED(HEP_LOSING), 1);
	/* somebody does again, and has for some time */
	c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(c->fd, (struct sockaddr *)&address, length), 0);
	for (unsigned s = 1; s <= 41; s += 20) {
		cr_assert(s > 1 || COUNTED(HEP_LOSING) == 1);
		collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
		hep_flush(c->f->t.hep, loop_now(c->f->t.loop) + s * 1000);
		cr_assert(s > 1 || COUNTED(HEP_LOSING) == 1);
	}
	cr_assert_eq(COUNTED(HEP_LOSING), 0);
	close(c->fd);
	for (int i = 0; i < 3; i++) {
		collector_copy(c, "OPTIONS sip:a SIP/2.0\r\n\r\n");
		transport_turn(&c->f->t);
	}
	cr_assert_eq(COUNTED(HEP_LOSING), 1);
	hep_drop(&c->f->t.hep);
	cr_assert_eq(COUNTED(HEP_LOSING), 0);
	c->fd = -1;
	collector_close(c);
}
