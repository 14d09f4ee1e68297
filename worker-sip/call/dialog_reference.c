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

/* Splits "call-id;name=value..." into its Call-ID and its parameters, which are returned. */
static struct str dialog_reference_split(struct str value, struct str *call_id)
{
	size_t semicolon = str_find(value, ';');

	*call_id = str_trim((struct str){value.p, semicolon});
	return semicolon < value.n ? str_from(value, semicolon + 1) : STR_EMPTY;
}

/* Takes our tag and the peer's from the parameters of these names. False where one is missing. */
static bool dialog_reference_tags(struct str params, struct str our_name, struct str peer_name,
	struct str *ours, struct str *peers)
{
	return param_find(params, our_name, ours) && param_find(params, peer_name, peers) &&
	       ours->p && peers->p;
}

/* A subscription's dialog cannot be replaced by a call. */
static struct dialog *dialog_reference_of_call(struct dialog *d)
{
	return d && d->call ? d : NULL;
}

struct dialog *dialog_reference_find(struct sip *sip, struct str value)
{
	uint8_t slot;
	uint64_t id, tag_id;
	struct str call_id, ours, theirs, params = dialog_reference_split(value, &call_id);
	const struct token_keys *keys = &sip->keys.minting;

	if (!dialog_reference_tags(params, S("to-tag"), S("from-tag"), &ours, &theirs))
		return NULL;
	if (!str_equal(ours, theirs))
		return dialog_reference_of_call(dialog_of_tags(sip, call_id, ours, theirs));
	if (token_prove(keys, TOKEN_CALL_ID, call_id, &slot, &id))
		return NULL;
	if (token_prove(keys, TOKEN_TAG, ours, &slot, &tag_id) || id != tag_id)
		return NULL;
	return dialog_reference_of_call(dialog_of_id(sip, id));
}

void dialog_reference_replaces(struct writer *w, const struct dialog *other, struct str value)
{
	struct str call_id, flag, params = dialog_reference_split(value, &call_id);

	write_str(w, other->call_id);
	write_literal(w, ";to-tag=");
	write_str(w, other->remote_tag);
	write_literal(w, ";from-tag=");
	write_bytes(w, other->tag, TOKEN_LENGTH);
	if (param_find(params, S("early-only"), &flag))
		write_literal(w, ";early-only");
}

bool dialog_reference_target_dialog(struct writer *w, struct sip *sip, struct str value)
{
	struct str call_id, ours, theirs, params = dialog_reference_split(value, &call_id);

	if (!dialog_reference_tags(params, S("remote-tag"), S("local-tag"), &ours, &theirs))
		return false;
	const struct dialog *d = dialog_of_tags(sip, call_id, ours, theirs);
	if (!d || !d->other)
		return false;
	write_str(w, d->other->call_id);
	write_literal(w, ";local-tag=");
	write_bytes(w, d->other->tag, TOKEN_LENGTH);
	write_literal(w, ";remote-tag=");
	write_str(w, d->other->remote_tag);
	return true;
}

/* ---- a dialog that the headers of a URI name ---- */

/* The dialog of a Replaces among the headers of a URI, whichever SIP worker has it: the tag's token
 * proves it to be ours. */
struct dialog_name {
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
	*rest = end < rest->n ? str_from(*rest, end + 1) : STR_EMPTY;
	*name = (struct str){header.p, equals};
	*value = equals < header.n ? str_from(header, equals + 1) : STR_EMPTY;
	return true;
}

/* False where the headers name no dialog of ours. */
static bool dialog_name_find(struct sip *sip, struct str headers, struct dialog_name *out)
{
	struct str name, value, call_id, ours, flag;
	char buffer[1024];

	while (uri_header_next(&headers, &name, &value)) {
		if (!str_equal_nocase(name, S("Replaces")))
			continue;
		long n = uri_unescape(value, buffer, sizeof(buffer));
		if (n <= 0)
			return false;
		struct str unescaped = {buffer, (size_t)n};
		struct str params = dialog_reference_split(unescaped, &call_id);
		if (!param_find(params, S("to-tag"), &ours))
			return false;
		if (token_prove(&sip->keys.minting, TOKEN_TAG, ours, &out->slot, &out->id))
			return false;
		memcpy(out->tag, ours.p, TOKEN_LENGTH);
		out->early_only = param_find(params, S("early-only"), &flag);
		return true;
	}
	return false;
}

/* Writes our own name for the dialog as the escaped value of Replaces: a Call-ID token of its id,
 * and our tag as both tags, which no real dialog has. */
static void dialog_name_write(struct writer *w, struct sip *sip, const struct dialog_name *d)
{
	char token[TOKEN_LENGTH];

	token_mint(&sip->keys.minting, TOKEN_CALL_ID, d->slot, d->id, token);
	write_bytes(w, token, sizeof(token));
	write_literal(w, "%3Bto-tag%3D");
	write_bytes(w, d->tag, sizeof(d->tag));
	write_literal(w, "%3Bfrom-tag%3D");
	write_bytes(w, d->tag, sizeof(d->tag));
	if (d->early_only)
		write_literal(w, "%3Bearly-only");
}

/* Writes the headers of a URI with our own name for the dialog in Replaces; without Replaces where
 * d is NULL. */
static void dialog_name_write_headers(struct writer *w, const struct hosts *hosts,
	struct str headers, const struct dialog_name *d)
{
	struct str name, value;
	char before = '?';

	while (uri_header_next(&headers, &name, &value)) {
		bool replaces = str_equal_nocase(name, S("Replaces"));

		if (replaces && !d)
			continue;
		write_bytes(w, &before, 1);
		before = '&';
		write_str(w, name);
		write_literal(w, "=");
		if (replaces)
			dialog_name_write(w, hosts->sip, d);
		else
			write_without_hosts(w, hosts, value);
	}
}

/* ---- addresses ---- */

/* Without it a URI means UDP (RFC 3263 section 4.1), as our Contact on that leg does not. */
static void dialog_reference_write_transport(
	struct writer *w, const struct flow *to, struct str scheme)
{
	if (to->transport == TRANSPORT_TCP)
		write_literal(w, ";transport=tcp");
	else if (to->transport == TRANSPORT_TLS && !str_equal_nocase(scheme, S("sips")))
		write_literal(w, ";transport=tls");
	else if (to->transport == TRANSPORT_WS || to->transport == TRANSPORT_WSS)
		write_literal(w, ";transport=ws");
}

/* Writes our Contact of the dialog at our address on the other leg. An INVITE with that Replaces is
 * for the far leg of the dialog wherever it is sent: sent to our Contact it comes to the worker
 * that has the dialog. */
static void dialog_name_write_contact(
	struct writer *w, struct sip *sip, const struct dialog_name *d, const struct flow *to)
{
	char token[TOKEN_LENGTH];

	token_mint(&sip->keys.minting, TOKEN_CONTACT, d->slot, d->id, token);
	write_literal(w, "sip:");
	write_bytes(w, token, sizeof(token));
	write_literal(w, "@");
	write_sent_by(w, sip, to);
	dialog_reference_write_transport(w, to, S("sip"));
}

/* Writes a URI (without its headers) at our address on the other leg, over the transport of that
 * leg: what the URI says is how we, or they, are reached on the sender's. */
static void dialog_reference_write_own(
	struct writer *w, const struct hosts *hosts, struct str uri, const struct uri_parts *parts)
{
	size_t head = (size_t)(parts->host.p - uri.p);
	struct str params = parts->params, name, value;

	write_without_hosts(w, hosts, (struct str){uri.p, head});
	write_sent_by(w, hosts->sip, hosts->to);
	while (uri_param_next(&params, &name, &value)) {
		if (uri_param_is(name, S("transport")))
			continue;
		write_literal(w, ";");
		write_without_hosts(w, hosts, name);
		if (value.p) {
			write_literal(w, "=");
			write_without_hosts(w, hosts, value);
		}
	}
	dialog_reference_write_transport(w, hosts->to, (struct str){uri.p, str_find(uri, ':')});
}

static bool dialog_reference_is_own(struct sip *sip, struct str user)
{
	uint8_t slot;
	uint64_t id;

	return token_prove(&sip->keys.minting, TOKEN_CONTACT, user, &slot, &id) == 0;
}

void dialog_reference_address(struct writer *w, struct str value, const struct hosts *hosts)
{
	struct sip *sip = hosts->sip;
	struct str rest = value;
	struct address a;
	struct dialog_name d;

	if (address_next(&rest, &a))
		return;
	struct str whole = a.uri.whole, headers = a.uri.headers;
	bool names_dialog = dialog_name_find(sip, headers, &d);
	struct str uri = {whole.p, headers.n ? (size_t)(headers.p - whole.p) - 1 : whole.n};
	struct str before = {value.p, (size_t)(whole.p - value.p)},
		   after = str_from(value, before.n + whole.n);
	/* A display name with a NUL, and parameters with one, stay behind. */
	if (a.display.n && memchr(a.display.p, 0, a.display.n))
		write_literal(w, "<");
	else
		write_without_hosts(w, hosts, before);
	/* What stands at an address of the sender's side is reached through us. */
	if (names_dialog)
		dialog_name_write_contact(w, sip, &d, hosts->to);
	else if (dialog_reference_is_own(sip, a.uri.user) || hosts_named(hosts, a.uri.host))
		dialog_reference_write_own(w, hosts, uri, &a.uri);
	else
		write_without_hosts(w, hosts, uri);
	dialog_name_write_headers(w, hosts, headers, names_dialog ? &d : NULL);
	if (after.n && memchr(after.p, 0, after.n))
		after.n = a.bracketed ? 1 : 0;
	write_without_hosts(w, hosts, after);
}
