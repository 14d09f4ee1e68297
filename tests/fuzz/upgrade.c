/* upgrade.c - fuzz target of the HTTP upgrade: any bytes.
 *
 * Beyond memory safety: the same result whole and in pieces, within the bounds; what is accepted
 * has its key answered, and every answer is whole and fits.
 */
#include "worker-transport/upgrade.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool origin(void *arg, struct str s)
{
	(void)arg;
	return s.n != 1; /* either way */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct upgrade_rules rules = {.origin = origin};
	struct upgrade whole = {0}, cut = {0};
	struct upgrade_step a = {0}, b = {0};
	char answer[UPGRADE_ANSWER_MAX];
	char *exact = malloc(size ? size : 1); /* so that a read behind the bytes is seen */
	enum upgrade_result result, other = UPGRADE_MORE;
	size_t n;

	CHECK(exact);
	memcpy(exact, data, size);
	result = upgrade_next(&whole, exact, size, &rules, &a);
	for (n = 0; other == UPGRADE_MORE; n += 1 + size / 64) {
		size_t part_size = n < size ? n : size;
		char *part = malloc(part_size ? part_size : 1);

		CHECK(part);
		memcpy(part, data, part_size);
		other = upgrade_next(&cut, part, part_size, &rules, &b);
		free(part);
		if (part_size == size)
			break;
	}
	CHECK(result == other && a.status == b.status && a.consume == b.consume &&
		a.counter == b.counter);
	CHECK(result != UPGRADE_MORE || size < UPGRADE_MAX);
	if (result == UPGRADE_DONE)
		CHECK(a.status == 101 && a.consume <= size && a.consume <= UPGRADE_MAX &&
			strlen(a.accept) == UPGRADE_ACCEPT_LENGTH && memcmp(exact, "GET ", 4) == 0);
	if (result != UPGRADE_MORE) {
		n = upgrade_answer(&a, answer);
		CHECK(n < sizeof(answer) && n == strlen(answer) &&
			memcmp(answer + n - 4, "\r\n\r\n", 4) == 0);
	}
	free(exact);
	return 0;
}
