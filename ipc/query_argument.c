/* query_argument.c - see query_argument.h. Workers take what stands there from the master, which
 * took it from an operator: values are bounded by the packet, and have no control byte. */
#include "query_argument.h"

#include <errno.h>
#include <stdio.h>

int query_argument_add(char *text, size_t size, const char *name, const char *value)
{
	size_t have = strlen(text);

	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return -EINVAL;
	if (have + strlen(name) + strlen(value) + sizeof("=\n") > size)
		return -ENOBUFS;
	snprintf(text + have, size - have, "%s=%s\n", name, value);
	return 0;
}

struct str query_argument(const char *text, const char *name)
{
	struct str rest = str_of(text), wanted = str_of(name);

	while (rest.n) {
		size_t end = str_find(rest, '\n');
		struct str line = {rest.p, end};

		if (str_starts(line, wanted) && line.n > wanted.n && line.p[wanted.n] == '=')
			return str_from(line, wanted.n + 1);
		rest = str_from(rest, end < rest.n ? end + 1 : end);
	}
	return STR_NONE;
}

bool query_number(struct str s, uint64_t *out)
{
	uint64_t number = 0;

	if (!s.n || s.n > 18)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = number;
	return true;
}

uint64_t query_argument_number(const char *text, const char *name, uint64_t otherwise)
{
	uint64_t number;

	return query_number(query_argument(text, name), &number) ? number : otherwise;
}
