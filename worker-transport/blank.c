/* blank.c - see blank.h.
 *
 * Every message that passes is searched: lines are told apart by their first octet, and URIs are
 * looked for at each "@". What stands there need not be well-formed. Relies on nothing.
 */
#include "blank.h"

#include "common/str.h"

#include <stdbool.h>

/* Where a line or header ends, and where it is being read. */
struct blank {
	char *at, *end;
};

static bool blank_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char *blank_line_end(char *from, char *end)
{
	char *line_end = memchr(from, '\n', (size_t)(end - from));

	return line_end ? line_end + 1 : end;
}

/* The end of a header with the lines that it is folded into. */
static char *blank_header_end(char *from, char *end)
{
	char *at = blank_line_end(from, end);

	while (at < end && (*at == ' ' || *at == '\t'))
		at = blank_line_end(at, end);
	return at;
}

static void blank_out(char *from, const char *end)
{
	for (; from < end; from++)
		if (!blank_is_space(*from))
			*from = BLANK_BYTE;
}

static void blank_skip_space(struct blank *b)
{
	while (b->at < b->end && blank_is_space(*b->at))
		b->at++;
}

/* Reads a name up to what may follow one. */
static struct str blank_word(struct blank *b)
{
	char *from = b->at;

	while (b->at < b->end && !blank_is_space(*b->at) && *b->at != '=' && *b->at != ',' &&
		*b->at != '"')
		b->at++;
	return (struct str){from, (size_t)(b->at - from)};
}

/* The inside of a value, quoted or not. */
static struct blank blank_value(struct blank *b)
{
	struct blank inside = {b->at, b->at};

	if (b->at < b->end && *b->at == '"') {
		inside.at = ++b->at;
		while (b->at < b->end && *b->at != '"')
			b->at += *b->at == '\\' && b->at + 1 < b->end ? 2 : 1;
		inside.end = b->at;
		b->at += b->at < b->end;
		return inside;
	}
	while (b->at < b->end && *b->at != ',')
		b->at++;
	inside.end = b->at;
	return inside;
}

static bool blank_is_secret(struct str name)
{
	return str_equal_nocase(name, S("response")) || str_equal_nocase(name, S("rspauth")) ||
	       str_equal_nocase(name, S("nc")) || str_equal_nocase(name, S("cnonce"));
}

static void blank_parameters(struct blank b)
{
	while (b.at < b.end) {
		struct str name;
		struct blank value;

		blank_skip_space(&b);
		name = blank_word(&b);
		blank_skip_space(&b);
		if (b.at == b.end || *b.at != '=') {
			b.at += b.at < b.end;
			continue;
		}
		b.at++;
		blank_skip_space(&b);
		value = blank_value(&b);
		if (blank_is_secret(name))
			blank_out(value.at, value.end);
	}
}

static void blank_credentials(struct blank b)
{
	blank_skip_space(&b);
	char *from = b.at;
	struct str scheme = blank_word(&b);

	if (str_equal_nocase(scheme, S("Digest")))
		blank_parameters(b);
	else if (b.at < b.end && *b.at != '=')
		blank_out(b.at, b.end);
	else
		blank_out(from, b.end); /* no scheme at all */
}

/* Whether the header that begins there has that name; b becomes its value. */
static bool blank_is_header(char *line, char *end, struct str name, struct blank *b)
{
	char *at = line + name.n;

	if ((size_t)(end - line) <= name.n || !str_equal_nocase((struct str){line, name.n}, name))
		return false;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at == end || *at != ':')
		return false;
	*b = (struct blank){at + 1, blank_header_end(at, end)};
	return true;
}

static bool blank_begins(const char *line, const char *end, struct str with)
{
	return (size_t)(end - line) >= with.n && str_equal_nocase((struct str){line, with.n}, with);
}

/* A line that begins with "a": a header, or an attribute of SDP. */
static void blank_line_a(char *line, char *end)
{
	const struct str attribute[] = {S("a=crypto:"), S("a=key-mgmt:"), S("a=ice-pwd:")};
	struct blank b;

	if (blank_is_header(line, end, S("Authorization"), &b)) {
		blank_credentials(b);
		return;
	}
	if (blank_is_header(line, end, S("Authentication-Info"), &b)) {
		blank_parameters(b);
		return;
	}
	for (size_t i = 0; i < sizeof(attribute) / sizeof(attribute[0]); i++)
		if (blank_begins(line, end, attribute[i]))
			blank_out(line + attribute[i].n, blank_line_end(line, end));
}

static void blank_lines(char *message, char *end)
{
	for (char *line = message; line < end; line = blank_line_end(line, end)) {
		struct blank b;

		switch (*line) {
		case 'a':
		case 'A': blank_line_a(line, end); break;
		case 'p':
		case 'P':
			if (blank_is_header(line, end, S("Proxy-Authorization"), &b))
				blank_credentials(b);
			else if (blank_is_header(line, end, S("Proxy-Authentication-Info"), &b))
				blank_parameters(b);
			break;
		case 'k':
			if (blank_begins(line, end, S("k=")))
				blank_out(line + 2, blank_line_end(line, end));
			break;
		default: break;
		}
	}
}

/* No part of a user or password. Others than RFC 3261 permits may stand there. */
static bool blank_ends_userinfo(char c)
{
	return blank_is_space(c) || c == '<' || c == '>' || c == '"' || c == ':' || c == '@';
}

/* Blanks the password of the URI whose userinfo ends at that "@", if it is one and has one. */
static void blank_password(char *message, char *at)
{
	char *password = at, *user;

	while (password > message && !blank_ends_userinfo(password[-1]))
		password--;
	if (password == at || password == message || password[-1] != ':')
		return;
	user = password - 1;
	while (user > message && !blank_ends_userinfo(user[-1]))
		user--;
	if (user == message || user[-1] != ':')
		return;
	for (size_t n = 3; n <= 4; n++)
		if ((size_t)(user - message) > n && str_equal_nocase((struct str){user - 1 - n, n},
							    n == 3 ? S("sip") : S("sips")))
			blank_out(password, at);
}

void blank_secrets(char *message, size_t size)
{
	char *end = message + size, *at = message;

	blank_lines(message, end);
	while ((at = memchr(at, '@', (size_t)(end - at)))) {
		blank_password(message, at);
		at++;
	}
}
