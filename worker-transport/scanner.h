/* scanner.h - programs that search the Internet for doors, known by words that they cannot help
 * writing: in User-Agent, From or To. */
#ifndef SIPWARD_TRANSPORT_SCANNER_H
#define SIPWARD_TRANSPORT_SCANNER_H

#include "ipc/message.h"
#include "ipc/settings.h"

/* Words by their first two bytes, so that a text without any of them is read once. */
struct scanners {
	const struct settings *settings;
	uint64_t first[65536 / 64];
};

/* Takes the words of new settings, which must outlive s or its next scanners_settings. */
void scanners_settings(struct scanners *s, const struct settings *settings);
/* Whether one of the words stands in a request, in whatever case. */
bool scanners_find(const struct scanners *s, const struct message *m);

#endif
