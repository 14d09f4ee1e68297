/* common-crash_evidence.c - what a worker has in hand, and what the master makes of it. */
#include "common/crash_evidence.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct crash_evidence hand;
static unsigned char buffer[EVIDENCE_MAX];
static enum evidence_kind kind;
static size_t size;

Test(hand, holds_what_was_taken_until_it_is_dropped)
{
	cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), -ENOENT);
	evidence_take(&hand, EVIDENCE_MESSAGE, "INVITE", 6);
	cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), 0);
	cr_assert_eq(kind, EVIDENCE_MESSAGE);
	cr_assert_eq(size, 6);
	cr_assert_eq(memcmp(buffer, "INVITE", 6), 0);
	evidence_take(&hand, EVIDENCE_STREAM, "BY", 2);
	cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), 0);
	cr_assert(kind == EVIDENCE_STREAM && size == 2 && memcmp(buffer, "BY", 2) == 0);
	evidence_drop(&hand);
	cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), -ENOENT);
}

Test(hand, is_bounded)
{
	static unsigned char much[EVIDENCE_MAX + 100];

	memset(much, 'x', sizeof(much));
	evidence_take(&hand, EVIDENCE_RECORD, much, sizeof(much));
	cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), 0);
	cr_assert_eq(size, EVIDENCE_MAX);
	cr_assert_eq(buffer[EVIDENCE_MAX - 1], 'x');
	evidence_take(&hand, EVIDENCE_RECORD, NULL, 0);
	cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), -EBADMSG,
		"something without bytes is no evidence");
}

/* The page is the worker's to write. */
Test(hand, is_not_believed)
{
	static const uint64_t wrong[] = {5, (uint64_t)EVIDENCE_MESSAGE << 32,
		(uint64_t)EVIDENCE_MESSAGE << 32 | (EVIDENCE_MAX + 1),
		(uint64_t)EVIDENCE_MESSAGE << 32 | UINT32_MAX,
		(uint64_t)EVIDENCE_KIND_COUNT << 32 | 1, UINT64_MAX, UINT64_C(1) << 63 | 1};

	cr_assert_eq(
		evidence_read(&(struct crash_evidence){.what = wrong[0]}, &kind, buffer, &size),
		-ENOENT, "of no kind");
	for (size_t i = 1; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		hand.what = wrong[i];
		cr_assert_eq(evidence_read(&hand, &kind, buffer, &size), -EBADMSG, "%zu", i);
	}
}

/* It is for that: whoever holds it dies at once. */
Test(hand, outlives_its_process)
{
	struct crash_evidence *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	cr_assert_neq(shared, MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		evidence_take(shared, EVIDENCE_MESSAGE, "OPTIONS", 7);
		_exit(*(volatile char *)shared->byte == 'O' ? 7 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 7);
	cr_assert_eq(evidence_read(shared, &kind, buffer, &size), 0);
	cr_assert(size == 7 && memcmp(buffer, "OPTIONS", 7) == 0);
}

Test(hand, kinds_have_names)
{
	cr_assert_str_eq(evidence_kind_name(EVIDENCE_MESSAGE), "message");
	cr_assert_str_eq(evidence_kind_name(EVIDENCE_RECORD), "record");
	cr_assert_str_eq(evidence_kind_name(EVIDENCE_NOTHING), "?");
	cr_assert_str_eq(evidence_kind_name(99), "?");
}
