/* asserted_identity.c - see asserted_identity.h. */
#include "asserted_identity.h"

#include "rewriting_part.h"

bool asserted_identity_goes(const struct settings *settings, unsigned zone, bool anonymous)
{
	const struct zone_settings *z = settings_zone(settings, zone);

	if (!z->trust || z->identities == LEAVING_DROP)
		return false;
	return z->assert_identity == ASSERT_ALWAYS ||
	       (z->assert_identity == ASSERT_ANONYMOUS && anonymous);
}

bool asserted_identity_wanted(const struct incoming *in)
{
	const struct settings *settings = in->sip->settings;
	bool wanted = false;

	if (in->sender.authenticated)
		for (unsigned i = 0; i < settings->zones.count && !wanted; i++)
			wanted = asserted_identity_goes(settings, i, in->sender.anonymous);
	return wanted;
}

void asserted_identity_write(
	struct writer *w, const struct settings *settings, const struct identity *sender)
{
	static const struct user_escapes none = {.any = false};

	if (!sender->authenticated)
		return;
	write_literal(w, "<sip:");
	rewriting_write_user(w, (struct str){sender->name, sender->name_length}, &none);
	write_literal(w, "@");
	write_str(w, settings_str(settings, settings_domain(settings, sender->domain)->name));
	write_literal(w, ">");
}
