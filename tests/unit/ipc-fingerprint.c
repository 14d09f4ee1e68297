/* ipc-fingerprint.c - fingerprints, and what a worker refuses. */
#include "ipc/fingerprint.h"
#include "common/counters.h"
#include "common/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>

static struct refusals r;
static unsigned lines;
static char line[LOG_LINE_MAX + 1];

static void take_line(void *arg, enum log_level level, const char *text, size_t length)
{
	(void)arg, (void)level;
	lines++;
	memcpy(line, text, length);
	line[length] = 0;
}

static void setup(void)
{
	cr_assert(sodium_init() >= 0);
	log_init("test", -1, LOG_INFO, take_line, NULL);
}

TestSuite(fingerprint, .init = setup);

static struct fingerprint of(enum evidence_kind kind, const char *text)
{
	struct fingerprint f;

	fingerprint_of(kind, text, strlen(text), &f);
	return f;
}

static bool refused(enum evidence_kind kind, const char *text, uint64_t now)
{
	return refusals_refuse(&r, kind, str_of(text), NULL, now);
}

Test(fingerprint, tells_bytes_and_kinds_apart)
{
	struct fingerprint a = of(EVIDENCE_MESSAGE, "one"), b = of(EVIDENCE_MESSAGE, "one"),
			   c = of(EVIDENCE_MESSAGE, "onf"), d = of(EVIDENCE_STREAM, "one");
	char text[FINGERPRINT_TEXT_SIZE];

	cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
	cr_assert_neq(memcmp(a.byte, c.byte, sizeof(a.byte)), 0);
	cr_assert_neq(memcmp(a.byte, d.byte, sizeof(a.byte)), 0);
	cr_assert_eq(a.size, 3);
	cr_assert_eq(strlen(fingerprint_text(&a, text)), 2 * FINGERPRINT_SIZE);
}

Test(fingerprint, the_listed_are_refused_and_counted)
{
	struct fingerprint list[] = {
		of(EVIDENCE_MESSAGE, "first"), of(EVIDENCE_MESSAGE, "second message")};

	cr_assert_not(refused(EVIDENCE_MESSAGE, "first", 1));
	cr_assert_eq(refusals_set(&r, list, 2), 0);
	cr_assert(refused(EVIDENCE_MESSAGE, "first", 1));
	cr_assert(refused(EVIDENCE_MESSAGE, "second message", 1));
	cr_assert_not(refused(EVIDENCE_MESSAGE, "First", 1), "of the same size");
	cr_assert_not(refused(EVIDENCE_MESSAGE, "other", 1));
	cr_assert_not(refused(EVIDENCE_MESSAGE, "", 1));
	cr_assert_not(refused(EVIDENCE_STREAM, "first", 1), "of another kind");
	cr_assert_eq(counters_page->counter[COUNTER_DROP_QUARANTINED], 2);
	/* the list is replaced whole */
	cr_assert_eq(refusals_set(&r, list + 1, 1), 0);
	cr_assert_not(refused(EVIDENCE_MESSAGE, "first", 1));
	cr_assert(refused(EVIDENCE_MESSAGE, "second message", 1));
	cr_assert_eq(refusals_set(&r, NULL, 0), 0);
	cr_assert_not(refused(EVIDENCE_MESSAGE, "second message", 1));
}

Test(fingerprint, a_flood_is_logged_once_a_second)
{
	struct fingerprint list = of(EVIDENCE_MESSAGE, "first");
	struct endpoint source;

	cr_assert_eq(endpoint_parse_host(S("192.0.2.1"), 5060, &source), 0);
	cr_assert_eq(refusals_set(&r, &list, 1), 0);
	for (int i = 0; i < 1000; i++)
		cr_assert(refusals_refuse(&r, EVIDENCE_MESSAGE, S("first"), &source, 5000));
	cr_assert_eq(lines, 1);
	cr_assert_not_null(strstr(line, " message-refused "), "%s", line);
	cr_assert_not_null(strstr(line, "source=192.0.2.1:5060"), "%s", line);
	cr_assert(refused(EVIDENCE_MESSAGE, "first", 6000));
	cr_assert_eq(lines, 2);
	cr_assert_not_null(strstr(line, "left_out=999"), "%s", line);
	cr_assert_eq(counters_page->counter[COUNTER_DROP_QUARANTINED], 1001);
}

Test(fingerprint, what_others_may_send_too_is_not_refused)
{
	char longer[FINGERPRINT_STREAM_MIN + 1];
	struct fingerprint f = of(EVIDENCE_STREAM, "REGISTER sip:example.net SIP/2.0\r\n");

	cr_assert_eq(refusals_set(&r, &f, 1), -EINVAL, "a beginning that many have");
	f = of(EVIDENCE_RECORD,
		"a record that is long enough to be told from all others, by far, and then some");
	cr_assert_eq(refusals_set(&r, &f, 1), -EINVAL);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	f = of(EVIDENCE_STREAM, longer);
	cr_assert_eq(refusals_set(&r, &f, 1), 0);
	cr_assert(refused(EVIDENCE_STREAM, longer, 1));
	cr_assert_not(refused(EVIDENCE_MESSAGE, longer, 1));
}

Test(fingerprint, of_any_size)
{
	static const size_t sizes[] = {
		1, 63, 64, 511, 512, 700, 1023, 1024, 1025, EVIDENCE_MAX - 1, EVIDENCE_MAX};
	static char bytes[EVIDENCE_MAX];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fingerprint f;

		fingerprint_of(EVIDENCE_MESSAGE, bytes, sizes[i], &f);
		cr_assert_eq(refusals_set(&r, &f, 1), 0);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			cr_assert_eq(refusals_refuse(&r, EVIDENCE_MESSAGE,
					     (struct str){bytes, sizes[k]}, NULL, 1),
				i == k, "%zu for %zu", sizes[k], sizes[i]);
	}
}

Test(fingerprint, the_list_is_bounded)
{
	static struct fingerprint list[FINGERPRINTS_MAX + 1];
	char text[32];

	for (int i = 0; i <= FINGERPRINTS_MAX; i++) {
		snprintf(text, sizeof(text), "message number %d", i);
		list[i] = of(EVIDENCE_MESSAGE, text);
	}
	cr_assert_eq(refusals_set(&r, list, FINGERPRINTS_MAX + 1), -EINVAL);
	cr_assert_not(refused(EVIDENCE_MESSAGE, "message number 0", 1), "nothing was taken of it");
	cr_assert_eq(refusals_set(&r, list, FINGERPRINTS_MAX), 0);
	cr_assert(refused(EVIDENCE_MESSAGE, "message number 0", 1));
	cr_assert(refused(EVIDENCE_MESSAGE, "message number 255", 1));
	cr_assert_not(refused(EVIDENCE_MESSAGE, "message number 256", 1));
}
