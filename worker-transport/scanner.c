/* scanner.c - see scanner.h. The words are in lower case, as settings have them. */
#include "scanner.h"

#include <string.h>

/* ASCII, as in the words. */
static unsigned char scanner_lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static unsigned scanner_pair(const char *p)
{
	return (unsigned)scanner_lower(p[0]) << 8 | scanner_lower(p[1]);
}

void scanners_settings(struct scanners *s, const struct settings *settings)
{
	const struct text *word = settings_array(settings, settings->scanners);

	memset(s->first, 0, sizeof(s->first));
	s->settings = settings;
	for (uint32_t i = 0; i < settings->scanners.count; i++) {
		unsigned pair = scanner_pair(settings_str(settings, word[i]).p);

		s->first[pair / 64] |= UINT64_C(1) << pair % 64;
	}
}

/* Whether a word begins where text does. */
static bool scanner_begins(const struct scanners *s, struct str text)
{
	const struct text *word = settings_array(s->settings, s->settings->scanners);

	for (uint32_t i = 0; i < s->settings->scanners.count; i++) {
		struct str w = settings_str(s->settings, word[i]);
		size_t n = 0;

		while (w.n <= text.n && n < w.n &&
			scanner_lower(text.p[n]) == (unsigned char)w.p[n])
			n++;
		if (n == w.n)
			return true;
	}
	return false;
}

static bool scanner_in(const struct scanners *s, struct str text)
{
	for (size_t i = 0; i + 1 < text.n; i++) {
		unsigned pair = scanner_pair(text.p + i);

		if ((s->first[pair / 64] >> pair % 64 & 1) && scanner_begins(s, str_from(text, i)))
			return true;
	}
	return false;
}

bool scanners_find(const struct scanners *s, const struct message *m)
{
	return s->settings->scanners.count &&
	       (scanner_in(s, message_value(m, HEADER_USER_AGENT)) ||
		       scanner_in(s, message_value(m, HEADER_FROM)) ||
		       scanner_in(s, message_value(m, HEADER_TO)));
}
