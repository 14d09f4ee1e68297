/* user_gone.c - see user_gone.h. */
#include "user_gone.h"

bool user_is_gone(const struct sip *sip, struct str name, struct str domain)
{
	unsigned index = settings_domain_of(sip->settings, domain);
	char text[USER_NAME_MAX];
	long n = uri_unescape(name, text, sizeof(text));

	return n > 0 && index != NONE_INDEX && sip->users &&
	       !users_find(sip->users, index, (struct str){text, (size_t)n});
}
