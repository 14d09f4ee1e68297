/* blank.c - see blank.h.
 *
 * Every message that passes is searched, and with the copy costs some 2,200 instructions for an
 * INVITE of 865 bytes, and 3,200 more where it has credentials. So lines are told apart by their
 * first two octets, and URIs are looked for at each "@", their headers at each "?". What stands
 * there need not be well-formed. Relies on nothing.
 */
#include "blank.h"

#include "common/str.h"
#include "ipc/line.h"
#include "ipc/uri.h"

#include <ctype.h>
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

/* The end of a quoted string whose inside begins there. */
static char *blank_quote_end(char *from, char *end)
{
	char *quote = memchr(from, '"', (size_t)(end - from));

	if (!quote)
		quote = end;
	if (!memchr(from, '\\', (size_t)(quote - from)))
		return quote;
	while (from < end && *from != '"')
		from += *from == '\\' && from + 1 < end ? 2 : 1;
	return from;
}

/* The inside of a value, quoted or not. */
static struct blank blank_value(struct blank *b)
{
	struct blank inside = {b->at, b->at};

	if (b->at < b->end && *b->at == '"') {
		inside.at = ++b->at;
		b->at = blank_quote_end(b->at, b->end);
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
	else if (b.at < b.end && blank_is_space(*b.at))
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

static void blank_header(char *line, char *end)
{
	struct blank b;

	if (blank_is_header(line, end, S("Authorization"), &b) ||
		blank_is_header(line, end, S("Proxy-Authorization"), &b))
		blank_credentials(b);
	else if (blank_is_header(line, end, S("Authentication-Info"), &b) ||
		 blank_is_header(line, end, S("Proxy-Authentication-Info"), &b))
		blank_parameters(b);
}

static bool blank_is(char c, char lower)
{
	return (c | 0x20) == lower;
}

/* The token of a Contact at a trunk (ipc/line.h) between from and to; NULL: there is none. */
static char *blank_find_line(char *from, char *to)
{
	static const struct str name = {";" LINE_NAME "=", sizeof(LINE_NAME) + 1};

	for (char *at = from; (at = memchr(at, ';', (size_t)(to - at))); at++) {
		char *token = at + name.n, *end = token;

		if ((size_t)(to - at) < name.n + LINE_LENGTH ||
			!str_equal_nocase((struct str){at, name.n}, name))
			continue;
		while (end < token + LINE_LENGTH && isxdigit((unsigned char)*end))
			end++;
		if (end == token + LINE_LENGTH)
			return token;
	}
	return NULL;
}

/* Blanks the token in a start line wherever else it stands. */
static void blank_called_line(char *message, char *end)
{
	char *token = blank_find_line(message, blank_line_end(message, end)), *at = message;
	char text[LINE_LENGTH];

	if (!token)
		return;
	memcpy(text, token, sizeof(text));
	while ((at = memmem(at, (size_t)(end - at), text, sizeof(text))))
		blank_out(at, at + sizeof(text));
}

/* Blanks the tokens in the Contact that begins there. */
static void blank_contact(char *line, char *end)
{
	char *to = blank_header_end(line, end), *token = line;

	while ((token = blank_find_line(token, to)))
		blank_out(token, token + LINE_LENGTH);
}

/* Whether it may be a Contact, in its long or its compact form: no other header has such a
 * beginning. */
static bool blank_may_be_contact(const char *line, const char *end)
{
	static const struct str contact = {"Contact", 7};

	return blank_is(*line, 'm') ? line[1] == ':' || line[1] == ' ' || line[1] == '\t'
	                            : blank_is(*line, 'c') && blank_begins(line, end, contact);
}

static void blank_attribute(char *line, char *end)
{
	const struct str attribute[] = {S("a=crypto:"), S("a=key-mgmt:"), S("a=ice-pwd:")};

	for (size_t i = 0; i < sizeof(attribute) / sizeof(attribute[0]); i++)
		if (blank_begins(line, end, attribute[i]))
			blank_out(line + attribute[i].n, blank_line_end(line, end));
}

static void blank_lines(char *message, char *end)
{
	blank_called_line(message, end);
	for (char *line = message; end - line > 2; line = blank_line_end(line, end)) {
		if (line[1] == '=') {
			if (*line == 'a' && (line[2] == 'c' || line[2] == 'k' || line[2] == 'i'))
				blank_attribute(line, end);
			else if (*line == 'k')
				blank_out(line + 2, blank_line_end(line, end));
		} else if ((blank_is(*line, 'a') && blank_is(line[1], 'u')) ||
			   (blank_is(*line, 'p') && blank_is(line[1], 'r'))) {
			blank_header(line, end);
		} else if (blank_may_be_contact(line, end)) {
			blank_contact(line, end);
		}
	}
}

/* What no user and no password has. Others than RFC 3261 permits may stand there. */
static const bool blank_ends_userinfo[256] = {[' '] = true,
	['\t'] = true,
	['\r'] = true,
	['\n'] = true,
	['<'] = true,
	['>'] = true,
	['"'] = true,
	[':'] = true,
	['@'] = true};

/* Where the part of a URI begins that ends there. */
static char *blank_part_begin(char *message, char *end)
{
	while (end > message && !blank_ends_userinfo[(unsigned char)end[-1]])
		end--;
	return end;
}

/* Whether a scheme of SIP URIs ends there, before its colon. */
static bool blank_is_scheme(const char *message, const char *end)
{
	if (end - message >= 3 && blank_is(end[-1], 'p'))
		return blank_is(end[-2], 'i') && blank_is(end[-3], 's');
	return end - message >= 4 && blank_is(end[-1], 's') && blank_is(end[-2], 'p') &&
	       blank_is(end[-3], 'i') && blank_is(end[-4], 's');
}

/* Blanks the password of the URI whose userinfo ends at that "@", if it is one and has one. */
static void blank_password(char *message, char *at)
{
	char *password = blank_part_begin(message, at), *user;

	if (password == at || password == message || password[-1] != ':')
		return;
	user = blank_part_begin(message, password - 1);
	/* mostly the scheme stands there, and no user */
	if (user == message || user[-1] != ':')
		return;
	if (blank_is_scheme(message, user - 1))
		blank_out(password, at);
}

/* ---- headers of URIs ---- */

static bool blank_ends_headers(char c)
{
	return blank_is_space(c) || c == '>';
}

/* Whether a header of a URI has that name, escaped or not, whose value is a secret or may have
 * some: a body may be one of SDP. */
static bool blank_is_secret_header(struct str name)
{
	static const struct str secret[] = {S("Authorization"), S("Proxy-Authorization"),
		S("Authentication-Info"), S("Proxy-Authentication-Info"), S("body")};
	char plain[sizeof("Proxy-Authentication-Info")];
	long n = uri_unescape(name, plain, sizeof(plain));

	for (size_t i = 0; n > 0 && i < sizeof(secret) / sizeof(secret[0]); i++)
		if (str_equal_nocase((struct str){plain, (size_t)n}, secret[i]))
			return true;
	return false;
}

/* Reads one header of a URI, and blanks its value where that is secret. Spaces in it are an error,
 * and it goes on behind them, but in the start line. */
static void blank_uri_header(struct blank *b, bool in_start_line)
{
	char *name = b->at, *value;

	while (b->at < b->end && *b->at != '=' && *b->at != '&' && !blank_ends_headers(*b->at))
		b->at++;
	if (b->at == b->end || *b->at != '=')
		return;
	value = ++b->at;
	if (!blank_is_secret_header((struct str){name, (size_t)(value - 1 - name)})) {
		while (b->at < b->end && *b->at != '&' && !blank_ends_headers(*b->at))
			b->at++;
		return;
	}
	while (b->at < b->end && *b->at != '&' && *b->at != '>' && *b->at != '\n' &&
		!(in_start_line && *b->at == ' '))
		b->at++;
	blank_out(value, b->at);
}

/* Reads the headers of a URI, which begin there. The end of them. */
static char *blank_uri_headers(char *at, char *end, bool in_start_line)
{
	struct blank b = {at, end};

	blank_uri_header(&b, in_start_line);
	while (b.at < b.end && *b.at == '&') {
		b.at++;
		blank_uri_header(&b, in_start_line);
	}
	return b.at;
}

void blank_secrets(char *message, size_t size)
{
	char *end = message + size, *at = message;
	const char *first_end = blank_line_end(message, end);

	blank_lines(message, end);
	while ((at = memchr(at, '@', (size_t)(end - at)))) {
		blank_password(message, at);
		at++;
	}
	for (at = message; (at = memchr(at, '?', (size_t)(end - at)));)
		at = blank_uri_headers(at + 1, end, at < first_end);
}
