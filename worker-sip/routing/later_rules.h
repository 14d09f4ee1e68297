/* later_rules.h - the rules of zones for what follows a request that begins something: responses,
 * and requests within dialogs, that are passed on. They are about headers alone. First come those
 * of the zone that a message comes from, then those of the zone that it goes to, each in their
 * written order.
 */
#ifndef SIPWARD_SIP_ROUTING_LATER_RULES_H
#define SIPWARD_SIP_ROUTING_LATER_RULES_H

#include "ipc/message.h"

struct sip;
struct rewrite;
struct explanation;

/* What they make of a message; good until the next call. NULL: it goes on as it came. */
const struct rewrite *later_rules_of_response(
	struct sip *sip, const struct message *m, unsigned from_zone, unsigned to_zone);
const struct rewrite *later_rules_in_dialog(
	struct sip *sip, const struct message *m, unsigned from_zone, unsigned to_zone);

/* Says which ones a zone has. */
void later_rules_explain(struct explanation *x, const struct sip *sip, unsigned zone);

#endif
