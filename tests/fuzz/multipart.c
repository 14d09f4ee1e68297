/* multipart.c - fuzz target of what is hidden in the headers of a body's parts: a Content-Type, a
 * line feed, and any body.
 *
 * Done once is done. Of a multipart without others in it a plain reading says which lines are
 * delimiters and headers: those are what hosts.c makes of them, and all else is octets that stay.
 */
#include "sides.h"

#include "worker-sip/message/multipart.h"

#include <stdlib.h>

static char once[4 * MESSAGE_RAW_MAX], twice[4 * MESSAGE_RAW_MAX], type_text[MESSAGE_RAW_MAX];

static struct str rewrite(const struct hosts *hosts, struct str type, struct str body, char *to)
{
	struct writer w = {.p = to, .size = sizeof(once)};

	write_multipart(&w, hosts, type, body);
	CHECK(!w.full);
	return writer_text(&w);
}

/* How often the text has that word. */
static unsigned names(struct str text, const char *word)
{
	unsigned n = 0;

	for (size_t at = 0; at + strlen(word) <= text.n; at++)
		n += strncasecmp(text.p + at, word, strlen(word)) == 0;
	return n;
}

/* Takes a line, and with folds those that it is folded into. */
static struct str take_line(struct str *rest, bool folds)
{
	struct str line = {rest->p, 0};

	do {
		const struct str more = str_from(*rest, line.n);
		const size_t end = str_find(more, '\n');

		line.n += end < more.n ? end + 1 : end;
	} while (folds && line.n > 2 && line.n < rest->n &&
		 (rest->p[line.n] == ' ' || rest->p[line.n] == '\t'));
	*rest = str_from(*rest, line.n);
	return line;
}

/* Whether the line delimits a part, or the end of all. */
static bool is_delimiter(struct str line, struct str boundary, bool *last)
{
	if (!str_starts(line, S("--")) || !str_starts(str_from(line, 2), boundary))
		return false;
	line = plain_trim(str_from(line, 2 + boundary.n));
	*last = str_equal(line, S("--"));
	return *last || !line.n;
}

/* Compares each line with what hosts.c makes of headers and delimiters. */
static void check_plain(
	const struct hosts *hosts, struct str boundary, struct str body, struct str written)
{
	static char expected[MESSAGE_RAW_MAX * 4];
	bool headers = false, over = false, last;

	while (body.n) {
		/* a delimiter is no header, and not folded */
		struct str line = take_line(&body, headers && !over && body.p[0] != '-');
		struct writer w = WRITER(expected);

		if (!over && is_delimiter(line, boundary, &last)) {
			over = last;
			headers = !last;
			write_without_hosts(&w, hosts, line);
		} else if (headers && !over) {
			headers = plain_trim(line).n != 0;
			write_without_hosts(&w, hosts, line);
		} else {
			write_str(&w, line);
		}
		CHECK(!w.full && str_starts(written, writer_text(&w)));
		written = str_from(written, w.n);
	}
	CHECK(!written.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = {(const char *)data, size}, type = take_line(&body, false), boundary;

	if (size > MESSAGE_RAW_MAX)
		return 0;
	sides_open();
	sides_hide_name(true);
	const struct hosts hosts = hosts_between(&sip, INSIDE, OUTSIDE, &way[OUTSIDE]);
	char *copy = malloc(body.n + 1); /* exact, so that a read behind the body is seen */

	CHECK(copy);
	copy[0] = 0;
	if (body.n)
		memcpy(copy, body.p, body.n);
	body.p = copy;
	type = plain_trim(type);
	struct str params = str_from(type, str_find(type, ';'));

	/* the parser lets no other type through */
	if (multipart_has_headers(type) && params.n && params_check(str_from(params, 1)) == 0 &&
		!memchr(type.p, '"', str_find(type, ';'))) {
		struct str written = rewrite(&hosts, type, body, once);
		struct writer w = WRITER(type_text);

		boundary = plain_param(params, "boundary");
		CHECK(names(type, "multipart") || names(type, "message"));
		if (boundary.n > 1 && boundary.p[0] == '"')
			boundary = (struct str){boundary.p + 1, boundary.n - 2};
		if (boundary.n && names(type, "boundary") == 1 && !names(body, "multipart") &&
			!names(body, "message") && !names(type, "message") &&
			plain_find(boundary, '"', false) == boundary.n)
			check_plain(&hosts, boundary, body, written);
		write_without_hosts(&w, &hosts, type);
		if (!w.full && !sides_is_glued(type) && !sides_is_glued(body) &&
			str_find(type, '\n') == type.n)
			CHECK(str_equal(rewrite(&hosts, writer_text(&w), written, twice), written));
	}
	free(copy);
	return 0;
}
