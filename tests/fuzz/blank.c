/* blank.c - fuzz target of what is blanked in messages that are kept: any bytes.
 *
 * Beyond memory safety: only blanks come in, and no end of a line goes.
 */
#include "worker-transport/blank.h"
#include "worker-transport/trace.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *kept = malloc(size ? size : 1); /* so that a write behind the bytes is seen */

	CHECK(kept);
	if (size)
		memcpy(kept, data, size);
	blank_secrets(kept, size);
	for (size_t i = 0; i < size; i++)
		CHECK(kept[i] == (char)data[i] || (kept[i] == BLANK_BYTE && data[i] != '\n'));
	trace_header((struct str){kept, size}, S("Call-ID"), S("i"));
	free(kept);
	return 0;
}
