/* rewriting_part.c - the parts of a request that rules change (rewriting_part.h). Users are seen
 * without escapes, and numbers without what only separates their digits, as routes see them;
 * display names without quotes. */
#include "rewriting_part.h"

#include "ipc/octet.h"
#include "telephone.h"

#include <errno.h>

/* ---- as it came ---- */

static void rewriting_mark(struct user_escapes *e, size_t i)
{
	e->bit[i / 8] |= (uint8_t)(1u << i % 8);
	e->any = true;
}

/* Finds what of a user with escapes came escaped and needed none but to mean another thing. */
static void rewriting_find_escapes(struct str user, struct user_escapes *e)
{
	size_t at = 0;

	for (size_t i = 0; i < user.n && at < RULE_PART_MAX; i++, at++) {
		char c;

		if (user.p[i] != '%')
			continue;
		if (uri_unescape((struct str){user.p + i, 3}, &c, 1) == 1 &&
			octet_is(c, OCTET_USER) && strchr("&=+$,;?/", c))
			rewriting_mark(e, at);
		i += 2;
	}
}

long rewriting_user_text(
	const struct uri_parts *uri, char buffer[RULE_PART_MAX], struct user_escapes *escapes)
{
	long n;

	escapes->any = false;
	if (uri->scheme != URI_SIP && uri->scheme != URI_SIPS && uri->scheme != URI_TEL)
		return -EINVAL;
	n = telephone_digits(uri, buffer, RULE_PART_MAX);
	if (n == -EINVAL) {
		n = uri_unescape(uri->user, buffer, RULE_PART_MAX);
		if (n > 0 && (size_t)n < uri->user.n) {
			memset(escapes->bit, 0, sizeof(escapes->bit));
			rewriting_find_escapes(uri->user, escapes);
		}
	}
	return n < 0 ? -EBADMSG : n;
}

/* A display name without its quotes and quoted-pairs; a fold is one blank. False: too long, or a
 * NUL. */
static bool rewriting_display_text(struct str display, struct rewriting_part *part)
{
	bool quoted = display.n >= 2 && *display.p == '"';

	if (quoted)
		display = (struct str){display.p + 1, display.n - 2};
	part->n = 0;
	for (size_t i = 0; i < display.n; i++) {
		char c = display.p[i];

		if (quoted && c == '\\' && i + 1 < display.n)
			c = display.p[++i];
		if (c == '\r' || c == '\n' || c == '\t')
			c = ' ';
		if (c == '\0' || part->n == sizeof(part->text))
			return false;
		part->text[part->n++] = c;
	}
	return true;
}

static bool rewriting_read_user(struct rewriting_part *part, const struct uri_parts *uri)
{
	long n = rewriting_user_text(uri, part->text, &part->escapes);

	part->there = n >= 0;
	part->n = n > 0 ? (uint16_t)n : 0;
	return n != -EBADMSG;
}

/* The parts of From or To; first: the user. */
static bool rewriting_read_party(struct rewriting *w, enum rule_part first, enum header header)
{
	struct rewriting_part *user = &w->part[first], *host = user + 1, *display = user + 2;
	struct str value = message_value(w->message, header);
	struct address a;

	user->read = host->read = display->read = true;
	user->there = host->there = display->there = false;
	if (address_next(&value, &a)) /* the parser lets no such From or To through */
		return false;
	if (!rewriting_read_user(user, &a.uri))
		return false;
	host->n = 0;
	host->there = user->there;
	if (a.uri.host.n > sizeof(host->text))
		return false;
	if (host->there && a.uri.scheme != URI_TEL) {
		memcpy(host->text, a.uri.host.p, a.uri.host.n);
		host->n = (uint16_t)a.uri.host.n;
	}
	display->there = true;
	return rewriting_display_text(a.display, display);
}

bool rewriting_part_read(struct rewriting *w, enum rule_part part)
{
	bool good;

	if (part == RULE_REQUEST_USER) {
		struct rewriting_part *user = &w->part[part];

		user->read = true;
		good = rewriting_read_user(user, &w->uri);
		user->there &= user->n != 0; /* for a host: there is nobody to be named */
		return good;
	}
	bool from = part == RULE_FROM_USER || part == RULE_FROM_HOST || part == RULE_FROM_DISPLAY;

	good = from ? rewriting_read_party(w, RULE_FROM_USER, HEADER_FROM)
	            : rewriting_read_party(w, RULE_TO_USER, HEADER_TO);
	if (!good) /* the next rule is refused as well */
		w->part[part].read = false;
	return good;
}

bool rewriting_identity_read(struct rewriting *w)
{
	const struct message *m = w->message;
	struct writer to = WRITER(w->identity);

	for (const struct message_header *h = message_first(m, HEADER_P_ASSERTED_IDENTITY); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;
		int error;

		while ((error = address_next(&rest, &a)) == 0) {
			if (to.n)
				write_literal(&to, ", ");
			write_str(&to, a.whole);
		}
		if (error != -ENOENT ||
			str_find(message_header_value(m, h), 0) < message_header_value(m, h).n)
			return false;
	}
	w->identity_read = !to.full;
	w->identity_n = (uint16_t)to.n;
	return !to.full;
}

/* ---- as it becomes ---- */

bool rewriting_part_valid(enum rule_part part, struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((uint8_t)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	switch (part) {
	case RULE_FROM_HOST:
	case RULE_TO_HOST: return is_host(text);
	case RULE_FROM_DISPLAY:
	case RULE_TO_DISPLAY: return str_is_utf8(text);
	default: return text.n != 0;
	}
}

void rewriting_write_user(struct writer *w, struct str text, const struct user_escapes *escapes)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		bool escaped = escapes->any && escapes->bit[i / 8] >> i % 8 & 1;
		uint8_t c = (uint8_t)text.p[i];

		if (octet_is((char)c, OCTET_USER) && !escaped)
			write_bytes(w, text.p + i, 1);
		else
			write_bytes(w, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

/* What belongs to a number behind it (telephone.h), but for the context of a local number where it
 * is a global one now (RFC 3966 section 5.1.5). */
static void rewriting_write_tail(struct writer *w, const struct uri_parts *uri, bool global)
{
	size_t digits = str_find(uri->user, ';');
	struct str rest = uri->params;

	if (uri->scheme != URI_TEL)
		rest = digits < uri->user.n ? str_from(uri->user, digits + 1) : STR_EMPTY;
	while (rest.n) {
		struct str item = {rest.p, str_find(rest, ';')};
		bool context = item.n >= 13 && strncasecmp(item.p, "phone-context", 13) == 0;

		if (!(global && context)) {
			write_literal(w, ";");
			write_str(w, item);
		}
		rest = str_from(rest, item.n < rest.n ? item.n + 1 : item.n);
	}
}

bool rewriting_write_request(struct rewriting *w)
{
	const struct rewriting_part *user = &w->part[RULE_REQUEST_USER];
	struct str text = {user->text, user->n};
	struct writer to = WRITER(w->request);
	char buffer[RULE_PART_MAX];

	rewriting_write_user(&to, text, &user->escapes);
	if (telephone_digits(&w->uri, buffer, sizeof(buffer)) > 0)
		rewriting_write_tail(&to, &w->uri, *text.p == '+');
	w->request_n = to.full ? 0 : (uint16_t)to.n;
	return !to.full;
}

void rewriting_write_address(struct writer *w, const struct address *a, struct str user,
	const struct user_escapes *escapes)
{
	bool tel = a->uri.scheme == URI_TEL;

	if (a->display.n) {
		write_str(w, a->display);
		write_literal(w, " ");
	}
	write_str(w, tel ? S("<tel:") : a->uri.scheme == URI_SIPS ? S("<sips:") : S("<sip:"));
	rewriting_write_user(w, user, escapes);
	if (tel) {
		rewriting_write_tail(w, &a->uri, user.n && *user.p == '+');
	} else {
		write_literal(w, "@");
		write_str(w, a->uri.host);
		if (a->uri.port) {
			write_literal(w, ":");
			write_number(w, a->uri.port);
		}
		if (a->uri.params.n) {
			write_literal(w, ";");
			write_str(w, a->uri.params);
		}
	}
	write_literal(w, ">");
	if (a->params.n) {
		write_literal(w, ";");
		write_str(w, a->params);
	}
}
