/* refusal_budget.h - how many answers without a transaction a source and its prefix may get:
 * whoever forges a source address can have a victim sent no more than that (RFC 3261
 * section 26.3.2.4).
 *
 * A source is an IPv4 address or the /64 of an IPv6 one, its prefix the /24 or /48. The memory is
 * of fixed size: who has the least to wait for is forgotten first, and one that has nothing to wait
 * for loses nothing by it.
 */
#ifndef SIPWARD_SIP_MESSAGE_REFUSAL_BUDGET_H
#define SIPWARD_SIP_MESSAGE_REFUSAL_BUDGET_H

#include "common/endpoint.h"

/* Sources and prefixes remembered by a SIP worker; 16 bytes each. */
#define REFUSAL_BUDGET_PLACES 16384

struct refusal_budget;

/* Makes one in which nobody has spent anything. -ENOMEM. */
int refusal_budget_new(struct refusal_budget **out);
/* NULL is a no-op. */
void refusal_budget_free(struct refusal_budget *b);
/* Takes an answer to source out of its budget and its prefix's. per_source, per_prefix: answers
 * per second, as many of which may come at once; 0: no limit. now_ms: of the loop. False: one of
 * them is used up, and nothing is taken. */
bool refusal_budget_take(struct refusal_budget *b, const struct endpoint *source,
	uint32_t per_source, uint32_t per_prefix, uint64_t now_ms);

#endif
