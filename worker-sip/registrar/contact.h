/* contact.h - the Contact values of a REGISTER (RFC 3261 sections 10.2 and 20.10, RFC 5626 section
 * 6), as the registrar needs them. */
#ifndef SIPWARD_SIP_REGISTRAR_CONTACT_H
#define SIPWARD_SIP_REGISTRAR_CONTACT_H

#include "location.h"
#include "worker-sip/message/writer.h"

struct contact {
	struct uri_parts uri; /* without what follows '?' */
	struct str instance;  /* +sip.instance without its quotes; n == 0: none */
	uint32_t reg_id;      /* 0: none, or none with an instance */
	uint32_t expires;     /* seconds: the parameter, else the Expires header */
	bool timed; /* false: neither said (or malformed: the same, RFC 3261 section 20.10) */
	uint16_t q; /* 0 to 1000; 1000 where none is given */
};

/* Reads a q value (RFC 3261 section 25.1 qvalue) in thousandths. 0 or -EINVAL. */
int q_read(struct str text, uint16_t *out);
/* Reads all Contact values but "*" into out, in order. Those of another scheme than sip: and sips:
 * are left out, for no request is ever sent to them. Returns their number; -EINVAL malformed, none
 * of them a SIP URI, or too long; -E2BIG more than limit. */
int contacts_read(const struct message *m, struct contact *out, unsigned limit);

/* Writes the Contact line of a binding for the 200 of a REGISTER (RFC 3261 section 10.3 step 8).
 * now: milliseconds of CLOCK_REALTIME. */
void write_contact(struct writer *w, const struct binding *b, uint64_t now);

#endif
