/* rule.h - one rule of the config about numbers and headers, as it is written: the words of
 *
 *	request-uri user PATTERN REPLACEMENT
 *	from user|host|display PATTERN REPLACEMENT, and so of to
 *	p-asserted-identity user PATTERN REPLACEMENT
 *	header set NAME VALUE, header add NAME VALUE, header remove NAME
 *
 * of requests that begin something, and of a zone before those about a header
 *
 *	in WHERE, out WHERE
 *
 * where WHERE is a comma list of request (in alone), dialog and response: what it is for comes from
 * the zone, or goes out to it.
 *
 * Words have blanks between them; one with blanks in it stands in quotes, of either kind. The
 * master checks with this what SIP workers read.
 */
#ifndef SIPWARD_IPC_RULE_H
#define SIPWARD_IPC_RULE_H

#include "pattern.h"

#define RULES_MAX 64           /* of one zone, route or trunk */
#define RULES_IN_ALL_MAX 2048  /* of a config: each has its pattern compiled */
#define RULE_TEXT_MAX 1024     /* bytes of a rule */
#define RULE_PART_MAX 512      /* bytes of a part of a message, before a rule and after it */
#define RULE_NAME_MAX 64       /* bytes of a header's name */
#define RULES_ADDED_MAX 4096   /* bytes of the header lines that rules add to a request */
#define RULES_REMOVED_MAX 1024 /* of the names of those that go, with two before each */

#define RULES_LATER_ADDED_MAX (RULES_ADDED_MAX / 2) /* the same to what follows: of one zone */
#define RULES_LATER_REMOVED_MAX (RULES_REMOVED_MAX / 2)

enum rule_kind { RULE_REPLACE, RULE_SET, RULE_ADD, RULE_REMOVE };

/* What a rule is for; one may be for several. */
enum rule_where {
	RULE_IN_REQUEST = 1, /* that begins something */
	RULE_IN_DIALOG = 2,  /* a request within a dialog, from the zone */
	RULE_IN_RESPONSE = 4,
	RULE_OUT_DIALOG = 8, /* and to the zone */
	RULE_OUT_RESPONSE = 16
};
#define RULE_LATER (RULE_IN_DIALOG | RULE_IN_RESPONSE | RULE_OUT_DIALOG | RULE_OUT_RESPONSE)

/* The parts of a message that a rule may match and replace. */
enum rule_part {
	RULE_REQUEST_USER,
	RULE_FROM_USER,
	RULE_FROM_HOST,
	RULE_FROM_DISPLAY,
	RULE_TO_USER,
	RULE_TO_HOST,
	RULE_TO_DISPLAY,
	RULE_IDENTITY_USER, /* of each value of P-Asserted-Identity */
	RULE_PARTS
};

/* The strings are parts of the text that it was read from. */
struct rule {
	uint8_t kind;            /* enum rule_kind */
	uint8_t part;            /* enum rule_part, of RULE_REPLACE */
	uint8_t header;          /* enum header or HEADER_OTHER, of the others */
	uint8_t where;           /* enum rule_where, one or more */
	struct pattern *pattern; /* of RULE_REPLACE */
	struct str replacement;
	struct str name, value; /* of a header */
};

struct rule_fault {
	char text[256];
};

/* Reads a rule. 0 and *out, which rule_clear frees; -EINVAL and what is wrong; -ENOMEM. */
int rule_read(struct rule *out, struct str text, struct rule_fault *fault);
void rule_clear(struct rule *r);

/* Writes the replacement into buffer: $0 to $9 stand for the groups, $$ for one $. Returns its
 * length; -ENOBUFS. */
long rule_expand(
	const struct rule *r, const struct str group[PATTERN_GROUPS], char *buffer, size_t size);

/* What a rule about a header takes of RULES_ADDED_MAX and of RULES_REMOVED_MAX. */
size_t rule_added_size(const struct rule *r);
size_t rule_removed_size(const struct rule *r);
/* Whether a header is the one of that id (or HEADER_OTHER) and name. */
bool rule_same_header(uint8_t id, struct str name, uint8_t other_id, struct str other_name);

/* The words by which a rule names a part, as in "from user". */
const char *rule_part_name(enum rule_part part);

/* Whether rules may write or remove a header: not one that we write ourselves or that says what
 * others mean, the dialog, the route, credentials or the body (ipc/policy.def). */
bool rule_may_change(uint8_t header);

#endif
