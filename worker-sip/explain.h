/* explain.h - the answer to a question what would become of a message. */
#ifndef SIPWARD_SIP_EXPLAIN_H
#define SIPWARD_SIP_EXPLAIN_H

#include "sip.h"

/* Explains the block that a transport worker has made of a message, which is not believed: by rows,
 * or one that says that it is none. */
void explain_write(
	struct sip *sip, struct str block, void (*row)(void *arg, struct str json), void *arg);

#endif
