/* sides.h - for fuzz targets of what passes between the legs: a SIP worker's context with a trusted
 * side and a side that must not see the other's hosts, and a plain search for such hosts. */
#ifndef SIPWARD_TESTS_FUZZ_SIDES_H
#define SIPWARD_TESTS_FUZZ_SIDES_H

#include "plain.h"

#include "worker-sip/call/dialog.h"
#include "worker-sip/message/hosts.h"

#include <arpa/inet.h>

#define HIDDEN_NAME "inside.example"
#define OUTSIDE_HOST "192.0.2.1"
#define OUTSIDE_PEER "198.51.100.9"

enum { INSIDE, OUTSIDE, SIDES };

struct image {
	struct settings s;
	struct zone_settings zone[SIDES];
	struct listener_settings listener[SIDES];
	_Alignas(8) struct text hidden;
	char pool[32];
};

static struct image image;
static struct sip sip;
/* the ways to a peer of each side */
static struct flow way[SIDES];

static inline void sides_open(void)
{
	static const char *const own[SIDES] = {"10.0.0.1:5062", OUTSIDE_HOST ":5060"},
				 *const peer[SIDES] = {"10.0.0.9:5060", OUTSIDE_PEER ":5060"};

	if (sip.settings)
		return;
	image.s = (struct settings){.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(image),
		.message_max = MESSAGE_RAW_MAX,
		.max_forwards = 70,
		.zones = {offsetof(struct image, zone), SIDES},
		.listeners = {offsetof(struct image, listener), SIDES},
		.workers = {[PEER_TRANSPORT] = 1, [PEER_SIP] = 1}};
	image.zone[INSIDE].trust = 1;
	image.hidden = (struct text){offsetof(struct image, pool), sizeof(HIDDEN_NAME) - 1};
	memcpy(image.pool, HIDDEN_NAME, sizeof(HIDDEN_NAME));
	for (unsigned i = 0; i < SIDES; i++) {
		struct listener_settings *l = &image.listener[i];

		l->zone = (uint16_t)i;
		l->transport = TRANSPORT_UDP;
		CHECK(endpoint_parse(str_of(own[i]), &l->bind) == 0);
		way[i] = (struct flow){.transport = TRANSPORT_UDP, .listener = (uint16_t)i};
		CHECK(endpoint_parse(str_of(peer[i]), &way[i].peer) == 0);
	}
	CHECK(dialogs_new(&sip.dialogs) == 0);
	sip.settings = &image.s;
}

/* Whether the listed name is hidden from the outside. */
static inline void sides_hide_name(bool hide)
{
	image.zone[INSIDE].hidden_names = hide ? (struct array){offsetof(struct image, hidden), 1}
	                                       : (struct array){0, 0};
}

static inline bool sides_host_octet(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_' || c & 0x80;
}

/* Whether the octet before or behind a host leaves no doubt that it is one. */
static inline bool sides_before(struct str text, size_t at)
{
	return !at || memchr("@<\"=;, /[?&\t\n", text.p[at - 1], 12);
}
static inline bool sides_behind(struct str text, size_t at)
{
	return at == text.n || memchr(">\";, /]?&)\t\r\n", text.p[at], 13);
}

static inline bool sides_is_address(int family, struct str s)
{
	char copy[64], binary[16];

	if (s.n >= sizeof(copy) || memchr(s.p, 0, s.n))
		return false;
	memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return inet_pton(family, copy, binary) == 1;
}

static inline bool sides_is_hidden_name(struct str s)
{
	const struct str hidden = S(HIDDEN_NAME);

	while (s.n && s.p[s.n - 1] == '.')
		s.n--;
	return s.n >= hidden.n && str_equal_nocase(str_from(s, s.n - hidden.n), hidden) &&
	       (s.n == hidden.n || s.p[s.n - hidden.n - 1] == '.');
}

/* The end of the run of octets that an IPv6 address may have, and whether it may be one. */
static inline size_t sides_run(struct str text, size_t at, bool *colons)
{
	unsigned n = 0;

	for (; at < text.n &&
		(isxdigit((unsigned char)text.p[at]) || text.p[at] == ':' || text.p[at] == '.');
		at++)
		n += text.p[at] == ':';
	*colons = n > 1;
	return at;
}

/* Whether something stands at a host that would be one word with what is written in its place:
 * "[::1]2" becomes another address than ours, "a::inside.example" one, and "%::1" another
 * escape. */
static inline bool sides_is_glued(struct str text)
{
	for (size_t at = 0; at < text.n; at++) {
		bool colons;

		if (text.p[at] == '[' && !sides_before(text, at))
			return true;
		if (text.p[at] == ']' && !sides_behind(text, at + 1) && text.p[at + 1] != ':')
			return true;
		if (text.p[at] == '%' &&
			(text.n - at < 3 || !isxdigit((unsigned char)text.p[at + 1]) ||
				!isxdigit((unsigned char)text.p[at + 2])))
			return true;
		const size_t end = sides_run(text, at, &colons);

		if (colons && !(sides_before(text, at) && sides_behind(text, end)))
			return true;
		if (end > at)
			at = end - 1;
	}
	return false;
}

/* The first host of another's in the text that stands there beyond doubt, an empty string where
 * there is none. Our own and that of the peer who gets it may stand there. names: the listed one
 * may not. */
static inline struct str sides_find_host(struct str text, bool names)
{
	for (size_t at = 0; at < text.n; at++) {
		size_t end = at;

		if (!sides_before(text, at))
			continue;
		if (at && text.p[at - 1] == '[') {
			while (end < text.n && text.p[end] != ']' && end - at < 64)
				end++;
			struct str host = {text.p + at, end - at};

			if (end < text.n && sides_is_address(AF_INET6, host))
				return host;
		}
		for (end = at; end < text.n && sides_host_octet(text.p[end]); end++)
			;
		struct str host = {text.p + at, end - at};

		if (!sides_behind(text, end) || !host.n)
			continue;
		if (names && sides_is_hidden_name(host))
			return host;
		if (sides_is_address(AF_INET, host) && !str_equal(host, S(OUTSIDE_HOST)) &&
			!str_equal(host, S(OUTSIDE_PEER)))
			return host;
	}
	return STR_EMPTY;
}

#endif
