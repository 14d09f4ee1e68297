/* reading.h - a message read as its zone has it: parsed, and where it breaks rules that many break,
 * repaired (repair.h) and parsed again. */
#ifndef SIPWARD_TRANSPORT_PARSE_READING_H
#define SIPWARD_TRANSPORT_PARSE_READING_H

#include "ipc/message.h"
#include "ipc/settings.h"
#include "parse_error.h"

/* Where messages are read, one at a time. */
struct reading {
	_Alignas(8) unsigned char block[MESSAGE_BLOCK_MAX + 8];
	char lines[MESSAGE_RAW_MAX]; /* what a repair of its lines has made of it */
	unsigned crowd; /* of the last one: header lines left out because there were too many */
	char octets[MESSAGE_RAW_MAX];
};

/* What messages of a source may be. */
struct reading_rules {
	const struct zone_settings *zone; /* its not_utf8 and line_ends */
	size_t message_max;               /* bytes, of a repaired message, too */
	bool datagram;                    /* over streams nobody may guess where a line ends */
};

/* Reads raw into r->block. 0 and -EBADMSG mean what they do of parse_message (-EBADMSG as well:
 * more than message_max bytes), and the block's bound on answers (grown) is by what came. A
 * response that cannot be read as a whole is read as a broken one (ipc/message.h), *error says why,
 * as long as its status and its Via can be. */
int reading_parse(struct reading *r, const struct reading_rules *rules, struct str raw,
	struct parse_error *error);
/* Reads of raw, which may be the front of a response of which nobody knows where it ends, what it
 * answers, into r->block, as a broken one. -EBADMSG: it is none, or its Via cannot be read. */
int reading_cut_response(struct reading *r, const struct reading_rules *rules, struct str raw);

#endif
