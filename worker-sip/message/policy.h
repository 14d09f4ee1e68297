/* policy.h - what becomes of each header line of a message between the legs: policy.def, by the
 * settings of the two zones. */
#ifndef SIPWARD_SIP_MESSAGE_POLICY_H
#define SIPWARD_SIP_MESSAGE_POLICY_H

#include "hosts.h"

/* POLICY_PASS: the line passes as it is. Any other: what stands in its place, nothing where there
 * is no way to write it. */
enum policy {
	POLICY_PASS = 0,
	POLICY_OURS,
	POLICY_NEVER,
	POLICY_TRUSTED,
	POLICY_MAPPED,
	POLICY_OPTIONS,
	POLICY_CREDENTIALS,
	POLICY_CHALLENGE,
	POLICY_WARNING,
	/* what becomes of a line that the receiver may not see as it is */
	POLICY_HOSTS,
	POLICY_SOFTWARE,
	/* a list that has to be written without its empty elements, and that without hosts */
	POLICY_ELEMENTS,
	POLICY_ELEMENTS_HOSTS,
	/* P-Asserted-Identity as rules have made it (rewrite.h), and that without hosts */
	POLICY_IDENTITY,
	POLICY_IDENTITY_HOSTS,
	/* Expires with a shorter time */
	POLICY_EXPIRES
};

/* The facts that decide on the header lines of one message. */
struct policy_sides {
	const struct message *in;
	const struct zone_settings *from, *to; /* of its sender and its receiver */
	struct hosts hosts;                    /* of its sender, as the receiver gets them */
	bool hide_identity;                    /* its asserted identity stays behind */
	bool hide_user;                        /* and so does what tells of its user */
	bool event_mapped;                     /* Event has an id of the other leg's */
	bool proved;                           /* credentials of ours stand in it already */
	bool has_nul;                          /* somewhere in its headers */
	bool has_empty;                        /* somewhere in its lists */
};

/* The facts of a message that goes from one zone to another by the flow, which stands as long as
 * they do. No id of Event is mapped, and no credentials of ours stand in it. */
struct policy_sides policy_sides(struct sip *sip, const struct message *in, unsigned from_zone,
	unsigned to_zone, const struct flow *to);
/* What becomes of the header lines from h to before end of sides->in, an enum policy, in their
 * order: what has a place for each. Lines that are kept back are counted. All are decided at once,
 * for a call for each of them costs more than many a decision. */
void policy_decide(const struct policy_sides *sides, const struct message_header *h,
	const struct message_header *end, uint8_t *what);

/* For people: what becomes of a line of which that was decided, and which rule of policy.def or
 * option of the receiver's zone says so. Returns word. */
#define POLICY_WORD_SIZE 128
const char *policy_word(const struct policy_sides *sides, const struct message_header *h,
	uint8_t what, char word[POLICY_WORD_SIZE]);

#endif
