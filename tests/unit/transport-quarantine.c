/* transport-quarantine.c - what a transport worker has in hand while it works, and what it refuses
 * because it ended one before. */
#include "transport-fixture.h"

static char raw[4096], other[2048], buffer[4096];

/* The message in hand when the SIP workers are given a record. */
static struct crash_evidence work, stream;
static int look(void *arg, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	memcpy(&work, &counters_page->work, sizeof(work));
	memcpy(&stream, &counters_page->stream, sizeof(stream));
	return note(arg, peer, type, size, reserve, data);
}

static struct fixture *begin(void)
{
	struct fixture *f = fixture_new(NULL);

	f->t.upstream.record = look;
	return f;
}

static void assert_holds(
	const struct crash_evidence *h, enum evidence_kind kind, const void *bytes, size_t size)
{
	cr_assert_eq(h->what, (uint64_t)kind << 32 | size);
	cr_assert_eq(memcmp(h->byte, bytes, size), 0);
}

static void assert_empty(void)
{
	cr_assert_eq(counters_page->work.what, 0);
	cr_assert_eq(counters_page->stream.what, 0);
}

static void refuse(struct fixture *f, enum evidence_kind kind, const void *bytes, size_t size)
{
	struct fingerprint print;

	fingerprint_of(kind, bytes, size, &print);
	cr_assert_eq(refusals_set(&f->t.refusals, &print, 1), 0);
}

Test(quarantine, a_datagram_is_in_hand_until_it_is_done_with)
{
	struct fixture *f = begin();
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n = request(raw, "OPTIONS", 1, NULL, "UDP");

	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, f->count == 1);
	assert_holds(&work, EVIDENCE_MESSAGE, raw, n);
	cr_assert_eq(stream.what, 0);
	assert_empty();
	close(fd);
	fixture_free(f);
}

Test(quarantine, a_listed_datagram_is_dropped_and_others_are_not)
{
	struct fixture *f = begin();
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n = request(raw, "OPTIONS", 1, NULL, "UDP"),
	       m = request(other, "OPTIONS", 2, NULL, "UDP");

	cr_assert_eq(n, m);
	refuse(f, EVIDENCE_MESSAGE, raw, n);
	for (int i = 0; i < 3; i++)
		throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], other, m);
	UNTIL(f, f->count == 1);
	cr_assert_eq(memcmp(message_raw(message_at(f, 0)), other, m), 0);
	cr_assert_eq(COUNTED(DROP_QUARANTINED), 3);
	cr_assert_eq(COUNTED(RX_MESSAGES), 1);
	cr_assert_eq(
		hear(fd, buffer, sizeof(buffer)), -1, "no answer, which would take reading it");
	cr_assert_eq(refusals_set(&f->t.refusals, NULL, 0), 0);
	throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, f->count == 2);
	close(fd);
	fixture_free(f);
}

Test(quarantine, what_a_stream_brought_is_in_hand_and_each_message_of_it)
{
	struct fixture *f = begin();
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n = request(raw, "OPTIONS", 1, NULL, "TCP"),
	       m = request(raw + n, "OPTIONS", 2, NULL, "TCP");

	tell(fd, raw, n + m);
	UNTIL(f, f->count == 2);
	assert_holds(&stream, EVIDENCE_STREAM, raw, n + m);
	assert_holds(&work, EVIDENCE_MESSAGE, raw + n, m);
	assert_empty();
	close(fd);
	fixture_free(f);
}

Test(quarantine, the_rest_of_a_body_is_not_copied_again_and_again)
{
	struct fixture *f = begin();
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n;

	request(raw, "OPTIONS", 1, NULL, "TCP");
	strcpy(strstr(raw, "Content-Length"),
		"Content-Type: text/plain\r\nContent-Length: 9\r\n\r\n");
	n = strlen(raw);
	memset(raw + n, 'b', 9);
	tell(fd, raw, n);
	UNTIL(f, COUNTED(RX_BYTES) == n);
	cr_assert_eq(counters_page->stream.byte[0], 'O');
	counters_page->stream.byte[0] = 'x';
	for (unsigned i = 0; i < 8; i++) {
		tell(fd, raw + n + i, 1);
		UNTIL(f, COUNTED(RX_BYTES) == n + i + 1);
		cr_assert_eq(counters_page->stream.byte[0], 'x');
	}
	tell(fd, raw + n + 8, 1);
	UNTIL(f, f->count == 1);
	assert_holds(&stream, EVIDENCE_STREAM, raw, n + 9);
	assert_holds(&work, EVIDENCE_MESSAGE, raw, n + 9);
	close(fd);
	fixture_free(f);
}

Test(quarantine, a_line_byte_by_byte_is_not_copied_again_and_again)
{
	struct fixture *f = begin();
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n;

	request(raw, "OPTIONS", 1, NULL, "TCP");
	n = (size_t)(strstr(raw, "Content-Length") - raw);
	tell(fd, raw, n);
	UNTIL(f, COUNTED(RX_BYTES) == n);
	counters_page->stream.byte[0] = 'x';
	for (unsigned i = 0; i < 8; i++) {
		tell(fd, raw + n + i, 1);
		UNTIL(f, COUNTED(RX_BYTES) == n + i + 1);
		cr_assert_eq(counters_page->stream.byte[0], 'x');
	}
	tell(fd, raw + n + 8, strlen(raw) - n - 8);
	UNTIL(f, f->count == 1);
	assert_holds(&stream, EVIDENCE_STREAM, raw, strlen(raw));
	close(fd);
	fixture_free(f);
}

Test(quarantine, a_listed_message_is_left_out_of_its_stream)
{
	struct fixture *f = begin();
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n = request(raw, "OPTIONS", 1, NULL, "TCP"),
	       m = request(raw + n, "OPTIONS", 2, NULL, "TCP");

	refuse(f, EVIDENCE_MESSAGE, raw, n);
	tell(fd, raw, n + m);
	UNTIL(f, f->count == 1);
	cr_assert_eq(memcmp(message_raw(message_at(f, 0)), raw + n, m), 0);
	cr_assert_eq(COUNTED(DROP_QUARANTINED), 1);
	cr_assert_eq(flow_count(f->t.flows), 1, "the stream goes on");
	close(fd);
	fixture_free(f);
}

Test(quarantine, listed_bytes_of_a_stream_end_it)
{
	struct fixture *f = begin();
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]),
	    another = dial("127.0.0.1", f->port[ACCESS_TCP]);
	size_t n = request(raw, "OPTIONS", 1, NULL, "TCP");
	ssize_t got;

	refuse(f, EVIDENCE_STREAM, raw, n);
	tell(fd, raw, n);
	UNTIL(f, (got = hear(fd, buffer, sizeof(buffer))) >= 0);
	cr_assert_eq(got, 0, "closed without an answer");
	cr_assert_eq(f->count, 0);
	cr_assert_eq(COUNTED(DROP_QUARANTINED), 1);
	assert_empty();
	n = request(raw, "OPTIONS", 2, NULL, "TCP");
	tell(another, raw, n);
	UNTIL(f, f->count == 1);
	close(fd);
	close(another);
	fixture_free(f);
}

/* Every phone sends the same. */
Test(quarantine, keep_alives_are_never_refused)
{
	struct fixture *f = begin();
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);
	char crlf[FINGERPRINT_STREAM_MIN];

	for (unsigned i = 0; i < sizeof(crlf); i++)
		crlf[i] = i % 2 ? '\n' : '\r';
	refuse(f, EVIDENCE_STREAM, crlf, sizeof(crlf));
	tell(fd, crlf, sizeof(crlf));
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) == sizeof(crlf) / 4 * 2);
	cr_assert_eq(COUNTED(DROP_QUARANTINED), 0);
	cr_assert_gt(COUNTED(STREAM_PINGS), 0);
	close(fd);
	fixture_free(f);
}
