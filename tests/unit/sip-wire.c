/* Finished messages, shared. */
#include "worker-sip/message/wire.h"

#include <criterion/criterion.h>

Test(wire, lives_as_long_as_its_last_reference)
{
	char text[] = "abc";
	struct wire *w = wire_new(text, 3), *same;

	text[0] = 'x'; /* a copy */
	cr_assert_eq(w->size, 3);
	cr_assert_eq(w->references, 1);
	cr_assert_arr_eq(w->byte, "abc", 3);
	same = wire_hold(w);
	cr_assert_eq(same, w);
	wire_drop(w);
	cr_assert_eq(same->references, 1);
	cr_assert_arr_eq(same->byte, "abc", 3);
	wire_drop(same);
	wire_drop(NULL);
}

Test(wire, may_be_empty)
{
	struct wire *w = wire_new(NULL, 0);

	cr_assert_not_null(w);
	cr_assert_eq(w->size, 0);
	wire_drop(w);
}
