/* master-minting_keys.c - the state directory: keys over restarts, their rotation, and the numbers
 * of lives. */
#include "common/log.h"
#include "ipc/token.h"
#include "master/minting_keys.h"
#include "master/state.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW 1700000000u

static char path[64];
static struct state state;

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void setup(void)
{
	cr_assert(sodium_init() >= 0);
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	own_folder_make(path);
	cr_assert_eq(state_open(&state, path, geteuid(), getegid()), 0);
}

static void teardown(void)
{
	state_close(&state);
	own_folder_remove(path);
}

TestSuite(keys, .init = setup, .fini = teardown);

static struct lifeline_keys sip_keys(uint64_t now)
{
	struct lifeline_keys out;
	struct keys *k;

	cr_assert_eq(keys_open(state.fd, now, &k), 0);
	keys_for(k, PEER_SIP, &out);
	keys_close(k);
	return out;
}

Test(keys, survive_a_restart)
{
	struct lifeline_keys a = sip_keys(NOW), b = sip_keys(NOW + 60);
	struct stat st;

	cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0);
	cr_assert_eq(fstatat(state.fd, "keys", &st, 0), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
}

Test(keys, rotate_and_the_tokens_of_the_generation_before_are_proved)
{
	struct lifeline_keys a = sip_keys(NOW), b = sip_keys(NOW + KEYS_AGE_MAX),
			     c = sip_keys(NOW + 2 * KEYS_AGE_MAX);
	char text[TOKEN_LENGTH];
	uint8_t slot;
	uint64_t id;

	token_mint(&a.minting, TOKEN_TAG, 9, 1234, text);
	cr_expect_eq(
		token_prove(&b.minting, TOKEN_TAG, (struct str){text, TOKEN_LENGTH}, &slot, &id),
		0);
	cr_expect_eq(slot, 9);
	cr_expect_eq(id, 1234);
	cr_expect_eq(
		token_prove(&c.minting, TOKEN_TAG, (struct str){text, TOKEN_LENGTH}, &slot, &id),
		-EACCES, "two generations ago");
	cr_expect_eq(memcmp(&a.slot_key, &c.slot_key, sizeof(a.slot_key)), 0,
		"slots never move with the keys");
	cr_expect_neq(memcmp(&a.minting.key[0], &b.minting.key[0], sizeof(a.minting.key[0])), 0);
}

Test(keys, generations_wrap)
{
	struct lifeline_keys before = sip_keys(NOW);

	for (unsigned i = 1; i <= 40; i++) {
		struct lifeline_keys after = sip_keys(NOW + (uint64_t)i * KEYS_AGE_MAX);
		char text[TOKEN_LENGTH];
		uint8_t slot;
		uint64_t id;

		token_mint(&before.minting, TOKEN_BRANCH, 1, i, text);
		cr_assert_eq(token_prove(&after.minting, TOKEN_BRANCH,
				     (struct str){text, TOKEN_LENGTH}, &slot, &id),
			0, "rotation %u", i);
		before = after;
	}
}

Test(keys, each_role_gets_its_own_only)
{
	static const struct lifeline_keys zero;
	struct lifeline_keys t, s, k;
	struct keys *keys;

	cr_assert_eq(keys_open(state.fd, NOW, &keys), 0);
	keys_for(keys, PEER_TRANSPORT, &t);
	keys_for(keys, PEER_SIP, &s);
	keys_for(keys, PEER_TLS, &k);
	keys_close(keys);
	cr_expect_eq(memcmp(&t.minting, &zero.minting, sizeof(t.minting)), 0);
	cr_expect_eq(memcmp(t.nonce_key, zero.nonce_key, sizeof(t.nonce_key)), 0);
	cr_expect_neq(memcmp(t.tag_key, zero.tag_key, sizeof(t.tag_key)), 0);
	cr_expect_eq(memcmp(&t.slot_key, &s.slot_key, sizeof(t.slot_key)), 0);
	cr_expect_eq(memcmp(s.tag_key, zero.tag_key, sizeof(s.tag_key)), 0);
	cr_expect_neq(memcmp(s.nonce_key, zero.nonce_key, sizeof(s.nonce_key)), 0);
	cr_expect_eq(memcmp(&k, &zero, sizeof(k)), 0);
}

Test(keys, a_damaged_or_readable_file_is_refused)
{
	struct keys *k;

	sip_keys(NOW);
	cr_assert_eq(fchmodat(state.fd, "keys", 0644, 0), 0);
	cr_expect_eq(keys_open(state.fd, NOW, &k), -EBADMSG);
	cr_assert_eq(fchmodat(state.fd, "keys", 0600, 0), 0);
	cr_assert_eq(keys_open(state.fd, NOW, &k), 0);
	keys_close(k);
	int fd = openat(state.fd, "keys", O_WRONLY);
	cr_assert_eq(pwrite(fd, "x", 1, 0), 1);
	close(fd);
	cr_expect_eq(keys_open(state.fd, NOW, &k), -EBADMSG);
	fd = openat(state.fd, "keys", O_WRONLY | O_TRUNC);
	close(fd);
	cr_expect_eq(keys_open(state.fd, NOW, &k), -EBADMSG);
}

Test(keys, no_life_number_is_given_twice)
{
	uint32_t last = 0;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < STATE_LIVES_BLOCK + 10; i++) {
			uint32_t life = state_next_life(&state);

			cr_assert_gt(life, last);
			last = life;
		}
		/* Killed, not closed: what counts is on disk. */
		state_close(&state);
		cr_assert_eq(state_open(&state, path, geteuid(), getegid()), 0);
	}
}

Test(keys, a_directory_that_others_may_write_is_refused)
{
	struct state other;

	cr_assert_eq(chmod(path, 0777), 0);
	cr_expect_eq(state_open(&other, path, geteuid(), getegid()), -EPERM);
}
