/* transport-to_sip.c - which messages reach the SIP workers: not those of scanners, what is over a
 * rate, or what finds no room; and what the others are answered. */
#include "transport-udp.h"

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

Test(to_sip, scanners_learn_nothing)
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

/* Request-URIs of request() have this user. */
static void emergency_for_all(struct image *image)
{
	two_a_minute(image);
	strcpy(image->pool + sizeof(image->pool) - 8, "bob");
	image->emergency.number = (struct text){
		(uint32_t)(offsetof(struct image, pool) + sizeof(image->pool) - 8), 3};
	image->s.emergency = (struct array){offsetof(struct image, emergency), 1};
}

Test(to_sip, calls_of_emergency_pass_the_rate)
{
	struct fixture *f = fixture_new(emergency_for_all);
	int fd = bound("127.0.0.1", SOCK_DGRAM, NULL);
	size_t n;

	for (unsigned i = 0; i < 6; i++) {
		n = request(raw, i < 3 ? "INVITE" : "MESSAGE", i, NULL, "UDP");
		throw_at(fd, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	}
	UNTIL(f, COUNTED(DROP_RATE) == 3);
	cr_assert_eq(f->count, 3);
	cr_assert_eq(COUNTED(EMERGENCY_PAST_RATE), 1);
	close(fd);
	fixture_free(f);
}

Test(to_sip, only_requests_outside_dialogs_count_against_the_rate)
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

Test(to_sip, a_malformed_request_is_answered)
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

static void short_t1(struct image *image)
{
	image->s.t1_ms = 1;
}

/* A request is known as forwarded for 64*T1, with the T1 of the config: after that the same bytes
 * are a new one. */
Test(to_sip, a_request_is_remembered_for_64_t1)
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
Test(to_sip, a_full_sip_worker_refuses_only_what_is_new)
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

Test(to_sip, the_reserve_is_for_what_belongs_to_calls)
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
