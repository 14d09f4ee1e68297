/* telephone.c - telephone numbers in URIs (telephone.h). Relies on uri_parse for the grammar of
 * what it gets. */
#include "telephone.h"

#include "ipc/octet.h"

#include <errno.h>

static bool telephone_is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

/* Whether text is a global or a local number: "+" and digits, or hexadecimal digits, "*" and "#",
 * with visual separators (RFC 3966 section 3). Takes the separators out; returns the length left, 0
 * where it is none. */
static size_t telephone_strip(char *text, size_t n)
{
	bool global = n && text[0] == '+';
	unsigned classes = global ? OCTET_DIGIT : OCTET_HEX;
	size_t kept = global ? 1 : 0, first = kept;

	for (size_t i = first; i < n; i++) {
		char c = text[i];

		if (telephone_is_separator(c))
			continue;
		if (!octet_is(c, classes) && (global || (c != '*' && c != '#')))
			return 0;
		text[kept++] = c;
	}
	return kept > first ? kept : 0;
}

/* Whether a SIP URI says that its user part is a telephone number (RFC 3261 section 19.1.1). */
static bool telephone_is_said(const struct uri_parts *uri)
{
	struct str rest = uri->params, name, value;

	while (uri_param_next(&rest, &name, &value))
		if (uri_param_is(name, S("user")) && uri_param_is(value, S("phone")))
			return true;
	return false;
}

/* The number of a URI as it is written, without parameters; n == 0: it says of none. */
static struct str telephone_number(const struct uri_parts *uri)
{
	struct str user = uri->user;

	if (uri->scheme == URI_TEL || !user.n)
		return user;
	user.n = str_find(user, ';');
	if (user.n < uri->user.n || *user.p == '+' || str_starts(user, S("%2B")) ||
		str_starts(user, S("%2b")))
		return user;
	return telephone_is_said(uri) ? user : STR_EMPTY;
}

long telephone_digits(const struct uri_parts *uri, char *buffer, size_t size)
{
	struct str number = telephone_number(uri);

	if (!number.n)
		return -EINVAL;
	long n = uri_unescape(number, buffer, size);

	if (n < 0)
		return n;
	size_t left = telephone_strip(buffer, (size_t)n);

	return left ? (long)left : -EINVAL;
}

void telephone_write_user(struct writer *w, const struct uri_parts *uri)
{
	static const char hex[] = "0123456789ABCDEF";
	struct str rest = uri->user;

	if (uri->scheme != URI_TEL) {
		write_str(w, rest);
		return;
	}
	/* RFC 3261 section 19.1.6: the whole of it, its parameters too */
	if (uri->params.n)
		rest.n = (size_t)(uri->params.p + uri->params.n - rest.p);
	for (size_t i = 0; i < rest.n; i++) {
		uint8_t c = (uint8_t)rest.p[i];

		if (c == '%' || octet_is((char)c, OCTET_USER))
			write_bytes(w, rest.p + i, 1);
		else
			write_bytes(w, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

/* Whether a parameter of a SIP URI says how it is reached, and nothing of who is meant (RFC 3261
 * section 19.1.1, RFC 3486, RFC 5049, RFC 5626, RFC 5627). */
static bool telephone_is_of_the_way(struct str name)
{
	static const struct str names[] = {{"transport", 9}, {"maddr", 5}, {"ttl", 3},
		{"method", 6}, {"lr", 2}, {"comp", 4}, {"sigcomp-id", 10}, {"ob", 2}, {"gr", 2},
		{"received", 8}, {"line", 4}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (uri_param_is(name, names[i]))
			return true;
	return false;
}

void telephone_write_params(struct writer *w, const struct uri_parts *uri)
{
	struct str rest = uri->params, name, value;

	if (uri->scheme == URI_TEL) {
		write_literal(w, ";user=phone");
		return;
	}
	while (uri_param_next(&rest, &name, &value)) {
		if (telephone_is_of_the_way(name))
			continue;
		write_literal(w, ";");
		write_str(w, name);
		if (value.p) {
			write_literal(w, "=");
			write_str(w, value);
		}
	}
}

bool telephone_is_number(struct str text)
{
	size_t i = text.n && text.p[0] == '+';

	if (i == text.n)
		return false;
	for (; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return true;
}
