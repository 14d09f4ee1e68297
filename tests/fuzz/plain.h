/* plain.h - a message read in the plainest way, without any code of the parser's: where its lines
 * end, what their names and values are, whether their octets may stand there. For fuzz targets that
 * compare it with the block which the parser makes of the same bytes. */
#ifndef SIPWARD_TESTS_FUZZ_PLAIN_H
#define SIPWARD_TESTS_FUZZ_PLAIN_H

#include "common/str.h"
#include "ipc/message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			plain_fail(__FILE__, __LINE__, #condition);                                \
	} while (0)

/* Says what does not hold: a trap alone does not say which of many. */
static inline void plain_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, condition);
	abort();
}

struct plain {
	struct str start; /* without its line end */
	struct plain_line {
		struct str whole, name, value; /* whole: without its line end */
	} line[MESSAGE_HEADERS_MAX + 1];
	unsigned count;
	struct str rest; /* behind the empty line */
	bool ended;      /* there is one */
};

static inline bool plain_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline struct str plain_trim(struct str s)
{
	while (s.n && plain_blank(s.p[0]))
		s = (struct str){s.p + 1, s.n - 1};
	while (s.n && plain_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static inline bool plain_token(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("-.!%*_+`'~", c));
}

static inline bool plain_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!plain_token(s.p[i]))
			return false;
	return s.n != 0;
}

/* Takes a line from *rest, with the lines that it is folded into. bare: LF alone ends one, too.
 * False where it does not end. */
static inline bool plain_take_line(struct str *rest, bool folds, bool bare, struct str *line)
{
	for (size_t i = 0; i < rest->n; i++) {
		const bool crlf = i && rest->p[i - 1] == '\r';

		if (rest->p[i] != '\n' || (!crlf && !bare))
			continue;
		if (folds && i + 1 < rest->n && (rest->p[i + 1] == ' ' || rest->p[i + 1] == '\t'))
			continue;
		*line = (struct str){rest->p, i - crlf};
		*rest = (struct str){rest->p + i + 1, rest->n - i - 1};
		return true;
	}
	return false;
}

/* Splits the message into lines, and each into name and value. */
static inline void plain_of(struct str raw, bool bare, struct plain *r)
{
	struct str line;

	*r = (struct plain){.count = 0};
	do
		if (!plain_take_line(&raw, false, bare, &r->start))
			return;
	while (!r->start.n);
	while (r->count <= MESSAGE_HEADERS_MAX) {
		const bool empty = raw.n && (raw.p[0] == '\n' || (raw.n > 1 && raw.p[0] == '\r' &&
									 raw.p[1] == '\n'));

		if (!plain_take_line(&raw, !empty, bare, &line))
			return;
		if (!line.n) {
			r->ended = true;
			r->rest = raw;
			return;
		}
		size_t colon = 0;

		while (colon < line.n && line.p[colon] != ':')
			colon++;
		struct plain_line *l = &r->line[r->count++];

		l->whole = line;
		if (colon == line.n)
			continue;
		l->name = (struct str){line.p, colon};
		while (l->name.n &&
			(l->name.p[l->name.n - 1] == ' ' || l->name.p[l->name.n - 1] == '\t'))
			l->name.n--;
		l->value = plain_trim((struct str){line.p + colon + 1, line.n - colon - 1});
	}
}

/* The full name of a header, in the spelling of headers.def; NULL: it is not known. */
static inline const char *plain_known(struct str name)
{
	static const char *const names[][2] = {
#define HEADER(id, name, compact) {name, compact},
#include "ipc/headers.def"
#undef HEADER
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (str_equal_nocase(name, str_of(names[i][0])) ||
			(*names[i][1] && str_equal_nocase(name, str_of(names[i][1]))))
			return names[i][0];
	return NULL;
}

static inline bool plain_is(const struct plain_line *l, const char *full)
{
	const char *known = plain_known(l->name);

	return known && strcmp(known, full) == 0;
}

/* Whether a header is one of a list of names with a space behind each. */
static inline bool plain_is_of(const struct plain_line *l, const char *list)
{
	const char *known = plain_known(l->name), *at = known ? strstr(list, known) : NULL;

	return at && (at == list || at[-1] == ' ') && at[strlen(known)] == ' ';
}

/* Whether the octets are UTF-8: by the code points. */
static inline bool plain_utf8(struct str s)
{
	for (size_t i = 0; i < s.n;) {
		const uint8_t c = (uint8_t)s.p[i++];
		const unsigned more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : 3;
		uint32_t point = c < 0x80 ? c : c & (0x3f >> more);

		if (c >= 0x80 && (c < 0xc0 || c > 0xf7))
			return false;
		if (more > s.n - i)
			return false;
		for (unsigned n = 0; n < more; n++, i++) {
			if ((s.p[i] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (s.p[i] & 0x3f);
		}
		static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
	}
	return true;
}

/* Whether no octet is a control byte or from 0x80 on, but tabs and the CRLFs of folds. */
static inline bool plain_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 || s.p[i] == 0x7f) && !plain_blank(s.p[i]))
			return false;
	return true;
}

/* The position of the first of that octet outside of quoted strings and, with brackets, of angle
 * brackets; s.n: none. */
static inline size_t plain_find(struct str s, char wanted, bool brackets)
{
	bool quoted = false, bracketed = false;

	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"' && !bracketed)
			quoted = !quoted;
		else if (!quoted && !bracketed && s.p[i] == wanted)
			return i;
		else if (!quoted && brackets && (s.p[i] == '<' || s.p[i] == '>'))
			bracketed = s.p[i] == '<';
	}
	return s.n;
}

/* Takes what stands before the next of that octet from *rest. False at the end. */
static inline bool plain_take(struct str *rest, char separator, bool brackets, struct str *item)
{
	if (!rest->p)
		return false;
	const size_t end = plain_find(*rest, separator, brackets);

	*item = plain_trim((struct str){rest->p, end});
	*rest = end < rest->n ? (struct str){rest->p + end + 1, rest->n - end - 1} : STR_NONE;
	return true;
}

/* Whether a list has an empty element. */
static inline bool plain_has_empty(struct str value)
{
	struct str item;

	if (!value.n)
		return false;
	while (plain_take(&value, ',', true, &item))
		if (!item.n)
			return true;
	return false;
}

/* The value of a parameter of a ';' list; empty: none. */
static inline struct str plain_param(struct str params, const char *wanted)
{
	struct str item;

	while (plain_take(&params, ';', false, &item)) {
		const size_t equals = plain_find(item, '=', false);

		if (equals < item.n &&
			str_equal_nocase(plain_trim((struct str){item.p, equals}), str_of(wanted)))
			return plain_trim((struct str){item.p + equals + 1, item.n - equals - 1});
	}
	return STR_EMPTY;
}

#endif
