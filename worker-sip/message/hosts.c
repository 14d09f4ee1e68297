/* hosts.c - finds and replaces the hosts of one side in text for the other: see hosts.h.
 *
 * Each search is linear in its text: no run of octets is read more than a fixed number of times.
 */
#include "hosts.h"

#include "ipc/octet.h"

/* The longest textual address (is_ipv6 in ipc/uri.h takes no longer one), and the longest telephone
 * number with its separators (RFC 3966: 15 digits). */
#define HOSTS_ADDRESS_MAX 46
#define HOSTS_NUMBER_MAX 32
/* How far the ends of a URI are looked for from a number in its user part. */
#define HOSTS_USER_MAX 64
#define HOSTS_URI_MAX 256

/* Octets [start, end) of a text. */
struct place {
	size_t start, end;
};

struct hosts hosts_between(
	struct sip *sip, unsigned from_zone, unsigned to_zone, const struct flow *to)
{
	return (struct hosts){.sip = sip,
		.to = to,
		.names = settings_zone(sip->settings, from_zone)->hidden_names,
		.keep = settings_zone(sip->settings, to_zone)->hosts == LEAVING_PASS};
}

static bool hosts_digit(char c)
{
	return octet_is(c, OCTET_DIGIT);
}

static bool hosts_hex_or_colon(char c)
{
	return c == ':' || octet_is(c, OCTET_HEX);
}

/* Where the run of such octets begins that ends before at. Octets of an escape ("%40" among the
 * headers of a URI) do not belong to it. SIZE_MAX: it is longer than any address. */
static size_t hosts_run_start(struct str text, size_t at, bool (*belongs)(char))
{
	size_t start = at;

	while (start && belongs(text.p[start - 1])) {
		if (at - start == HOSTS_ADDRESS_MAX)
			return SIZE_MAX;
		start--;
	}
	if (start && text.p[start - 1] == '%')
		start += 2;
	else if (start > 1 && text.p[start - 2] == '%' && octet_is(text.p[start - 1], OCTET_HEX))
		start += 1;
	return start < at ? start : at;
}

static bool hosts_joins(char c)
{
	return c == '_' || octet_is(c, OCTET_ALPHA | OCTET_DIGIT | OCTET_HIGH);
}

/* Whether an address can begin there: nothing before it makes it a part of a longer word. */
static bool hosts_edge_before(struct str text, size_t start)
{
	if (!start)
		return true;
	if (start > 2 && text.p[start - 3] == '%' && octet_is(text.p[start - 2], OCTET_HEX) &&
		octet_is(text.p[start - 1], OCTET_HEX))
		return true;
	return !hosts_joins(text.p[start - 1]);
}

static bool hosts_edge_after(struct str text, size_t end)
{
	if (end == text.n)
		return true;
	/* a further number, of a version or an object identifier */
	if (text.p[end] == '.')
		return end + 1 == text.n || !hosts_digit(text.p[end + 1]);
	return !hosts_joins(text.p[end]);
}

/* Whether the digits from start on are part of a telephone number: its separators may be dots (RFC
 * 3966 section 3). */
static bool hosts_telephone(struct str text, size_t start)
{
	size_t least = start > HOSTS_NUMBER_MAX ? start - HOSTS_NUMBER_MAX : 0;

	while (start > least &&
		(octet_is(text.p[start - 1], OCTET_DIGIT) || memchr(".-()", text.p[start - 1], 4)))
		start--;
	if (start && text.p[start - 1] == '+')
		return true;
	return start > 3 && strncasecmp(text.p + start - 4, "tel:", 4) == 0;
}

static bool hosts_user_octet(char c)
{
	return c == '%' || octet_is(c, OCTET_USER);
}

/* Whether "sip:" or "sips:" ends at end. */
static bool hosts_scheme_before(struct str text, size_t end)
{
	return (end > 3 && strncasecmp(text.p + end - 4, "sip:", 4) == 0) ||
	       (end > 4 && strncasecmp(text.p + end - 5, "sips:", 5) == 0);
}

/* Whether a URI's parameters at text, which ends where the URI may end, have user=phone. */
static bool hosts_says_phone(struct str text)
{
	static const char phone[] = ";user=phone";

	for (size_t at = 0; at < text.n && !memchr("<>\" ,?", text.p[at], 6); at++) {
		const size_t behind = at + sizeof(phone) - 1;

		if (text.p[at] == ';' && behind <= text.n &&
			strncasecmp(text.p + at, phone, sizeof(phone) - 1) == 0 &&
			(behind == text.n || !octet_is(text.p[behind], OCTET_TOKEN)))
			return true;
	}
	return false;
}

/* Whether the octets [start, end) stand in the user part of a SIP URI with user=phone: what looks
 * like an address there is a number (RFC 3261 section 19.1.6). */
static bool hosts_phone_user(struct str text, size_t start, size_t end)
{
	const size_t least = start > HOSTS_USER_MAX ? start - HOSTS_USER_MAX : 0;
	size_t most = text.n - end > HOSTS_USER_MAX ? end + HOSTS_USER_MAX : text.n;

	while (start > least && text.p[start - 1] != ':' && hosts_user_octet(text.p[start - 1]))
		start--;
	if (!hosts_scheme_before(text, start))
		return false;
	while (end < most && text.p[end] != '@' && hosts_user_octet(text.p[end]))
		end++;
	if (end == most || text.p[end] != '@')
		return false;
	most = text.n - end > HOSTS_URI_MAX ? HOSTS_URI_MAX : text.n - end;
	return hosts_says_phone((struct str){text.p + end, most});
}

/* An IPv4 address whose first dot is at dot. */
static bool hosts_ipv4(struct str text, size_t dot, struct place *out)
{
	size_t start = hosts_run_start(text, dot, hosts_digit), at = start;

	if (start == SIZE_MAX || start == dot || !hosts_edge_before(text, start))
		return false;
	if (start > 1 && text.p[start - 1] == '.' && hosts_digit(text.p[start - 2]))
		return false;
	for (unsigned part = 0; part < 4; part++) {
		unsigned value = 0, digits = 0;

		if (part && (at == text.n || text.p[at++] != '.'))
			return false;
		const bool zero = at < text.n && text.p[at] == '0';

		for (; at < text.n && digits < 4 && hosts_digit(text.p[at]); at++, digits++)
			value = value * 10 + (unsigned)(text.p[at] - '0');
		/* no octet begins with a zero (RFC 3986 section 3.2.2) */
		if (!digits || digits > 3 || value > 255 || (zero && digits > 1))
			return false;
	}
	if (!hosts_edge_after(text, at) || hosts_telephone(text, start) ||
		hosts_phone_user(text, start, at))
		return false;
	*out = (struct place){start, at};
	return true;
}

/* An IPv6 address around the colon, with its brackets where it has them. *run_end: behind the run
 * of octets that was looked at, within which no other address begins. */
static bool hosts_ipv6(struct str text, size_t colon, struct place *out, size_t *run_end)
{
	size_t start = hosts_run_start(text, colon, hosts_hex_or_colon), end = colon;

	while (end < text.n && hosts_hex_or_colon(text.p[end]))
		end++;
	*run_end = end;
	if (start == SIZE_MAX)
		return false;
	/* "::ffff:192.0.2.1" */
	while (end < text.n && text.p[end] == '.' && end + 1 < text.n &&
		hosts_digit(text.p[end + 1]) && end - start < HOSTS_ADDRESS_MAX)
		end = (size_t)(octet_span(text.p + end + 1, text.p + text.n, OCTET_DIGIT) - text.p);
	/* a colon that only stands before or behind it */
	if (end - start > 2 && text.p[start] == ':' && text.p[start + 1] != ':')
		start++;
	if (end - start > 2 && text.p[end - 1] == ':' && text.p[end - 2] != ':')
		end--;
	if (end - start < 3 || !is_ipv6((struct str){text.p + start, end - start}))
		return false;
	if (start && text.p[start - 1] == '[' && end < text.n && text.p[end] == ']') {
		start--;
		end++;
	} else if (!hosts_edge_before(text, start) || !hosts_edge_after(text, end)) {
		return false;
	}
	*out = (struct place){start, end};
	return true;
}

static bool hosts_hex(char c)
{
	return octet_is(c, OCTET_HEX);
}

/* Whether an escaped octet, of two digits in lower case, stands at at: "%3a". */
static bool hosts_escape(struct str text, size_t at, const char digits[static 3])
{
	return at + 3 <= text.n && text.p[at] == '%' &&
	       strncasecmp(text.p + at + 1, digits, 2) == 0;
}

/* The same as hosts_ipv6 of an address whose colons are escaped, as it may be among the headers of
 * a URI ("?Route=%3Csip%3A%5B2001%3Adb8%3A%3A7%5D%3E"); colon is the first of them. */
static bool hosts_ipv6_escaped(struct str text, size_t colon, struct place *out, size_t *run_end)
{
	const size_t start = hosts_run_start(text, colon, hosts_hex);
	char address[HOSTS_ADDRESS_MAX];
	size_t n = 0, end = start;

	*run_end = colon + 3;
	if (start == SIZE_MAX)
		return false;
	while (end < text.n && n < sizeof(address)) {
		const bool escaped = hosts_escape(text, end, "3a");

		if (!escaped && text.p[end] != '.' && !hosts_hex(text.p[end]))
			break;
		address[n++] = escaped ? ':' : text.p[end];
		end += escaped ? 3 : 1;
	}
	*run_end = end;
	/* what stands behind it may be a port's */
	if (n > 2 && address[n - 1] == ':' && address[n - 2] != ':') {
		n--;
		end -= 3;
	}
	if (n < 3 || !is_ipv6((struct str){address, n}))
		return false;
	if (!hosts_edge_before(text, start) || !hosts_edge_after(text, end))
		return false;
	*out = (struct place){start, end};
	if (start > 2 && hosts_escape(text, start - 3, "5b") && hosts_escape(text, end, "5d"))
		*out = (struct place){start - 3, end + 3};
	return true;
}

/* Whether name is one of the listed ones, or below one. */
static bool hosts_listed(const struct hosts *h, struct str name)
{
	const struct settings *s = h->sip->settings;

	for (unsigned i = 0; i < h->names.count; i++) {
		struct str listed = settings_str(s, *SETTINGS_ROW(s, struct text, h->names, i));

		if (name.n < listed.n ||
			(name.n > listed.n && name.p[name.n - listed.n - 1] != '.'))
			continue;
		if (str_equal_nocase(str_from(name, name.n - listed.n), listed))
			return true;
	}
	return false;
}

/* A listed name in the run of a host's octets that begins at start. */
static bool hosts_name(const struct hosts *h, struct str text, size_t start, struct place *out)
{
	size_t end = (size_t)(octet_span(text.p + start, text.p + text.n, OCTET_HOST) - text.p);

	if (start && text.p[start - 1] == '%')
		start += 2; /* an escape */
	while (end > start && text.p[end - 1] == '.')
		end--;
	if (end <= start || !hosts_listed(h, (struct str){text.p + start, end - start}))
		return false;
	*out = (struct place){start, end};
	return true;
}

/* The next host in text at or behind position from. */
static bool hosts_next(const struct hosts *h, struct str text, size_t from, struct place *out)
{
	size_t no_ipv6_before = from;

	for (size_t at = from; at < text.n; at++) {
		bool begins = at == from || !octet_is(text.p[at - 1], OCTET_HOST);

		if (h->names.count && begins && octet_is(text.p[at], OCTET_HOST) &&
			hosts_name(h, text, at, out))
			return true;
		if (text.p[at] == ':' && at >= no_ipv6_before) {
			if (hosts_ipv6(text, at, out, &no_ipv6_before) && out->start >= from)
				return true;
		} else if (hosts_escape(text, at, "3a") && at >= no_ipv6_before) {
			if (hosts_ipv6_escaped(text, at, out, &no_ipv6_before) &&
				out->start >= from)
				return true;
		} else if (text.p[at] == '.' && at > from && hosts_digit(text.p[at - 1])) {
			if (hosts_ipv4(text, at, out) && out->start >= from)
				return true;
		}
	}
	return false;
}

/* Behind the word that begins at once where a bracketed host ends ("[::1]2"): with the host that is
 * written in its place it would be another one. */
static size_t hosts_behind_word(struct str text, size_t end)
{
	while (!hosts_edge_after(text, end))
		end++;
	return end;
}

/* Behind the port, or the word, that follows a host at end, or end. */
static size_t hosts_behind(struct str text, size_t end)
{
	size_t at = end + 1;

	if (end == text.n || text.p[end] != ':')
		return hosts_behind_word(text, end);
	while (at < text.n && at - end < 7 && hosts_digit(text.p[at]))
		at++;
	if (at == end + 1 || at - end > 6 || !hosts_edge_after(text, at))
		return end;
	return at;
}

/* Whether one of the listeners has that address. */
static bool hosts_of_listener(const struct settings *s, struct str host)
{
	struct endpoint wanted;
	bool numeric = endpoint_parse_host(host, 0, &wanted) == 0;

	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);

		if (numeric && endpoint_same_host(&wanted, &l->bind))
			return true;
		if (str_equal_nocase(settings_str(s, l->advertise_host), host))
			return true;
	}
	return false;
}

/* The next host from *at on that the receiver must not see, and *at behind it. Our own host is
 * written to own once there may be one. */
static bool hosts_next_hidden(
	const struct hosts *h, struct writer *own, struct str text, size_t *at, struct place *out)
{
	/* a telephone number's URI has no host */
	if (h->keep || !text.n || !hosts_suspected(h, str_from(text, *at)))
		return false;
	if (!own->n)
		write_own_host(own, h->sip, h->to);
	while (hosts_next(h, text, *at, out)) {
		struct str host = {text.p + out->start, out->end - out->start};

		*at = out->end;
		if (str_equal_nocase(host, writer_text(own)))
			continue;
		if (!h->any_of_ours || !hosts_of_listener(h->sip->settings, host))
			return true;
	}
	return false;
}

bool hosts_named(const struct hosts *h, struct str text)
{
	char buffer[256];
	struct writer own = WRITER(buffer);
	struct place found;
	size_t at = 0;

	return hosts_next_hidden(h, &own, text, &at, &found);
}

void write_without_hosts(struct writer *w, const struct hosts *h, struct str text)
{
	char buffer[256];
	struct writer own = WRITER(buffer);
	struct place found;
	size_t at = 0, written = 0;

	while (hosts_next_hidden(h, &own, text, &at, &found)) {
		write_bytes(w, text.p + written, found.start - written);
		write_str(w, writer_text(&own));
		at = written = hosts_behind(text, found.end);
	}
	write_str(w, str_from(text, written));
}
