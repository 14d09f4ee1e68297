/* splice.c - outgoing messages cut and spliced from received ones. What passes between the legs is
 * policy.c's to decide; what is written in the place of a line that does not pass is chosen here.
 *
 * Lines that pass are copied as runs of raw bytes, so that their order, spelling and folding stay.
 */
#include "splice.h"

#include "header_line.h"
#include "ipc/token.h"
#include "multipart.h"
#include "option_tags.h"
#include "policy.h"
#include "privacy.h"
#include "redirect_contact.h"
#include "response.h"
#include "rewrite.h"
#include "session_timer.h"

/* Writes a header that names something of the other leg with the name that it has on this one. */
static void splice_write_mapped(struct writer *w, const struct splice *s,
	const struct message_header *h, const struct hosts *hosts)
{
	struct str mapped = STR_EMPTY;

	switch (h->id) {
	case HEADER_RACK: mapped = s->rack; break;
	case HEADER_REFER_TO: mapped = s->refer_to; break;
	case HEADER_REFERRED_BY: mapped = s->referred_by; break;
	case HEADER_REPLACES:
	case HEADER_JOIN: mapped = s->replaces; break;
	case HEADER_TARGET_DIALOG: mapped = s->target_dialog; break;
	case HEADER_EVENT: header_line_event(w, s->in, h, s->event_id, hosts); break;
	}
	if (mapped.n && str_find(mapped, 0) == mapped.n)
		header_line_write(w, s->in, h, mapped);
}

/* Writes each header of ours at the place of the received one. */
typedef void (*splice_ours)(
	struct writer *w, const struct splice *s, const struct message_header *h);

/* Software is named by our own text, or not at all. */
static void splice_write_software(
	struct writer *w, const struct splice *s, const struct message_header *h)
{
	const struct settings *settings = s->sip->settings;
	struct str server = settings_str(settings, settings->server);

	if (server.n)
		header_line_write(w, s->in, h, server);
}

static struct str splice_identity(const struct splice *s)
{
	return rewrite_str(s->rewrite, s->rewrite->part[RULE_IDENTITY_USER]);
}

static void splice_write_expires(
	struct writer *w, const struct splice *s, const struct message_header *h)
{
	char digits[16];
	struct writer text = WRITER(digits);

	write_number(&text, s->expires_most);
	header_line_write(w, s->in, h, writer_text(&text));
}

/* Says of Expires, where it asks for more than there is, that it is written anew. */
static void splice_decide_expires(const struct splice *s, const struct message_header *h,
	const struct message_header *last, uint8_t *what)
{
	if (s->in->expires <= (int64_t)s->expires_most)
		return;
	for (; h < last; h++, what++)
		if (h->id == HEADER_EXPIRES && *what != POLICY_NEVER)
			*what = POLICY_EXPIRES;
}

/* Writes what stands in the place of a line that does not pass. */
static void splice_write_instead(struct writer *w, const struct splice *s,
	const struct policy_sides *sides, const struct message_header *h, uint8_t what,
	splice_ours ours)
{
	switch (what) {
	case POLICY_OURS:
		if (ours)
			ours(w, s, h);
		break;
	case POLICY_OPTIONS: option_tags_write(w, s->in, h); break;
	case POLICY_SOFTWARE: splice_write_software(w, s, h); break;
	case POLICY_WARNING: header_line_warning(w, s->in, h, &sides->hosts); break;
	case POLICY_MAPPED: splice_write_mapped(w, s, h, &sides->hosts); break;
	case POLICY_HOSTS: header_line_hosts(w, s->in, h, &sides->hosts); break;
	case POLICY_ELEMENTS: header_line_elements(w, s->in, h, NULL); break;
	case POLICY_ELEMENTS_HOSTS: header_line_elements(w, s->in, h, &sides->hosts); break;
	case POLICY_EXPIRES: splice_write_expires(w, s, h); break;
	case POLICY_IDENTITY: header_line_write(w, s->in, h, splice_identity(s)); break;
	case POLICY_IDENTITY_HOSTS:
		header_line_text(w, s->in, h, &sides->hosts, splice_identity(s));
		break;
	}
}

/* Writes the header lines of s->in from h to before last, as it is decided of each. */
static void splice_write_lines(struct writer *w, const struct splice *s,
	const struct policy_sides *sides, splice_ours ours, const struct message_header *h,
	const struct message_header *last)
{
	const char *raw = message_raw(s->in);
	uint8_t decided[MESSAGE_HEADERS_MAX], *what = decided;
	size_t run = 0, run_end = 0;

	policy_decide(sides, h, last, decided);
	if (s->rewrite)
		rewrite_decide(s->rewrite, s->in, h, last, decided);
	if (s->expires_most)
		splice_decide_expires(s, h, last, decided);
	for (; h < last; h++, what++) {
		bool pass = *what == POLICY_PASS;

		if (pass && run_end == h->line && run != run_end) {
			run_end = h->end;
			continue;
		}
		write_bytes(w, raw + run, run_end - run);
		run = pass ? h->line : 0;
		run_end = pass ? h->end : 0;
		if (!pass)
			splice_write_instead(w, s, sides, h, *what, ours);
	}
	write_bytes(w, raw + run, run_end - run);
}

static void splice_write_headers(struct writer *w, const struct splice *s,
	const struct policy_sides *sides, splice_ours ours)
{
	const struct message_header *h = message_headers(s->in);

	splice_write_lines(w, s, sides, ours, h, h + s->in->header_count);
}

void splice_write_header(struct writer *w, const struct splice *s, enum header id)
{
	const struct message *m = s->in;
	const struct policy_sides sides = policy_sides(s->sip, m, s->from_zone, s->to_zone, s->to);

	for (const struct message_header *h = message_first(m, id); h; h = message_next(m, h)) {
		const size_t before = w->n;

		splice_write_lines(w, s, &sides, NULL, h, h + 1);
		if (w->full)
			w->n = before;
		w->full = false;
	}
}

void splice_write_own_contact(struct writer *w, const struct sip *sip, struct str user,
	const struct flow *flow, bool sips)
{
	if (sips)
		write_literal(w, "Contact: <sips:");
	else
		write_literal(w, "Contact: <sip:");
	write_str(w, user);
	write_literal(w, "@");
	write_sent_by(w, sip, flow);
	if (flow->transport == TRANSPORT_TCP)
		write_literal(w, ";transport=tcp");
	else if (flow->transport == TRANSPORT_TLS && !sips)
		write_literal(w, ";transport=tls");
	else if (flow->transport == TRANSPORT_WS || flow->transport == TRANSPORT_WSS)
		write_literal(w, ";transport=ws");
	write_literal(w, ">\r\n");
}

/* A body of which nobody could say what it is does not pass. */
static void splice_write_body(
	struct writer *w, const struct splice *s, const struct policy_sides *sides)
{
	const struct message *m = s->in;
	struct str type = message_str(m, m->content_type),
		   body = type.n ? message_str(m, m->body) : STR_EMPTY;

	if (body.n && multipart_is(type) && !sides->hosts.keep) {
		struct writer parts = WRITER(s->sip->scratch.body);

		write_multipart(&parts, &sides->hosts, type, body);
		if (parts.full)
			w->full = true;
		body = writer_text(&parts);
	}
	write_literal(w, "Content-Length: ");
	write_number(w, body.n);
	write_literal(w, "\r\n\r\n");
	write_str(w, body);
}

static struct str splice_method(const struct message *m)
{
	return message_str(m, m->method_name);
}

static bool splice_is_sips(struct str uri)
{
	return uri.n > 5 && strncasecmp(uri.p, "sips:", 5) == 0;
}

/* Max-Forwards of a request that passes on. BYE and ACK are of a dialog, which has no loop, and are
 * not lost for the number of hops on the other leg: a last hop's go on with a number of our own. */
static uint64_t splice_max_forwards(const struct splice *s)
{
	const struct message *m = s->in;
	bool ours = m->method == METHOD_BYE || m->method == METHOD_ACK;

	if (m->max_forwards > 0)
		return (uint64_t)m->max_forwards - 1;
	return m->max_forwards < 0 || ours ? s->sip->settings->max_forwards : 0;
}

static void splice_write_ours(
	struct writer *w, const struct splice *s, const struct message_header *h)
{
	const struct message *m = s->in;
	char buffer[TOKEN_LENGTH];

	if (message_first(m, h->id) != h)
		return; /* the further Vias of the other side; any other header of ours stands
		         * once */
	switch (h->id) {
	case HEADER_VIA:
		write_str(w, message_header_name(m, h));
		write_literal(w, ": SIP/2.0/");
		write_str(w, str_of(transport_name(s->to->transport)));
		write_literal(w, " ");
		write_sent_by(w, s->sip, s->to);
		write_literal(w, ";branch=" BRANCH_COOKIE);
		token_mint(&s->sip->keys.minting, TOKEN_BRANCH, s->slot, s->branch, buffer);
		write_bytes(w, buffer, sizeof(buffer));
		write_literal(w, "\r\n");
		if (s->route.n) {
			write_literal(w, "Route: ");
			write_str(w, s->route);
			write_literal(w, "\r\n");
		}
		write_str(w, s->credentials);
		if (m->max_forwards < 0) {
			write_literal(w, "Max-Forwards: ");
			write_number(w, splice_max_forwards(s));
			write_literal(w, "\r\n");
		}
		break;
	case HEADER_MAX_FORWARDS:
		write_str(w, message_header_name(m, h));
		write_literal(w, ": ");
		write_number(w, splice_max_forwards(s));
		write_literal(w, "\r\n");
		break;
	case HEADER_FROM: header_line_write(w, m, h, s->from); break;
	case HEADER_TO: header_line_write(w, m, h, s->to_value); break;
	case HEADER_CALL_ID: header_line_write(w, m, h, s->call_id); break;
	case HEADER_CSEQ:
		write_str(w, message_header_name(m, h));
		write_literal(w, ": ");
		write_number(w, s->cseq);
		write_literal(w, " ");
		write_str(w, splice_method(m));
		write_literal(w, "\r\n");
		break;
	case HEADER_CONTACT:
		if (s->contact_user.n)
			splice_write_own_contact(
				w, s->sip, s->contact_user, s->to, splice_is_sips(s->request_uri));
		break;
	}
}

static void splice_write_asserted_as(struct writer *w, const struct splice *s,
	const struct policy_sides *sides, struct str header, struct str params)
{
	struct hosts hosts = sides->hosts;

	hosts.keep = sides->to->identities == LEAVING_PASS;
	write_str(w, header);
	if (hosts_suspected(&hosts, s->asserted))
		write_without_hosts(w, &hosts, s->asserted);
	else
		write_str(w, s->asserted);
	write_str(w, params);
	write_literal(w, "\r\n");
}

/* Says who the caller is, in the headers that the receiver's zone has it in. Remote-Party-ID that
 * came from a trusted zone passes by itself. */
static void splice_write_asserted(
	struct writer *w, const struct splice *s, const struct policy_sides *sides)
{
	uint32_t as = sides->to->assert_as;
	bool passes = sides->from->trust && message_first(s->in, HEADER_REMOTE_PARTY_ID);

	if (as != ASSERT_AS_REMOTE_PARTY)
		splice_write_asserted_as(w, s, sides, S("P-Asserted-Identity: "), STR_EMPTY);
	if (as != ASSERT_AS_ASSERTED && !passes)
		splice_write_asserted_as(w, s, sides, S("Remote-Party-ID: "),
			privacy_hides_caller(s->in) ? S(";party=calling;screen=yes;privacy=full")
						    : S(";party=calling;screen=yes;privacy=off"));
}

int splice_request(const struct splice *s, struct wire **out)
{
	struct writer w = scratch_message(&s->sip->scratch);
	struct policy_sides sides = policy_sides(s->sip, s->in, s->from_zone, s->to_zone, s->to);

	sides.event_mapped = s->event_id.n != 0;
	sides.proved = s->credentials.n != 0;
	write_str(&w, splice_method(s->in));
	write_literal(&w, " ");
	write_str(&w, s->request_uri);
	write_literal(&w, " SIP/2.0\r\n");
	if (s->rewrite)
		write_str(&w, rewrite_str(s->rewrite, s->rewrite->first));
	splice_write_headers(&w, s, &sides, splice_write_ours);
	if (s->contact_user.n && !message_first(s->in, HEADER_CONTACT))
		splice_write_own_contact(
			&w, s->sip, s->contact_user, s->to, splice_is_sips(s->request_uri));
	if (s->asserted.n)
		splice_write_asserted(&w, s, &sides);
	if (s->rewrite)
		write_str(&w, rewrite_str(s->rewrite, s->rewrite->added));
	splice_write_body(&w, s, &sides);
	return scratch_wire(&s->sip->scratch, &w, out);
}

/* Whether it is an answer that may have a session timer (RFC 4028 section 7). */
static bool splice_refreshes_session(const struct message *m, unsigned status)
{
	return (m->method == METHOD_INVITE || m->method == METHOD_UPDATE) &&
	       (status ? status : m->status) / 100 == 2;
}

int splice_response(const struct splice *s, const struct message *request, unsigned status,
	struct str to_tag, struct wire **out)
{
	struct writer w = scratch_message(&s->sip->scratch);
	const struct message *m = s->in;
	const struct policy_sides sides = policy_sides(
		s->sip, m, s->from_zone, s->to_zone, &request->flow);
	struct str reason = status && status != m->status ? str_of(status_reason(status))
	                                                  : message_str(m, m->reason);

	/* It is free text: a gateway behind the peer may have put its address there. */
	if (hosts_suspected(&sides.hosts, reason) && hosts_named(&sides.hosts, reason))
		reason = str_of(status_reason(status ? status : m->status));
	response_write_head(&w, request, status ? status : m->status, reason, to_tag);
	/* A dialog's route set is the request's Record-Route (RFC 3261 section 12.1.1). */
	if (s->contact_user.n && m->status > 100 && m->status < 300)
		for (const struct message_header *h = message_first(request, HEADER_RECORD_ROUTE);
			h; h = message_next(request, h))
			write_bytes(&w, message_raw(request) + h->line, (size_t)(h->end - h->line));
	if (s->contact_user.n)
		splice_write_own_contact(&w, s->sip, s->contact_user, &request->flow,
			request->request_uri.scheme == URI_SIPS);
	if (s->redirects)
		redirect_contact_write(&w, m, &sides.hosts);
	splice_write_headers(&w, s, &sides, NULL);
	if (s->rewrite)
		write_str(&w, rewrite_str(s->rewrite, s->rewrite->added));
	if (splice_refreshes_session(m, status))
		session_timer_write_kept(&w, request, m);
	splice_write_body(&w, s, &sides);
	return scratch_wire(&s->sip->scratch, &w, out);
}
