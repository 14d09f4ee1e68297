/* upgrade.c - the HTTP upgrade, read strictly: it has no folded lines, no bare line ends, no body,
 * and no header twice that may stand once.
 *
 * Lines are judged as they become whole, so that what is no HTTP is refused at its first line; the
 * headers are read once the blank line has come. Relies on: libcrypto for SHA-1, which RFC 6455
 * uses as a mark of having understood, not for security.
 */
#include "upgrade.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LENGTH 24 /* base64 of 16 bytes */
#define KEY_SIZE 16
#define SHA1_SIZE 20

/* The headers of the request. */
struct upgrade_request {
	unsigned hosts, keys, versions, origins;
	struct str key, version, origin;
	bool websocket; /* Upgrade names it */
	bool upgrade;   /* Connection names it */
	bool sip;       /* Sec-WebSocket-Protocol names it */

	bool body;
};

static enum upgrade_result upgrade_bad(
	struct upgrade_step *step, uint16_t status, enum counter counter)
{
	step->status = status;
	step->counter = counter;
	return UPGRADE_BAD;
}

/* A token as in RFC 9110 section 5.6.2. */
static bool upgrade_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return s.n > 0;
}

/* Whether s is made of visible octets, octets from 0x80 on, spaces and tabs. */
static bool upgrade_is_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Whether the comma list has the item. */
static bool upgrade_list_has(struct str list, struct str item, bool any_case)
{
	for (;;) {
		size_t comma = str_find(list, ',');
		struct str one = str_trim((struct str){list.p, comma});

		if (any_case ? str_equal_nocase(one, item) : str_equal(one, item))
			return true;
		if (comma == list.n)
			return false;
		list = str_from(list, comma + 1);
	}
}

/* Reads the first line: GET TARGET HTTP/1.1. The target may be anything: the connection is the
 * listener's, whatever it is called. */
static enum upgrade_result upgrade_read_start(struct str line, struct upgrade_step *step)
{
	size_t space = str_find(line, ' '), target;
	struct str method = {line.p, space}, rest, version;

	if (!upgrade_is_token(method) || space == line.n)
		return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
	rest = str_from(line, space + 1);
	target = str_find(rest, ' ');
	if (target == 0 || target == rest.n)
		return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
	for (size_t i = 0; i < target; i++)
		if (rest.p[i] <= ' ' || rest.p[i] >= 0x7f)
			return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
	version = str_from(rest, target + 1);
	if (!str_starts(version, S("HTTP/")))
		return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
	if (!str_equal(version, S("HTTP/1.1")))
		return upgrade_bad(step, 505, COUNTER_UPGRADE_MALFORMED);
	if (!str_equal(method, S("GET")))
		return upgrade_bad(step, 405, COUNTER_UPGRADE_METHOD);
	return UPGRADE_MORE;
}

/* Whether the header says that a body follows the request. */
static bool upgrade_is_body(struct str name, struct str value)
{
	if (str_equal_nocase(name, S("Transfer-Encoding")))
		return true;
	return str_equal_nocase(name, S("Content-Length")) && !str_equal(value, S("0"));
}

static bool upgrade_read_header(struct str line, struct upgrade_request *r)
{
	size_t colon = str_find(line, ':');
	struct str name = {line.p, colon}, value;

	if (colon == line.n || !upgrade_is_token(name))
		return false;
	value = str_trim(str_from(line, colon + 1));
	if (!upgrade_is_value(value))
		return false;
	if (str_equal_nocase(name, S("Host"))) {
		r->hosts++;
		return value.n > 0;
	}
	if (str_equal_nocase(name, S("Upgrade"))) {
		r->websocket |= upgrade_list_has(value, S("websocket"), true);
	} else if (str_equal_nocase(name, S("Connection"))) {
		r->upgrade |= upgrade_list_has(value, S("upgrade"), true);
	} else if (str_equal_nocase(name, S("Sec-WebSocket-Key"))) {
		r->keys++;
		r->key = value;
	} else if (str_equal_nocase(name, S("Sec-WebSocket-Version"))) {
		r->versions++;
		r->version = value;
	} else if (str_equal_nocase(name, S("Sec-WebSocket-Protocol"))) {
		/* browsers compare the answer with what they asked for, octet by octet */
		r->sip |= upgrade_list_has(value, S("sip"), false);
	} else if (str_equal_nocase(name, S("Origin"))) {
		r->origins++;
		r->origin = value;
	} else if (upgrade_is_body(name, value)) {
		r->body = true;
	}
	return true;
}

static bool upgrade_is_key(struct str key)
{
	unsigned char bytes[KEY_SIZE];
	size_t size;

	return key.n == KEY_LENGTH &&
	       sodium_base642bin(bytes, sizeof(bytes), key.p, key.n, NULL, &size, NULL,
		       sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       size == KEY_SIZE;
}

int upgrade_accept(struct str key, char accept[UPGRADE_ACCEPT_LENGTH + 1])
{
	char text[KEY_LENGTH + sizeof(GUID)];
	unsigned char hash[SHA1_SIZE];

	if (key.n != KEY_LENGTH)
		return -EINVAL;
	memcpy(text, key.p, KEY_LENGTH);
	memcpy(text + KEY_LENGTH, GUID, sizeof(GUID));
	if (EVP_Digest(text, sizeof(text) - 1, hash, NULL, EVP_sha1(), NULL) != 1)
		return -EIO;
	sodium_bin2base64(accept, UPGRADE_ACCEPT_LENGTH + 1, hash, sizeof(hash),
		sodium_base64_VARIANT_ORIGINAL);
	return 0;
}

/* The request is whole: reads the lines behind the first one, and decides. */
static enum upgrade_result upgrade_judge(
	struct str lines, const struct upgrade_rules *rules, struct upgrade_step *step)
{
	struct upgrade_request r = {0};

	while (lines.n > 2) {
		size_t end = str_find(lines, '\r');

		if (!upgrade_read_header((struct str){lines.p, end}, &r))
			return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
		lines = str_from(lines, end + 2);
	}
	if (r.hosts != 1 || r.origins > 1 || r.body)
		return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
	if (!r.websocket || !r.upgrade)
		return upgrade_bad(step, 400, COUNTER_UPGRADE_NONE);
	if (r.versions != 1 || !str_equal(r.version, S("13")))
		return upgrade_bad(step, 426, COUNTER_UPGRADE_VERSION);
	if (r.keys != 1 || !upgrade_is_key(r.key))
		return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
	if (!rules->origin(rules->arg, r.origin))
		return upgrade_bad(step, 403, COUNTER_UPGRADE_ORIGIN);
	if (!r.sip)
		return upgrade_bad(step, 400, COUNTER_UPGRADE_PROTOCOL);
	if (upgrade_accept(r.key, step->accept))
		return upgrade_bad(step, 500, COUNTER_STREAM_ERRORS);
	step->status = 101;
	return UPGRADE_DONE;
}

enum upgrade_result upgrade_next(struct upgrade *u, const char *buffer, size_t size,
	const struct upgrade_rules *rules, struct upgrade_step *step)
{
	size_t limit = size < UPGRADE_MAX ? size : UPGRADE_MAX;

	while (u->scanned < limit) {
		const char *end = memchr(buffer + u->scanned, '\n', limit - u->scanned);
		struct str line;

		if (!end) {
			u->scanned = (uint32_t)limit;
			break;
		}
		u->scanned = (uint32_t)(end - buffer) + 1;
		line = (struct str){buffer + u->line, u->scanned - u->line};
		if (line.n < 2 || line.p[line.n - 2] != '\r')
			return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
		line.n -= 2;
		if (memchr(line.p, '\r', line.n))
			return upgrade_bad(step, 400, COUNTER_UPGRADE_MALFORMED);
		if (u->lines == 0) {
			enum upgrade_result result = upgrade_read_start(line, step);

			if (result != UPGRADE_MORE)
				return result;
		} else if (line.n == 0) {
			const char *first = (const char *)memchr(buffer, '\n', u->scanned) + 1;

			step->consume = u->scanned;
			return upgrade_judge(
				(struct str){first, u->scanned - (size_t)(first - buffer)}, rules,
				step);
		}
		u->line = u->scanned;
		if (++u->lines > UPGRADE_LINES_MAX)
			return upgrade_bad(step, 431, COUNTER_UPGRADE_TOO_LARGE);
	}
	return u->scanned == UPGRADE_MAX ? upgrade_bad(step, 431, COUNTER_UPGRADE_TOO_LARGE)
	                                 : UPGRADE_MORE;
}

static const char *upgrade_phrase(unsigned status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 405: return "Method Not Allowed";
	case 426: return "Upgrade Required";
	case 431: return "Request Header Fields Too Large";
	case 505: return "HTTP Version Not Supported";
	default: return "Internal Server Error";
	}
}

size_t upgrade_answer(const struct upgrade_step *step, char buffer[UPGRADE_ANSWER_MAX])
{
	if (step->status == 101)
		return (size_t)snprintf(buffer, UPGRADE_ANSWER_MAX,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
			"Upgrade\r\n"
			"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
			step->accept);
	return (size_t)snprintf(buffer, UPGRADE_ANSWER_MAX,
		"HTTP/1.1 %u %s\r\n%sConnection: close\r\nContent-Length: 0\r\n\r\n", step->status,
		upgrade_phrase(step->status),
		step->status == 426   ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		: step->status == 405 ? "Allow: GET\r\n"
				      : "");
}
