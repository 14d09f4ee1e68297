/* map.c - Replaces, Target-Dialog, Refer-To and Referred-By between the legs.
 *
 * A phone that refers another names what it knows: our Contact and our dialog with it. The other phone brings these names back to us, so our Contact stays as it is but for our address. A Replaces in
 * the Refer-To names the dialog by the referrer's own Call-ID and tag, which often tell its address: they become tokens of ours on the way, and are mapped to the far leg's names when they
 * come back in an INVITE.
 */
#include "map.h"

#include "../ipc/token.h"
#include "call.h"

/* Splits "call-id;name=value..." */
static struct str dialog_parameters(struct str value, struct str *call_id)
{
	size_t semicolon = str_find(value, ';');
	*call_id = str_trim((struct str){value.p, semicolon});
	return semicolon < value.n ? str_from(value, semicolon + 1) : (struct str){"", 0};
}

/* Our own name for d: a Call-ID token of the dialog's id with our tag as both tags, which no real dialog has. */
static void write_pseudonym(struct writer *w, struct sip *sip, const struct dialog *d, bool early_only)
{
	char token[TOKEN_LENGTH];
	token_mint(&sip->keys.minting, TOKEN_CALL_ID, d->slot, d->id, token);
	write_bytes(w, token, sizeof(token));
	write_literal(w, "%3Bto-tag%3D");
	write_bytes(w, d->tag, sizeof(d->tag));
	write_literal(w, "%3Bfrom-tag%3D");
	write_bytes(w, d->tag, sizeof(d->tag));
	if (early_only)
		write_literal(w, "%3Bearly-only");
}

struct dialog *map_replaces_dialog(struct sip *sip, struct str value)
{
	uint8_t slot;
	uint64_t id, tag_id;
	struct str call_id, ours, theirs, params = dialog_parameters(value, &call_id);
	if (!param_find(params, S("to-tag"), &ours) || !param_find(params, S("from-tag"), &theirs) || !ours.p || !theirs.p)
		return NULL;
	if (!str_equal(ours, theirs))
		return dialog_of_tags(sip, call_id, ours, theirs);
	if (token_prove(&sip->keys.minting, TOKEN_CALL_ID, call_id, &slot, &id) || token_prove(&sip->keys.minting, TOKEN_TAG, ours, &slot, &tag_id) || id != tag_id)
		return NULL;
	return dialog_of_id(sip, id);
}

void map_replaces(struct writer *w, const struct dialog *other, struct str value)
{
	struct str call_id, params = dialog_parameters(value, &call_id);
	write_str(w, other->call_id);
	write_literal(w, ";to-tag=");
	write_str(w, other->remote_tag);
	write_literal(w, ";from-tag=");
	write_bytes(w, other->tag, TOKEN_LENGTH);
	if (param_find(params, S("early-only"), NULL))
		write_literal(w, ";early-only");
}

bool map_target_dialog(struct writer *w, struct sip *sip, struct str value)
{
	struct str call_id, ours, theirs, params = dialog_parameters(value, &call_id);
	if (!param_find(params, S("remote-tag"), &ours) || !param_find(params, S("local-tag"), &theirs) || !ours.p || !theirs.p)
		return false;
	struct dialog *d = dialog_of_tags(sip, call_id, ours, theirs);
	if (!d)
		return false;
	struct dialog *other = d == d->call->a ? d->call->b : d->call->a;
	write_str(w, other->call_id);
	write_literal(w, ";local-tag=");
	write_bytes(w, other->tag, TOKEN_LENGTH);
	write_literal(w, ";remote-tag=");
	write_str(w, other->remote_tag);
	return true;
}

/* Writes text, which ends where `headers` of its URI end or later, with the Replaces among those headers replaced by our own name for its dialog; one that names no dialog of ours is left out. */
static void write_with_headers(struct writer *w, struct sip *sip, struct str text, struct str headers)
{
	if (!headers.n) {
		write_str(w, text);
		return;
	}
	struct str rest = headers;
	char before = '?';
	write_bytes(w, text.p, (size_t)(headers.p - text.p) - 1);
	while (rest.n) {
		size_t end = str_find(rest, '&');
		struct str header = {rest.p, end};
		size_t equals = str_find(header, '=');
		rest = end < rest.n ? str_from(rest, end + 1) : (struct str){"", 0};
		if (str_equal_nocase((struct str){header.p, equals}, S("Replaces"))) {
			char room[1024];
			long n = equals < header.n ? uri_unescape(str_from(header, equals + 1), room, sizeof(room)) : 0;
			struct str plain = {room, n > 0 ? (size_t)n : 0}, call_id;
			struct dialog *d = plain.n ? map_replaces_dialog(sip, plain) : NULL;
			if (!d)
				continue;
			write_bytes(w, &before, 1);
			write_literal(w, "Replaces=");
			write_pseudonym(w, sip, d, param_find(dialog_parameters(plain, &call_id), S("early-only"), NULL));
		} else {
			write_bytes(w, &before, 1);
			write_str(w, header);
		}
		before = '&';
	}
	write_str(w, str_from(text, (size_t)(headers.p + headers.n - text.p)));
}

void map_address(struct writer *w, struct sip *sip, struct str value, const struct flow *to)
{
	struct str rest = value;
	struct address a;
	if (address_next(&rest, &a))
		return;
	if (!dialog_of_contact(sip, a.uri.user)) {
		write_with_headers(w, sip, value, a.uri.headers);
		return;
	}
	write_bytes(w, value.p, (size_t)(a.uri.host.p - value.p));
	write_sent_by(w, sip, to);
	size_t host_end = (size_t)(a.uri.host.p - value.p) + a.uri.host.n;
	if (a.uri.port && host_end < value.n && value.p[host_end] == ':')
		while (++host_end < value.n && value.p[host_end] >= '0' && value.p[host_end] <= '9')
			;
	write_with_headers(w, sip, str_from(value, host_end), a.uri.headers);
}
