/* repair.c - the bytes of a message as its sender meant them (repair.h). Stands off the usual way:
 * only what the parser has found fault with comes here. Linear in the message. */
#include "repair.h"

#include "ipc/message.h"
#include "ipc/names.h"
#include "ipc/octet.h"
#include "ipc/syntax.h"
#include "parse_line.h"

#define REPAIR_WANTED 7 /* the headers that a broken response is read for */
_Static_assert(REPAIR_WANTED *REPAIR_LINES_EACH < MESSAGE_HEADERS_MAX, "they are not too many");

struct repair {
	char *out;
	size_t size, used;
	bool full;
};

static void repair_put(struct repair *r, struct str s)
{
	if (r->full || s.n > r->size - r->used) {
		r->full = true;
		return;
	}
	if (s.n)
		memcpy(r->out + r->used, s.p, s.n);
	r->used += s.n;
}

static size_t repair_size(const struct repair *r)
{
	return r->full ? 0 : r->used;
}

size_t repair_line_ends(struct str raw, char *out, size_t size)
{
	struct repair r = {.out = out, .size = size};
	bool changed = false, begun = false;

	while (raw.n) {
		size_t end = str_find(raw, '\n');
		struct str line = {raw.p, end};
		const bool crlf = end < raw.n && end && raw.p[end - 1] == '\r';

		line.n -= crlf;
		if (str_find(line, '\r') < line.n)
			return 0;
		changed |= !crlf;
		raw = str_from(raw, end < raw.n ? end + 1 : raw.n);
		if (!line.n && !begun)
			continue; /* empty lines before a start line are no part of the message */
		begun = true;
		repair_put(&r, line);
		repair_put(&r, S("\r\n"));
		if (!line.n) {
			repair_put(&r, raw);
			return changed ? repair_size(&r) : 0;
		}
	}
	repair_put(&r, S("\r\n"));
	return begun ? repair_size(&r) : 0;
}

/* The CRLFs before a start line. */
static size_t repair_prefix(struct str raw)
{
	size_t n = 0;

	while (raw.n - n >= 2 && raw.p[n] == '\r' && raw.p[n + 1] == '\n')
		n += 2;
	return n;
}

/* The length of a message's head, its empty line excluded. */
static size_t repair_head(struct str raw)
{
	const size_t prefix = repair_prefix(raw);
	const struct str rest = str_from(raw, prefix);
	const char *end = rest.n ? memmem(rest.p, rest.n, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - raw.p) + 2 : raw.n;
}

bool repair_is_utf8(struct str raw)
{
	return line_is_utf8(raw.p, raw.p + repair_head(raw));
}

static void repair_put_latin(struct repair *r, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		const uint8_t c = (uint8_t)text.p[i];
		const char two[] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};

		if (c < 0x80)
			repair_put(r, (struct str){text.p + i, 1});
		else
			repair_put(r, (struct str){two, 2});
	}
}

/* Writes a list of addresses, of which those with a display name that is not UTF-8 lose it. */
static void repair_put_addresses(struct repair *r, struct str list)
{
	struct str element;
	bool any = false, closed;

	while (list_element_next(&list, &element, &closed)) {
		const bool quoted = element.p[0] == '"';
		size_t bracket = 0;

		if (!line_is_utf8(element.p, element.p + element.n)) {
			/* within quotes a bracket is text */
			for (bool inside = false; bracket < element.n; bracket++) {
				const char c = element.p[bracket];

				if (inside && c == '\\')
					bracket++;
				else if (quoted && c == '"')
					inside = !inside;
				else if (!inside && c == '<')
					break;
			}
		}
		repair_put(r, any ? S(", ") : STR_EMPTY);
		repair_put(r, bracket < element.n ? str_from(element, bracket) : element);
		any = true;
	}
}

/* Writes a line that is not UTF-8. first: it is the start line. */
static void repair_put_line(struct repair *r, struct str line, bool first, bool drop)
{
	const size_t colon = str_find(line, ':');

	if (!drop) {
		repair_put_latin(r, line);
	} else if (first || colon == line.n ||
		   !header_takes_nul(header_of(str_trim((struct str){line.p, colon})))) {
		repair_put(r, line); /* without a display name: the parser leaves it out */
	} else {
		repair_put(r, (struct str){line.p, colon + 1});
		repair_put(r, S(" "));
		repair_put_addresses(r, str_trim(str_from(line, colon + 1)));
	}
}

size_t repair_octets(struct str raw, bool drop, char *out, size_t size)
{
	struct repair r = {.out = out, .size = size};
	const size_t head = repair_head(raw), prefix = repair_prefix(raw);

	repair_put(&r, (struct str){raw.p, prefix});
	for (size_t at = prefix; at < head;) {
		struct str line = {raw.p + at, head - at};
		size_t end = 0;

		const char *feed;

		do { /* folded lines are one */
			feed = memmem(line.p + end, line.n - end, "\r\n", 2);
			end = feed ? (size_t)(feed - line.p) + 2 : line.n;
		} while (
			end < line.n && at > prefix && (line.p[end] == ' ' || line.p[end] == '\t'));
		const size_t text = feed ? end - 2 : end;

		line.n = text;
		if (line_is_utf8(line.p, line.p + line.n))
			repair_put(&r, line);
		else
			repair_put_line(&r, line, at == prefix, drop);
		repair_put(&r, (struct str){raw.p + at + text, end - text});
		at += end;
	}
	repair_put(&r, str_from(raw, head));
	return str_equal(raw, (struct str){out, r.used}) ? 0 : repair_size(&r);
}

/* Takes the line at the front of *rest, without its end. */
static struct str repair_take_line(struct str *rest)
{
	const size_t end = str_find(*rest, '\n');
	struct str line = {rest->p, end};

	*rest = str_from(*rest, end < rest->n ? end + 1 : end);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* Whether a broken response is read for that header, whose place among those that are is *place.
 */
static bool repair_is_wanted(uint8_t id, unsigned *place)
{
	static const uint8_t wanted[REPAIR_WANTED] = {HEADER_VIA, HEADER_FROM, HEADER_TO,
		HEADER_CALL_ID, HEADER_CSEQ, HEADER_CONTACT, HEADER_RECORD_ROUTE};

	for (*place = 0; *place < REPAIR_WANTED; ++*place)
		if (wanted[*place] == id)
			return true;
	return false;
}

static void repair_put_whole_line(struct repair *r, struct str line)
{
	repair_put(r, line);
	repair_put(r, S("\r\n"));
}

/* Writes those of the header lines that are wanted. */
static void repair_put_wanted(struct repair *r, struct str rest)
{
	unsigned lines[REPAIR_WANTED] = {0}, place;
	bool wanted = false;
	size_t start = r->used;

	while (rest.n) {
		struct str line = repair_take_line(&rest);

		if (!line.n)
			return;
		if (line.p[0] != ' ' && line.p[0] != '\t') {
			struct str name = str_trim((struct str){line.p, str_find(line, ':')});

			wanted = repair_is_wanted(header_of(name), &place) &&
			         lines[place]++ < REPAIR_LINES_EACH;
			start = r->used;
		}
		if (wanted && str_find(line, '\r') < line.n) {
			wanted = false;
			r->used = start;
		}
		if (wanted)
			repair_put_whole_line(r, line);
	}
}

size_t repair_response(struct str raw, char *out, size_t size)
{
	struct repair r = {.out = out, .size = size};

	while (raw.n && (raw.p[0] == '\r' || raw.p[0] == '\n'))
		raw = str_from(raw, 1);
	struct str line = repair_take_line(&raw);

	if (line.n < 8 || !str_equal_nocase((struct str){line.p, 8}, S("SIP/2.0 ")) ||
		str_find(line, '\r') < line.n)
		return 0;
	repair_put_whole_line(&r, line);
	repair_put_wanted(&r, raw);
	repair_put(&r, S("\r\n"));
	return repair_size(&r);
}
