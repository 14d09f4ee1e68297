/* uri.c - URIs and hosts: see uri.h (RFC 3261 sections 19.1 and 25.1, RFC 3966, RFC 5118 for IPv6
 * references).
 *
 * Relies on octet.h's table. Works on bytes in place.
 *
 * "%00" is in the grammar and stays as it is written; whoever undoes escapes is refused
 * (uri_unescape), so that it never ends a name. More lenient than the grammar: host names may have
 * "_" (RFC 3986's reg-name; container and service names have it) and their last label may start
 * with a digit as long as it is not all digits.
 */
#include "uri.h"

#include "octet.h"

#include <errno.h>

static int uri_hex_value(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The end of a run of octets of the classes and of escapes; NULL for a broken escape. */
static const char *uri_escaped_span(const char *p, const char *end, unsigned classes)
{
	for (;;) {
		p = octet_span(p, end, classes);
		if (p == end || *p != '%')
			return p;
		if (end - p < 3 || !octet_is(p[1], OCTET_HEX) || !octet_is(p[2], OCTET_HEX))
			return NULL;
		p += 3;
	}
}

static bool host_is_ipv4(struct str s)
{
	unsigned parts = 0, digits = 0, value = 0;

	for (size_t i = 0; i <= s.n; i++) {
		if (i == s.n || s.p[i] == '.') {
			if (!digits || value > 255 || ++parts > 4)
				return false;
			digits = value = 0;
		} else {
			if (!octet_is(s.p[i], OCTET_DIGIT) || ++digits > 3)
				return false;
			value = value * 10 + (unsigned)(s.p[i] - '0');
		}
	}
	return parts == 4;
}

/* IPv6address without brackets. "x:::1.2.3.4" is taken as "x::1.2.3.4": RFC 3261's own grammar
 * makes it and RFC 5118 section 4.10 wants it tolerated. */
bool is_ipv6(struct str s)
{
	const char *p = s.p, *end = s.p + s.n;
	unsigned groups = 0;
	bool gap = false;

	if (s.n < 2 || s.n > 46)
		return false;
	if (p[0] == ':' && p[1] != ':')
		return false;
	while (p < end) {
		const char *start = p;

		if (*p == ':') {
			if (p + 1 < end && p[1] == ':') {
				if (gap)
					return false;
				gap = true;
				p += 2;
				if (p == end)
					break;
				if (*p == ':') {
					const char *digits = octet_span(p + 1, end, OCTET_DIGIT);

					if (digits == end || *digits != '.')
						return false;
					p++;
				}
				start = p;
			} else if (groups) {
				start = ++p;
			} else {
				return false;
			}
		} else if (groups) {
			return false;
		}
		p = octet_span(p, end, OCTET_HEX);
		if (p < end && *p == '.') {
			groups += 2;
			return host_is_ipv4((struct str){start, (size_t)(end - start)}) &&
			       (gap ? groups <= 7 : groups == 8);
		}
		if (p == start || p - start > 4 || ++groups > 8)
			return false;
	}
	return gap ? groups <= 7 : groups == 8;
}

static bool host_is_name(struct str s)
{
	size_t start = 0;
	bool numeric = false, any = false;

	if (s.n > 255)
		return false;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '.') {
			if (!octet_is(s.p[i], OCTET_HOST))
				return false;
			numeric = (i == start || numeric) && octet_is(s.p[i], OCTET_DIGIT);
			continue;
		}
		if (i == start) /* an empty label: only the one after a final dot */
			return any && i == s.n && !numeric;
		if (i - start > 63 || s.p[start] == '-' || s.p[i - 1] == '-')
			return false;
		any = true;
		start = i + 1;
	}
	return numeric ? host_is_ipv4(s) : any;
}

bool is_host(struct str s)
{
	if (s.n && s.p[0] == '[')
		return s.n > 2 && s.p[s.n - 1] == ']' && is_ipv6((struct str){s.p + 1, s.n - 2});
	return host_is_name(s);
}

int host_take(struct str *rest, struct str *host)
{
	const char *at = rest->p, *end = rest->p + rest->n;

	if (at < end && *at == '[') {
		at = memchr(at, ']', (size_t)(end - at));
		if (!at)
			return -EINVAL;
		at++;
	} else {
		at = octet_span(at, end, OCTET_HOST);
	}
	struct str h = {rest->p, (size_t)(at - rest->p)};

	if (!is_host(h))
		return -EINVAL;
	*host = h;
	*rest = str_from(*rest, h.n);
	return 0;
}

int port_take(struct str *rest, uint16_t *port)
{
	size_t n = (size_t)(octet_span(rest->p, rest->p + rest->n, OCTET_DIGIT) - rest->p);
	uint64_t number;

	if (str_number((struct str){rest->p, n}, 65535, &number) || !number)
		return -EINVAL;
	*port = (uint16_t)number;
	*rest = str_from(*rest, n);
	return 0;
}

/* uri-parameters after their first ';', up to '?' or the end. */
static int uri_params(const char **p, const char *end, struct str *params)
{
	const char *at = *p;

	for (unsigned n = 1;; n++) {
		const char *start = at;

		if (n > PARAMS_MAX)
			return -E2BIG;
		at = uri_escaped_span(at, end, OCTET_PARAM);
		if (!at || at == start)
			return -EINVAL;
		if (at < end && *at == '=') {
			start = ++at;
			at = uri_escaped_span(at, end, OCTET_PARAM);
			if (!at || at == start)
				return -EINVAL;
		}
		if (at == end || *at != ';')
			break;
		at++;
	}
	*params = (struct str){*p, (size_t)(at - *p)};
	*p = at;
	return 0;
}

/* headers after '?', to the end. */
static int uri_headers(const char *p, const char *end, struct str *headers)
{
	*headers = (struct str){p, (size_t)(end - p)};
	for (unsigned n = 1;; n++) {
		const char *start = p;

		if (n > PARAMS_MAX)
			return -E2BIG;
		p = uri_escaped_span(p, end, OCTET_HNV);
		if (!p || p == start || p == end || *p != '=')
			return -EINVAL;
		p = uri_escaped_span(p + 1, end, OCTET_HNV);
		if (!p)
			return -EINVAL;
		if (p == end)
			return 0;
		if (*p++ != '&')
			return -EINVAL;
	}
}

/* The end of the user part that begins at p, as uri_escaped_span says it. loose: "#" belongs to it,
 * which phones write as it is on their keys (RFC 3261 section 25.1 wants "%23"). */
static const char *uri_user_span(const char *p, const char *end, bool loose)
{
	p = uri_escaped_span(p, end, OCTET_USER);
	while (loose && p && p < end && *p == '#')
		p = uri_escaped_span(p + 1, end, OCTET_USER);
	return p;
}

/* Takes a port. loose: 0 is a port that was not given. */
static int uri_port_take(struct str *rest, bool loose, uint16_t *port)
{
	size_t zeros = 0;

	while (zeros < rest->n && rest->p[zeros] == '0')
		zeros++;
	bool none = zeros && (zeros == rest->n || !octet_is(rest->p[zeros], OCTET_DIGIT));

	if (!loose || !none)
		return port_take(rest, port);
	*port = 0;
	*rest = str_from(*rest, zeros);
	return 0;
}

static int uri_parse_sip(const char *p, const char *end, bool loose, struct uri_parts *u)
{
	/* an '@' stands nowhere else in a SIP URI, while ';' and '?' may stand in the user part */
	const char *at = memchr(p, '@', (size_t)(end - p)), *q;
	int error;

	if (at) {
		q = uri_user_span(p, at, loose);
		if (!q || q == p)
			return -EINVAL;
		u->user = (struct str){p, (size_t)(q - p)};
		if (q < at) {
			if (*q != ':')
				return -EINVAL;
			p = q + 1;
			q = uri_escaped_span(p, at, OCTET_PASSWORD);
			if (q != at)
				return -EINVAL;
			u->password = (struct str){p, (size_t)(q - p)};
		}
		p = at + 1;
	}
	struct str rest = {p, (size_t)(end - p)};

	error = host_take(&rest, &u->host);
	if (error)
		return error;
	if (rest.n && *rest.p == ':') {
		rest = str_from(rest, 1);
		error = uri_port_take(&rest, loose, &u->port);
		if (error)
			return error;
	}
	p = rest.p;
	if (p < end && *p == ';') {
		p++;
		error = uri_params(&p, end, &u->params);
		if (error)
			return error;
	}
	if (p < end && *p == '?')
		return uri_headers(p + 1, end, &u->headers);
	return p == end ? 0 : -EINVAL;
}

/* RFC 3966: "+" and digits, or a local number of hexadecimal digits, "*" and "#"; visual separators
 * in both. */
static int uri_parse_tel(const char *p, const char *end, struct uri_parts *u)
{
	const char *start = p;
	bool digit = false, global = p < end && *p == '+';

	if (global)
		p++;
	for (; p < end && *p != ';'; p++) {
		if (octet_is(*p, OCTET_DIGIT) ||
			(!global && (octet_is(*p, OCTET_HEX) || *p == '*' || *p == '#')))
			digit = true;
		else if (*p != '-' && *p != '.' && *p != '(' && *p != ')')
			return -EINVAL;
	}
	if (!digit)
		return -EINVAL;
	u->user = (struct str){start, (size_t)(p - start)};
	if (p == end)
		return 0;
	p++;
	int error = uri_params(&p, end, &u->params);
	return error ? error : p == end ? 0 : -EINVAL;
}

static int uri_read(struct str text, bool loose, struct uri_parts *out)
{
	struct uri_parts u = {.whole = text};
	int error;

	if (!text.n || !octet_is(*text.p, OCTET_ALPHA))
		return -EINVAL;
	const char *p = text.p, *end = text.p + text.n;

	while (p < end &&
		(octet_is(*p, OCTET_ALPHA | OCTET_DIGIT) || *p == '+' || *p == '-' || *p == '.'))
		p++;
	if (p == end || *p != ':')
		return -EINVAL;
	struct str scheme = {text.p, (size_t)(p - text.p)};
	p++;
	if (str_equal_nocase(scheme, S("sip"))) {
		u.scheme = URI_SIP;
		error = uri_parse_sip(p, end, loose, &u);
	} else if (str_equal_nocase(scheme, S("sips"))) {
		u.scheme = URI_SIPS;
		error = uri_parse_sip(p, end, loose, &u);
	} else if (str_equal_nocase(scheme, S("tel"))) {
		u.scheme = URI_TEL;
		error = uri_parse_tel(p, end, &u);
	} else {
		u.scheme = URI_OTHER;
		error = p < end && uri_escaped_span(p, end, OCTET_URIC) == end ? 0 : -EINVAL;
	}
	if (error)
		return error;
	*out = u;
	return 0;
}

int uri_parse(struct str text, struct uri_parts *out)
{
	return uri_read(text, false, out);
}

int uri_parse_contact(struct str text, struct uri_parts *out)
{
	return uri_read(text, true, out);
}

long uri_unescape(struct str s, char *buffer, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++, n++) {
		char c = s.p[i];

		if (c == '%') {
			if (s.n - i < 3 || !octet_is(s.p[i + 1], OCTET_HEX) ||
				!octet_is(s.p[i + 2], OCTET_HEX))
				return -EINVAL;
			c = (char)(uri_hex_value(s.p[i + 1]) << 4 | uri_hex_value(s.p[i + 2]));
			i += 2;
		}
		if (!c)
			return -EINVAL;
		if (n == size)
			return -ENOBUFS;
		buffer[n] = c;
	}
	return (long)n;
}

long aor_of(const struct uri_parts *uri, char buffer[AOR_MAX])
{
	static const struct str scheme = {"sip:", 4};
	size_t n = scheme.n;
	uint16_t port = uri->port;

	if ((uri->scheme != URI_SIP && uri->scheme != URI_SIPS) || !uri->user.n || !uri->host.n)
		return -EINVAL;
	long user = uri_unescape(uri->user, buffer + n, AOR_MAX - n);
	if (user < 0)
		return user;
	/* an escaped control byte would stand bare in what is made of this: logs, keys, headers */
	for (long i = 0; i < user; i++)
		if ((uint8_t)buffer[n + (size_t)i] < 0x20 || buffer[n + (size_t)i] == 0x7f)
			return -EINVAL;
	memcpy(buffer, scheme.p, scheme.n);
	n += (size_t)user;
	if (port == (uri->scheme == URI_SIPS ? 5061 : 5060))
		port = 0;
	size_t host = uri->host.n;
	if (host > 1 && uri->host.p[host - 1] == '.') /* the root's dot names the same host */
		host--;
	if (AOR_MAX - n < host + sizeof("@:65535"))
		return -ENOBUFS;
	buffer[n++] = '@';
	for (size_t i = 0; i < host; i++)
		buffer[n++] = octet_lower(uri->host.p[i]);
	if (port) {
		char digits[5];
		unsigned count = 0;

		for (; port; port /= 10)
			digits[count++] = (char)('0' + port % 10);
		buffer[n++] = ':';
		while (count)
			buffer[n++] = digits[--count];
	}
	buffer[n] = 0;
	return (long)n;
}

/* One octet of s at *i, undone where it is an escape. Escapes of reserved characters are not equal
 * to the characters themselves (RFC 3261 section 19.1.4), so their value is moved out of the range
 * of octets. */
static int uri_octet_at(struct str s, size_t *i)
{
	char c = s.p[*i];

	*i += 1;
	if (c != '%' || s.n - *i < 2 || !octet_is(s.p[*i], OCTET_HEX) ||
		!octet_is(s.p[*i + 1], OCTET_HEX))
		return (uint8_t)c;
	int value = uri_hex_value(s.p[*i]) << 4 | uri_hex_value(s.p[*i + 1]);
	*i += 2;
	return memchr(";/?:@&=+$,", value, 10) ? value + 256 : value;
}

static bool uri_same(struct str a, struct str b, bool nocase)
{
	size_t i = 0, j = 0;

	while (i < a.n && j < b.n) {
		int x = uri_octet_at(a, &i), y = uri_octet_at(b, &j);

		if (nocase && x < 256 && y < 256) {
			x = (uint8_t)octet_lower((char)x);
			y = (uint8_t)octet_lower((char)y);
		}
		if (x != y)
			return false;
	}
	return i == a.n && j == b.n;
}

/* Takes the next "name[=value]" up to separator from *rest. The URI has been parsed: there is
 * nothing to refuse. */
static bool uri_pair_next(struct str *rest, char separator, struct str *name, struct str *value)
{
	if (!rest->n)
		return false;
	size_t end = str_find(*rest, separator), equals;
	struct str pair = {rest->p, end};

	*rest = str_from(*rest, end < rest->n ? end + 1 : end);
	equals = str_find(pair, '=');
	*name = (struct str){pair.p, equals};
	*value = equals < pair.n ? str_from(pair, equals + 1) : STR_NONE;
	return true;
}

static bool uri_has_pair(
	struct str list, char separator, struct str name, struct str value, bool *there)
{
	struct str n, v;

	*there = false;
	while (uri_pair_next(&list, separator, &n, &v)) {
		if (!uri_same(n, name, true))
			continue;
		*there = true;
		if ((v.p != NULL) == (value.p != NULL) && uri_same(v, value, true))
			return true;
	}
	return false;
}

bool uri_param_next(struct str *rest, struct str *name, struct str *value)
{
	return uri_pair_next(rest, ';', name, value);
}

bool uri_param_is(struct str text, struct str wanted)
{
	return uri_same(text, wanted, true);
}

bool uri_param_find(struct str params, struct str name, struct str *value)
{
	struct str n, v;

	while (uri_param_next(&params, &n, &v)) {
		if (!uri_param_is(n, name))
			continue;
		*value = v;
		return true;
	}
	return false;
}

/* Parameters that make two URIs differ where only one of them has one. */
static bool uri_must_match(struct str name)
{
	static const struct str names[] = {
		{"transport", 9}, {"user", 4}, {"ttl", 3}, {"method", 6}, {"maddr", 5}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (uri_same(name, names[i], true))
			return true;
	return false;
}

static bool uri_params_match(struct str a, struct str b)
{
	struct str name, value;
	bool there;

	while (uri_pair_next(&a, ';', &name, &value))
		if (!uri_has_pair(b, ';', name, value, &there) && (there || uri_must_match(name)))
			return false;
	return true;
}

static bool uri_headers_match(struct str a, struct str b)
{
	struct str name, value;
	bool there;

	while (uri_pair_next(&a, '&', &name, &value))
		if (!uri_has_pair(b, '&', name, value, &there))
			return false;
	return true;
}

/* Text of a tel: URI, without visual separators and case (RFC 3966 sections 4 and 5.1.1). */
static bool uri_same_digits(struct str a, struct str b)
{
	for (size_t i = 0, j = 0;; i++, j++) {
		while (i < a.n && memchr("-.()", a.p[i], 4))
			i++;
		while (j < b.n && memchr("-.()", b.p[j], 4))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (octet_lower(a.p[i]) != octet_lower(b.p[j]))
			return false;
	}
}

/* Each parameter of a stands in b with the same value; an extension, or a context that is a number,
 * without its visual separators. */
static bool uri_tel_params_match(struct str a, struct str list)
{
	struct str name, value, n, v;

	while (uri_pair_next(&a, ';', &name, &value)) {
		bool digits = uri_same(name, S("ext"), true) ||
		              (uri_same(name, S("phone-context"), true) && value.n &&
				      *value.p == '+'),
		     found = false;

		for (struct str b = list; !found && uri_pair_next(&b, ';', &n, &v);)
			found = uri_same(n, name, true) && (v.p != NULL) == (value.p != NULL) &&
			        (digits ? uri_same_digits(v, value) : uri_same(v, value, true));
		if (!found)
			return false;
	}
	return true;
}

bool uri_equal(const struct uri_parts *a, const struct uri_parts *b)
{
	if (a->scheme != b->scheme)
		return false;
	if (a->scheme == URI_TEL)
		return uri_same_digits(a->user, b->user) &&
		       uri_tel_params_match(a->params, b->params) &&
		       uri_tel_params_match(b->params, a->params);
	if (a->scheme == URI_OTHER)
		return uri_same(a->whole, b->whole, false);
	return uri_same(a->user, b->user, false) && uri_same(a->password, b->password, false) &&
	       str_equal_nocase(a->host, b->host) && a->port == b->port &&
	       uri_params_match(a->params, b->params) && uri_params_match(b->params, a->params) &&
	       uri_headers_match(a->headers, b->headers) &&
	       uri_headers_match(b->headers, a->headers);
}
