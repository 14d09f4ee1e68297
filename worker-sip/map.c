/* map.c - Replaces, Target-Dialog, Refer-To and Referred-By between the legs.
 *
 * A phone that refers another names what it knows: our Contact and our dialog with it. The other phone brings these names back to us, so they stay as they are but for our address, and are
 * mapped to the far leg's names when they come back in an INVITE.
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

struct dialog *map_replaces_dialog(struct sip *sip, struct str value)
{
	struct str call_id, ours, theirs, params = dialog_parameters(value, &call_id);
	if (!param_find(params, S("to-tag"), &ours) || !param_find(params, S("from-tag"), &theirs) || !ours.p || !theirs.p)
		return NULL;
	return dialog_of_tags(sip, call_id, ours, theirs);
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

void map_address(struct writer *w, struct sip *sip, struct str value, const struct flow *to)
{
	struct str rest = value;
	struct address a;
	if (address_next(&rest, &a))
		return;
	if (!dialog_of_contact(sip, a.uri.user)) {
		write_str(w, value);
		return;
	}
	write_bytes(w, value.p, (size_t)(a.uri.host.p - value.p));
	write_sent_by(w, sip, to);
	size_t host_end = (size_t)(a.uri.host.p - value.p) + a.uri.host.n;
	if (a.uri.port && host_end < value.n && value.p[host_end] == ':')
		while (++host_end < value.n && value.p[host_end] >= '0' && value.p[host_end] <= '9')
			;
	write_str(w, str_from(value, host_end));
}
