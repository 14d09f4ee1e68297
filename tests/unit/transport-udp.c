/* transport-udp.c - datagrams over loopback: in to the SIP workers, out to peers, and what is
 * refused between. */
#include "transport-udp.h"
#include "ipc/message_slot.h"

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
	cr_assert_eq(m->slot, slot_of_message(m, &f->t.slot_key, f->t.settings));
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

Test(udp, keepalives_are_ignored_and_stun_is_answered)
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
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP],
		"\0\3\0\0\x21\x12\xa4\x42"
		"abcdefghijkl",
		20); /* of TURN */
	barrier(f, fd, f->port[ACCESS_UDP]);
	cr_assert_eq(COUNTED(UDP_KEEPALIVES), 3);
	cr_assert_eq(COUNTED(UDP_STUN), 2);
	cr_assert_eq(COUNTED(UDP_STUN_ANSWERED), 1);
	cr_assert_eq(COUNTED(RX_MESSAGES), 1);
	cr_assert_eq(heard(f, fd), 32);
	cr_assert_eq(memcmp(buffer,
			     "\1\1\0\x0c\x21\x12\xa4\x42"
			     "abcdefghijkl\0\x20",
			     22),
		0);
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

/* A datagram of a method with that Request-URI, To tag and branch. */
static size_t shows(const char *uri, const char *tag, const char *branch)
{
	return (size_t)snprintf(raw, sizeof(raw),
		"INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=%s\r\nMax-Forwards: 70\r\n"
		"From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>%s%s\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
		"Contact: <sip:a@h>\r\nContent-Length: 0\r\n\r\n",
		uri, branch, *tag ? ";tag=" : "", tag);
}
#define LINE "0123456789abcdef0123456789ABCDEF"
#define OURS "sw00f0123456789abcdef0123456789abcdef"

Test(udp, a_stranger_is_heard_with_what_he_may_prove)
{
	struct fixture *f = fixture_new(NULL);
	int stranger = bound("127.0.0.2", SOCK_DGRAM, NULL),
	    fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	static const struct {
		const char *uri, *tag, *branch;
	} no[] = {{"sip:b@h", "", "z9hG4bK1"}, {"sip:b@h;line=12", "", "z9hG4bK1"},
		{"sip:line=" LINE "@h", "", "z9hG4bK1"}, {"sip:b@h", "", "z9hG4bK" OURS},
		{"sip:b@h", "tag", "z9hG4bK1"}},
	  yes[] = {{"sip:b@h;x;LINE=" LINE, "", "z9hG4bK1"}, {"sip:b@h", OURS, "z9hG4bK1"}};
	size_t n;

	f->image.zone[ZONE_CORE].strangers = 1u << TRANSPORT_UDP;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		n = shows(no[i].uri, no[i].tag, no[i].branch);
		throw_at(stranger, "127.0.0.1", f->port[CORE_UDP], raw, n);
	}
	throw_at(stranger, "127.0.0.1", f->port[CORE_UDP], raw,
		shows("sip:b@h?line=" LINE, "", "z9hG4bK1"));
	barrier(f, fd, f->port[CORE_UDP]);
	cr_assert_eq(COUNTED(DROP_NOT_A_SOURCE), sizeof(no) / sizeof(no[0]));
	cr_assert_lt(hear(stranger, buffer, sizeof(buffer)), 0);
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		unsigned before = f->count;

		n = shows(yes[i].uri, yes[i].tag, yes[i].branch);
		throw_at(stranger, "127.0.0.1", f->port[CORE_UDP], raw, n);
		UNTIL(f, f->count > before);
	}
	/* who has proved it gets his answers; what cannot be read has none */
	struct flow back = message_at(f, 1)->flow;
	cr_assert_eq(flow_send(&f->t, &back, &(struct outgoing){.bytes = "x", .size = 1}), 0);
	cr_assert_eq(heard(f, stranger), 1);
	f->image.zone[ZONE_CORE].strangers = 0;
	cr_assert_eq(flow_send(&f->t, &back, &(struct outgoing){.bytes = "x", .size = 1}), -EACCES);
	cr_assert_lt(hear(stranger, buffer, sizeof(buffer)), 0);
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
