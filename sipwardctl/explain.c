/* explain.c - see explain.h. The message is not read here: its bytes go to the gateway as they are,
 * but for line ends, which an editor has made of CRLF. */
#include "explain.h"

#include "ipc/lifeline.h"
#include "print.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one more byte it is known that the message is too long. */
#define BYTES_MAX (EXPLAIN_MESSAGE_MAX + 1)

/* Reads the file, or standard input. Its size; -errno. */
static long explain_read(const char *path, char bytes[BYTES_MAX])
{
	FILE *f = path ? fopen(path, "re") : stdin;

	if (!f)
		return -errno;
	size_t n = fread(bytes, 1, BYTES_MAX, f);
	long error = ferror(f) ? -EIO : 0;
	if (path)
		fclose(f);
	return error ? error : (long)n;
}

/* Makes each LF up to the first empty line a CRLF, where there is no CR at all. What begins as STUN
 * does (RFC 5626 section 8) has no lines. The new size. */
static size_t explain_line_ends(const char *bytes, size_t n, char out[2 * BYTES_MAX])
{
	bool head = n && (unsigned char)bytes[0] > 3 && memchr(bytes, '\r', n) == NULL;
	size_t size = 0;

	for (size_t i = 0; i < n; i++) {
		if (head && bytes[i] == '\n')
			out[size++] = '\r';
		out[size++] = bytes[i];
		head = head && !(bytes[i] == '\n' && i && bytes[i - 1] == '\n');
	}
	return size;
}

static void explain_print(json_t *answer)
{
	const char *before = "";
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(answer, "rows"), i, row) {
		const char *part = json_string_value(json_object_get(row, "part")),
			   *name = json_string_value(json_object_get(row, "name")),
			   *says = json_string_value(json_object_get(row, "says")),
			   *file = json_string_value(json_object_get(row, "file"));
		json_int_t line = json_integer_value(json_object_get(row, "line"));

		if (!part || !says)
			continue;
		printf("%-12s", strcmp(part, before) == 0 ? "" : part);
		before = part;
		if (name) {
			ctl_print_text(name, stdout);
			if (line && file)
				printf(" (%s:%lld)", file, (long long)line);
			else if (line)
				printf(" (line %lld)", (long long)line);
			fputs(": ", stdout);
		}
		ctl_print_text(says, stdout);
		putchar('\n');
	}
	json_object_del(answer, "rows");
}

int explain_run(const struct options *o, const json_t *arguments)
{
	static char bytes[BYTES_MAX], message[2 * BYTES_MAX], hex[2 * BYTES_MAX + 1];
	const char *path = json_string_value(json_object_get(arguments, "file"));
	long n = explain_read(path, bytes);

	if (n < 0)
		return client_fail(o, EXIT_REFUSED, "%s: %s", path ? path : "standard input",
			strerror((int)-n));
	size_t size = explain_line_ends(bytes, (size_t)n, message);
	if (size == 0 || size > EXPLAIN_MESSAGE_MAX)
		return client_fail(o, EXIT_REFUSED, "%s: a message has 1 to %d bytes",
			path ? path : "standard input", EXPLAIN_MESSAGE_MAX);
	sodium_bin2hex(hex, sizeof(hex), (const unsigned char *)message, size);
	json_t *asked = json_copy((json_t *)arguments);
	json_object_del(asked, "file");
	json_object_set_new(asked, "message", json_string(hex));
	json_t *answer = client_exchange(
		o, json_pack("{s:s, s:o}", "command", "explain", "arguments", asked));
	if (answer && !o->json)
		explain_print(answer);
	return client_print(o, answer);
}
