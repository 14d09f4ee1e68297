/* dialog_reference.c - Replaces, Target-Dialog, Refer-To and Referred-By between the legs.
 *
 * A phone that refers another names what it knows: our Contact and our dialog with it. The other
 * phone brings these names back to us, so our Contact stays as it is but for our address. A
 * Replaces in the Refer-To names the dialog by the referrer's own Call-ID and tag, which often tell
 * its address: they become tokens of ours on the way, and are mapped to the far leg's names when
 * they come back in an INVITE.
 */
#include "dialog_reference.h"

#include "ipc/token.h"

/* Splits "call-id;name=value..." */
static struct str dialog_parameters(struct str value, struct str *call_id)
{
	size_t semicolon = str_find(value, ';');

	*call_id = str_trim((struct str){value.p, semicolon});
	return semicolon < value.n ? str_from(value, semicolon + 1) : (struct str){"", 0};
}

struct dialog *dialog_reference_find(struct sip *sip, struct str value)
{
	uint8_t slot;
	uint64_t id, tag_id;
	struct str call_id, ours, theirs, params = dialog_parameters(value, &call_id);

	if (!param_find(params, S("to-tag"), &ours) ||
		!param_find(params, S("from-tag"), &theirs) || !ours.p || !theirs.p)
		return NULL;
	if (!str_equal(ours, theirs))
		return dialog_of_tags(sip, call_id, ours, theirs);
	if (token_prove(&sip->keys.minting, TOKEN_CALL_ID, call_id, &slot, &id) ||
		token_prove(&sip->keys.minting, TOKEN_TAG, ours, &slot, &tag_id) || id != tag_id)
		return NULL;
	return dialog_of_id(sip, id);
}

void dialog_reference_replaces(struct writer *w, const struct dialog *other, struct str value)
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

bool dialog_reference_target_dialog(struct writer *w, struct sip *sip, struct str value)
{
	struct str call_id, ours, theirs, params = dialog_parameters(value, &call_id);

	if (!param_find(params, S("remote-tag"), &ours) ||
		!param_find(params, S("local-tag"), &theirs) || !ours.p || !theirs.p)
		return false;
	struct dialog *d = dialog_of_tags(sip, call_id, ours, theirs);
	if (!d)
		return false;
	struct dialog *other = d->other;
	write_str(w, other->call_id);
	write_literal(w, ";local-tag=");
	write_bytes(w, other->tag, TOKEN_LENGTH);
	write_literal(w, ";remote-tag=");
	write_str(w, other->remote_tag);
	return true;
}

/* A Replaces among the headers of a URI that names a dialog of ours, whichever SIP worker has it:
 * the tag's token proves it. */
struct named {
	uint8_t slot;
	uint64_t id;
	char tag[TOKEN_LENGTH];
	bool early_only;
};

/* The next header of a URI from *rest. False at the end. */
static bool uri_header_next(struct str *rest, struct str *name, struct str *value)
{
	if (!rest->n)
		return false;
	size_t end = str_find(*rest, '&');
	struct str header = {rest->p, end};
	size_t equals = str_find(header, '=');
	*rest = end < rest->n ? str_from(*rest, end + 1) : (struct str){"", 0};
	*name = (struct str){header.p, equals};
	*value = equals < header.n ? str_from(header, equals + 1) : (struct str){"", 0};
	return true;
}

static bool names_dialog(struct sip *sip, struct str headers, struct named *out)
{
	struct str name, value, call_id, ours;
	char buffer[1024];

	while (uri_header_next(&headers, &name, &value)) {
		if (!str_equal_nocase(name, S("Replaces")))
			continue;
		long n = uri_unescape(value, buffer, sizeof(buffer));
		if (n <= 0)
			return false;
		struct str params = dialog_parameters((struct str){buffer, (size_t)n}, &call_id);
		if (!param_find(params, S("to-tag"), &ours) ||
			token_prove(&sip->keys.minting, TOKEN_TAG, ours, &out->slot, &out->id))
			return false;
		memcpy(out->tag, ours.p, TOKEN_LENGTH);
		out->early_only = param_find(params, S("early-only"), NULL);
		return true;
	}
	return false;
}

/* The headers of a URI with Replaces as our own name for its dialog: a Call-ID token of the
 * dialog's id and our tag as both tags, which no real dialog has. d NULL: without Replaces. */
static void write_uri_headers(
	struct writer *w, struct sip *sip, struct str headers, const struct named *d)
{
	struct str name, value;
	char token[TOKEN_LENGTH], before = '?';

	while (uri_header_next(&headers, &name, &value)) {
		bool replaces = str_equal_nocase(name, S("Replaces"));

		if (replaces && !d)
			continue;
		write_bytes(w, &before, 1);
		before = '&';
		write_str(w, name);
		write_literal(w, "=");
		if (!replaces) {
			write_str(w, value);
			continue;
		}
		token_mint(&sip->keys.minting, TOKEN_CALL_ID, d->slot, d->id, token);
		write_bytes(w, token, sizeof(token));
		write_literal(w, "%3Bto-tag%3D");
		write_bytes(w, d->tag, sizeof(d->tag));
		write_literal(w, "%3Bfrom-tag%3D");
		write_bytes(w, d->tag, sizeof(d->tag));
		if (d->early_only)
			write_literal(w, "%3Bearly-only");
	}
}

void dialog_reference_address(
	struct writer *w, struct sip *sip, struct str value, const struct flow *to)
{
	struct str rest = value;
	struct address a;
	struct named d;
	uint8_t slot;
	uint64_t id;

	if (address_next(&rest, &a))
		return;
	struct str uri = a.uri.whole, headers = a.uri.headers;
	bool ours = names_dialog(sip, headers, &d);
	/* The URI without its headers; what follows it is the value's rest. */
	size_t length = headers.n ? (size_t)(headers.p - uri.p) - 1 : uri.n;
	/* a display name with a NUL, and parameters with one, stay behind */
	if (a.display.n && memchr(a.display.p, 0, a.display.n))
		write_literal(w, "<");
	else
		write_bytes(w, value.p, (size_t)(uri.p - value.p));
	if (ours) {
		/* An INVITE with that Replaces is for the far leg of its dialog wherever it is
		 * sent: sent to our Contact it comes to the worker that has the dialog. */
		char token[TOKEN_LENGTH];

		token_mint(&sip->keys.minting, TOKEN_CONTACT, d.slot, d.id, token);
		write_literal(w, "sip:");
		write_bytes(w, token, sizeof(token));
		write_literal(w, "@");
		write_sent_by(w, sip, to);
		if (to->transport == TRANSPORT_TCP)
			write_literal(w, ";transport=tcp");
	} else if (token_prove(&sip->keys.minting, TOKEN_CONTACT, a.uri.user, &slot, &id) == 0) {
		size_t head = (size_t)(a.uri.host.p - uri.p), end = head + a.uri.host.n;

		write_bytes(w, uri.p, head);
		write_sent_by(w, sip, to);
		if (a.uri.port && end < length && uri.p[end] == ':')
			while (++end < length && uri.p[end] >= '0' && uri.p[end] <= '9')
				;
		write_bytes(w, uri.p + end, length - end);
	} else {
		write_bytes(w, uri.p, length);
	}
	write_uri_headers(w, sip, headers, ours ? &d : NULL);
	struct str after = str_from(value, (size_t)(uri.p - value.p) + uri.n);
	if (after.n && memchr(after.p, 0, after.n))
		after.n = a.bracketed ? 1 : 0;
	write_str(w, after);
}
