/* transport-stun.c - answers to STUN Binding requests, byte by byte. */
#include "common/endpoint.h"
#include "worker-transport/stun.h"

#include <criterion/criterion.h>

/* The transaction's id of RFC 5769 section 2. */
#define ID "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
#define COOKIE "\x21\x12\xa4\x42"

static uint8_t answer[STUN_ANSWER_MAX];

static struct endpoint from(const char *text)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse(str_of(text), &e), 0);
	return e;
}

/* The length of what is answered to these bytes, of a peer with IPv4. */
static size_t answered(const char *bytes, size_t size)
{
	struct endpoint peer = from("192.0.2.1:32853");

	return stun_answer(bytes, size, &peer, answer);
}
#define ANSWERED(bytes) answered(bytes, sizeof(bytes) - 1)
#define IS(length, bytes)                                                                          \
	cr_assert(length == sizeof(bytes) - 1 && memcmp(answer, bytes, length) == 0)

/* The addresses as RFC 5769 sections 2.2 and 2.3 have them. */
Test(stun, the_address_that_it_came_from)
{
	size_t n = ANSWERED("\0\1\0\0" COOKIE ID);

	IS(n, "\1\1\0\x0c" COOKIE ID "\0\x20\0\x08\0\1\xa1\x47\xe1\x12\xa6\x43");
	struct endpoint peer = from("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
	n = stun_answer("\0\1\0\0" COOKIE ID, 20, &peer, answer);
	IS(n, "\1\1\0\x18" COOKIE ID "\0\x20\0\x14\0\2\xa1\x47"
	      "\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9");
	cr_assert_eq(n, STUN_ANSWER_MAX);
}

Test(stun, what_may_be_passed_over_and_what_not)
{
	/* SOFTWARE, of 3 bytes with a pad, and FINGERPRINT */
	size_t n = ANSWERED("\0\1\0\x10" COOKIE ID "\x80\x22\0\3abc\0\x80\x28\0\4\1\2\3\4");

	cr_assert_eq(n, 32);
	cr_assert_eq(answer[0], 1);
	cr_assert_eq(answer[1], 1);
	/* PRIORITY of ICE must be understood */
	n = ANSWERED("\0\1\0\x08" COOKIE ID "\0\x24\0\4\1\2\3\4");
	IS(n, "\1\x11\0\x10" COOKIE ID "\0\x09\0\4\0\0\4\x14\0\x0a\0\2\0\x24\0\0");
	/* no more is said than there is room for */
	n = ANSWERED("\0\1\0\x14" COOKIE ID "\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0");
	IS(n, "\1\x11\0\x14" COOKIE ID "\0\x09\0\4\0\0\4\x14\0\x0a\0\x08\0\1\0\2\0\3\0\4");
}

Test(stun, what_gets_no_answer)
{
	cr_assert_eq(ANSWERED("\0\1\0\0" COOKIE "short"), 0);
	cr_assert_eq(ANSWERED("\0\1\0\0\x21\x12\xa4\x43" ID), 0, "the cookie");
	cr_assert_eq(ANSWERED("\x40\1\0\0" COOKIE ID), 0, "the top bits");
	cr_assert_eq(ANSWERED("\0\x11\0\0" COOKIE ID), 0, "an indication");
	cr_assert_eq(ANSWERED("\1\1\0\0" COOKIE ID), 0, "an answer");
	cr_assert_eq(ANSWERED("\0\3\0\0" COOKIE ID), 0, "Allocate, of TURN");
	cr_assert_eq(ANSWERED("\0\1\0\4" COOKIE ID), 0, "shorter than it says");
	cr_assert_eq(ANSWERED("\0\1\0\0" COOKIE ID "more"), 0, "longer");
	cr_assert_eq(ANSWERED("\0\1\0\2" COOKIE ID "\x80\x22"), 0, "half an attribute");
	cr_assert_eq(ANSWERED("\0\1\0\4" COOKIE ID "\x80\x22\0\1"), 0, "one beyond the end");
	cr_assert_eq(ANSWERED("\0\1\0\4" COOKIE ID "\x80\x22\xff\xff"), 0, "one far beyond it");
}
