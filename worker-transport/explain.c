/* explain.c - a message of which an operator asks (explain.h).
 *
 * Its bytes are a stranger's, whoever hands them over: they are read by the same parser, in this
 * process, and are the crash evidence meanwhile. Counters go to a page of their own.
 */
#include "explain.h"

#include "admit.h"
#include "common/json_text.h"
#include "ipc/message_slot.h"
#include "ipc/query_argument.h"
#include "stranger.h"
#include "stun.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/reading.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes of what a row says. */
#define SAYS_MAX 512
/* The source where none is named: of no network that anybody has (RFC 5737, RFC 3849). */
#define SOURCE_4 "192.0.2.1"
#define SOURCE_6 "2001:db8::1"
#define SOURCE_PORT 5060

struct explaining {
	struct transport_worker *t;
	struct flow flow;
	char *text;
	size_t n;
};

static void explain_say(struct explaining *x, const char *part, struct str name, const char *format,
	...) __attribute__((format(printf, 4, 5)));
static void explain_put(struct explaining *x, struct str s)
{
	for (size_t i = 0; i < s.n && x->n + JSON_TEXT_BYTE_MAX < EXPLAIN_TEXT_MAX; i++)
		x->n += json_text_byte((unsigned char)s.p[i], x->text + x->n);
}

static void explain_put_plain(struct explaining *x, const char *text)
{
	size_t n = strlen(text);

	if (x->n + n < EXPLAIN_TEXT_MAX) {
		memcpy(x->text + x->n, text, n);
		x->n += n;
	}
}

static void explain_say(
	struct explaining *x, const char *part, struct str name, const char *format, ...)
{
	char says[SAYS_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(says, sizeof(says), format, arguments);
	va_end(arguments);
	explain_put_plain(x, "{\"part\":\"");
	explain_put_plain(x, part);
	if (name.n) {
		explain_put_plain(x, "\",\"name\":\"");
		explain_put(x, name);
	}
	explain_put_plain(x, "\",\"says\":\"");
	explain_put(x, str_of(says));
	explain_put_plain(x, "\"}\n");
}

/* ---- where it comes from ---- */

/* The transport of that name in any case; 0: none. */
static uint8_t explain_transport(struct str name)
{
	for (unsigned i = TRANSPORT_UDP; i <= TRANSPORT_WSS; i++)
		if (str_equal_nocase(name, str_of(transport_name((uint8_t)i))))
			return (uint8_t)i;
	return 0;
}

/* Whether a listener is one of the operator's words; empty ones are any's. */
static bool explain_may_be(const struct settings *s, unsigned i, struct str name, uint8_t transport)
{
	const struct listener_settings *l = settings_listener(s, i);

	return !l->gone && (!name.n || str_equal(settings_str(s, l->name), name)) &&
	       (!transport || l->transport == transport);
}

/* The listener that is meant: one of a zone that names the source, else the first of a zone that
 * takes any, else the first. NONE_INDEX: there is none. */
static unsigned explain_listener(
	const struct settings *s, struct str name, uint8_t transport, const struct endpoint *from)
{
	unsigned any = NONE_INDEX, first = NONE_INDEX;
	bool permitted;

	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);

		if (!explain_may_be(s, i, name, transport) ||
			(from->family && l->bind.family != from->family))
			continue;
		if (first == NONE_INDEX)
			first = i;
		settings_zone_of(s, i, from, &permitted);
		if (settings_zone(s, l->zone)->sources.count == 0)
			any = any == NONE_INDEX ? i : any;
		else if (from->family && permitted)
			return i;
	}
	return any == NONE_INDEX ? first : any;
}

/* Reads the operator's words. NULL, or what is wrong with them. */
static const char *explain_find_flow(struct explaining *x, const char *words)
{
	const struct settings *s = x->t->settings;
	struct str from = query_argument(words, "from"), to = query_argument(words, "to"),
		   transport = query_argument(words, "transport");
	uint8_t over = transport.n ? explain_transport(transport) : 0;
	struct flow *f = &x->flow;

	if (transport.n && !over)
		return "the transport is udp, tcp, tls, ws or wss";
	if (from.n && endpoint_parse(from, &f->peer) &&
		endpoint_parse_host(from, SOURCE_PORT, &f->peer))
		return "the source is a numeric address, or one with a port";
	if (!to.n && !over)
		over = TRANSPORT_UDP;
	unsigned i = explain_listener(s, to, over, &f->peer);
	if (i == NONE_INDEX && !to.n && !transport.n)
		i = explain_listener(s, to, 0, &f->peer);
	if (i == NONE_INDEX)
		return "there is no such listener";
	const struct listener_settings *l = settings_listener(s, i);
	if (!f->peer.family)
		endpoint_parse_host(
			l->bind.family == 6 ? S(SOURCE_6) : S(SOURCE_4), SOURCE_PORT, &f->peer);
	f->transport = l->transport;
	f->listener = (uint16_t)i;
	f->local = l->bind;
	f->id = transport_is_stream(l->transport) ? FLOW_ID(x->t->index, x->t->incarnation, 1) : 0;
	return NULL;
}

/* Whether this worker lets the source in. */
static bool explain_source(struct explaining *x)
{
	const struct settings *s = x->t->settings;
	const struct flow *f = &x->flow;
	char peer[ENDPOINT_TEXT_SIZE];
	bool permitted;

	endpoint_text(&f->peer, peer);
	explain_say(x, "source", settings_str(s, settings_listener(s, f->listener)->name),
		"%s over %s", peer, transport_name(f->transport));
	unsigned zone = settings_zone_of(s, f->listener, &f->peer, &permitted);
	bool stranger = stranger_is(s, f->listener, &f->peer);
	if (stranger)
		explain_say(x, "zone", settings_zone_name(s, zone),
			"the source is not one of its sources: heard only within what there is, "
			"and with the token of a Contact that is registered at a trunk");
	if (!permitted && !stranger)
		explain_say(x, "zone", settings_zone_name(s, zone),
			"the source is not one of its sources: dropped without an answer");
	else if (admit_is_denied(x->t->admit, f->listener, &f->peer))
		explain_say(x, "zone", settings_zone_name(s, zone),
			"it denies the source: dropped without an answer");
	else if (admit_is_banned(x->t->admit, f->listener, &f->peer, loop_now(x->t->loop)))
		explain_say(x, "source", STR_EMPTY, "it is banned: dropped without an answer");
	else
		return true;
	return false;
}

/* ---- what it says ---- */

static void explain_block(struct explaining *x, struct message *m)
{
	m->flow = x->flow;
	m->received_ns = loop_now(x->t->loop) * 1000000;
	m->slot = slot_of_message(m, &x->t->slot_key, x->t->settings);
	if (m->size > EXPLAIN_BYTES_MAX || x->n + 2 * m->size + 64 > EXPLAIN_TEXT_MAX) {
		explain_say(x, "parse", STR_EMPTY, "it is too long to be explained further");
		return;
	}
	x->n += (size_t)snprintf(
		x->text + x->n, 64, "{\"slot\":%u,\"block\":\"", (unsigned)m->slot);
	sodium_bin2hex(x->text + x->n, EXPLAIN_TEXT_MAX - x->n, (const unsigned char *)m, m->size);
	x->n += 2 * (size_t)m->size;
	explain_put_plain(x, "\"}\n");
}

/* ---- what keeps a flow open ---- */

/* How many pings of RFC 5626 section 4.4.1 stand in line ends. */
static size_t explain_pings(struct str raw)
{
	size_t pings = 0;

	for (size_t i = 0; i + 4 <= raw.n; i++)
		if (memcmp(raw.p + i, "\r\n\r\n", 4) == 0) {
			pings++;
			i += 3;
		}
	return pings;
}

static void explain_stun(struct explaining *x, struct str raw)
{
	uint8_t answer[STUN_ANSWER_MAX];
	size_t n = stun_answer(raw.p, raw.n, &x->flow.peer, answer);

	explain_say(x, "keep-alive", STR_EMPTY,
		"STUN (RFC 5626 section 4.4.2), and no SIP: it is answered here, and nobody is "
		"asked who he is");
	if (!n)
		explain_say(x, "answer", STR_EMPTY,
			"none: it is no sound Binding request, and is dropped");
	else
		explain_say(x, "answer", STR_EMPTY, "%s",
			answer[1] == 1 ? "a Binding success with the address of the source"
				       : "a Binding error: attributes in it are not known");
}

/* Whether the bytes are no message, and keep a flow open. */
static bool explain_keep_alive(struct explaining *x, struct str raw)
{
	bool stream = transport_is_stream(x->flow.transport);

	if (!stream && stun_is(raw.p, raw.n)) {
		explain_stun(x, raw);
		return true;
	}
	if (!parse_keepalive(raw.p, raw.n))
		return false;
	size_t pings = stream ? explain_pings(raw) : 0;
	explain_say(
		x, "keep-alive", STR_EMPTY, "line ends (RFC 5626 section 4.4.1), and no message");
	if (pings)
		explain_say(x, "answer", STR_EMPTY, "CRLF, %zu of them: one for each ping", pings);
	else
		explain_say(x, "answer", STR_EMPTY, "none: %s",
			stream ? "it is no ping, which has two CRLF"
			       : "they hold the NAT open by having come");
	return true;
}

static void explain_read(struct explaining *x, struct reading *r, struct str raw)
{
	const struct settings *s = x->t->settings;
	const struct listener_settings *l = settings_listener(s, x->flow.listener);
	const struct reading_rules rules = {.zone = settings_zone(s, l->zone),
		.message_max = s->message_max,
		.datagram = x->flow.transport == TRANSPORT_UDP};
	struct message *m = (struct message *)(void *)r->block;
	struct parse_error error = {0};

	if (explain_keep_alive(x, raw))
		return;
	if (reading_parse(r, &rules, raw, &error)) {
		explain_say(x, "parse", STR_EMPTY, "cannot be read: %s", error.reason);
		if (error.answerable && error.status && m->is_request && m->method != METHOD_ACK)
			explain_say(x, "answer", STR_EMPTY, "%u %s", error.status, error.reason);
		else
			explain_say(x, "answer", STR_EMPTY, "none: it is dropped");
		return;
	}
	explain_say(x, "parse", STR_EMPTY, "%.*s: %u header lines, %u bytes of body%s",
		STR(message_str(m, m->start_line)), m->header_count, m->body.length,
		m->broken ? "; broken: it ends what it answers" : "");
	if (m->raw_size != raw.n)
		explain_say(
			x, "parse", STR_EMPTY, "is read as %u bytes of %zu", m->raw_size, raw.n);
	const struct message_header *h = message_headers(m);
	for (unsigned i = 0; i < m->header_count; i++)
		if (h[i].id == HEADER_UNREADABLE)
			explain_say(x, "parse", message_header_name(m, &h[i]),
				"a line that cannot be read, and is not needed: it stays behind");
	if (r->crowd)
		explain_say(
			x, "parse", STR_EMPTY, "%u header lines too many stay behind", r->crowd);
	if (m->is_request && !settings_trusts(s, x->flow.listener) &&
		scanners_find(&x->t->scanners, m))
		explain_say(x, "scanner", STR_EMPTY,
			"a word of a scanner is in it: dropped without an answer");
	else
		explain_block(x, m);
}

long explain_message(struct transport_worker *t, const char *words, struct str raw, char *text)
{
	struct explaining x = {.t = t, .text = text};
	struct page *page = counters_page, *scratch = calloc(1, sizeof(*scratch));
	struct reading *r = calloc(1, sizeof(*r));
	const char *wrong = scratch && r ? explain_find_flow(&x, words) : NULL;

	if (wrong) {
		explain_put_plain(&x, "{\"error\":\"");
		explain_put_plain(&x, wrong);
		explain_put_plain(&x, "\"}\n");
	} else if (scratch && r && explain_source(&x)) {
		if (refusals_let_in(&t->refusals, &page->work, EVIDENCE_MESSAGE, raw, &x.flow.peer,
			    loop_now(t->loop))) {
			counters_page = scratch;
			explain_read(&x, r, raw);
			counters_page = page;
			evidence_drop(&page->work);
		} else {
			explain_say(&x, "quarantine", STR_EMPTY,
				"these bytes ended a worker before: dropped without an answer");
		}
	}
	bool done = scratch && r;
	free(scratch);
	free(r);
	return done ? (long)x.n : -ENOMEM;
}
