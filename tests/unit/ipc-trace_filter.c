/* ipc-trace_filter.c - what a trace may be asked for. */
#include "ipc/trace_filter.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(trace_filter, kinds)
{
	struct trace_filter f;

	cr_assert_eq(trace_filter_parse(S("0 all"), &f), 0);
	cr_assert_eq(f.kind, TRACE_ALL);
	cr_assert_eq(trace_filter_parse(S("17 call:a b:c"), &f), 0);
	cr_assert_eq(f.kind, TRACE_CALL);
	cr_assert_eq(f.since_us, 17);
	cr_assert(str_equal(f.value, S("a b:c")));
	cr_assert_eq(trace_filter_parse(S("0 user:alice"), &f), 0);
	cr_assert_eq(trace_filter_parse(S("0 trunk:pbx"), &f), 0);
	cr_assert_eq(f.kind, TRACE_TRUNK);
	cr_assert_eq(trace_filter_parse(S("0 source:192.0.2.0/24"), &f), 0);
	cr_assert_eq(f.sources.bits, 24);
	cr_assert_eq(trace_filter_parse(S("0 last:200"), &f), 0);
	cr_assert(f.kind == TRACE_LAST && f.last == 200);
}

Test(trace_filter, refusals)
{
	static const char *const bad[] = {"", "all", "0", "0 ", "x all", "-1 all",
		"0 call:", "0 call", "0 source:host", "0 else:x", "0 last:201", "0 last:x",
		"0 last:", "0  all"};
	struct trace_filter f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(trace_filter_parse(str_of(bad[i]), &f), -EINVAL, "%s", bad[i]);
}
