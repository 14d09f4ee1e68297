/* challenge.c - fuzz target of digest challenges: whatever is read can be answered, and the answer
 * is credentials that say the same. */
#include "worker-sip/auth/challenge.h"
#include "worker-sip/auth/digest.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define HA1 "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[65536];
	char *copy = malloc(size ? size : 1); /* exact, so that a read behind it is seen */
	struct writer w = WRITER(answer);
	struct challenge c;

	CHECK(copy && digest_init() == 0);
	if (size)
		memcpy(copy, data, size);
	if (size < sizeof(answer) / 4 && challenge_parse((struct str){copy, size}, &c) == 0) {
		struct str ha1 = c.algorithm == DIGEST_MD5 ? S(HA1) : S(HA1 HA1);
		struct credentials back;

		challenge_answer(&w, &c, S("u"), ha1, S("INVITE"), S("sip:a"), 1, S("c"));
		CHECK(!w.full && credentials_parse(writer_text(&w), &back) == 0);
		CHECK(str_equal(back.realm, c.realm) && str_equal(back.nonce, c.nonce));
		CHECK(str_equal(back.opaque, c.opaque) && back.algorithm == c.algorithm);
		CHECK(digest_verify(&back, S("INVITE"), ha1) == c.qop);
	}
	free(copy);
	return 0;
}
