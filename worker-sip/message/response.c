/* response.c - answers of our own: the head that every response takes from its request (RFC 3261
 * section 8.2.6.2), and whole responses on it. */
#include "response.h"

#include "common/log.h"
#include "ipc/message_slot.h"
#include "ipc/token.h"
#include "refusal_budget.h"
#include "refusal_log.h"
#include "worker-sip/labels.h"

#include <errno.h>

/* Hex digits of the To tag of an answer without a transaction. */
#define STATELESS_TAG_LENGTH 16

/* Whether the request came from the address that its top Via names. */
static bool response_source_is_sent_by(const struct message *request)
{
	struct endpoint sent_by;

	return endpoint_parse_host(message_str(request, request->via_host), 0, &sent_by) == 0 &&
	       endpoint_same_host(&sent_by, &request->flow.peer);
}

/* The top Via as RFC 3261 section 18.2.1 and RFC 3581 want it: received and rport are ours to say,
 * whatever the peer wrote there. */
static void response_write_top_via(
	struct writer *w, const struct message *request, struct str value)
{
	struct str via = message_str(request, request->via);
	struct str params = request->via_params.length ? message_str(request, request->via_params)
	                                               : (struct str){via.p + via.n, 0};
	const struct endpoint *source = &request->flow.peer;
	struct str name, parameter;
	bool rport = request->rport;
	char buffer[ENDPOINT_TEXT_SIZE];
	size_t n;

	write_literal(w, "Via: ");
	write_bytes(w, via.p, (size_t)(params.p - via.p));
	if (params.n && params.p[0] == ';')
		params = str_from(params, 1);
	while (param_next(&params, &name, &parameter) == 0) {
		if (str_equal_nocase(name, S("received")))
			continue;
		if (str_equal_nocase(name, S("rport"))) {
			rport = true;
			continue;
		}
		write_literal(w, ";");
		write_str(w, name);
		if (parameter.p) {
			write_literal(w, "=");
			write_str(w, parameter);
		}
	}
	/* RFC 3581 section 4: received goes with rport even where sent-by says the same */
	if (rport || !response_source_is_sent_by(request)) {
		n = endpoint_address_text(source, buffer);
		write_literal(w, ";received=");
		write_bytes(w, buffer, n);
	}
	if (rport) {
		write_literal(w, ";rport=");
		write_number(w, source->port);
	}
	/* further Via values of the same line */
	if (via.p + via.n < value.p + value.n)
		write_bytes(w, via.p + via.n, (size_t)(value.p + value.n - (via.p + via.n)));
	write_literal(w, "\r\n");
}

/* start: "Name: ". */
static void response_write_copied(
	struct writer *w, const struct message *request, enum header id, struct str start)
{
	const struct message_header *h = message_first(request, id);

	if (!h)
		return;
	write_str(w, start);
	write_str(w, message_header_value(request, h));
	write_literal(w, "\r\n");
}

void response_write_head(struct writer *w, const struct message *request, unsigned status,
	struct str reason, struct str to_tag)
{
	const struct message_header *h = message_first(request, HEADER_VIA);
	bool top = true;

	write_literal(w, "SIP/2.0 ");
	write_number(w, status);
	write_literal(w, " ");
	write_str(w, reason.n ? reason : str_of(status_reason(status)));
	write_literal(w, "\r\n");
	for (; h; h = message_next(request, h), top = false) {
		if (top) {
			response_write_top_via(w, request, message_header_value(request, h));
			continue;
		}
		write_literal(w, "Via: ");
		write_str(w, message_header_value(request, h));
		write_literal(w, "\r\n");
	}
	response_write_copied(w, request, HEADER_FROM, S("From: "));
	write_literal(w, "To: ");
	write_str(w, message_value(request, HEADER_TO));
	if (!request->to_tag.length && to_tag.n) {
		write_literal(w, ";tag=");
		write_str(w, to_tag);
	}
	write_literal(w, "\r\n");
	response_write_copied(w, request, HEADER_CALL_ID, S("Call-ID: "));
	response_write_copied(w, request, HEADER_CSEQ, S("CSeq: "));
	if (status == 100)
		response_write_copied(w, request, HEADER_TIMESTAMP, S("Timestamp: "));
}

int response_build(
	struct sip *sip, const struct message *request, const struct response *r, struct wire **out)
{
	char minted[TOKEN_LENGTH];
	struct writer w = scratch_message(&sip->scratch);
	struct str to_tag = r->to_tag,
		   server = sip->settings ? settings_str(sip->settings, sip->settings->server)
	                                  : STR_NONE;

	if (!to_tag.n && !request->to_tag.length && r->status > 100) {
		/* the slot is found again: the ACK of a failure follows this tag, and the sender of
		 * the block is not trusted */
		token_mint(&sip->keys.minting, TOKEN_TAG,
			slot_of_message(request, &sip->keys.slot_key, sip->settings), random_u64(),
			minted);
		to_tag = (struct str){minted, sizeof(minted)};
	}
	response_write_head(&w, request, r->status, r->reason, to_tag);
	write_str(&w, r->headers);
	if (server.n && r->status > 100 && !r->brief) {
		write_literal(&w, "Server: ");
		write_str(&w, server);
		write_literal(&w, "\r\n");
	}
	if (r->body.n && r->content_type.n) {
		write_literal(&w, "Content-Type: ");
		write_str(&w, r->content_type);
		write_literal(&w, "\r\n");
	}
	write_literal(&w, "Content-Length: ");
	write_number(&w, r->body.n);
	write_literal(&w, "\r\n\r\n");
	write_str(&w, r->body);
	return scratch_wire(&sip->scratch, &w, out);
}

int response_build_answer(
	struct sip *sip, const struct message *request, struct response *r, struct wire **out)
{
	int error = response_build(sip, request, r, out);

	/* A request may be nearly as large as a message may be: the status matters more than our
	 * headers. */
	if (error == -ENOBUFS && r->headers.n) {
		r->headers = STR_NONE;
		error = response_build(sip, request, r, out);
	}
	if (error)
		count(RESPONSES_NOT_BUILT);
	return error;
}

/* ---- answers without a transaction ---- */

/* RFC 3261 section 8.2.7: the same tag for each retransmission, without remembering anything. It is
 * made of what the ACK repeats (section 17.1.1.3). */
static void response_stateless_tag(
	const struct sip *sip, const struct message *request, char tag[static STATELESS_TAG_LENGTH])
{
	static const char digits[] = "0123456789abcdef";
	const struct hash_key *key = &sip->keys.slot_key;
	uint64_t part[] = {
		hash_str(key, message_str(request, request->call_id)),
		hash_str(key, message_str(request, request->from_tag)),
		hash_str(key, message_str(request, request->via_branch)),
		request->cseq,
	};
	uint64_t hash = hash_bytes(key, part, sizeof(part));

	for (size_t i = 0; i < STATELESS_TAG_LENGTH; i++)
		tag[i] = digits[hash >> (60 - 4 * i) & 15];
}

bool answer_stateless_is_ack(const struct sip *sip, const struct message *m)
{
	struct str to_tag = message_str(m, m->to_tag);
	char tag[STATELESS_TAG_LENGTH];

	if (m->method != METHOD_ACK || to_tag.n != sizeof(tag))
		return false;
	response_stateless_tag(sip, m, tag);
	return str_equal_nocase(to_tag, (struct str){tag, sizeof(tag)});
}

/* The zone of a source that has not shown itself: it may be forged. NULL: it came by a stream, or
 * it is trusted. */
static const struct zone_settings *response_zone_of_stranger(
	const struct sip *sip, const struct message *request)
{
	const struct settings *s = sip->settings;
	const struct flow *flow = &request->flow;

	if (flow->listener >= s->listeners.count || !settings_is_stranger(s, flow))
		return NULL;
	return settings_zone(s, settings_listener(s, flow->listener)->zone);
}

static void response_log_budget(
	struct sip *sip, const struct zone_settings *zone, const struct message *request)
{
	char source[ENDPOINT_TEXT_SIZE], name[80];
	uint64_t left_out;

	if (!log_limit_pass(&sip->budget_log, loop_now(sip->loop), 1, LOG_LIMIT_SECOND, &left_out))
		return;
	endpoint_host_text(&request->flow.peer, source);
	log_warn("refusals-over-budget", "source=%s zone=%s left_out=%llu", source,
		log_value(settings_str(sip->settings, zone->name), name, sizeof(name)),
		(unsigned long long)left_out);
}

/* Whether the budgets of a source and its prefix permit one more answer. */
static bool response_within_budget(
	struct sip *sip, const struct zone_settings *zone, const struct message *request)
{
	if (!sip->refusal_budget)
		return true;
	if (refusal_budget_take(sip->refusal_budget, &request->flow.peer, zone->refusals_per_source,
		    zone->refusals_per_prefix, loop_now(sip->loop)))
		return true;
	count(ANSWERS_OVER_BUDGET);
	response_log_budget(sip, zone, request);
	return false;
}

/* Whether an answer of that status must have a header of its own (RFC 3261 sections 21.4.2, 21.4.6,
 * 21.4.8, 21.4.15). */
static bool response_needs_headers(unsigned status)
{
	return status == 401 || status == 405 || status == 407 || status == 420;
}

int response_build_within(struct sip *sip, const struct message *request, struct response *r,
	size_t limit, struct wire **out)
{
	bool needed = r->headers.n && response_needs_headers(r->status);
	struct wire *wire;
	int error;

	while ((error = response_build_answer(sip, request, r, &wire)) == 0) {
		if (wire->size <= limit) {
			*out = wire;
			return 0;
		}
		wire_drop(wire);
		if (!r->brief)
			r->brief = true;
		else if (r->headers.n)
			r->headers = str_from(r->headers, str_find(r->headers, '\n') + 1);
		else
			return -EMSGSIZE;
		if (needed && !r->headers.n)
			return -EMSGSIZE;
	}
	return error;
}

void answer_stateless(
	struct sip *sip, const struct message *request, unsigned status, struct str headers)
{
	char tag[STATELESS_TAG_LENGTH];
	struct response r = {.status = status, .headers = headers, .to_tag = {tag, sizeof(tag)}};
	const struct zone_settings *zone;
	struct wire *wire = NULL;

	if (request->method == METHOD_ACK)
		return;
	zone = response_zone_of_stranger(sip, request);
	if (zone && !response_within_budget(sip, zone, request))
		return;
	response_stateless_tag(sip, request, tag);
	int error = response_build_within(
		sip, request, &r, zone ? message_answer_max(request) : SIZE_MAX, &wire);
	if (error == -EMSGSIZE) {
		count(ANSWERS_TOO_LARGE);
		refusal_log_unanswered(sip, request, status, "answer too large");
	}
	if (error)
		return;
	count(ANSWERS_STATELESS);
	error = sip_send(sip, &request->flow, (struct str){wire->byte, wire->size}, 0, true);
	if (error == 0) {
		labels_response(sip->settings, &request->flow, request->method, status);
		refusal_log_request(sip, request, status, headers);
	}
	wire_drop(wire);
}
