/* multipart.c - the headers within bodies: see multipart.h. One pass over the lines of the body, of
 * which at most one line for each message in it is taken out again. */
#include "multipart.h"

#include "ipc/octet.h"

/* Parts within parts and messages within messages, together. */
#define MULTIPART_LEVELS_MAX 16
/* Of message/delivery-status all that there is, group by group (RFC 3464 section 2.1). */
#define MULTIPART_ALL_BLOCKS UINT8_MAX

/* One level: a multipart, or a message within the body. */
struct level {
	struct str boundary; /* n == 0: it is a message */
	/* of a message: its Content-Length line as written (n == 0: none), and where its own body
	 * begins in what is read and what is written (0: not yet) */
	size_t length_at, length_n, read_at, written_at;
	bool begun;  /* its first line has come */
	bool digest; /* of a multipart: parts are messages where they do not say what they are */
};

/* Where the reading stands. */
struct multipart {
	struct writer *w;
	const char *start; /* of what is read */
	struct level level[MULTIPART_LEVELS_MAX];
	unsigned depth;
	size_t part;    /* where the part at hand begins in what is written */
	uint8_t blocks; /* blocks of headers that come behind this one */
	bool headers;   /* in headers */
	bool typed;     /* the part at hand has said what it is */
	bool first;     /* at the first line of a message */
	bool dropped;   /* in a part that does not pass */
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

/* How many blocks of headers a body of that type begins with. A message written in another syntax
 * (message/imdn+xml) has none. */
static uint8_t multipart_blocks(struct str content_type)
{
	struct str subtype;

	if (!multipart_type(content_type, S("message"), &subtype))
		return 0;
	subtype.n = (size_t)(octet_span(subtype.p, subtype.p + subtype.n, OCTET_TOKEN) - subtype.p);
	if (!subtype.n || str_find(subtype, '+') < subtype.n)
		return 0;
	if (str_equal_nocase(subtype, S("delivery-status")) ||
		str_equal_nocase(subtype, S("global-delivery-status")) ||
		str_equal_nocase(subtype, S("tracking-status")))
		return MULTIPART_ALL_BLOCKS;
	return str_equal_nocase(subtype, S("cpim")) ? 2 : 1; /* RFC 3862 section 2 */
}

bool multipart_has_headers(struct str content_type)
{
	struct str subtype;

	return multipart_type(content_type, S("multipart"), &subtype) ||
	       multipart_blocks(content_type);
}

/* Whether content_type is a multipart whose parts a reader can find; *boundary as it is written. */
static bool multipart_boundary(struct str content_type, struct str *boundary)
{
	size_t semicolon = str_find(content_type, ';');
	struct str subtype;

	if (!multipart_type(content_type, S("multipart"), &subtype) || semicolon == content_type.n)
		return false;
	if (!param_find(str_from(content_type, semicolon + 1), S("boundary"), boundary))
		return false;
	if (boundary->n > 1 && boundary->p[0] == '"')
		*boundary = (struct str){boundary->p + 1, boundary->n - 2};
	return boundary->n != 0;
}

static bool multipart_is_digest(struct str content_type)
{
	struct str subtype;

	if (!multipart_type(content_type, S("multipart"), &subtype))
		return false;
	subtype.n = (size_t)(octet_span(subtype.p, subtype.p + subtype.n, OCTET_TOKEN) - subtype.p);
	return str_equal_nocase(subtype, S("digest"));
}

/* What a Content-Type says of what follows: parts, or headers. Where that is deeper than is looked,
 * the part at hand goes as a whole: nobody would hide what is in it. */
static void multipart_enter(struct multipart *m, struct str content_type)
{
	const uint8_t blocks = multipart_blocks(content_type);
	struct str boundary = STR_EMPTY;

	if (!blocks && !multipart_boundary(content_type, &boundary))
		return;
	if (m->depth == MULTIPART_LEVELS_MAX) {
		if (!m->dropped)
			count(BODY_PARTS_TOO_DEEP);
		m->dropped = true;
		m->w->n = m->part;
		return;
	}
	m->level[m->depth++] = (struct level){
		.boundary = boundary, .digest = multipart_is_digest(content_type)};
	if (blocks)
		m->blocks = blocks;
}

/* Leaves all levels but so many. A message whose own body has become another length than its
 * Content-Length says loses that line: it ends where its part does. */
static void multipart_leave(struct multipart *m, unsigned depth, size_t read)
{
	while (m->depth > depth) {
		const struct level *l = &m->level[--m->depth];
		struct writer *w = m->w;

		if (!l->length_n || !l->written_at || w->full || w->n < l->written_at ||
			w->n - l->written_at == read - l->read_at)
			continue;
		const size_t behind = l->length_at + l->length_n;

		memmove(w->p + l->length_at, w->p + behind, w->n - behind);
		w->n -= l->length_n;
	}
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

/* Whether the line, which begins at read, delimits a part of one of the open multiparts, which is
 * the innermost from now on; of a closing one its parent is. */
static bool multipart_delimits(struct multipart *m, struct str line, size_t read)
{
	if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	for (unsigned i = m->depth; i-- > 0;) {
		struct str rest = str_from(line, 2);

		if (!m->level[i].boundary.n ||
			!multipart_take_boundary(&rest, m->level[i].boundary))
			continue;
		rest = str_trim(rest);
		bool closes = str_equal(rest, S("--"));

		if (rest.n && !closes)
			continue;
		multipart_leave(m, closes ? i : i + 1, read);
		m->headers = !closes;
		m->blocks = 0;
		m->first = m->dropped = m->typed = false;
		m->part = m->w->n;
		return true;
	}
	return false;
}

/* Whether the level is a message whose headers are being read. */
static bool multipart_in_headers(const struct level *l)
{
	return !l->boundary.n && l->begun && !l->written_at;
}

/* Takes a header line, which has been written from written on. */
static void multipart_read_header(struct multipart *m, struct str line, size_t written)
{
	size_t colon = str_find(line, ':');

	if (colon == line.n)
		return;
	uint8_t id = header_of(str_trim((struct str){line.p, colon}));

	if (id == HEADER_CONTENT_TYPE) {
		m->typed = true;
		multipart_enter(m, str_trim(str_from(line, colon + 1)));
	}
	for (unsigned i = m->depth; i-- > 0 && id == HEADER_CONTENT_LENGTH;) {
		struct level *l = &m->level[i];

		if (!multipart_in_headers(l))
			continue;
		if (!l->length_n) {
			l->length_at = written;
			l->length_n = m->w->n - written;
		}
		break;
	}
}

/* The headers of a part may have ended: in a digest one without Content-Type is a message (RFC 2046
 * section 5.1.5). */
static void multipart_enter_untyped(struct multipart *m)
{
	if (m->depth && m->level[m->depth - 1].digest && !m->typed)
		multipart_enter(m, S("message/rfc822"));
}

/* A block of headers has ended before read: further ones follow, or the body of those messages
 * whose headers they were. */
static void multipart_end_headers(struct multipart *m, size_t read)
{
	const bool more = m->blocks != 0;

	for (unsigned i = 0; i + more < m->depth; i++) {
		struct level *l = &m->level[i];

		if (!multipart_in_headers(l))
			continue;
		l->read_at = read;
		l->written_at = m->w->n;
	}
	m->headers = m->first = more;
	if (!more)
		return;
	m->level[m->depth - 1].begun = true;
	if (m->blocks != MULTIPART_ALL_BLOCKS)
		m->blocks--;
}

/* Writes a header line without hosts. What a status line says of a call is no host, whatever it
 * looks like. */
static void multipart_write_header(struct multipart *m, const struct hosts *h, struct str line)
{
	static const char status[] = "SIP/2.0 200 ";
	const size_t n = sizeof(status) - 1;

	if (m->first && line.n >= n && strncasecmp(line.p, status, strlen("SIP/2.0 ")) == 0) {
		write_bytes(m->w, line.p, n);
		line = str_from(line, n);
	}
	m->first = false;
	write_without_hosts(m->w, h, line);
}

void write_multipart(
	struct writer *w, const struct hosts *h, struct str content_type, struct str body)
{
	struct multipart m = {.w = w, .start = body.p, .part = w->n};

	multipart_enter(&m, content_type);
	multipart_end_headers(&m, 0);
	while (body.n) {
		const size_t read = (size_t)(body.p - m.start);
		struct str line = multipart_line(&body, m.headers && body.p[0] != '-');

		if (multipart_delimits(&m, line, read)) {
			write_without_hosts(w, h, line);
		} else if (m.dropped) {
			continue;
		} else if (!m.headers) {
			write_str(w, line);
		} else if (str_trim(line).n) {
			const size_t written = w->n;

			multipart_write_header(&m, h, line);
			multipart_read_header(&m, line, written);
		} else {
			write_str(w, line);
			if (m.first) /* empty lines before a message are no part of it */
				continue;
			multipart_enter_untyped(&m);
			multipart_end_headers(&m, read + line.n);
		}
	}
	multipart_leave(&m, 0, (size_t)(body.p - m.start));
}
