/* stun.c - fuzz target of STUN: any datagram. Beyond memory safety: what is answered is STUN of the
 * same transaction, with the length that it says, and a success only to what has no attribute that
 * would have to be understood. */
#include "worker-transport/stun.h"

#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct endpoint peer = {.family = size % 2 ? 4 : 6, .port = 5060};
	uint8_t answer[STUN_ANSWER_MAX], again[STUN_ANSWER_MAX];
	size_t n = stun_answer(data, size, &peer, answer);

	if (n == 0)
		return 0;
	CHECK(n >= 20 && n <= sizeof(answer) && n % 4 == 0);
	CHECK(stun_is(answer, n) && memcmp(answer + 4, data + 4, 16) == 0);
	CHECK((size_t)(answer[2] << 8 | answer[3]) == n - 20);
	CHECK(stun_answer(answer, n, &peer, again) == 0); /* two servers do not answer each other */
	return 0;
}
