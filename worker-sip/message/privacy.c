/* privacy.c - see privacy.h. */
#include "privacy.h"

#include "worker-sip/auth/owner.h"

#define PRIVACY_NOBODY "\"Anonymous\" <sip:anonymous@anonymous.invalid>"

static unsigned privacy_word(struct str word)
{
	return str_equal_nocase(word, S("id"))         ? PRIVACY_ID
	       : str_equal_nocase(word, S("user"))     ? PRIVACY_USER
	       : str_equal_nocase(word, S("header"))   ? PRIVACY_HEADER
	       : str_equal_nocase(word, S("session"))  ? PRIVACY_SESSION
	       : str_equal_nocase(word, S("history"))  ? PRIVACY_HISTORY
	       : str_equal_nocase(word, S("none"))     ? PRIVACY_NONE
	       : str_equal_nocase(word, S("critical")) ? PRIVACY_CRITICAL
	       : word.n                                ? PRIVACY_UNKNOWN
	                                               : 0;
}

unsigned privacy_of(const struct message *m)
{
	unsigned asked = 0;

	for (const struct message_header *h = message_first(m, HEADER_PRIVACY); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);

		while (rest.n) {
			size_t end = 0;

			while (end < rest.n && rest.p[end] != ';' && rest.p[end] != ',')
				end++;
			asked |= privacy_word(str_trim((struct str){rest.p, end}));
			rest = end < rest.n ? str_from(rest, end + 1) : STR_EMPTY;
		}
	}
	return asked;
}

bool privacy_is_impossible(const struct message *m)
{
	unsigned asked = privacy_of(m);

	return asked & PRIVACY_CRITICAL && asked & (PRIVACY_SESSION | PRIVACY_UNKNOWN);
}

bool privacy_hides_caller(const struct message *m)
{
	return owner_is_anonymous(m) || privacy_of(m) & (PRIVACY_ID | PRIVACY_USER);
}

bool privacy_is_of_user(uint8_t header)
{
	switch (header) {
	case HEADER_SUBJECT:
	case HEADER_CALL_INFO:
	case HEADER_ORGANIZATION:
	case HEADER_REPLY_TO:
	case HEADER_USER_AGENT:
	case HEADER_SERVER: return true;
	default: return false;
	}
}

void privacy_write_from(struct writer *w, const struct hosts *hosts, const struct message *m,
	unsigned zone, struct str tag, const struct party_change *change)
{
	if (settings_zone(hosts->sip->settings, zone)->trust || !(privacy_of(m) & PRIVACY_USER)) {
		write_party(w, hosts, message_value(m, HEADER_FROM), tag, change);
		return;
	}
	write_literal(w, PRIVACY_NOBODY ";tag=");
	write_str(w, tag);
}
