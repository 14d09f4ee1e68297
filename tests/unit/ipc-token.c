/* Tokens: their form, what proves them, and that nothing else does. */
#include "ipc/token.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>

static struct token_keys keys(uint8_t generation)
{
	struct token_keys k = {.generation = generation};

	hash_key_random(&k.key[0]);
	hash_key_random(&k.key[1]);
	return k;
}

static struct str text(const char token[TOKEN_LENGTH])
{
	return (struct str){token, TOKEN_LENGTH};
}

Test(token, minted_is_proved)
{
	struct token_keys k = keys(7);
	char token[TOKEN_LENGTH + 1] = {0};
	uint8_t slot = 0;
	uint64_t id = 0;

	token_mint(&k, TOKEN_TAG, 0xa5, 0x0123456789abcdef, token);
	cr_assert_eq(strlen(token), TOKEN_LENGTH);
	cr_assert(strncmp(token, "swa570123456789abcdef", 21) == 0, "%s", token);
	cr_assert_eq(token_prove(&k, TOKEN_TAG, text(token), &slot, &id), 0);
	cr_assert_eq(slot, 0xa5);
	cr_assert_eq(id, 0x0123456789abcdef);
}

Test(token, every_kind_is_its_own)
{
	struct token_keys k = keys(0);
	const enum token_kind kind[] = {TOKEN_BRANCH, TOKEN_TAG, TOKEN_CALL_ID, TOKEN_CONTACT};
	char token[TOKEN_LENGTH];
	uint8_t slot;
	uint64_t id;

	for (int i = 0; i < 4; i++) {
		token_mint(&k, kind[i], 1, 2, token);
		for (int j = 0; j < 4; j++)
			cr_assert_eq(token_prove(&k, kind[j], text(token), &slot, &id),
				i == j ? 0 : -EACCES);
	}
}

Test(token, any_changed_digit_is_refused)
{
	struct token_keys k = keys(3);
	char token[TOKEN_LENGTH], forged[TOKEN_LENGTH];
	uint8_t slot = 77;
	uint64_t id = 78;

	token_mint(&k, TOKEN_BRANCH, 9, 10, token);
	for (int i = 2; i < TOKEN_LENGTH; i++) {
		memcpy(forged, token, TOKEN_LENGTH);
		forged[i] = forged[i] == '0' ? '1' : '0';
		cr_assert_eq(token_prove(&k, TOKEN_BRANCH, text(forged), &slot, &id), -EACCES,
			"digit %d", i);
	}
	cr_assert_eq(slot, 77, "written on failure");
	cr_assert_eq(id, 78, "written on failure");
}

Test(token, case_does_not_matter)
{
	struct token_keys k = keys(15);
	char token[TOKEN_LENGTH];
	uint8_t slot;
	uint64_t id;

	token_mint(&k, TOKEN_CONTACT, 0xfe, 0xabcdef, token);
	for (int i = 0; i < TOKEN_LENGTH; i++)
		token[i] = (char)toupper((unsigned char)token[i]);
	cr_assert_eq(token_slot(text(token), &slot), 0);
	cr_assert_eq(slot, 0xfe);
	cr_assert_eq(token_prove(&k, TOKEN_CONTACT, text(token), &slot, &id), 0);
}

Test(token, another_form_is_no_token)
{
	struct token_keys k = keys(0);
	char token[TOKEN_LENGTH + 1];
	uint8_t slot;
	uint64_t id;

	token_mint(&k, TOKEN_TAG, 1, 1, token);
	token[TOKEN_LENGTH] = '0';
	for (size_t n = 0; n <= TOKEN_LENGTH + 1; n++)
		cr_assert_eq(
			token_slot((struct str){token, n}, &slot), n == TOKEN_LENGTH ? 0 : -EINVAL);
	for (int i = 0; i < TOKEN_LENGTH; i++) {
		char c = token[i];

		token[i] = 'g';
		cr_assert_eq(token_slot(text(token), &slot), -EINVAL);
		cr_assert_eq(token_prove(&k, TOKEN_TAG, text(token), &slot, &id), -EINVAL);
		token[i] = c;
	}
	cr_assert_eq(token_slot(STR_NONE, &slot), -EINVAL);
}

Test(token, the_generation_before_proves_and_older_ones_do_not)
{
	struct token_keys first = keys(15), second = {.generation = 0}, third = {.generation = 1};
	char token[TOKEN_LENGTH];
	uint8_t slot;
	uint64_t id;

	second.key[1] = first.key[0];
	hash_key_random(&second.key[0]);
	third.key[1] = second.key[0];
	hash_key_random(&third.key[0]);
	token_mint(&first, TOKEN_TAG, 4, 5, token);
	cr_assert_eq(token_prove(&second, TOKEN_TAG, text(token), &slot, &id), 0);
	cr_assert_eq(token_prove(&third, TOKEN_TAG, text(token), &slot, &id), -EACCES);
}

Test(token, a_generation_without_key_proves_nothing)
{
	struct token_keys k = keys(1), empty = {.generation = 0};
	char token[TOKEN_LENGTH];
	uint8_t slot;
	uint64_t id;

	memset(&k.key[1], 0, sizeof(k.key[1]));
	token_mint(&empty, TOKEN_TAG, 4, 5, token); /* what anybody can make */
	cr_assert_eq(token_prove(&k, TOKEN_TAG, text(token), &slot, &id), -EACCES);
}
