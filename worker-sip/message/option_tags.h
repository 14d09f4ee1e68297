/* option_tags.h - which option tags (RFC 3261 section 19.2) are kept across the legs: those that
 * option-tags.def has as bridged. */
#ifndef SIPWARD_SIP_MESSAGE_OPTION_TAGS_H
#define SIPWARD_SIP_MESSAGE_OPTION_TAGS_H

#include "ipc/message.h"
#include "writer.h"

#include <stdbool.h>

/* Whether the tag, in any case, is kept. */
bool option_tag_bridged(struct str tag);
/* Whether each tag of a comma list is kept. */
bool option_tags_bridged(struct str list);
/* Writes the header line h of m, a list of option tags, without those that are not kept; nothing
 * where none is left. */
void option_tags_write(struct writer *w, const struct message *m, const struct message_header *h);
/* 0 where what m has in Require and Proxy-Require can be kept across the legs, else 420 with the
 * line of Unsupported (RFC 3261 section 20.40) written, its CRLF included. */
unsigned option_tags_require(const struct message *m, struct writer *unsupported);

#endif
