/* Text appended to a buffer of fixed size. */
#include "worker-sip/message/writer.h"

#include <criterion/criterion.h>

Test(writer, leaves_out_what_does_not_fit)
{
	char buffer[8];
	struct writer w = WRITER(buffer);

	write_literal(&w, "abcd");
	write_number(&w, 0);
	cr_assert(!w.full);
	write_str(&w, S("too long"));
	cr_assert(w.full);
	cr_assert(str_equal(writer_text(&w), S("abcd0")));
	/* what fits is still written, but full stays */
	write_number(&w, 123);
	cr_assert(str_equal(writer_text(&w), S("abcd0123")));
	cr_assert(w.full);
	write_bytes(&w, NULL, 0);
	write_number(&w, 1);
	cr_assert_eq(w.n, 8);
}

Test(writer, writes_numbers)
{
	char buffer[64];
	struct writer w = WRITER(buffer);

	write_number(&w, 7);
	write_literal(&w, " ");
	write_number(&w, 4294967296);
	write_literal(&w, " ");
	write_number(&w, UINT64_MAX);
	cr_assert(str_equal(writer_text(&w), S("7 4294967296 18446744073709551615")));
}
