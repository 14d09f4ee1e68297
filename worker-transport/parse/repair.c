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
	return str_is_utf8((struct str){raw.p, repair_head(raw)});
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

		if (!str_is_utf8(element)) {
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
		if (str_is_utf8(line))
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

/* Takes the header line at the front of *rest with those that it is folded into, without its end.
 */
static struct str repair_take_header(struct str *rest)
{
	struct str header = repair_take_line(rest);

	while (header.n && rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
		const struct str more = repair_take_line(rest);

		header.n = (size_t)(more.p + more.n - header.p);
	}
	return header;
}

/* Whether a CR stands by itself. */
static bool repair_has_bare_cr(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n'))
			return true;
	return false;
}

/* Where the first of those octets stands, or the end. */
static size_t repair_find_any(struct str text, const char *octets)
{
	size_t at = 0;

	while (at < text.n && !strchr(octets, text.p[at]))
		at++;
	return at;
}

/* Writes text on one line: a fold is as good as a blank (RFC 3261 section 7.3.1). */
static void repair_put_unfolded(struct repair *r, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		const bool end = text.p[i] == '\r' || text.p[i] == '\n';

		repair_put(r, end ? S(" ") : (struct str){text.p + i, 1});
	}
}

/* What stands behind the first such octet, empty where there is none. */
static struct str repair_behind(struct str text, char octet)
{
	const size_t at = str_find(text, octet);

	return str_trim(str_from(text, at < text.n ? at + 1 : at));
}

/* Writes of the first Via, whose parameters may be anything, what names the request that was
 * answered: sent-by and branch. */
static void repair_put_via(struct repair *r, struct str header)
{
	struct str rest = repair_behind(header, ':');
	size_t end = repair_find_any(rest, ";,");

	repair_put(r, S("Via: "));
	repair_put_unfolded(r, str_trim((struct str){rest.p, end}));
	for (rest = str_from(rest, end); rest.n && rest.p[0] == ';'; rest = str_from(rest, end)) {
		rest = str_from(rest, 1);
		end = repair_find_any(rest, ";,");
		const struct str parameter = {rest.p, end},
				 name = {rest.p, str_find(parameter, '=')};

		if (!str_equal_nocase(str_trim(name), S("branch")))
			continue;
		repair_put(r, S(";branch="));
		repair_put_unfolded(r, repair_behind(parameter, '='));
		break;
	}
	repair_put(r, S("\r\n"));
}

/* Writes those of the header lines that are wanted. */
static void repair_put_wanted(struct repair *r, struct str rest)
{
	unsigned lines[REPAIR_WANTED] = {0}, place;

	while (rest.n) {
		struct str header = repair_take_header(&rest);

		if (!header.n)
			return;
		const uint8_t id = header_of(
			str_trim((struct str){header.p, str_find(header, ':')}));

		if (!repair_is_wanted(id, &place) || repair_has_bare_cr(header))
			continue;
		lines[place]++;
		if (id == HEADER_VIA && lines[place] == 1)
			repair_put_via(r, header);
		else if (id != HEADER_VIA && lines[place] <= REPAIR_LINES_EACH)
			while (header.n)
				repair_put_whole_line(r, repair_take_line(&header));
	}
}

/* The three digits of a status line, however they are set off. None where it is no SIP/2.0, or its
 * status is of no class. */
static struct str repair_status(struct str line)
{
	if (line.n < 8 || !str_equal_nocase((struct str){line.p, 7}, S("SIP/2.0")) ||
		!octet_is(line.p[7], OCTET_LWS))
		return STR_EMPTY;
	const struct str rest = str_trim(str_from(line, 7));
	const size_t digits = (size_t)(octet_span(rest.p, rest.p + rest.n, OCTET_DIGIT) - rest.p);

	if (digits != 3 || rest.p[0] < '1' || rest.p[0] > '6')
		return STR_EMPTY;
	return (struct str){rest.p, digits};
}

size_t repair_response(struct str raw, char *out, size_t size)
{
	struct repair r = {.out = out, .size = size};

	while (raw.n && octet_is(raw.p[0], OCTET_LWS))
		raw = str_from(raw, 1);
	const struct str status = repair_status(repair_take_line(&raw));

	if (!status.n)
		return 0;
	repair_put(&r, S("SIP/2.0 "));
	repair_put_whole_line(&r, status);
	repair_put_wanted(&r, raw);
	repair_put(&r, S("\r\n"));
	return repair_size(&r);
}
