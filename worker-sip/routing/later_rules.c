/* later_rules.c - see later_rules.h. Where no zone has such rules nothing is done for a message. */
#include "later_rules.h"

#include "rewriting.h"
#include "route.h"
#include "worker-sip/explanation.h"

/* Each zone's have half of the room (ipc/rule.h), so that those of two always fit. */
static const struct rewrite *later_rules_between(struct sip *sip, const struct message *m,
	unsigned from_zone, unsigned to_zone, unsigned in, unsigned out)
{
	const struct rules *rules = route_rules(sip);
	struct rewriting *w = &sip->scratch.rewriting[RULES_OF_ZONE];
	const struct rewrite *r = NULL;
	size_t used = 0;

	if (!rules)
		return NULL;
	in &= rules_where(rules, from_zone);
	out &= rules_where(rules, to_zone);
	if (!in && !out)
		return NULL;
	rewriting_begin(w, sip, m, NULL, false);
	rewriting_apply_later(w, rules, from_zone, in);
	rewriting_apply_later(w, rules, to_zone, out);
	rewriting_keep(
		w, sip->scratch.rewrite_later, sizeof(sip->scratch.rewrite_later), &used, &r);
	return r;
}

const struct rewrite *later_rules_of_response(
	struct sip *sip, const struct message *m, unsigned from_zone, unsigned to_zone)
{
	return later_rules_between(sip, m, from_zone, to_zone, RULE_IN_RESPONSE, RULE_OUT_RESPONSE);
}

const struct rewrite *later_rules_in_dialog(
	struct sip *sip, const struct message *m, unsigned from_zone, unsigned to_zone)
{
	return later_rules_between(sip, m, from_zone, to_zone, RULE_IN_DIALOG, RULE_OUT_DIALOG);
}

void later_rules_explain(struct explanation *x, const struct sip *sip, unsigned zone)
{
	const struct rules *rules = route_rules(sip);
	unsigned count = 0;
	const struct rules_row *row = rules ? rules_list(rules, RULES_OF_ZONE, zone, &count) : NULL;

	for (unsigned i = 0; i < count; i++)
		if (row[i].rule.where & RULE_LATER)
			explanation_say(x, "rule", settings_zone_name(sip->settings, zone),
				row[i].line, "of zone, for what follows: %.*s", STR(row[i].text));
}
