/* splice.c - fuzz target of what passes from one leg to the other: a message that parses, as it
 * goes on.
 *
 * The input is the message. It goes both ways, to zones that have hosts rewritten, dropped and
 * passed. What goes on is read by the strict parser again: all of it, no line that cannot be read,
 * no list with an empty element, no NUL in its head. To the outside no address of the inside and no
 * listed name goes that a plain search finds (sides.h). A line that could not be read stays behind,
 * and no line passes that was not there, or is not one of ours.
 */
#include "sides.h"

#include "worker-sip/message/leg_request.h"
#include "worker-sip/message/splice.h"
#include "worker-transport/parse/parse.h"

#include <stdlib.h>

#define REQUEST                                                                                    \
	"INVITE sip:a@outside.example SIP/2.0\r\nVia: SIP/2.0/UDP "                                \
	"c.outside.example;branch=z9hG4bK1"                                                        \
	"\r\nFrom: <sip:c@outside.example>;tag=1\r\nTo: <sip:a@outside.example>\r\nCall-ID: c\r\n" \
	"CSeq: 1 INVITE\r\nContact: <sip:c@c.outside.example>\r\n\r\n"
#define OURS                                                                                       \
	"Via From To Call-ID CSeq Contact Max-Forwards Content-Length Route Record-Route "         \
	"RAck Refer-To Referred-By Replaces Target-Dialog Event Supported Require Warning "        \
	"User-Agent Server "

/* Lists, of which the parser does not look at all for empty elements. */
#define LISTS                                                                                      \
	"Authorization Proxy-Authorization WWW-Authenticate Proxy-Authenticate Supported Require " \
	"Allow Allow-Events Accept Accept-Encoding Accept-Language Call-Info Alert-Info "          \
	"Error-Info P-Asserted-Identity Diversion History-Info Reason Privacy Geolocation "

/* enum zone_leaving */
#define LEAVINGS (LEAVING_PASS + 1u)

static _Alignas(8) char received[MESSAGE_BLOCK_MAX], request[MESSAGE_BLOCK_MAX],
	passed[MESSAGE_BLOCK_MAX];
static struct plain before, after;

static struct message *parsed(struct str raw, char *block, const struct flow *flow)
{
	struct message *m = (struct message *)(void *)block;
	struct parse_error error;

	if (raw.n > MESSAGE_RAW_MAX ||
		parse_message(raw.p, raw.n, block, MESSAGE_BLOCK_MAX, &error) || m->broken)
		return NULL;
	m->flow = *flow;
	CHECK(message_check(m, m->size) == 0);
	return m;
}

/* Whether the line was there and could be read, or is one that is written anew. */
static bool is_accounted(const struct message *in, const struct plain_line *l, bool rewritten)
{
	const struct message_header *h = message_headers(in);

	for (unsigned i = 0; i < in->header_count; i++, h++)
		if (h->id != HEADER_UNREADABLE && str_equal(before.line[i].name, l->name) &&
			(rewritten || str_equal(before.line[i].value, l->value)))
			return true;
	return plain_is_of(l, OURS);
}

/* Whether our own Contact may be the one list element too many that the parser takes. */
static bool is_crowded(struct str text)
{
	size_t commas = 0;

	for (size_t at = 0; at < text.n; at++)
		commas += text.p[at] == ',';
	return commas > 500;
}

static void check_passed(const struct message *in, const struct wire *wire, unsigned to)
{
	const struct str out = {wire->byte, wire->size};
	const uint32_t leaving = image.zone[to].hosts;
	const bool outside = to == OUTSIDE && leaving != LEAVING_PASS;
	struct message *m = parsed(out, passed, &way[OUTSIDE]);
	const char *end = memmem(out.p, out.n, "\r\n\r\n", 4);

	CHECK(m && end && m->raw_size == out.n);
	CHECK(!m->unreadable || is_crowded(out));
	CHECK(!memchr(out.p, 0, (size_t)(end - out.p)));
	plain_of((struct str){message_raw(in), in->raw_size}, false, &before);
	plain_of(out, false, &after);
	CHECK(after.count == m->header_count);
	for (unsigned i = 0; i < after.count; i++) {
		CHECK(is_accounted(
			in, &after.line[i], leaving != LEAVING_PASS || in->empty_elements));
		CHECK(!plain_is_of(&after.line[i], LISTS) || !plain_has_empty(after.line[i].value));
		CHECK(!outside || sides_is_glued(after.line[i].whole) ||
			!sides_find_host(after.line[i].whole, true).n);
	}
	CHECK(!outside || sides_is_glued(after.start) || !sides_find_host(after.start, true).n);
}

static void pass_request(const struct message *in, unsigned from, unsigned to)
{
	struct leg_request r = {.sip = &sip,
		.message = in,
		.from_zone = from,
		.to_zone = to,
		.slot = 7,
		.in_dialog = in->to_tag.length != 0,
		.id = 1,
		.to = &way[to],
		.request_uri = S("sip:b@outside.example"),
		.call_id = S("of-this-leg"),
		.cseq = 2,
		.from = S("<sip:a@outside.example>;tag=1"),
		.to_value = S("<sip:b@outside.example>;tag=2"),
		.invite = {.in = 1, .out = 2},
		.refer = {.in = 3, .out = 1}};
	struct splice s;
	struct wire *wire;

	if (leg_request_splice(&r, &s) || splice_request(&s, &wire))
		return; /* too long, or a PRACK of nothing */
	check_passed(in, wire, to);
	wire_drop(wire);
}

static void pass_response(const struct message *in, unsigned from, unsigned to)
{
	const struct message *asked = parsed(S(REQUEST), request, &way[to]);
	struct splice s = {.sip = &sip,
		.in = in,
		.from_zone = from,
		.to_zone = to,
		.slot = 7,
		.contact_user = S("us")};
	struct wire *wire;

	CHECK(asked);
	if (splice_response(&s, asked, 0, S("tag"), &wire))
		return;
	check_passed(in, wire, to);
	wire_drop(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str raw = {(const char *)data, size};

	if (size > MESSAGE_RAW_MAX)
		return 0;
	sides_open();
	sides_hide_name(true);
	for (unsigned n = 0; n < SIDES * LEAVINGS; n++) {
		const unsigned to = n % SIDES, from = SIDES - 1 - to;
		struct zone_settings *zone = &image.zone[to];
		const struct message *in = parsed(raw, received, &way[from]);

		if (!in)
			return 0;
		zone->hosts = zone->identities = zone->network_headers = zone->unknown_headers =
			zone->software = n / SIDES;
		if (in->is_request)
			pass_request(in, from, to);
		else
			pass_response(in, from, to);
	}
	return 0;
}
