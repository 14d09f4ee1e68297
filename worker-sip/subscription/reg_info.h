/* reg_info.h - the bindings of an address of record as a document of the package reg (RFC 3680
 * section 5). Always all of them (state="full"): what is not named is not bound. */
#ifndef SIPWARD_SIP_SUBSCRIPTION_REG_INFO_H
#define SIPWARD_SIP_SUBSCRIPTION_REG_INFO_H

#include "worker-sip/message/writer.h"
#include "worker-sip/sip.h"

#define REG_INFO_TYPE "application/reginfo+xml"

/* What the bindings of a document are. */
struct reg_info_state {
	uint64_t ends;  /* the first of them, milliseconds of CLOCK_REALTIME; 0: there is none */
	uint64_t print; /* a hash of which they are, whenever they end */
};

/* Writes the document of a canonical address of record with that version. Its contacts are written
 * as they were registered: whom it goes to may know them. */
struct reg_info_state reg_info_write(
	struct writer *w, struct sip *sip, struct str aor, uint32_t version);

/* Whether the sender of a SUBSCRIBE can read the document: its Accept has no types, or this one. */
bool reg_info_is_accepted(const struct message *m);

#endif
