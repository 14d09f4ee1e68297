/* transport-tcp.c - streams over loopback: framing as bytes come, the bounds in memory and time,
 * connections out. */
#include "transport-fixture.h"
#include "worker-transport/tcp.h"

#include <sys/syscall.h>

/* Stands before the C library's: a process that has no fd left. */
static int refused_accepts;
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	if (refused_accepts) {
		errno = refused_accepts;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, address, length, flags);
}

static char raw[2048], buffer[70000];

static bool call_id_is(const struct fixture *f, unsigned i, unsigned number)
{
	char id[32];

	snprintf(id, sizeof(id), "call-%u@example", number);
	return str_equal(message_value(message_at(f, i), HEADER_CALL_ID), str_of(id));
}

Test(tcp, messages_however_they_are_cut)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	static char three[8192];
	size_t n = 0, third;
	const struct message *m;

	for (unsigned i = 0; i < 3; i++)
		n += request(three + n, "OPTIONS", i, NULL, "TCP");
	third = n / 3;
	tell(fd, three, n); /* all at once */
	UNTIL(f, f->count == 3);
	for (size_t i = 0; i < third; i++) { /* a byte at a time */
		tell(fd, three + i, 1);
		loop_once(f->t.loop, 50);
	}
	UNTIL(f, f->count == 4);
	tell(fd, three, third + 100); /* one and a piece, then the rest */
	UNTIL(f, f->count == 5);
	tell(fd, three + third + 100, n - third - 100);
	UNTIL(f, f->count == 7);
	for (unsigned i = 0; i < 7; i++)
		cr_assert(call_id_is(f, i, i < 3 ? i : i == 3 ? 0 : i - 4), "%u", i);
	/* pieces that end one message and begin the next */
	for (size_t i = 0; i < n; i += 250) {
		tell(fd, three + i, n - i < 250 ? n - i : 250);
		loop_once(f->t.loop, 50);
	}
	UNTIL(f, f->count == 10);
	for (unsigned i = 0; i < 3; i++)
		cr_assert(call_id_is(f, 7 + i, i), "%u", i);
	m = message_at(f, 0);
	cr_assert_eq(m->flow.transport, TRANSPORT_TCP);
	cr_assert_eq(m->flow.listener, ACCESS_TCP);
	cr_assert_eq(m->flow.local.port, f->port[ACCESS_TCP]);
	cr_assert_neq(m->flow.id, 0);
	close(fd);
	UNTIL(f, flow_count(f->t.flows) == 0);
	cr_assert_eq(COUNTED(STREAM_ENDED), 1);
	fixture_free(f);
}

Test(tcp, a_large_body_in_pieces)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	static char big[66000];
	size_t n = (size_t)snprintf(big, sizeof(big),
		"MESSAGE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/TCP "
		"192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: "
		"c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
		"Content-Type: text/plain\r\nContent-Length: 60000\r\n\r\n");

	for (size_t i = 0; i < 60000; i++)
		big[n + i] = (char)('a' + i % 26);
	n += 60000;
	for (size_t at_ = 0; at_ < n; at_ += 7000) {
		tell(fd, big + at_, n - at_ < 7000 ? n - at_ : 7000);
		loop_once(f->t.loop, 50);
	}
	UNTIL(f, f->count == 1);
	cr_assert_eq(message_at(f, 0)->raw_size, n);
	cr_assert_eq(memcmp(message_raw(message_at(f, 0)), big, n), 0);
	close(fd);
	fixture_free(f);
}

Test(tcp, keepalives_are_answered)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);

	tell(fd, "\r\n\r\n", 4);
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) == 2);
	cr_assert_str_eq(buffer, "\r\n");
	cr_assert_eq(COUNTED(STREAM_PINGS), 1);
	cr_assert_eq(COUNTED(TX_MESSAGES), 0);
	close(fd);
	fixture_free(f);
}

/* Whether size bytes have come since *got was 0. */
static bool hears_in_all(int fd, size_t *got, size_t size)
{
	ssize_t n = hear(fd, buffer, sizeof(buffer));

	*got += n > 0 ? (size_t)n : 0;
	return *got >= size;
}

Test(tcp, each_keepalive_is_answered)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	static char many[65536];
	size_t n = 0, got = 0;

	/* a hundred in one segment */
	for (unsigned i = 0; i < 200; i++)
		memcpy(many + 2 * i, "\r\n", 2);
	tell(fd, many, 400);
	UNTIL(f, recv(fd, buffer, 201, MSG_DONTWAIT | MSG_PEEK) == 200);
	hear(fd, buffer, sizeof(buffer));
	cr_assert_eq(COUNTED(STREAM_PINGS), 100);
	/* before, between and behind messages, and half a one; what is in a body is none */
	n = (size_t)sprintf(many, "\r\n\r\n");
	n += request(many + n, "OPTIONS", 1, NULL, "TCP");
	n += (size_t)sprintf(many + n, "\r\n\r\n\r\n");
	n += (size_t)sprintf(many + n,
		"MESSAGE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/TCP "
		"192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\n"
		"Call-ID: c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\n"
		"Content-Length: 8\r\n\r\n"
		"\r\n\r\n\r\n\r\n"
		"\r\n\r\n\r\n\r\n");
	tell(fd, many, n);
	UNTIL(f, f->count == 2);
	UNTIL(f, recv(fd, buffer, 16, MSG_DONTWAIT | MSG_PEEK) == 8);
	hear(fd, buffer, sizeof(buffer));
	cr_assert_str_eq(buffer, "\r\n\r\n\r\n\r\n");
	cr_assert_eq(COUNTED(STREAM_PINGS), 104);
	/* as many as one read takes */
	for (size_t i = 0; i < sizeof(many); i += 2)
		memcpy(many + i, "\r\n", 2);
	tell(fd, many, sizeof(many));
	UNTIL(f, hears_in_all(fd, &got, sizeof(many) / 2));
	cr_assert_eq(COUNTED(STREAM_QUEUE_FULL), 0);
	cr_assert_eq(flow_count(f->t.flows), 1);
	close(fd);
	fixture_free(f);
}

Test(tcp, who_pings_and_does_not_read_is_closed)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]), small = 2048;
	static char many[65536];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (size_t i = 0; i < sizeof(many); i += 2)
		memcpy(many + i, "\r\n", 2);
	while (COUNTED(STREAM_QUEUE_FULL) == 0) {
		(void)!send(fd, many, sizeof(many), MSG_NOSIGNAL | MSG_DONTWAIT);
		loop_once(f->t.loop, 1);
		cr_assert_leq(streams_queued(f->t.streams), 262144 + 65536);
	}
	UNTIL(f, streams_count(f->t.streams) == 0);
	close(fd);
	fixture_free(f);
}

Test(tcp, what_cannot_be_framed_is_answered_and_ends)
{
	static const char bad[] =
		"OPTIONS sip:b@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKx\r\nFrom: "
		"<sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 "
		"OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 99999999\r\n\r\n";
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);

	tell(fd, bad, sizeof(bad) - 1);
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) > 0);
	cr_assert(strncmp(buffer, "SIP/2.0 513 ", 12) == 0, "%s", buffer);
	UNTIL(f, ended(fd)); /* after the answer was written, not before it could be read */
	cr_assert_eq(flow_count(f->t.flows), 0);
	cr_assert_eq(COUNTED(FRAME_TOO_LARGE), 1);
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	fixture_free(f);
}

static void short_times(struct image *image)
{
	image->s.message_ms = 60;
	image->s.idle_ms = 200;
	image->s.connect_ms = 100;
}

Test(tcp, a_slow_sender_is_closed)
{
	struct fixture *f = fixture_new(short_times);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n = request(raw, "OPTIONS", 1, NULL, "TCP");
	uint64_t start;

	/* what came in two pieces is whole, and its time over */
	tell(fd, raw, n / 2);
	UNTIL(f, COUNTED(RX_BYTES) == n / 2);
	tell(fd, raw + n / 2, n - n / 2);
	UNTIL(f, f->count == 1);
	order(f, &message_at(f, 0)->flow, "SIP/2.0 200 OK\r\n\r\n", 18, 0, false);
	start = clock_ms();
	while (clock_ms() - start < 100)
		loop_once(f->t.loop, 10);
	cr_assert_eq(COUNTED(STREAM_SLOW), 0);
	/* a byte now and then does not make a message younger */
	for (size_t i = 0; i < n && COUNTED(STREAM_SLOW) == 0; i++) {
		if (send(fd, raw + i, 1, MSG_NOSIGNAL) < 0)
			break;
		loop_once(f->t.loop, 10);
		loop_once(f->t.loop, 5); /* nothing comes: time passes */
	}
	UNTIL(f, COUNTED(STREAM_SLOW) == 1);
	cr_assert_eq(f->count, 1);
	cr_assert_eq(flow_count(f->t.flows), 0);
	cr_assert_eq(COUNTED(STREAM_IDLE), 0);
	close(fd);
	fixture_free(f);
}

Test(tcp, an_idle_stream_is_closed)
{
	struct fixture *f = fixture_new(short_times);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	uint64_t start;

	UNTIL(f, flow_count(f->t.flows) == 1);
	start = clock_ms();
	/* keep-alives hold it for longer than the limit */
	do {
		tell(fd, "\r\n\r\n", 4);
		UNTIL(f, hear(fd, buffer, sizeof(buffer)) > 0);
		cr_assert_eq(COUNTED(STREAM_IDLE), 0);
		loop_once(f->t.loop, 20);
	} while (clock_ms() - start < 400);
	UNTIL(f, ended(fd));
	cr_assert_eq(COUNTED(STREAM_IDLE), 1);
	close(fd);
	fixture_free(f);
}

static void few(struct image *image)
{
	image->s.connections_max = 4;
	image->zone[ZONE_ACCESS].connections_per_source = 2;
}

Test(tcp, connections_are_capped_per_source_and_in_all)
{
	struct fixture *f = fixture_new(few);
	int fd[6];

	for (int i = 0; i < 3; i++)
		fd[i] = dial("127.0.0.2", f->port[ACCESS_TCP]);
	UNTIL(f, COUNTED(STREAM_REFUSED_SOURCE) == 1);
	cr_assert_eq(flow_count(f->t.flows), 2);
	UNTIL(f, ended(fd[2]));
	for (int i = 3; i < 6; i++)
		fd[i] = dial("127.0.0.1", f->port[CORE_TCP]); /* no cap per source there */
	UNTIL(f, COUNTED(STREAM_REFUSED_FULL) == 1);
	cr_assert_eq(flow_count(f->t.flows), 4);
	UNTIL(f, ended(fd[5]));
	close(fd[0]);
	UNTIL(f, flow_count(f->t.flows) == 3);
	close(fd[5]);
	fd[5] = dial("127.0.0.2", f->port[ACCESS_TCP]); /* both places are free again */
	UNTIL(f, flow_count(f->t.flows) == 4);
	for (int i = 1; i < 6; i++)
		close(fd[i]);
	fixture_free(f);
}

Test(tcp, the_fd_limit_leaves_a_reserve)
{
	struct fixture *f = fixture_new(NULL);

	f->t.fds_limit = 200;
	cr_assert_lt(streams_max(f->t.streams), 100);
	cr_assert_gt(streams_max(f->t.streams), 0);
	fixture_free(f);
}

Test(tcp, without_fds_it_rests_instead_of_spinning)
{
	struct fixture *f = fixture_new(NULL);
	int fd;

	refused_accepts = EMFILE;
	fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	UNTIL(f, COUNTED(TCP_ACCEPT_PAUSED) == 1);
	for (int i = 0; i < 20; i++)
		loop_once(f->t.loop, 1);
	cr_assert_leq(COUNTED(TCP_ACCEPT_PAUSED), 2);
	refused_accepts = 0;
	UNTIL(f, flow_count(f->t.flows) == 1);
	refused_accepts = ECONNABORTED; /* one connection's own end is no reason to rest */
	close(fd);
	fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	UNTIL(f, COUNTED(STREAM_ERRORS) > 0);
	refused_accepts = 0;
	UNTIL(f, COUNTED(STREAM_ACCEPTED) == 2);
	close(fd);
	fixture_free(f);
}

Test(tcp, strangers_to_a_trusted_listener_are_closed)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.2", f->port[CORE_TCP]);

	UNTIL(f, ended(fd));
	cr_assert_eq(COUNTED(DROP_NOT_A_SOURCE), 1);
	close(fd);
	fixture_free(f);
}

/* Where a zone hears strangers, what they can prove passes, and nothing is answered here. */
Test(tcp, strangers_that_are_heard_are_not_answered)
{
	struct fixture *f = fixture_new(NULL);
	static const char malformed[] = "INVITE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n",
			  proved[] = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n"
				     "Max-Forwards: 70\r\nFrom: <sip:a@h>;tag=f\r\n"
				     "To: <sip:b@h>;tag=sw00f0123456789abcdef0123456789abcdef\r\n"
				     "Call-ID: c\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
	char answer[16];
	int fd;

	f->image.zone[ZONE_CORE].strangers = 1u << TRANSPORT_TCP;
	fd = dial("127.0.0.2", f->port[CORE_TCP]);
	tell(fd, malformed, sizeof(malformed) - 1);
	tell(fd, raw, request(raw, "OPTIONS", 1, NULL, "TCP"));
	tell(fd, proved, sizeof(proved) - 1);
	UNTIL(f, f->count == 1);
	cr_assert_eq(message_at(f, 0)->method, METHOD_BYE);
	cr_assert_eq(COUNTED(DROP_NOT_A_SOURCE), 1);
	struct flow back = message_at(f, 0)->flow;
	cr_assert_eq(flow_send(&f->t, &back, &(struct outgoing){.bytes = "x", .size = 1}), 0);
	ssize_t n;
	UNTIL(f, (n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) > 0);
	cr_assert(n == 1 && *answer == 'x', "the first that he hears");
	/* we connect to none */
	back.id = 0;
	back.peer.port = 5060;
	cr_assert_eq(flow_send(&f->t, &back, &(struct outgoing){.bytes = "x", .size = 1}), -EACCES);
	close(fd);
	fixture_free(f);
}

/* A stream whose peer does not read, with n messages of size bytes ordered; returns its fd. */
static int unread(struct fixture *f, unsigned n, size_t size, struct flow *flow)
{
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]), small = 32768;
	static char bytes[60000];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	tell(fd, raw, request(raw, "OPTIONS", 1, NULL, "TCP"));
	UNTIL(f, f->count == 1);
	*flow = message_at(f, 0)->flow;
	for (unsigned i = 0; i < n; i++) {
		memset(bytes, 'a' + (int)i % 26, sizeof(bytes));
		order(f, flow, bytes, size, 100 + i, false);
		loop_once(f->t.loop, 0);
	}
	return fd;
}

static void large_queue(struct image *image)
{
	image->s.connection_queue = 64u << 20;
}

Test(tcp, a_slow_reader_gets_everything_in_order)
{
	struct fixture *f = fixture_new(large_queue);
	struct flow flow;
	int fd = unread(f, 200, 60000, &flow);
	size_t got = 0;

	cr_assert_gt(streams_queued(f->t.streams), 0, "the kernel took it all");
	for (int turns = 0; got < 200u * 60000 && turns < 20000; turns++) {
		ssize_t n = hear(fd, buffer, sizeof(buffer));

		for (ssize_t i = 0; i < n; i++)
			cr_assert_eq(buffer[i], 'a' + (int)((got + (size_t)i) / 60000 % 26));
		if (n > 0)
			got += (size_t)n;
		loop_once(f->t.loop, n > 0 ? 0 : 1);
	}
	cr_assert_eq(got, 200u * 60000);
	cr_assert_eq(streams_queued(f->t.streams), 0);
	cr_assert_eq(COUNTED(TX_MESSAGES), 200);
	cr_assert_eq(f->count, 1); /* nothing failed */
	close(fd);
	fixture_free(f);
}

Test(tcp, a_peer_that_does_not_read_is_closed)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow;
	int fd = unread(f, 200, 60000, &flow);
	unsigned full = 0, gone = 0;

	for (unsigned i = 0; i < 200; i++) {
		int error = failure_of(f, 100 + i);

		full += error == -EAGAIN;
		gone += error == -ENOTCONN;
	}
	cr_assert_eq(COUNTED(STREAM_QUEUE_FULL), 1);
	cr_assert_gt(full, 1);
	cr_assert_leq(full, 262144 / 60000 + 1); /* what was queued, and the one that did not fit */
	cr_assert_gt(gone, 0);
	cr_assert_eq(full + gone + COUNTED(TX_MESSAGES), 200);
	cr_assert_eq(flow_count(f->t.flows), 0);
	close(fd);
	fixture_free(f);
}

/* ---- out ---- */

Test(tcp, connects_to_a_trusted_peer_and_keeps_the_connection)
{
	struct fixture *f = fixture_new(NULL);
	int port, server = serving(&port), fd = -1;
	struct flow to = flow_to_trunk(port);
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	const struct message *m;

	order(f, &to, "one ", 4, 1, false); /* waits for the connection */
	order(f, &to, "two ", 4, 2, false);
	cr_assert_eq(COUNTED(STREAM_CONNECTS), 1);
	UNTIL(f, (fd = accept(server, (struct sockaddr *)&from, &length)) >= 0);
	cr_assert_eq(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	UNTIL(f, recv(fd, buffer, 8, MSG_DONTWAIT | MSG_PEEK) == 8);
	order(f, &to, "three", 5, 3, false);
	UNTIL(f, recv(fd, buffer, 13, MSG_DONTWAIT | MSG_PEEK) == 13);
	hear(fd, buffer, sizeof(buffer));
	cr_assert_str_eq(buffer, "one two three");
	cr_assert_eq(COUNTED(STREAM_CONNECTS), 1);
	/* what comes back on it carries its flow */
	tell(fd, raw, request(raw, "OPTIONS", 1, NULL, "TCP"));
	UNTIL(f, f->count == 1);
	m = message_at(f, 0);
	cr_assert_eq(m->flow.listener, CORE_TCP);
	cr_assert(endpoint_equal(&m->flow.peer, &to.peer));
	cr_assert_eq(m->flow.local.port, ntohs(from.sin_port));
	/* gone: the next order makes a new one */
	close(fd);
	UNTIL(f, flow_count(f->t.flows) == 0);
	order(f, &to, "again", 5, 4, false);
	UNTIL(f, (fd = accept(server, NULL, NULL)) >= 0);
	close(fd);
	close(server);
	fixture_free(f);
}

Test(tcp, a_refused_connection_fails_what_waits_for_it)
{
	struct fixture *f = fixture_new(NULL);
	int port, fd = bound("127.0.0.1", SOCK_STREAM, &port);
	struct flow to = flow_to_trunk(port);

	order(f, &to, "one", 3, 1, false);
	order(f, &to, "two", 3, 2, false);
	UNTIL(f, f->count == 2);
	cr_assert_eq(failure_of(f, 1), -ECONNREFUSED);
	cr_assert_eq(failure_of(f, 2), -ECONNREFUSED);
	cr_assert_eq(flow_count(f->t.flows), 0);
	close(fd);
	fixture_free(f);
}

Test(tcp, a_connection_that_is_not_made_in_time_fails)
{
	struct fixture *f = fixture_new(short_times);
	int port, server = bound("127.0.0.1", SOCK_STREAM, &port), filler[8];
	struct flow to = flow_to_trunk(port);
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(&to.peer, &address);

	/* a full backlog answers nobody */
	cr_assert_eq(listen(server, 0), 0);
	for (int i = 0; i < 8; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(filler[i], (struct sockaddr *)&address, length);
	}
	order(f, &to, "one", 3, 1, false);
	UNTIL(f, f->count == 1);
	cr_assert_eq(failure_of(f, 1), -ETIMEDOUT);
	cr_assert_eq(COUNTED(STREAM_OPEN_LATE), 1);
	for (int i = 0; i < 8; i++)
		close(filler[i]);
	close(server);
	fixture_free(f);
}

Test(tcp, closes_after_the_last_byte_when_told)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	struct flow flow;
	uint64_t start;

	tell(fd, raw, request(raw, "OPTIONS", 1, NULL, "TCP"));
	UNTIL(f, f->count == 1);
	flow = message_at(f, 0)->flow;
	order(f, &flow, "before ", 7, 1, false);
	order(f, &flow, "last", 4, 2, true);
	order(f, &flow, "after", 5, 3, false);
	cr_assert_eq(failure_of(f, 3), -ENOTCONN);
	UNTIL(f, recv(fd, buffer, 11, MSG_DONTWAIT | MSG_PEEK) == 11);
	hear(fd, buffer, sizeof(buffer));
	cr_assert_str_eq(buffer, "before last");
	start = clock_ms();
	UNTIL(f, ended(fd));
	cr_assert_lt(clock_ms() - start, STREAM_LINGER_MS / 2);
	tell(fd, raw,
		request(raw, "OPTIONS", 2, NULL, "TCP")); /* nobody hears it, nothing breaks */
	for (int i = 0; i < 3; i++)
		loop_once(f->t.loop, 1);
	cr_assert_eq(f->count, 2);
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	fixture_free(f);
}

Test(tcp, told_to_close_before_it_is_open)
{
	struct fixture *f = fixture_new(NULL);
	int port, server = serving(&port), fd = -1;
	struct flow to = flow_to_trunk(port);

	order(f, &to, "only", 4, 1, true);
	UNTIL(f, (fd = accept(server, NULL, NULL)) >= 0);
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) == 4);
	UNTIL(f, ended(fd));
	close(fd);
	close(server);
	UNTIL(f, streams_count(f->t.streams) == 0);
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}

Test(tcp, stops_accepting_and_reading)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]), late;

	UNTIL(f, flow_count(f->t.flows) == 1);
	transport_stop(&f->t);
	late = dial("127.0.0.1", f->port[ACCESS_TCP]);
	tell(fd, raw, request(raw, "OPTIONS", 1, NULL, "TCP"));
	for (int i = 0; i < 5; i++)
		loop_once(f->t.loop, 2);
	cr_assert_eq(f->count, 0);
	cr_assert_eq(flow_count(f->t.flows), 1);
	cr_assert(transport_idle(&f->t));
	close(fd);
	close(late);
	fixture_free(f);
}
