/* stateless_answer.c - stateless answers.
 *
 * From and To may be malformed, and so may be the top Via's parameters: they are copied as they
 * are, and their tags are looked for without trusting their grammar. Every loop is linear in the
 * request. Relies on: parse_message, which has checked that copied headers have no control bytes
 * but in quoted-pairs, and that the top Via has a sent-by.
 */
#include "stateless_answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct answer_writer {
	char *buffer;
	size_t size, used;
	bool full;
};

static void answer_put(struct answer_writer *w, struct str s)
{
	if (w->full || s.n > w->size - w->used) {
		w->full = true;
		return;
	}
	if (s.n)
		memcpy(w->buffer + w->used, s.p, s.n);
	w->used += s.n;
}

static void __attribute__((format(printf, 2, 3)))
answer_put_format(struct answer_writer *w, const char *format, ...)
{
	char text[160];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		w->full = true;
	else
		answer_put(w, (struct str){text, (size_t)n});
}

static void answer_put_field(struct answer_writer *w, const char *name, struct str value)
{
	answer_put_format(w, "%s: ", name);
	answer_put(w, value);
	answer_put(w, S("\r\n"));
}

/* Copies the first header with that id. A header that a malformed request lacks is missing from its
 * answer as well. */
static void answer_put_copy(struct answer_writer *w, const struct message *m, enum header id)
{
	if (message_first(m, id))
		answer_put_field(w, header_name(id), message_value(m, id));
}

/* The position of the first ';' or ',' outside quotes and angle brackets, or s.n. */
static size_t answer_find_outside(struct str s)
{
	bool quoted = false, bracketed = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (bracketed) {
			if (c == '>')
				bracketed = false;
		} else if (c == '<') {
			bracketed = true;
		} else if (c == ';' || c == ',') {
			return i;
		}
	}
	return s.n;
}

/* Takes the next ";parameter" from *rest, which starts at its ';'. */
static bool answer_parameter_next(struct str *rest, struct str *name, struct str *value)
{
	struct str all;
	size_t end, equals;

	if (rest->n == 0 || rest->p[0] != ';')
		return false;
	*rest = str_from(*rest, 1);
	end = answer_find_outside(*rest);
	all = (struct str){rest->p, end};
	*rest = str_from(*rest, end);
	equals = str_find(all, '=');
	*name = str_trim((struct str){all.p, equals});
	*value = equals < all.n ? str_trim(str_from(all, equals + 1)) : STR_NONE;
	return true;
}

/* The tag of a From or To, which may be missing, or STR_NONE. */
static struct str answer_tag_in(struct str field)
{
	struct str rest = field, name, value;

	if (field.n)
		rest = str_from(field, answer_find_outside(field));
	while (answer_parameter_next(&rest, &name, &value))
		if (str_equal_nocase(name, S("tag")))
			return value;
	return STR_NONE;
}

static void answer_tag_for(const struct hash_key *key, const struct message *m,
	char tag[STATELESS_ANSWER_TAG_LENGTH + 1])
{
	uint64_t part[3] = {
		hash_str(key, message_value(m, HEADER_CALL_ID)),
		hash_str(key, answer_tag_in(message_value(m, HEADER_FROM))),
		hash_str(key, message_str(m, m->via_branch)),
	};

	snprintf(tag, STATELESS_ANSWER_TAG_LENGTH + 1, STATELESS_ANSWER_TAG_PREFIX "%016llx",
		(unsigned long long)hash_bytes(key, part, sizeof(part)));
}

/* Writes the top Via with received (RFC 3261 section 18.2.1) and rport (RFC 3581 section 4) as we
 * saw them; the sender's own values of both are left out. */
static void answer_put_via(
	struct answer_writer *w, const struct message *m, const struct endpoint *peer)
{
	struct str line = message_value(m, HEADER_VIA), top = message_str(m, m->via),
		   params = message_str(m, m->via_params), name, value;
	const char *params_at = params.n ? params.p : top.p + top.n;
	char host[ENDPOINT_TEXT_SIZE];
	size_t host_length = endpoint_address_text(peer, host);
	bool rport = false;

	answer_put(w, S("Via: "));
	answer_put(w, str_trim((struct str){top.p, (size_t)(params_at - top.p)}));
	while (answer_parameter_next(&params, &name, &value)) {
		if (str_equal_nocase(name, S("rport"))) {
			rport = true;
		} else if (!str_equal_nocase(name, S("received"))) {
			answer_put(w, S(";"));
			answer_put(w, name);
			if (value.p) {
				answer_put(w, S("="));
				answer_put(w, value);
			}
		}
	}
	answer_put(w, S(";received="));
	answer_put(w, (struct str){host, host_length});
	if (rport)
		answer_put_format(w, ";rport=%u", peer->port);
	answer_put(w, (struct str){top.p + top.n,
			      (size_t)(line.p + line.n -
				       (top.p + top.n))}); /* further values of that line */
	answer_put(w, S("\r\n"));
}

long stateless_answer_write(const struct hash_key *tag_key, const struct message *m,
	const struct endpoint *peer, const struct stateless_answer *why, char *buffer, size_t size)
{
	struct answer_writer w = {.buffer = buffer, .size = size};
	const struct message_header *via = message_first(m, HEADER_VIA);
	char tag[STATELESS_ANSWER_TAG_LENGTH + 1];

	if (!m->is_request || m->method == METHOD_ACK)
		return -EPERM;
	answer_put_format(&w, "SIP/2.0 %u %s\r\n", why->status,
		why->reason ? why->reason : status_reason(why->status));
	answer_put_via(&w, m, peer);
	while ((via = message_next(m, via)))
		answer_put_field(&w, "Via", message_header_value(m, via));
	answer_put_copy(&w, m, HEADER_FROM);
	if (message_first(m, HEADER_TO)) {
		answer_put(&w, S("To: "));
		answer_put(&w, message_value(m, HEADER_TO));
		if (answer_tag_in(message_value(m, HEADER_TO)).n == 0) {
			answer_tag_for(tag_key, m, tag);
			answer_put_format(&w, ";tag=%s", tag);
		}
		answer_put(&w, S("\r\n"));
	}
	answer_put_copy(&w, m, HEADER_CALL_ID);
	answer_put_copy(&w, m, HEADER_CSEQ);
	if (why->server.n)
		answer_put_field(&w, "Server", why->server);
	if (why->retry_after)
		answer_put_format(&w, "Retry-After: %u\r\n", why->retry_after);
	answer_put(&w, S("Content-Length: 0\r\n\r\n"));
	return w.full ? -ENOBUFS : (long)w.used;
}

/* Whether a tag has the shape of those that are made here. */
static bool answer_is_own_tag(struct str tag)
{
	return tag.n == STATELESS_ANSWER_TAG_LENGTH &&
	       str_starts(tag, S(STATELESS_ANSWER_TAG_PREFIX));
}

bool stateless_answer_is_ack(const struct hash_key *tag_key, const struct message *m)
{
	struct str to_tag = message_str(m, m->to_tag);
	char tag[STATELESS_ANSWER_TAG_LENGTH + 1];

	if (!m->is_request || m->method != METHOD_ACK || !answer_is_own_tag(to_tag))
		return false;
	answer_tag_for(tag_key, m, tag);
	return str_equal(to_tag, (struct str){tag, STATELESS_ANSWER_TAG_LENGTH});
}
