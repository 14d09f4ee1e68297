/* binding.c - fuzz target of the location store's records: what a SIP worker that was taken over
 * may have put there.
 *
 * The first octet says whether the rest is a record as it is or is given a right check, which would
 * else keep the fuzzer out. Whatever decodes is in every bound, has no control byte, and is the
 * same record when it is encoded again.
 */
#include "worker-sip/registrar/binding.c"

#include <stdlib.h>

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void judge_str(const struct str *s, size_t max)
{
	REQUIRE(s->n <= max);
	for (size_t i = 0; i < s->n; i++)
		REQUIRE((uint8_t)s->p[i] >= 0x20 && s->p[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct binding b[BINDINGS_MAX];
	static char again[BINDINGS_SIZE_MAX];
	static const struct binding_listeners none;

	if (size == 0)
		return 0;
	bool sealed = *data++ & 1;
	char *record = malloc(
		--size ? size
		       : 1); /* exactly its size, so that a sanitizer sees one byte too many */
	if (size)
		memcpy(record, data, size);
	if (sealed && size >= BINDINGS_HEAD) {
		uint32_t check = bindings_check(
			(uint8_t)record[1], record + BINDINGS_HEAD, size - BINDINGS_HEAD);

		memcpy(record + 2, &check, sizeof(check));
	}
	int n = bindings_decode(&none, (struct str){record, size}, b);
	REQUIRE(n == -EBADMSG || (n > 0 && n <= BINDINGS_MAX));
	for (int i = 0; i < n; i++) {
		REQUIRE(b[i].contact.n && b[i].q <= 1000 && b[i].flow.transport < TRANSPORT_COUNT &&
			(b[i].flow.id != 0) == transport_is_stream(b[i].flow.transport));
		judge_str(&b[i].contact, BINDING_CONTACT_MAX);
		judge_str(&b[i].call_id, BINDING_CALL_ID_MAX);
		judge_str(&b[i].path, BINDING_PATH_MAX);
		judge_str(&b[i].instance, BINDING_INSTANCE_MAX);
		judge_str(&b[i].user_agent, BINDING_USER_AGENT_MAX);
	}
	if (n > 0) {
		long length = bindings_encode(&none, b, (unsigned)n, again, sizeof(again));
		size_t head = record[0] == BINDINGS_VERSION_UNCHECKED ? 2 : BINDINGS_HEAD;
		/* an older one has two bytes for a listener in place of eight */
		size_t more = record[0] == BINDINGS_VERSION ? 0 : (size_t)n * 6;

		REQUIRE(length == (long)(size - head + BINDINGS_HEAD + more));
		REQUIRE(more || memcmp(again + BINDINGS_HEAD, record + head, size - head) == 0);
	}
	free(record);
	return 0;
}
