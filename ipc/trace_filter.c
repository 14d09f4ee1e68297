/* trace_filter.c - see trace_filter.h. Relies on nothing. */
#include "trace_filter.h"

#include <errno.h>

int trace_filter_parse(struct str text, struct trace_filter *out)
{
	struct trace_filter f = {.kind = TRACE_ALL};
	size_t blank = str_find(text, ' ');
	struct str what, name;

	if (blank == text.n ||
		str_number((struct str){text.p, blank}, UINT64_MAX, &f.since_us) != 0)
		return -EINVAL;
	what = str_from(text, blank + 1);
	if (str_equal(what, S("all"))) {
		*out = f;
		return 0;
	}
	name = (struct str){what.p, str_find(what, ':')};
	if (name.n + 1 >= what.n)
		return -EINVAL;
	f.value = str_from(what, name.n + 1);
	if (str_equal(name, S("call")))
		f.kind = TRACE_CALL;
	else if (str_equal(name, S("user")))
		f.kind = TRACE_USER;
	else if (str_equal(name, S("trunk")))
		f.kind = TRACE_TRUNK;
	else if (str_equal(name, S("last")))
		f.kind = TRACE_LAST;
	else if (str_equal(name, S("source")))
		f.kind = TRACE_SOURCE;
	else
		return -EINVAL;
	if (f.kind == TRACE_LAST) {
		uint64_t last;

		if (str_number(f.value, TRACE_LAST_MAX, &last) != 0)
			return -EINVAL;
		f.last = (unsigned)last;
	}
	if (f.kind == TRACE_SOURCE && prefix_parse(f.value, &f.sources) != 0)
		return -EINVAL;
	*out = f;
	return 0;
}
