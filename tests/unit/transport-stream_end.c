/* transport-stream_end.c - how streams end: half-close, junk behind a good message, a
 * Content-Length too small, peers that are gone. */
#include "transport-stream.h"

#define TRYING "SIP/2.0 100 Trying\r\n\r\n"
#define RINGING "SIP/2.0 180 Ringing\r\n\r\n"

static char raw[8192];

/* A request on a connection of its own; returns the connection and the request's flow. */
static int ask(struct fixture *f, const char *method, struct flow *flow)
{
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	unsigned before = f->count;

	tell(fd, raw, request(raw, method, before + 1, NULL, "TCP"));
	UNTIL(f, f->count == before + 1);
	*flow = message_at(f, before)->flow;
	return fd;
}

static void watch(struct fixture *f, const struct flow *flow, uint8_t slot)
{
	struct record_watch r = {.flow = flow->id, .slot = slot};

	cr_assert(from_sip_record(&f->t, PEER(PEER_SIP, 0), RECORD_WATCH, &r, sizeof(r)));
}

/* The reports of the flow's end to the slot, of half of it or of all of it. */
static unsigned told(const struct fixture *f, const struct flow *flow, uint8_t slot, bool half)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++) {
		const struct record_flow_closed *r = f->noted[i].data;

		if (f->noted[i].type != RECORD_FLOW_CLOSED)
			continue;
		n += r->flow == flow->id && r->slot == slot && r->half == half;
	}
	return n;
}

/* ---- half-close ---- */

Test(stream_end, a_half_closed_stream_is_answered)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow;
	int fd = ask(f, "OPTIONS", &flow);

	shutdown(fd, SHUT_WR);
	UNTIL(f, COUNTED(STREAM_ENDED) == 1);
	cr_assert_eq(flow_count(f->t.flows), 1);
	order(f, &flow, TRYING, sizeof(TRYING) - 1, 1, false);
	UNTIL(f, hears(fd, TRYING));
	cr_assert_eq(flow_count(f->t.flows), 1);
	order(f, &flow, OK, sizeof(OK) - 1, 2, false);
	UNTIL(f, hears(fd, OK));
	UNTIL(f, ended(fd));
	cr_assert_eq(failure_of(f, 2), 0);
	cr_assert_eq(COUNTED(STREAM_ENDED), 1);
	cr_assert_eq(COUNTED(STREAM_CUT_MESSAGES), 0);
	cr_assert_eq(COUNTED(STREAM_UNFINISHED), 0);
	UNTIL(f, streams_count(f->t.streams) == 0);
	close(fd);
	fixture_free(f);
}

Test(stream_end, all_at_once_and_several)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n = request(raw, "OPTIONS", 1, NULL, "TCP");
	struct flow flow;

	n += request(raw + n, "INVITE", 2, NULL, "TCP");
	n += request(raw + n, "ACK", 3, NULL, "TCP"); /* which has no answer */
	tell(fd, raw, n);
	shutdown(fd, SHUT_WR);
	UNTIL(f, COUNTED(STREAM_ENDED) == 1);
	cr_assert_eq(f->count, 3);
	flow = message_at(f, 0)->flow;
	order(f, &flow, OK, sizeof(OK) - 1, 0, false);
	order(f, &flow, RINGING, sizeof(RINGING) - 1, 0, false);
	UNTIL(f, hears(fd, OK RINGING));
	cr_assert_eq(flow_count(f->t.flows), 1);
	order(f, &flow, OK, sizeof(OK) - 1, 0, false);
	UNTIL(f, hears(fd, OK));
	UNTIL(f, ended(fd));
	close(fd);
	fixture_free(f);
}

Test(stream_end, within_a_message)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow;
	int fd = ask(f, "OPTIONS", &flow);

	tell(fd, raw, request(raw, "OPTIONS", 2, NULL, "TCP") - 20);
	shutdown(fd, SHUT_WR);
	UNTIL(f, COUNTED(STREAM_CUT_MESSAGES) == 1);
	order(f, &flow, OK, sizeof(OK) - 1, 0, false);
	UNTIL(f, hears(fd, OK));
	UNTIL(f, ended(fd));
	cr_assert_eq(f->count, 1);
	close(fd);
	fixture_free(f);
}

Test(stream_end, keepalives_and_refusals_before_it)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);

	tell_text(fd, "\r\n\r\n\r\n\r\n");
	shutdown(fd, SHUT_WR);
	UNTIL(f, hears(fd, "\r\n\r\n"));
	UNTIL(f, ended(fd));
	close(fd);
	fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	f->full = -EAGAIN; /* the SIP worker has no room: 503 from here */
	tell(fd, raw, request(raw, "OPTIONS", 1, NULL, "TCP"));
	shutdown(fd, SHUT_WR);
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) > 0);
	cr_assert(strncmp(buffer, "SIP/2.0 503 ", 12) == 0, "%s", buffer);
	UNTIL(f, ended(fd));
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	fixture_free(f);
}

Test(stream_end, a_half_closed_stream_takes_answers_alone)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow, peer;
	int fd = ask(f, "INVITE", &flow);

	watch(f, &flow, 5);
	shutdown(fd, SHUT_WR);
	UNTIL(f, told(f, &flow, 5, true) == 1);
	watch(f, &flow, 9); /* who asks later hears of it too */
	UNTIL(f, told(f, &flow, 9, true) == 1);
	cr_assert_eq(told(f, &flow, 5, false), 0);
	order(f, &flow, "OPTIONS sip:x SIP/2.0\r\n\r\n", 25, 7, false);
	UNTIL(f, failure_of(f, 7) == -ENOTCONN);
	peer = flow;
	peer.id = 0;
	cr_assert_null(flow_to_peer(f->t.flows, &peer));
	order(f, &flow, OK, sizeof(OK) - 1, 0, false);
	UNTIL(f, hears(fd, OK));
	UNTIL(f, told(f, &flow, 5, false) == 1 && told(f, &flow, 9, false) == 1);
	cr_assert_eq(told(f, &flow, 5, true), 1);
	close(fd);
	fixture_free(f);
}

static void short_t1(struct image *image)
{
	image->s.t1_ms = 10;
	image->s.t2_ms = 40;
}

Test(stream_end, a_peer_that_is_gone_is_found_out)
{
	struct fixture *f = fixture_new(short_t1);
	struct flow flow;
	int fd = ask(f, "INVITE", &flow);
	uint64_t start = clock_ms();

	watch(f, &flow, 5);
	close(fd);
	UNTIL(f, told(f, &flow, 5, false) == 1);
	cr_assert_lt(clock_ms() - start, 500, "%d", (int)(clock_ms() - start)); /* not 64 * T1 */
	cr_assert_eq(COUNTED(STREAM_UNFINISHED), 0);
	fixture_free(f);
}

Test(stream_end, no_answer_is_waited_for_without_end)
{
	struct fixture *f = fixture_new(short_t1);
	struct flow flow;
	int fd = ask(f, "INVITE", &flow);

	shutdown(fd, SHUT_WR);
	UNTIL(f, COUNTED(STREAM_UNFINISHED) == 1);
	UNTIL(f, flow_count(f->t.flows) == 0);
	UNTIL(f, ended(fd)); /* keep-alives came before */
	order(f, &flow, OK, sizeof(OK) - 1, 3, false);
	UNTIL(f, failure_of(f, 3) == -ENOTCONN);
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	fixture_free(f);
}

/* ---- junk ---- */

Test(stream_end, junk_behind_a_good_message)
{
	static const char *const junk[] = {"\x01\x02\x03", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "JUNK\r\n\r\n", "\rX", "hello, world\r\n",
		"OPTIONS sip:b@b SIP/2.0\nVia: x\n\n"};
	struct fixture *f = fixture_new(NULL);

	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
		size_t n = request(raw, "INVITE", (unsigned)i, NULL, "TCP");
		struct flow flow;

		strcpy(raw + n, junk[i]);
		tell_text(fd, raw);
		UNTIL(f, COUNTED(FRAME_NOT_SIP) == i + 1);
		cr_assert_eq(f->count, 1);
		flow = message_at(f, 0)->flow;
		/* what follows is dropped, and does not reset the answer away */
		memset(buffer, 'x', 20000);
		tell(fd, buffer, 20000);
		turns(f, 3);
		order(f, &flow, RINGING, sizeof(RINGING) - 1, 1, false);
		order(f, &flow, OK, sizeof(OK) - 1, 2, false);
		tell(fd, buffer, 20000);
		UNTIL(f, hears(fd, RINGING OK));
		UNTIL(f, ended(fd));
		cr_assert_eq(failure_of(f, 1) + failure_of(f, 2), 0);
		cr_assert_eq(flow_count(f->t.flows), 0);
		close(fd);
		UNTIL(f, streams_count(f->t.streams) == 0);
		forget(f);
	}
	fixture_free(f);
}

Test(stream_end, junk_without_end_is_not_read_without_end)
{
	struct fixture *f = fixture_new(short_t1);
	struct flow flow;
	int fd = ask(f, "INVITE", &flow);
	uint64_t before;

	memset(buffer, '=', sizeof(buffer));
	while (COUNTED(STREAM_UNFINISHED) == 0) {
		(void)!send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL | MSG_DONTWAIT);
		loop_once(f->t.loop, 1);
		before = COUNTED(RX_BYTES);
	}
	cr_assert_leq(before, STREAM_DISCARD_MAX + 3 * STREAM_TURN_BYTES);
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	fixture_free(f);
}

Test(stream_end, a_slow_message_behind_a_good_one)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow;
	int fd;

	f->image.s.message_ms = 30;
	fd = ask(f, "INVITE", &flow);
	tell_text(fd, "OPTIONS sip:b@b");
	UNTIL(f, COUNTED(STREAM_SLOW) == 1);
	order(f, &flow, OK, sizeof(OK) - 1, 1, false);
	UNTIL(f, hears(fd, OK));
	UNTIL(f, ended(fd));
	cr_assert_eq(failure_of(f, 1), 0);
	close(fd);
	fixture_free(f);
}

/* ---- a Content-Length too small ---- */

/* Whether what lies there ends so; leaves it there, and in buffer. */
static bool peeks(int fd, const char *text)
{
	ssize_t n = recv(fd, buffer, sizeof(buffer) - 1, MSG_DONTWAIT | MSG_PEEK);
	size_t size = strlen(text);

	if (n < (ssize_t)size)
		return false;
	buffer[n] = 0;
	return strcmp(buffer + n - size, text) == 0;
}

/* A MESSAGE whose Content-Length is short of its body by so many octets. */
static size_t message_short(char *out, const char *body, size_t by)
{
	return (size_t)sprintf(out,
		"MESSAGE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/TCP "
		"192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\n"
		"Call-ID: c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body) - by, body);
}

Test(stream_end, a_content_length_too_small)
{
	static const char body[] = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";
	struct fixture *f = fixture_new(NULL);

	/* whatever is left over of the body, the next message is not taken for its end */
	for (size_t by = 0; by < sizeof(body); by++) {
		int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
		size_t n = message_short(raw, body, by);
		bool whole = by == 0 || by == 2; /* a CRLF too many is a keep-alive's answer */
		struct flow flow;

		n += request(raw + n, "OPTIONS", 1, NULL, "TCP");
		tell(fd, raw, n);
		UNTIL(f, whole ? f->count == 2 : COUNTED(FRAME_NOT_SIP) == 1);
		cr_assert_eq(f->count, whole ? 2 : 1, "short by %zu", by);
		flow = message_at(f, 0)->flow;
		order(f, &flow, OK, sizeof(OK) - 1, 0, false);
		UNTIL(f, hears(fd, OK));
		if (!whole)
			UNTIL(f, ended(fd));
		close(fd);
		UNTIL(f, streams_count(f->t.streams) == 0);
		counters_page->counter[COUNTER_FRAME_NOT_SIP] = 0;
		forget(f);
	}
	fixture_free(f);
}

Test(stream_end, the_rest_of_a_body_before_a_method)
{
	static const char *const body[] = {"12345", "one two", "x SIP/2.0 "};
	struct fixture *f = fixture_new(NULL);

	for (size_t i = 0; i < 3; i++) {
		int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
		size_t n = message_short(raw, body[i], strlen(body[i]));
		struct flow flow;

		n += request(raw + n, "OPTIONS", 1, NULL, "TCP");
		n += request(raw + n, "OPTIONS", 2, NULL, "TCP");
		tell(fd, raw, n);
		UNTIL(f, COUNTED(STREAM_ADRIFT) == i + 1);
		cr_assert_eq(f->count, 1);
		flow = message_at(f, 0)->flow;
		order(f, &flow, OK, sizeof(OK) - 1, 0, false);
		UNTIL(f, peeks(fd, "\r\n\r\n" OK));
		cr_assert(strncmp(buffer, "SIP/2.0 400 ", 12) == 0, "%s", buffer);
		hear(fd, buffer, sizeof(buffer));
		UNTIL(f, ended(fd));
		close(fd);
		UNTIL(f, streams_count(f->t.streams) == 0);
		forget(f);
	}
	fixture_free(f);
}
