/* listing.h - the rows that sipwardctl shows of this worker. */
#ifndef SIPWARD_SIP_LISTING_H
#define SIPWARD_SIP_LISTING_H

#include "sip.h"

/* Answers a QUERY of the master with REPLY packets, the last one marked. */
void listing_answer(struct sip *sip, const struct lifeline_query *q);
/* The same of an EXPLAIN with its bytes. */
void listing_explain(struct sip *sip, const struct lifeline_explain *q, size_t size);

#endif
