/* asserted_identity.c - see asserted_identity.h. */
#include "asserted_identity.h"

#include "rewriting_part.h"
#include "worker-sip/auth/owner.h"

bool asserted_identity_goes(const struct settings *settings, unsigned zone, bool anonymous)
{
	const struct zone_settings *z = settings_zone(settings, zone);

	if (!z->trust || z->identities == LEAVING_DROP)
		return false;
	return z->assert_identity == ASSERT_ALWAYS ||
	       (z->assert_identity == ASSERT_ANONYMOUS && anonymous);
}

/* The value of a header that names a caller, whole; nothing where it cannot be told on. */
static bool asserted_identity_read(const struct message *m, enum header id, struct address *out)
{
	struct str value = message_value(m, id);

	if (!value.n || str_find(value, 0) < value.n || address_next(&value, out))
		return false;
	return out->uri.scheme == URI_SIP || out->uri.scheme == URI_SIPS ||
	       out->uri.scheme == URI_TEL;
}

/* What a trusted sender says of the caller, in headers of which its zone has them believed. What it
 * has in P-Asserted-Identity passes by itself (policy.def). */
static bool asserted_identity_believed(const struct incoming *in, struct address *out)
{
	const struct message *m = in->message;
	uint32_t believed = settings_zone(in->sip->settings, in->zone)->believed;

	if (!in->sender.trusted || believed == BELIEVED_ASSERTED ||
		message_first(m, HEADER_P_ASSERTED_IDENTITY))
		return false;
	return (believed >= BELIEVED_REMOTE_PARTY &&
		       asserted_identity_read(m, HEADER_REMOTE_PARTY_ID, out)) ||
	       (believed >= BELIEVED_PREFERRED &&
		       asserted_identity_read(m, HEADER_P_PREFERRED_IDENTITY, out)) ||
	       (believed >= BELIEVED_FROM && !owner_is_anonymous(m) &&
		       asserted_identity_read(m, HEADER_FROM, out));
}

static bool asserted_identity_is_wanted(const struct settings *settings, bool anonymous)
{
	for (unsigned i = 0; i < settings->zones.count; i++)
		if (asserted_identity_goes(settings, i, anonymous))
			return true;
	return false;
}

void asserted_identity_write(struct writer *w, const struct incoming *in, bool *anonymous)
{
	static const struct user_escapes none = {.any = false};
	const struct settings *settings = in->sip->settings;
	const struct identity *sender = &in->sender;
	struct address a;

	if (!sender->authenticated && !sender->trusted)
		return;
	*anonymous = owner_is_anonymous(in->message);
	if (!asserted_identity_is_wanted(settings, *anonymous))
		return;
	if (sender->authenticated) {
		write_literal(w, "<sip:");
		rewriting_write_user(w, (struct str){sender->name, sender->name_length}, &none);
		write_literal(w, "@");
		write_str(
			w, settings_str(settings, settings_domain(settings, sender->domain)->name));
		write_literal(w, ">");
	} else if (asserted_identity_believed(in, &a)) {
		if (a.display.n) {
			write_str(w, a.display);
			write_literal(w, " ");
		}
		write_literal(w, "<");
		write_str(w, a.uri.whole);
		write_literal(w, ">");
	}
	if (w->full)
		w->n = 0; /* what is so long is not told */
}
