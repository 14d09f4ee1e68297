/* common-hash.c - SipHash-2-4 and random numbers. */
#include "common/hash.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hash_key counting_key(void)
{
	struct hash_key key;

	for (uint8_t i = 0; i < HASH_KEY_SIZE; i++)
		key.byte[i] = i;
	return key;
}

/* The test vectors of the SipHash paper's reference implementation: key 00..0f, message 00, 01, 02
 * ... */
Test(hash, is_siphash_2_4)
{
	struct hash_key key = counting_key();
	uint8_t message[15];

	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	cr_assert_eq(hash_bytes(&key, NULL, 0), UINT64_C(0x726fdb47dd0e0e31));
	cr_assert_eq(hash_bytes(&key, message, 15), UINT64_C(0xa129ca6149be45e5));
}

Test(hash, without_case_is_the_hash_of_lower_case)
{
	struct hash_key key = counting_key();
	char upper[600], lower[600];

	cr_assert_eq(
		hash_str_nocase(&key, S("SIP.Example.NET")), hash_str(&key, S("sip.example.net")));
	cr_assert_neq(hash_str_nocase(&key, S("a")), hash_str_nocase(&key, S("b")));
	/* Only letters are folded: '[' and '{' differ in the same bit. */
	cr_assert_neq(hash_str_nocase(&key, S("[")), hash_str_nocase(&key, S("{")));
	cr_assert_eq(hash_str_nocase(&key, S("@[`{\xc4")), hash_str(&key, S("@[`{\xc4")));
	cr_assert_eq(hash_str_nocase(&key, STR_EMPTY), hash_str(&key, STR_EMPTY));
	memset(upper, 'X', sizeof(upper));
	memset(lower, 'x', sizeof(lower));
	cr_assert_eq(hash_str_nocase(&key, (struct str){upper, 600}),
		hash_str(&key, (struct str){lower, 512}));
}

Test(hash, depends_on_the_key)
{
	struct hash_key a, b;

	hash_key_random(&a);
	hash_key_random(&b);
	cr_assert_neq(memcmp(&a, &b, sizeof(a)), 0);
	cr_assert_neq(hash_str(&a, S("call-id")), hash_str(&b, S("call-id")));
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

Test(hash, random_numbers_do_not_repeat)
{
	enum { N = 10000 };
	static uint64_t number[N];
	uint64_t all = 0;

	for (int i = 0; i < N; i++) {
		number[i] = random_u64();
		all |= number[i];
	}
	cr_assert_eq(all, UINT64_MAX);
	qsort(number, N, sizeof(number[0]), by_value);
	for (int i = 1; i < N; i++)
		cr_assert_neq(number[i], number[i - 1]);
}

Test(hash, a_child_does_not_repeat_its_parents_numbers)
{
	int fd[2];
	uint64_t theirs;

	random_u64();
	cr_assert_eq(pipe(fd), 0);
	pid_t child = fork();
	if (child == 0) {
		theirs = random_u64();
		_exit(write(fd[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	cr_assert_eq(read(fd[0], &theirs, sizeof(theirs)), (ssize_t)sizeof(theirs));
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_assert_neq(theirs, random_u64());
	close(fd[0]);
	close(fd[1]);
}
