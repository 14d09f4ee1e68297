/* load_text.c - pieces of the text of messages. */
#include "load.h"

/* The value of the at-th header of this name (full or compact); n == 0: none. */
struct text message_header(const char *m, size_t size, const char *name, char compact, unsigned at)
{
	const char *end = m + size, *line = memchr(m, '\n', size);
	size_t length = strlen(name);

	while (line && ++line < end && *line != '\r') {
		const char *next = memchr(line, '\n', (size_t)(end - line)), *v = NULL;

		if (!next)
			break;
		if ((size_t)(next - line) > length && !strncasecmp(line, name, length) &&
			line[length] == ':')
			v = line + length + 1;
		else if (compact && (*line | 32) == compact && line[1] == ':')
			v = line + 2;
		if (v && at-- == 0) {
			while (*v == ' ')
				v++;
			return (struct text){v, (size_t)(next - v) - (next[-1] == '\r')};
		}
		line = next;
	}
	return (struct text){NULL, 0};
}

struct text text_after(struct text t, const char *what, const char *stop)
{
	size_t n = strlen(what);

	for (size_t i = 0; i + n <= t.n; i++)
		if (!strncasecmp(t.p + i, what, n)) {
			struct text r = {t.p + i + n, 0};

			while (i + n + r.n < t.n && !strchr(stop, r.p[r.n]))
				r.n++;
			return r;
		}
	return (struct text){NULL, 0};
}

char *text_keep(struct text t)
{
	char *p = malloc(t.n + 1);

	if (!p)
		die("malloc");
	memcpy(p, t.p, t.n);
	p[t.n] = 0;
	return p;
}
