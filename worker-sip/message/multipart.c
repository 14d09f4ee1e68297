/* multipart.c - the headers within bodies: see multipart.h. One pass over the lines of the body. */
#include "multipart.h"

#define MULTIPART_DEPTH_MAX 8

/* Where the reading stands. */
struct multipart {
	struct str boundary[MULTIPART_DEPTH_MAX]; /* of the multiparts that are open */
	unsigned depth;
	bool headers;  /* in a part's headers */
	bool fragment; /* and what follows them is headers again (RFC 3420) */
};

/* Whether content_type is of that type, whose subtype becomes *subtype: its slash may stand in
 * white space (RFC 3261 section 25.1). */
static bool multipart_type(struct str content_type, struct str type, struct str *subtype)
{
	if (content_type.n < type.n)
		return false;
	if (!str_equal_nocase((struct str){content_type.p, type.n}, type))
		return false;
	struct str rest = str_trim(str_from(content_type, type.n));

	if (!rest.n || rest.p[0] != '/')
		return false;
	*subtype = str_trim(str_from(rest, 1));
	return true;
}

static bool multipart_is_fragment(struct str content_type)
{
	struct str subtype;

	return multipart_type(content_type, S("message"), &subtype) && subtype.n > 2 &&
	       strncasecmp(subtype.p, "sip", 3) == 0;
}

bool multipart_has_headers(struct str content_type)
{
	struct str subtype;

	return multipart_type(content_type, S("multipart"), &subtype) ||
	       multipart_is_fragment(content_type);
}

/* What a Content-Type says of what follows: a boundary, or headers. */
static void multipart_enter(struct multipart *m, struct str content_type)
{
	size_t semicolon = str_find(content_type, ';');
	struct str boundary = STR_EMPTY, subtype;

	if (multipart_is_fragment(content_type))
		m->fragment = true;
	if (!multipart_type(content_type, S("multipart"), &subtype))
		return;
	if (m->depth == MULTIPART_DEPTH_MAX || semicolon == content_type.n)
		return;
	if (!param_find(str_from(content_type, semicolon + 1), S("boundary"), &boundary))
		return;
	if (boundary.n > 1 && boundary.p[0] == '"')
		boundary = (struct str){boundary.p + 1, boundary.n - 2};
	if (boundary.n)
		m->boundary[m->depth++] = boundary;
}

/* The line at the front of *rest, its end included, with the lines that it is folded into where it
 * is a header. */
static struct str multipart_line(struct str *rest, bool folded)
{
	size_t end = 0;

	do {
		end += str_find(str_from(*rest, end), '\n');
		end += end < rest->n;
	} while (folded && end > 2 && end < rest->n &&
		 (rest->p[end] == ' ' || rest->p[end] == '\t'));
	struct str line = {rest->p, end};

	*rest = str_from(*rest, end);
	return line;
}

/* Takes a boundary, whose quoted-pairs stand for themselves, from the front of *line. */
static bool multipart_take_boundary(struct str *line, struct str boundary)
{
	struct str rest = *line;

	for (size_t i = 0; i < boundary.n; i++, rest = str_from(rest, 1)) {
		if (boundary.p[i] == '\\' && i + 1 < boundary.n)
			i++;
		if (!rest.n || rest.p[0] != boundary.p[i])
			return false;
	}
	*line = rest;
	return true;
}

/* Whether the line delimits a part of one of the open multiparts, which is the innermost from now
 * on; of a closing one its parent is. */
static bool multipart_delimits(struct multipart *m, struct str line)
{
	if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	for (unsigned i = m->depth; i-- > 0;) {
		struct str rest = str_from(line, 2);

		if (!multipart_take_boundary(&rest, m->boundary[i]))
			continue;
		rest = str_trim(rest);
		bool closes = str_equal(rest, S("--"));

		if (rest.n && !closes)
			continue;
		m->depth = closes ? i : i + 1;
		m->headers = !closes;
		m->fragment = false;
		return true;
	}
	return false;
}

static void multipart_read_header(struct multipart *m, struct str line)
{
	size_t colon = str_find(line, ':');

	if (colon == line.n)
		return;
	uint8_t id = header_of(str_trim((struct str){line.p, colon}));

	if (id == HEADER_CONTENT_TYPE)
		multipart_enter(m, str_trim(str_from(line, colon + 1)));
}

void write_multipart(
	struct writer *w, const struct hosts *h, struct str content_type, struct str body)
{
	struct multipart m = {.headers = false};

	multipart_enter(&m, content_type);
	m.headers = m.fragment;
	m.fragment = false;
	while (body.n) {
		struct str line = multipart_line(&body, m.headers && body.p[0] != '-');

		if (multipart_delimits(&m, line)) {
			write_without_hosts(w, h, line);
		} else if (m.headers) {
			write_without_hosts(w, h, line);
			if (str_trim(line).n == 0) {
				m.headers = m.fragment;
				m.fragment = false;
			} else {
				multipart_read_header(&m, line);
			}
		} else {
			write_str(w, line);
		}
	}
}
