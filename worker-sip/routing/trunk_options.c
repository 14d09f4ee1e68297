/* trunk_options.c - see trunk_options.h. */
#include "trunk_options.h"

#include "ipc/token.h"
#include "target_rows.h"

/* Who is registered there pings under the name of his registration: a server may answer no other.
 */
static void options_write_from(
	struct writer *w, struct sip *sip, const struct flow *to, unsigned trunk, struct str host)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);

	write_literal(w, "\r\nFrom: <sip:");
	if (!t->register_s) {
		write_sent_by(w, sip, to);
		return;
	}
	write_str(w, settings_str(sip->settings, t->username));
	write_literal(w, "@");
	write_str(w, t->from_domain.length ? settings_str(sip->settings, t->from_domain) : host);
}

void trunk_options_write(struct writer *w, struct sip *sip, const struct flow *to, unsigned trunk,
	const struct target_settings *t, uint8_t slot, uint64_t branch)
{
	char token[TOKEN_LENGTH], text[TARGET_HOST_SIZE];
	struct writer host_writer = WRITER(text);
	uint8_t transport = write_target_host(&host_writer, sip->settings, trunk, t);
	struct str host = writer_text(&host_writer);

	write_literal(w, "OPTIONS sip:");
	write_str(w, host);
	if (transport != TRANSPORT_UDP)
		write_str(
			w, transport == TRANSPORT_TCP ? S(";transport=tcp") : S(";transport=tls"));
	write_literal(w, " SIP/2.0\r\nVia: SIP/2.0/");
	write_str(w, str_of(transport_name(to->transport)));
	write_literal(w, " ");
	write_sent_by(w, sip, to);
	write_literal(w, ";branch=" BRANCH_COOKIE);
	token_mint(&sip->keys.minting, TOKEN_BRANCH, slot, branch, token);
	write_bytes(w, token, sizeof(token));
	write_literal(w, "\r\nMax-Forwards: ");
	write_number(w, sip->settings->max_forwards);
	options_write_from(w, sip, to, trunk, host);
	write_literal(w, ">;tag=");
	token_mint(&sip->keys.minting, TOKEN_TAG, slot, random_u64(), token);
	write_bytes(w, token, sizeof(token));
	write_literal(w, "\r\nTo: <sip:");
	write_str(w, host);
	write_literal(w, ">\r\nCall-ID: ");
	token_mint(&sip->keys.minting, TOKEN_CALL_ID, slot, random_u64(), token);
	write_bytes(w, token, sizeof(token));
	write_literal(w, "\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\n");
	if (sip->settings->server.length) {
		write_literal(w, "User-Agent: ");
		write_str(w, settings_str(sip->settings, sip->settings->server));
		write_literal(w, "\r\n");
	}
	write_literal(w, "Content-Length: 0\r\n\r\n");
}
