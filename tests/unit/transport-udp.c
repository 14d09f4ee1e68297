/* transport-udp.c - datagrams over loopback: in to the SIP workers, out to peers, and everything
 * that is refused between. */
#include "transport-fixture.h"

#include "worker-transport/udp_error.h"

#include <sys/syscall.h>

/* Stands before the C library's: no loopback socket ever has a full send buffer. What it refuses
 * with, after so many datagrams. */
static int refused_sends;
static unsigned allowed_sends;
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	if (refused_sends) {
		if (allowed_sends == 0) {
			errno = refused_sends;
			return -1;
		}
		if (count > allowed_sends)
			count = allowed_sends;
		allowed_sends -= count;
	}
	return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

static char buffer[70000];
static char raw[2048];

static ssize_t heard(struct fixture *f, int fd)
{
	ssize_t n;

	UNTIL(f, (n = hear(fd, buffer, sizeof(buffer))) > 0);
	return n;
}

static char line[512];
static unsigned line_count;

static void keep_line(void *arg, enum log_level level, const char *text, size_t length)
{
	(void)arg;
	(void)level;
	snprintf(line, sizeof(line), "%.*s", (int)length, text);
	line_count++;
}

/* Whether nothing comes of what was sent last: proved by a message sent after it on the same
 * socket. */
static void barrier(struct fixture *f, int fd, int port)
{
	unsigned before = f->count;
	size_t n = request(raw, "OPTIONS", 999, NULL, "UDP");

	throw_at(fd, "127.0.0.1", port, raw, n);
	UNTIL(f, f->count > before);
	cr_assert_eq(f->count, before + 1);
}

Test(udp, a_message_reaches_the_owner_of_its_slot)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port);
	size_t n = request(raw, "INVITE", 1, NULL, "UDP");
	const struct message *m;
	struct endpoint e;

	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, f->count == 1);
	m = message_at(f, 0);
	cr_assert_eq(m->raw_size, n);
	cr_assert_eq(memcmp(message_raw(m), raw, n), 0);
	cr_assert_eq(m->flow.id, 0);
	cr_assert_eq(m->flow.transport, TRANSPORT_UDP);
	cr_assert_eq(m->flow.listener, ACCESS_UDP);
	e = at("127.0.0.1", port);
	cr_assert(endpoint_equal(&m->flow.peer, &e));
	e = at("127.0.0.1", f->port[ACCESS_UDP]);
	cr_assert(endpoint_equal(&m->flow.local, &e));
	cr_assert_gt(m->received_ns, 0);
	cr_assert_eq(m->slot, slot_of_message(m, &f->t.slot_key));
	cr_assert_eq(f->noted[0].peer, PEER(PEER_SIP, m->slot % 2));
	cr_assert_not(f->noted[0].reserve);
	cr_assert_eq(COUNTED(RX_MESSAGES), 1);
	cr_assert_eq(COUNTED(RX_BYTES), n);
	close(fd);
	fixture_free(f);
}

Test(udp, many_in_one_batch_keep_their_order)
{
	struct fixture *f = fixture_new(NULL);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	char id[32];

	for (unsigned i = 0; i < 150; i++) {
		size_t n = request(raw, "OPTIONS", i, NULL, "UDP");

		throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	}
	UNTIL(f, f->count == 150);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(id, sizeof(id), "call-%u@example", i);
		cr_assert(str_equal(message_value(message_at(f, i), HEADER_CALL_ID), str_of(id)));
	}
	close(fd);
	fixture_free(f);
}

Test(udp, keepalives_and_stun_are_ignored)
{
	struct fixture *f = fixture_new(NULL);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);

	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], "", 0);
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], "\r\n\r\n", 4);
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], "\0\0\0\0", 4);
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP],
		"\0\1\0\0\x21\x12\xa4\x42"
		"abcdefghijkl",
		20);
	barrier(f, fd, f->port[ACCESS_UDP]);
	cr_assert_eq(COUNTED(UDP_KEEPALIVES), 3);
	cr_assert_eq(COUNTED(UDP_STUN), 1);
	cr_assert_eq(COUNTED(RX_MESSAGES), 1);
	cr_assert_lt(hear(fd, buffer, sizeof(buffer)), 0);
	close(fd);
	fixture_free(f);
}

Test(udp, a_trusted_listener_hears_its_sources_only)
{
	struct fixture *f = fixture_new(NULL);
	int stranger = bound("127.0.0.2", SOCK_DGRAM, NULL),
	    fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n = request(raw, "INVITE", 1, NULL, "UDP");

	log_init("transport", -1, LOG_INFO, keep_line, NULL);
	throw_at(stranger, "127.0.0.1", f->port[CORE_UDP], raw, n);
	throw_at(stranger, "127.0.0.1", f->port[CORE_UDP], raw, n);
	barrier(f, fd, f->port[CORE_UDP]);
	cr_assert_eq(COUNTED(DROP_NOT_A_SOURCE), 2);
	cr_assert_eq(line_count, 1, "once a source");
	cr_assert(strstr(line, "message-dropped peer=127.0.0.2:") &&
			  strstr(line, "transport=UDP reason=\"not a source of its zone\""),
		"%s", line);
	close(fd);
	close(stranger);
	fixture_free(f);
}

Test(udp, a_banned_source_is_not_heard)
{
	struct fixture *f = fixture_new(NULL);
	int banned = bound("127.0.0.2", SOCK_DGRAM, NULL),
	    fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	struct record_penalty penalty = {.source = at("127.0.0.2", 9), .listener = ACCESS_UDP};
	size_t n = request(raw, "INVITE", 1, NULL, "UDP");

	for (int i = 0; i < 3; i++)
		from_sip_record(
			&f->t, PEER(PEER_SIP, 0), RECORD_PENALTY, &penalty, sizeof(penalty));
	throw_at(banned, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	barrier(f, fd, f->port[ACCESS_UDP]);
	cr_assert_eq(COUNTED(DROP_BANNED), 1);
	close(fd);
	close(banned);
	fixture_free(f);
}

/* The words of scanners, in the pool behind all else. */
static void with_scanners(struct image *image)
{
	static const char *const words[] = {"friendly-scanner", "sip:100@1.1.1.1"};
	uint32_t at = sizeof(image->pool) - 128;

	image->s.scanners = (struct array){offsetof(struct image, scanner), 2};
	for (unsigned i = 0; i < 2; i++) {
		image->scanner[i] = text_in(image, &at, words[i]);
		cr_assert_eq(image->scanner[i].length, strlen(words[i]));
	}
}

static unsigned dropped_with(struct fixture *f, int fd, int listener, const char *header)
{
	static unsigned number = 100;
	uint64_t was = COUNTED(DROP_SCANNER);
	char text[2048], more[2048];
	size_t n = request(text, "OPTIONS", number++, NULL, "UDP");

	n = (size_t)snprintf(more, sizeof(more), "%.*s%s\r\n\r\n", (int)n - 2, text, header);
	throw_at(fd, "127.0.0.1", f->port[listener], more, n);
	unsigned before = f->count;
	UNTIL(f, COUNTED(DROP_SCANNER) > was || f->count > before);
	return (unsigned)(COUNTED(DROP_SCANNER) - was);
}

Test(udp, scanners_learn_nothing)
{
	struct fixture *f = fixture_new(with_scanners);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);

	cr_assert_eq(dropped_with(f, fd, ACCESS_UDP, "User-Agent: Friendly-SCANNER"), 1);
	cr_assert_eq(dropped_with(f, fd, ACCESS_UDP, "User-Agent: a friendly-scanner/1"), 1);
	cr_assert_eq(dropped_with(f, fd, ACCESS_UDP, "User-Agent: friendly-scanne"), 0);
	cr_assert_eq(dropped_with(f, fd, ACCESS_UDP, "User-Agent: friendly-phone"), 0);
	cr_assert_eq(dropped_with(f, fd, ACCESS_UDP, "Subject: friendly-scanner"), 0);
	cr_assert_eq(dropped_with(f, fd, ACCESS_UDP, "User-Agent: f"), 0);
	cr_assert_eq(dropped_with(f, fd, CORE_UDP, "User-Agent: friendly-scanner"), 0);
	close(fd);
	fixture_free(f);
}

static void two_a_minute(struct image *image)
{
	image->zone[ZONE_ACCESS].rate = 2;
	image->zone[ZONE_ACCESS].rate_window_ms = 60000;
}

Test(udp, only_requests_outside_dialogs_count_against_the_rate)
{
	struct fixture *f = fixture_new(two_a_minute);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n;

	for (unsigned i = 0; i < 5; i++) {
		n = request(raw, "INVITE", i, NULL, "UDP");
		throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	}
	n = request(raw, "OPTIONS", 5, "foreign",
		"UDP"); /* a tag that is none of ours makes no dialog */
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	for (unsigned i = 6; i < 10; i++) {
		n = request(raw, "BYE", i, "sw0000123456789abcdef0123456789abcdef", "UDP");
		throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	}
	log_init("transport", -1, LOG_INFO, keep_line, NULL);
	UNTIL(f, f->count >= 6);
	cr_assert_eq(f->count, 6); /* 2 INVITE, 4 BYE */
	cr_assert_eq(line_count, 1);
	cr_assert(strstr(line, "message-dropped peer=127.0.0.1:") &&
			  strstr(line, "reason=\"over the rate of its zone\""),
		"%s", line);
	cr_assert_eq(COUNTED(DROP_RATE), 4);
	cr_assert_not(f->noted[1].reserve);
	cr_assert(f->noted[2].reserve);
	cr_assert_lt(hear(fd, buffer, sizeof(buffer)), 0); /* a flood is not answered */
	/* malformed ones get no more answers than well-formed ones get through */
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP],
		"INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nFrom: "
		"<sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: x "
		"INVITE\r\nContent-Length: 0\r\n\r\n",
		150);
	n = request(raw, "BYE", 11, "sw0000123456789abcdef0123456789abcdef", "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, f->count == 7);
	cr_assert_lt(hear(fd, buffer, sizeof(buffer)), 0);
	close(fd);
	fixture_free(f);
}

Test(udp, a_malformed_request_is_answered)
{
	static const char bad[] = "INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP "
				  "192.0.2.1;branch=z9hG4bKx;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
				  "<sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: "
				  "many\r\nContent-Length: 0\r\n\r\n";
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port);
	char expected[64];

	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], bad, sizeof(bad) - 1);
	heard(f, fd); /* at its source, whatever its Via says */
	cr_assert(strncmp(buffer, "SIP/2.0 400 ", 12) == 0, "%s", buffer);
	snprintf(expected, sizeof(expected), ";received=127.0.0.1;rport=%d\r\n", port);
	cr_assert(strstr(buffer, expected), "%s", buffer);
	cr_assert_eq(COUNTED(REFUSED), 1);
	cr_assert_eq(f->count, 0);
	close(fd);
	fixture_free(f);
}

Test(udp, answers_come_from_the_address_that_was_written_to)
{
	struct fixture *f = fixture_new(NULL);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n = request(raw, "OPTIONS", 1, NULL, "UDP");
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	struct endpoint e;
	struct flow flow;

	throw_at(fd, "127.0.0.5", f->port[ANY_UDP], raw, n);
	UNTIL(f, f->count == 1);
	flow = message_at(f, 0)->flow;
	e = at("127.0.0.5", f->port[ANY_UDP]);
	cr_assert(endpoint_equal(&flow.local, &e));
	order(f, &flow, "SIP/2.0 200 OK", 14, 0, false);
	loop_once(f->t.loop, 0);
	n = 0;
	UNTIL(f, (ssize_t)(n = (size_t)recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT,
				   (struct sockaddr *)&from, &length)) > 0);
	cr_assert_eq(n, 14);
	cr_assert_eq(from.sin_addr.s_addr, inet_addr("127.0.0.5"));
	cr_assert_eq(ntohs(from.sin_port), f->port[ANY_UDP]);
	close(fd);
	fixture_free(f);
}

Test(udp, orders_are_sent_in_their_order)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port);
	struct flow flow = {
		.transport = TRANSPORT_UDP, .listener = CORE_UDP, .peer = at("127.0.0.1", port)};

	for (int i = 0; i < 200; i++) {
		snprintf(raw, sizeof(raw), "message %03d", i);
		order(f, &flow, raw, 11, (uint64_t)i + 1, false);
	}
	loop_once(f->t.loop, 0);
	for (int i = 0; i < 200; i++) {
		cr_assert_eq(hear(fd, buffer, sizeof(buffer)), 11, "%d", i);
		cr_assert_eq(atoi(buffer + 8), i);
	}
	cr_assert_eq(f->count, 0);
	cr_assert_eq(COUNTED(TX_MESSAGES), 200);
	close(fd);
	fixture_free(f);
}

Test(udp, orders_that_may_not_be_are_refused)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow = {
		.transport = TRANSPORT_UDP, .listener = CORE_UDP, .peer = at("127.0.0.2", 5060)};
	struct record_send r = {.flow = flow, .size = 5, .cookie = 9};

	order(f, &flow, "hello", 5, 1,
		false); /* the core's listener reaches the core's sources only */
	cr_assert_eq(failure_of(f, 1), -EACCES);
	flow.peer = at("127.0.0.1", 5060);
	flow.listener = LISTENERS;
	order(f, &flow, "hello", 5, 2, false);
	flow.listener = CORE_TCP; /* its transport is another */
	order(f, &flow, "hello", 5, 3, false);
	flow.listener = CORE_UDP;
	flow.peer.port = 0;
	order(f, &flow, "hello", 5, 4, false);
	from_sip_record(
		&f->t, PEER(PEER_SIP, 0), RECORD_SEND, &r, sizeof(r)); /* shorter than it says */
	from_sip_record(&f->t, PEER(PEER_SIP, 0), RECORD_SEND, &r, sizeof(r) - 1);
	from_sip_record(&f->t, PEER(PEER_SIP, 0), RECORD_MESSAGE, &r, sizeof(r));
	cr_assert_eq(f->count, 1);
	cr_assert_eq(COUNTED(BAD_RECORDS), 6);
	fixture_free(f);
}

Test(udp, a_full_send_buffer_makes_a_bounded_queue)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port), size = 8 << 20;
	struct flow flow = {
		.transport = TRANSPORT_UDP, .listener = CORE_UDP, .peer = at("127.0.0.1", port)};
	struct outgoing out = {
		.bytes = buffer, .size = 100, .cookie = 5, .peer = PEER(PEER_SIP, 1)};
	unsigned ordinary = 0, reserved = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	refused_sends = EAGAIN;
	while (flow_send(&f->t, &flow, &out) == 0)
		ordinary++;
	out.reserve = true;
	while (flow_send(&f->t, &flow, &out) == 0)
		reserved++;
	cr_assert_eq(ordinary, UDP_QUEUE_DATAGRAMS - UDP_QUEUE_RESERVE(UDP_QUEUE_DATAGRAMS));
	cr_assert_eq(ordinary + reserved, UDP_QUEUE_DATAGRAMS);
	cr_assert_eq(flow_send(&f->t, &flow, &out), -EAGAIN);
	cr_assert_eq(udp_queued(f->t.udp), UDP_QUEUE_DATAGRAMS);
	refused_sends = 0;
	UNTIL(f, udp_queued(f->t.udp) == 0);
	for (unsigned i = 0; i < ordinary + reserved; i++)
		cr_assert_eq(hear(fd, buffer, sizeof(buffer)), 100, "%u", i);
	cr_assert_eq(flow_send(&f->t, &flow, &out), 0);
	close(fd);
	fixture_free(f);
}

/* The buffer's free part moves: what stays queued must stay the same. */
Test(udp, the_queue_keeps_its_bytes_when_moved)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port), size = 8 << 20;
	struct flow flow = {
		.transport = TRANSPORT_UDP, .listener = CORE_UDP, .peer = at("127.0.0.1", port)};
	static char out[60000];
	struct outgoing o = {.bytes = out, .size = sizeof(out), .reserve = true};
	unsigned sent = 0, got = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	refused_sends = EAGAIN;
	for (;;) {
		memset(out, (int)(sent & 0x7f), sizeof(out));
		if (flow_send(&f->t, &flow, &o))
			break;
		sent++;
	}
	cr_assert_eq(sent, UDP_QUEUE_BYTES / sizeof(out));
	for (int round = 0; round < 10; round++) {
		/* a few leave, the rest stays in the middle of the buffer, and what is added finds
		 * room only before it */
		unsigned left = (unsigned)udp_queued(f->t.udp);

		allowed_sends = 5;
		UNTIL(f, udp_queued(f->t.udp) == left - 5);
		while (hear(fd, buffer, sizeof(buffer)) == (ssize_t)sizeof(out)) {
			cr_assert_eq(buffer[0], (char)(got & 0x7f));
			cr_assert_eq(buffer[sizeof(out) - 1], (char)(got & 0x7f));
			got++;
		}
		for (unsigned i = 0; i < 5; i++) {
			memset(out, (int)(sent++ & 0x7f), sizeof(out));
			cr_assert_eq(flow_send(&f->t, &flow, &o), 0);
		}
		cr_assert_eq(flow_send(&f->t, &flow, &o), -EAGAIN);
	}
	cr_assert_eq(got, 50);
	refused_sends = 0;
	close(fd);
	fixture_free(f);
}

Test(udp, a_send_that_the_kernel_refuses_is_reported)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port);
	struct flow flow = {
		.transport = TRANSPORT_UDP, .listener = CORE_UDP, .peer = at("127.0.0.1", port)};

	order(f, &flow, buffer, 65530, 7, false); /* more than a datagram holds */
	order(f, &flow, "next", 4, 8, false);
	heard(f, fd);
	cr_assert_str_eq(buffer, "next");
	cr_assert_eq(failure_of(f, 7), -EMSGSIZE);
	cr_assert_eq(f->noted[0].peer, PEER(PEER_SIP, 1));
	cr_assert_eq(f->count, 1);
	close(fd);
	fixture_free(f);
}

static void short_t1(struct image *image)
{
	image->s.t1_ms = 1;
}

/* A request is known as forwarded for 64*T1, with the T1 of the config: after that the same bytes
 * are a new one. */
Test(udp, a_request_is_remembered_for_64_t1)
{
	struct fixture *f = fixture_new(short_t1);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t size = request(raw, "INVITE", 1, NULL, "UDP");
	uint64_t next = 0;

	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, size);
	UNTIL(f, f->count == 1);
	f->full = f->full_reserve = -EAGAIN;
	UNTIL(f, ({
		if (clock_ms() >= next) {
			throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, size);
			next = clock_ms() + 10;
		}
		COUNTED(FULL_REFUSED) != 0;
	}));
	close(fd);
	fixture_free(f);
}

/* A SIP worker's queue is full. */
Test(udp, a_full_sip_worker_refuses_only_what_is_new)
{
	struct fixture *f = fixture_new(NULL);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	char old[2048], *tag, ack[2048];
	size_t n, old_size = request(old, "INVITE", 1, NULL, "UDP");

	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], old, old_size);
	UNTIL(f, f->count == 1);
	f->full = f->full_reserve = -EAGAIN;
	/* the retransmission of what got through: silence */
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], old, old_size);
	UNTIL(f, COUNTED(FULL_RETRANSMISSIONS) == 1);
	/* an ACK, a response, a request in a dialog, a CANCEL: silence */
	n = request(raw, "ACK", 2, "theirs", "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	n = request(raw, "BYE", 2, "sw0000123456789abcdef0123456789abcdef", "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	n = request(raw, "CANCEL", 1, NULL, "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	n = (size_t)snprintf(raw, sizeof(raw),
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: "
		"<sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 "
		"INVITE\r\nContent-Length: 0\r\n\r\n");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, COUNTED(FULL_ACKS) == 1 && COUNTED(FULL_IN_DIALOG) == 2 &&
			 COUNTED(FULL_RESPONSES) == 1);
	cr_assert_lt(hear(fd, buffer, sizeof(buffer)), 0);
	/* something new: 503, and its ACK goes no further */
	n = request(raw, "INVITE", 3, NULL, "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	heard(f, fd);
	cr_assert(strncmp(buffer, "SIP/2.0 503 ", 12) == 0, "%s", buffer);
	cr_assert(strstr(buffer, "\r\nRetry-After: "), "%s", buffer);
	cr_assert_eq(COUNTED(FULL_REFUSED), 1);
	f->full = f->full_reserve = 0;
	tag = strstr(buffer, ";tag=st") + 5;
	tag[18] = 0;
	n = request(ack, "ACK", 3, tag, "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], ack, n);
	barrier(f, fd, f->port[ACCESS_UDP]);
	cr_assert_eq(COUNTED(ABSORBED_ACKS), 1);
	/* what was refused may come again, and is taken */
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, request(raw, "INVITE", 3, NULL, "UDP"));
	UNTIL(f, f->count == 3);
	close(fd);
	fixture_free(f);
}

Test(udp, the_reserve_is_for_what_belongs_to_calls)
{
	struct fixture *f = fixture_new(NULL);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n;

	f->full = -EAGAIN;
	n = request(raw, "INVITE", 1, NULL, "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	n = request(raw, "CANCEL", 1, NULL, "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	n = request(raw, "ACK", 1, "theirs", "UDP");
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, f->count == 2);
	cr_assert_eq(message_at(f, 0)->method, METHOD_CANCEL);
	cr_assert_eq(message_at(f, 1)->method, METHOD_ACK);
	close(fd);
	fixture_free(f);
}

Test(udp, stops_reading_and_still_writes)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_DGRAM, &port);
	struct flow flow = {
		.transport = TRANSPORT_UDP, .listener = ACCESS_UDP, .peer = at("127.0.0.1", port)};
	size_t n = request(raw, "INVITE", 1, NULL, "UDP");

	order(f, &flow, "last", 4, 0, false);
	cr_assert_not(transport_idle(&f->t));
	transport_stop(&f->t);
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	heard(f, fd);
	cr_assert_str_eq(buffer, "last");
	for (int i = 0; i < 3; i++)
		loop_once(f->t.loop, 0);
	cr_assert_eq(f->count, 0);
	cr_assert(transport_idle(&f->t));
	close(fd);
	fixture_free(f);
}

/* ---- ICMP errors (RFC 3261 section 18.4) ---- */

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

Test(udp, a_port_that_is_unreachable_is_told_to_whom_the_request_is)
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

Test(udp, an_ipv6_port_that_is_unreachable_is_told)
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

Test(udp, icmp_errors_that_prove_nothing_are_counted)
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
Test(udp, an_icmp_error_costs_no_other_datagram)
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
