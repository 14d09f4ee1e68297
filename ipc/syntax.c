/* syntax.c - header values: parameters, lists, addresses, via-parms, auth-params: see syntax.h
 * (RFC 3261 section 25.1).
 *
 * Relies on octet.h's table and on uri.h. Each function reads its input once, from left to right.
 * White space is taken in any mixture of space, tab, CR and LF: that a CRLF in a value is a fold is
 * the parser's to see.
 *
 * More lenient than the grammar: a display name without quotes may hold UTF-8 (phones send it).
 */
#include "syntax.h"

#include "octet.h"

#include <errno.h>

struct cursor {
	const char *p, *end;
};

/* An empty string may have no bytes at all; pointers are not made from NULL. */
static inline struct cursor cursor_of(struct str s)
{
	static const char nothing[1];

	return s.n ? (struct cursor){s.p, s.p + s.n} : (struct cursor){nothing, nothing};
}

static inline void cursor_skip_space(struct cursor *c)
{
	c->p = octet_span(c->p, c->end, OCTET_LWS);
}

static inline bool cursor_at(const struct cursor *c, char wanted)
{
	return c->p < c->end && *c->p == wanted;
}

static inline struct str str_between(const char *from, const char *to)
{
	return (struct str){from, (size_t)(to - from)};
}

/* from .. to without the white space before to */
static inline struct str str_until(const char *from, const char *to)
{
	while (to > from && octet_is(to[-1], OCTET_LWS))
		to--;
	return str_between(from, to);
}

/* The quoted string at c, quotes included. */
static bool syntax_take_quoted(struct cursor *c, struct str *out)
{
	const char *p = c->p + 1;

	for (; p < c->end; p++) {
		if (*p == '\\') {
			if (++p == c->end)
				break;
		} else if (*p == '"') {
			p++;
			*out = str_between(c->p, p);
			c->p = p;
			return true;
		}
	}
	return false;
}

static bool syntax_take_token(struct cursor *c, struct str *out)
{
	const char *end = octet_span(c->p, c->end, OCTET_TOKEN);

	if (end == c->p)
		return false;
	*out = str_between(c->p, end);
	c->p = end;
	return true;
}

bool is_token(struct str s)
{
	return s.n && octet_span(s.p, s.p + s.n, OCTET_TOKEN) == s.p + s.n;
}

bool controls_quoted(struct str text)
{
	const char *p = text.p, *end = text.p + text.n;
	bool quoted = false;

	for (; p < end; p++) {
		uint8_t c = (uint8_t)*p;

		if (quoted && c == '\\' && p + 1 < end && p[1] != '\r' && p[1] != '\n')
			p++;
		else if (c == '"')
			quoted = !quoted;
		else if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return false;
	}
	return !quoted;
}

/* One generic-param at c (RFC 3261 section 25.1), the white space around it included. loose: a
 * URI's parameter, whose octets are more. */
static int syntax_take_param(struct cursor *c, bool loose, struct str *name, struct str *value)
{
	const unsigned classes = loose ? OCTET_TOKEN | OCTET_PARAM : OCTET_TOKEN;
	const char *end;

	cursor_skip_space(c);
	end = octet_span(c->p, c->end, classes);
	if (end == c->p)
		return -EINVAL;
	*name = str_between(c->p, end);
	*value = STR_NONE;
	c->p = end;
	cursor_skip_space(c);
	if (!cursor_at(c, '='))
		return 0;
	c->p++;
	cursor_skip_space(c);
	if (cursor_at(c, '"')) {
		if (!syntax_take_quoted(c, value))
			return -EINVAL;
	} else {
		end = octet_span(c->p, c->end, classes);
		if (!loose && end < c->end && octet_is(*end, OCTET_REFERENCE)) {
			end = octet_span(end, c->end, OCTET_TOKEN | OCTET_REFERENCE);
			*value = str_between(c->p, end);
			if (!is_host(*value) && !is_ipv6(*value))
				return -EINVAL;
		}
		*value = str_between(c->p, end);
		if (!value->n)
			return -EINVAL;
		c->p = end;
	}
	cursor_skip_space(c);
	return 0;
}

/* A list of generic-params, the cursor standing behind its first ';', up to the first octet that
 * belongs to none. */
static int syntax_take_params(struct cursor *c)
{
	struct str name, value;

	for (unsigned n = 1;; n++) {
		int error = n > PARAMS_MAX ? -E2BIG : syntax_take_param(c, false, &name, &value);

		if (error || !cursor_at(c, ';'))
			return error;
		c->p++;
	}
}

int params_check(struct str params)
{
	struct cursor c = cursor_of(params);
	int error = syntax_take_params(&c);

	return error ? error : c.p == c.end ? 0 : -EINVAL;
}

struct str value_without_params(struct str value)
{
	return str_trim((struct str){value.p, str_find(value, ';')});
}

int param_next(struct str *rest, struct str *name, struct str *value)
{
	struct cursor c = cursor_of(*rest);
	struct str n, v;

	cursor_skip_space(&c);
	if (c.p == c.end)
		return -ENOENT;
	if (syntax_take_param(&c, true, &n, &v))
		return -EINVAL;
	if (c.p < c.end) {
		if (*c.p != ';')
			return -EINVAL;
		c.p++;
		cursor_skip_space(&c);
		if (c.p == c.end)
			return -EINVAL;
	}
	*rest = str_between(c.p, c.end);
	*name = n;
	*value = v;
	return 0;
}

bool param_find(struct str params, struct str name, struct str *value)
{
	struct str n, v;

	while (param_next(&params, &n, &v) == 0) {
		if (str_equal_nocase(n, name)) {
			*value = v;
			return true;
		}
	}
	return false;
}

/* Moves to the next element of a list, past empty ones, which cost nobody a message (RFC 4475
 * section 3.1.2.12: what is not needed is not judged). */
static inline void cursor_skip_empty(struct cursor *c)
{
	cursor_skip_space(c);
	while (cursor_at(c, ',')) {
		c->p++;
		cursor_skip_space(c);
	}
}

/* Moves past the comma after an element, or to the end. */
static int syntax_end_element(struct cursor *c, struct str *rest)
{
	cursor_skip_space(c);
	if (c->p < c->end) {
		if (*c->p != ',')
			return -EINVAL;
		c->p++;
		cursor_skip_space(c);
	}
	*rest = str_between(c->p, c->end);
	return 0;
}

/* display-name and "<" (RFC 3261 section 20.10), or nothing where the URI stands by itself. */
static int syntax_take_display(struct cursor *c, struct address *a)
{
	const char *start = c->p;

	if (cursor_at(c, '"')) {
		if (!syntax_take_quoted(c, &a->display))
			return -EINVAL;
		cursor_skip_space(c);
		a->bracketed = cursor_at(c, '<');
		return a->bracketed ? 0 : -EINVAL;
	}
	c->p = octet_span(c->p, c->end, OCTET_TOKEN | OCTET_LWS | OCTET_HIGH);
	a->bracketed = cursor_at(c, '<');
	if (a->bracketed)
		a->display = str_until(start, c->p);
	else
		c->p = start;
	return 0;
}

typedef int (*syntax_uri_parse)(struct str text, struct uri_parts *out);

static int syntax_take_address(struct str *rest, syntax_uri_parse parse, struct address *out)
{
	struct cursor c = cursor_of(*rest);
	struct address a = {.bracketed = false};
	struct str uri;
	int error;

	cursor_skip_empty(&c);
	if (c.p == c.end)
		return -ENOENT;
	const char *start = c.p;

	error = syntax_take_display(&c, &a);
	if (error)
		return error;
	if (a.bracketed) {
		const char *close = memchr(c.p, '>', (size_t)(c.end - c.p));

		if (!close)
			return -EINVAL;
		uri = str_between(c.p + 1, close);
		c.p = close + 1;
	} else {
		const char *p = c.p;

		while (p < c.end && *p != ';' && *p != ',' && *p != '?' && !octet_is(*p, OCTET_LWS))
			p++;
		uri = str_between(c.p, p);
		c.p = p;
	}
	error = parse(uri, &a.uri);
	if (error)
		return error;
	const char *end = c.p;

	cursor_skip_space(&c);
	if (cursor_at(&c, ';')) {
		const char *params = ++c.p;

		error = syntax_take_params(&c);
		if (error)
			return error;
		a.params = str_until(octet_span(params, c.p, OCTET_LWS), c.p);
		end = c.p;
	}
	a.whole = str_until(start, end);
	error = syntax_end_element(&c, rest);
	if (error == 0)
		*out = a;
	return error;
}

int address_next(struct str *rest, struct address *out)
{
	return syntax_take_address(rest, uri_parse, out);
}

int contact_next(struct str *rest, struct address *out)
{
	return syntax_take_address(rest, uri_parse_contact, out);
}

/* sent-protocol: "SIP" / "2.0" / transport, with white space around the slashes. */
static bool syntax_take_protocol(struct cursor *c, struct str *version, struct str *transport)
{
	struct str name;

	if (!syntax_take_token(c, &name))
		return false;
	cursor_skip_space(c);
	if (!cursor_at(c, '/'))
		return false;
	c->p++;
	cursor_skip_space(c);
	if (!syntax_take_token(c, version))
		return false;
	cursor_skip_space(c);
	if (!cursor_at(c, '/'))
		return false;
	c->p++;
	cursor_skip_space(c);
	return syntax_take_token(c, transport) && str_equal_nocase(name, S("SIP"));
}

static int syntax_take_sent_by(struct cursor *c, struct via *v)
{
	struct str rest = str_between(c->p, c->end);

	if (host_take(&rest, &v->host))
		return -EINVAL;
	c->p = rest.p;
	cursor_skip_space(c);
	if (!cursor_at(c, ':'))
		return 0;
	c->p++;
	cursor_skip_space(c);
	rest = str_between(c->p, c->end);
	if (port_take(&rest, &v->port))
		return -EINVAL;
	c->p = rest.p;
	cursor_skip_space(c);
	return 0;
}

/* The parameters of a via-parm, of which branch and rport are picked out. */
static int syntax_take_via_params(struct cursor *c, struct via *v)
{
	for (unsigned n = 1; cursor_at(c, ';'); n++) {
		struct str name, value;

		c->p++;
		if (n > PARAMS_MAX)
			return -E2BIG;
		if (syntax_take_param(c, false, &name, &value))
			return -EINVAL;
		if (name.n == 6 && str_equal_nocase(name, S("branch"))) {
			/* a bare cookie says "unique" and is not: transactions of different calls
			 * would be one (RFC 4475 section 3.2.1) */
			if (v->branch.n || !is_token(value) ||
				str_equal_nocase(value, S("z9hG4bK")))
				return -EINVAL;
			v->branch = value;
		} else if (name.n == 5 && str_equal_nocase(name, S("rport")) && !value.p) {
			v->rport = true;
		}
	}
	return 0;
}

int via_front(struct str text, struct via *out)
{
	struct cursor c = cursor_of(str_trim(text));
	struct via v = {.whole = str_between(c.p, c.end)};
	struct str version;

	if (!syntax_take_protocol(&c, &version, &v.transport) || c.p == c.end ||
		!octet_is(*c.p, OCTET_LWS))
		return -EINVAL;
	cursor_skip_space(&c);
	if (syntax_take_sent_by(&c, &v))
		return -EINVAL;
	v.params = str_between(c.p, c.end);
	*out = v;
	return 0;
}

int via_next(struct str *rest, struct via *out)
{
	struct cursor c = cursor_of(*rest);
	struct via v = {.port = 0};
	struct str version;
	int error;

	cursor_skip_space(&c);
	if (c.p == c.end)
		return -ENOENT;
	const char *start = c.p;

	if (!syntax_take_protocol(&c, &version, &v.transport) || c.p == c.end ||
		!octet_is(*c.p, OCTET_LWS))
		return -EINVAL;
	cursor_skip_space(&c);
	error = syntax_take_sent_by(&c, &v);
	if (error)
		return error;
	const char *params = c.p;

	error = syntax_take_via_params(&c, &v);
	if (error)
		return error;
	v.params = str_until(params, c.p);
	v.whole = str_until(start, c.p);
	const bool last = c.p == c.end;

	error = syntax_end_element(&c, rest);
	if (error)
		return error;
	if (!last && !rest->n) /* a way back has no holes */
		return -EINVAL;
	*out = v;
	return str_equal(version, S("2.0")) ? 0 : -EPROTONOSUPPORT;
}

int list_next(struct str *rest, struct str *item)
{
	struct cursor c = cursor_of(*rest);
	const char *comma;

	cursor_skip_empty(&c);
	if (c.p == c.end)
		return -ENOENT;
	comma = memchr(c.p, ',', (size_t)(c.end - c.p));
	*item = str_until(c.p, comma ? comma : c.end);
	c.p = comma ? comma : c.end;
	return syntax_end_element(&c, rest);
}

/* The end of a list's element: the next comma outside of quoted strings and angle brackets. *open:
 * one of them is not closed. */
static const char *syntax_element_end(const char *p, const char *end, bool *open)
{
	bool quoted = false, bracketed = false;

	for (; p < end; p++) {
		if (quoted && *p == '\\' && p + 1 < end)
			p++;
		else if (*p == '"' && !bracketed)
			quoted = !quoted;
		else if (!quoted && (*p == '<' || *p == '>'))
			bracketed = *p == '<';
		else if (*p == ',' && !quoted && !bracketed)
			break;
	}
	*open = quoted || bracketed;
	return p;
}

bool list_element_next(struct str *rest, struct str *element, bool *closed)
{
	struct cursor c = cursor_of(*rest);
	bool open;

	cursor_skip_empty(&c);
	if (c.p == c.end)
		return false;
	const char *end = syntax_element_end(c.p, c.end, &open);

	*element = str_until(c.p, end);
	*closed = !open;
	c.p = end;
	return syntax_end_element(&c, rest) == 0;
}

bool list_has_empty(struct str value)
{
	struct cursor c = cursor_of(value);
	bool open;

	for (;; c.p++) {
		cursor_skip_space(&c);
		if (c.p == c.end)
			return value.n != 0;
		if (*c.p == ',')
			return true;
		c.p = syntax_element_end(c.p, c.end, &open);
		if (c.p == c.end)
			return false;
	}
}

bool list_has(struct str value, struct str token)
{
	struct str item;

	while (list_next(&value, &item) == 0)
		if (str_equal_nocase(item, token))
			return true;
	return false;
}

int auth_param_next(struct str *rest, struct str *name, struct str *value)
{
	struct cursor c = cursor_of(*rest);
	struct str n, v;

	cursor_skip_empty(&c);
	if (c.p == c.end)
		return -ENOENT;
	if (!syntax_take_token(&c, &n))
		return -EINVAL;
	cursor_skip_space(&c);
	if (!cursor_at(&c, '='))
		return -EINVAL;
	c.p++;
	cursor_skip_space(&c);
	if (cursor_at(&c, '"')) {
		if (!syntax_take_quoted(&c, &v))
			return -EINVAL;
		v = (struct str){v.p + 1, v.n - 2};
	} else {
		const char *start = c.p;

		while (c.p < c.end && *c.p != ',' && *c.p != '"' && !octet_is(*c.p, OCTET_LWS))
			c.p++;
		v = str_between(start, c.p);
		if (!v.n)
			return -EINVAL;
	}
	int error = syntax_end_element(&c, rest);
	if (error)
		return error;
	*name = n;
	*value = v;
	return 0;
}
