/* incoming.h - one received message with all that is found out about it on its way through the
 * core: made once in core.c, and passed down instead of its parts. */
#ifndef SIPWARD_SIP_INCOMING_H
#define SIPWARD_SIP_INCOMING_H

#include "sip.h"

/* The sender of a request. */
struct identity {
	bool trusted;
	bool authenticated; /* digest was right; domain and name are the user's */
	unsigned domain;    /* NONE_INDEX: none */
	char name[USER_NAME_MAX + 1];
	size_t name_length;
};

/* Lives as long as the call that it is handed to; what has to last longer is copied from it. */
struct incoming {
	struct sip *sip;
	const struct message *message;   /* checked, and within the batch that it came with */
	unsigned zone;                   /* settings zone of its source, which permits the source */
	uint8_t slot;                    /* ours */
	struct transaction *transaction; /* its server transaction; NULL: none (a response, ACK, or
	                                    a request that is answered without one) */
	struct identity sender;          /* of a request outside a dialog, from authorize on */
};

#endif
