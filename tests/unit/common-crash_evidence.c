/* common-crash_evidence.c - what a worker has in hand, and what the master makes of it. */
#include "common/crash_evidence.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hand hand;
static unsigned char room[HAND_MAX];
static enum hand_kind kind;
static size_t size;

Test(hand, holds_what_was_taken_until_it_is_dropped)
{
	cr_assert_eq(hand_read(&hand, &kind, room, &size), -ENOENT);
	hand_take(&hand, HAND_MESSAGE, "INVITE", 6);
	cr_assert_eq(hand_read(&hand, &kind, room, &size), 0);
	cr_assert_eq(kind, HAND_MESSAGE);
	cr_assert_eq(size, 6);
	cr_assert_eq(memcmp(room, "INVITE", 6), 0);
	hand_take(&hand, HAND_STREAM, "BY", 2);
	cr_assert_eq(hand_read(&hand, &kind, room, &size), 0);
	cr_assert(kind == HAND_STREAM && size == 2 && memcmp(room, "BY", 2) == 0);
	hand_drop(&hand);
	cr_assert_eq(hand_read(&hand, &kind, room, &size), -ENOENT);
}

Test(hand, is_bounded)
{
	static unsigned char much[HAND_MAX + 100];

	memset(much, 'x', sizeof(much));
	hand_take(&hand, HAND_RECORD, much, sizeof(much));
	cr_assert_eq(hand_read(&hand, &kind, room, &size), 0);
	cr_assert_eq(size, HAND_MAX);
	cr_assert_eq(room[HAND_MAX - 1], 'x');
	hand_take(&hand, HAND_RECORD, NULL, 0);
	cr_assert_eq(hand_read(&hand, &kind, room, &size), -EBADMSG, "something without bytes is no evidence");
}

/* The page is the worker's to write. */
Test(hand, is_not_believed)
{
	static const uint64_t wrong[] = {5, (uint64_t)HAND_MESSAGE << 32, (uint64_t)HAND_MESSAGE << 32 | (HAND_MAX + 1), (uint64_t)HAND_MESSAGE << 32 | UINT32_MAX, (uint64_t)HAND_KIND_COUNT << 32 | 1, UINT64_MAX,
		UINT64_C(1) << 63 | 1};

	cr_assert_eq(hand_read(&(struct hand){.what = wrong[0]}, &kind, room, &size), -ENOENT, "of no kind");
	for (size_t i = 1; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		hand.what = wrong[i];
		cr_assert_eq(hand_read(&hand, &kind, room, &size), -EBADMSG, "%zu", i);
	}
}

/* It is for that: whoever holds it dies at once. */
Test(hand, outlives_its_process)
{
	struct hand *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	cr_assert_neq(shared, MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		hand_take(shared, HAND_MESSAGE, "OPTIONS", 7);
		_exit(*(volatile char *)shared->byte == 'O' ? 7 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 7);
	cr_assert_eq(hand_read(shared, &kind, room, &size), 0);
	cr_assert(size == 7 && memcmp(room, "OPTIONS", 7) == 0);
}

Test(hand, kinds_have_names)
{
	cr_assert_str_eq(hand_kind_name(HAND_MESSAGE), "message");
	cr_assert_str_eq(hand_kind_name(HAND_RECORD), "record");
	cr_assert_str_eq(hand_kind_name(HAND_NOTHING), "?");
	cr_assert_str_eq(hand_kind_name(99), "?");
}
