/* trunk_register.c - the REGISTER for a trunk (RFC 3261 section 10.2): what is written, and what
 * its 2xx grants (trunk_registration_state.h). */
#include "trunk_registration_state.h"

#include "ipc/token.h"
#include "target_rows.h"
#include "trunk_slot.h"

const struct target_settings *trunk_registration_target(const struct trunk_registration *g)
{
	struct array targets = trunk_registration_settings(g)->targets;

	return SETTINGS_ROW(g->sip->settings, struct target_settings, targets,
		g->row.written < targets.count ? g->row.written : 0u);
}

/* The domain of our address of record: what the trunk says, or else its target. */
static void register_write_domain(struct writer *w, const struct trunk_registration *g)
{
	const struct trunk_settings *t = trunk_registration_settings(g);

	if (t->from_domain.length)
		write_str(w, settings_str(g->sip->settings, t->from_domain));
	else
		write_target_host(w, g->sip->settings, g->trunk, &g->row);
}

/* ---- the Contact ---- */

static struct registration_line register_line(
	const struct trunk_registration *g, const struct flow *to)
{
	struct registration_line line = {.transport = to->transport};

	line.is = trunk_line(g->sip, g->trunk, to->transport, line.text);
	return line;
}

static bool register_line_equal(
	const struct registration_line *a, const struct registration_line *b)
{
	return a->is == b->is && (!a->is || memcmp(a->text, b->text, sizeof(a->text)) == 0);
}

bool trunk_registration_line_is_old(const struct trunk_registration *g)
{
	struct registration_line now = register_line(g, &g->flow);

	return !register_line_equal(&now, &g->bound);
}

static void register_write_contact(struct writer *w, const struct trunk_registration *g,
	const struct flow *to, const struct registration_line *line)
{
	const struct trunk_settings *t = trunk_registration_settings(g);
	struct text user = t->contact_user.length ? t->contact_user : t->username;

	write_literal(w, "sip:");
	write_str(w, settings_str(g->sip->settings, user));
	write_literal(w, "@");
	write_sent_by(w, g->sip, to);
	if (to->transport != TRANSPORT_UDP)
		write_str(w,
			to->transport == TRANSPORT_TCP ? S(";transport=tcp") : S(";transport=tls"));
	if (line->is) {
		write_literal(w, ";" LINE_NAME "=");
		write_bytes(w, line->text, sizeof(line->text));
	}
}

/* The Contact that is asked for, behind the one that it takes the place of. */
static void register_write_contacts(
	struct writer *w, struct trunk_registration *g, const struct flow *to, uint32_t expires)
{
	g->asked = register_line(g, to);
	/* a flow's Contact takes the place of its own (RFC 5626 section 6) */
	if (g->bound.is && !trunk_flow_is_outbound(g) && g->bound.transport == to->transport &&
		!register_line_equal(&g->asked, &g->bound)) {
		if (expires == 0)
			g->asked = g->bound;
		else {
			write_literal(w, "Contact: <");
			register_write_contact(w, g, to, &g->bound);
			write_literal(w, ">;expires=0\r\n");
		}
	}
	write_literal(w, "Contact: <");
	register_write_contact(w, g, to, &g->asked);
	write_literal(w, ">");
	trunk_flow_write_params(w, g);
	write_literal(w, "\r\n");
}

/* ---- the request ---- */

static void register_write_token(
	struct writer *w, const struct trunk_registration *g, enum token_kind kind, uint64_t id)
{
	char token[TOKEN_LENGTH];

	token_mint(&g->sip->keys.minting, kind, trunk_slot(g->sip, g->trunk), id, token);
	write_bytes(w, token, sizeof(token));
}

void trunk_registration_write(struct writer *w, struct trunk_registration *g, const struct flow *to,
	uint64_t branch, uint32_t expires)
{
	struct sip *sip = g->sip;
	struct str user = settings_str(sip->settings, trunk_registration_settings(g)->username);
	char buffer[512];
	struct writer uri = WRITER(buffer);

	write_literal(&uri, "sip:");
	register_write_domain(&uri, g);
	w->full |= uri.full;
	write_literal(w, "REGISTER ");
	write_str(w, writer_text(&uri));
	write_literal(w, " SIP/2.0\r\nVia: SIP/2.0/");
	write_str(w, str_of(transport_name(to->transport)));
	write_literal(w, " ");
	write_sent_by(w, sip, to);
	write_literal(w, ";branch=" BRANCH_COOKIE);
	register_write_token(w, g, TOKEN_BRANCH, branch);
	write_literal(w, "\r\nMax-Forwards: ");
	write_number(w, sip->settings->max_forwards);
	for (unsigned to_too = 0; to_too < 2; to_too++) {
		write_str(w, to_too ? S("\r\nTo: <sip:") : S("\r\nFrom: <sip:"));
		write_str(w, user);
		write_literal(w, "@");
		register_write_domain(w, g);
		write_literal(w, ">");
		if (!to_too) {
			write_literal(w, ";tag=");
			register_write_token(w, g, TOKEN_TAG, g->call);
		}
	}
	write_literal(w, "\r\nCall-ID: ");
	register_write_token(w, g, TOKEN_CALL_ID, g->call);
	write_literal(w, "\r\nCSeq: ");
	write_number(w, ++g->cseq);
	write_literal(w, " REGISTER\r\n");
	register_write_contacts(w, g, to, expires);
	write_literal(w, "Expires: ");
	write_number(w, expires);
	write_literal(w, "\r\nSupported: path");
	write_str(w, trunk_flow_is_outbound(g) ? S(", outbound\r\n") : S("\r\n"));
	write_str(w, trunk_auth_write(sip, g->id, S("REGISTER"), writer_text(&uri)));
	if (sip->settings->server.length) {
		write_literal(w, "User-Agent: ");
		write_str(w, settings_str(sip->settings, sip->settings->server));
		write_literal(w, "\r\n");
	}
	write_literal(w, "Content-Length: 0\r\n\r\n");
}

uint32_t trunk_registration_granted(const struct trunk_registration *g, const struct message *m)
{
	char buffer[512];
	struct writer ours = WRITER(buffer);
	uint64_t seconds = g->expires;
	struct str value;

	register_write_contact(&ours, g, &g->flow, &g->asked);
	if ((value = message_value(m, HEADER_EXPIRES)).n && str_number(value, UINT32_MAX, &seconds))
		seconds = g->expires;
	for (const struct message_header *h = message_first(m, HEADER_CONTACT); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;

		while (address_next(&rest, &a) == 0)
			if (str_equal_nocase(a.uri.whole, writer_text(&ours)) &&
				trunk_flow_is_of_contact(g, a.params) &&
				param_find(a.params, S("expires"), &value) &&
				str_number(value, UINT32_MAX, &seconds))
				seconds = g->expires;
	}
	return seconds > REGISTRATION_EXPIRES_MAX ? REGISTRATION_EXPIRES_MAX : (uint32_t)seconds;
}
