/* response.c - answers of our own: the head that every response takes from its request (RFC 3261
 * section 8.2.6.2), and whole responses on it. */
#include "response.h"

#include "ipc/slot.h"
#include "ipc/token.h"

#include <errno.h>

/* The top Via as RFC 3261 section 18.2.1 and RFC 3581 want it: received and rport are ours to say,
 * whatever the peer wrote there. */
/* Whether the request came from the address that its top Via names. */
static bool response_source_is_sent_by(const struct message *request)
{
	struct endpoint sent_by;

	return endpoint_parse_host(message_str(request, request->via_host), 0, &sent_by) == 0 &&
	       endpoint_same_host(&sent_by, &request->flow.peer);
}

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
		n = endpoint_host_text(source, buffer);
		write_literal(w, ";received=");
		/* via-received takes an IPv6 address without brackets (RFC 3261 section 25.1) */
		if (n > 2 && buffer[0] == '[')
			write_bytes(w, buffer + 1, n - 2);
		else
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
			slot_of_message(request, &sip->keys.slot_key), random_u64(), minted);
		to_tag = (struct str){minted, sizeof(minted)};
	}
	response_write_head(&w, request, r->status, r->reason, to_tag);
	write_str(&w, r->headers);
	if (server.n && r->status > 100) {
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

void answer_stateless(
	struct sip *sip, const struct message *request, unsigned status, struct str headers)
{
	static const char digits[] = "0123456789abcdef";
	struct response r = {.status = status, .headers = headers};
	struct wire *wire = NULL;
	uint64_t hash;
	char tag[16];

	if (request->method == METHOD_ACK)
		return;
	/* RFC 3261 section 8.2.7: the same tag for each retransmission, without remembering
	 * anything */
	hash = hash_str(&sip->keys.slot_key, message_str(request, request->via)) ^
	       hash_str(&sip->keys.slot_key, message_str(request, request->call_id));
	for (size_t i = 0; i < sizeof(tag); i++)
		tag[i] = digits[hash >> (60 - 4 * i) & 15];
	r.to_tag = (struct str){tag, sizeof(tag)};
	if (response_build_answer(sip, request, &r, &wire) != 0)
		return;
	sip_send(sip, &request->flow, (struct str){wire->byte, wire->size}, 0, true);
	wire_drop(wire);
}
