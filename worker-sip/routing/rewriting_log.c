/* rewriting_log.c - rules that matched or could not be carried out, for counters and the log
 * (rewriting_part.h). */
#include "rewriting_part.h"

#include "common/log.h"
#include "worker-sip/explanation.h"
#include "worker-sip/sip.h"

#include <stdio.h>

/* Bytes of a value in a line. */
#define VALUE_MAX 160

const char *rules_of_name(enum rules_of of)
{
	static const char *const names[RULES_OF_COUNT] = {"zone", "route", "trunk"};

	return of < RULES_OF_COUNT ? names[of] : "?";
}

const char *rule_outcome_text(enum rule_outcome outcome)
{
	switch (outcome) {
	case RULE_UNMATCHED: return "did not match";
	case RULE_MATCHED: return "matched";
	case RULE_LIMIT: return "pattern takes too long";
	case RULE_TOO_LONG: return "too long";
	case RULE_INVALID: return "no valid result";
	}
	return "?";
}

bool rewriting_refuse(struct rewriting *w, const struct rule_note *note)
{
	struct sip *sip = w->sip;
	char name[VALUE_MAX], rule[VALUE_MAX];
	uint64_t left_out;

	if (sip->rule_watch) /* nothing is refused: somebody asks what would be */
		return w->emergency;
	if (note->outcome == RULE_LIMIT)
		count(RULES_PATTERN_LIMIT);
	else
		count(RULES_NO_RESULT);
	if (log_limit_pass(&sip->rule_log, loop_now(sip->loop), 1, LOG_LIMIT_SECOND, &left_out))
		log_warn("rule-refused",
			"%s=%s line=%u rule=%s reason=\"%s\" emergency=%s left_out=%llu",
			rules_of_name(note->of), log_value(note->section, name, sizeof(name)),
			note->line, log_value(note->rule, rule, sizeof(rule)),
			rule_outcome_text(note->outcome), w->emergency ? "yes" : "no",
			(unsigned long long)left_out);
	return w->emergency;
}

void rewriting_explain(void *arg, const struct rule_note *note)
{
	const struct explanation_place place = {
		rules_of_name(note->of), note->section, NONE_INDEX, note->line};
	char rule[VALUE_MAX], before[VALUE_MAX], after[VALUE_MAX];

	explanation_say_of(arg, "rule", note->section, &place, "of %s: %s %s: %s becomes %s",
		rules_of_name(note->of), log_value(note->rule, rule, sizeof(rule)),
		rule_outcome_text(note->outcome), log_value(note->before, before, sizeof(before)),
		log_value(note->after, after, sizeof(after)));
}

void rewriting_log(const struct rewriting *w, const struct rule_note *note)
{
	const struct message *m = w->message;
	char call_id[VALUE_MAX], name[VALUE_MAX], rule[VALUE_MAX], before[VALUE_MAX],
		after[VALUE_MAX];

	log_debug("rule-applied",
		"call-id=%s %s=%s line=%u rule=%s outcome=\"%s\" before=%s after=%s",
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		rules_of_name(note->of), log_value(note->section, name, sizeof(name)), note->line,
		log_value(note->rule, rule, sizeof(rule)), rule_outcome_text(note->outcome),
		log_value(note->before, before, sizeof(before)),
		log_value(note->after, after, sizeof(after)));
}

void rewriting_tell(const struct rewriting *w, const struct rule_note *note)
{
	struct scratch *scratch = &w->sip->scratch;
	struct writer to = {.p = scratch->rules_told,
		.n = scratch->rules_told_n,
		.size = sizeof(scratch->rules_told)};
	char name[VALUE_MAX], rule[VALUE_MAX], before[VALUE_MAX], after[VALUE_MAX], line[16];

	if (note->outcome == RULE_MATCHED && note->before.n && str_equal(note->before, note->after))
		return;
	snprintf(line, sizeof(line), "%u", note->line);
	const char *const words[] = {rules_of_name(note->of), " ",
		log_value(note->section, name, sizeof(name)), " (line ", line,
		"): ", log_value(note->rule, rule, sizeof(rule))};
	if (to.n)
		write_literal(&to, "\n");
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		write_str(&to, str_of(words[i]));
	if (note->outcome != RULE_MATCHED) {
		write_literal(&to, ": ");
		write_str(&to, str_of(rule_outcome_text(note->outcome)));
	} else if (note->before.n) {
		write_literal(&to, ": ");
		write_str(&to, str_of(log_value(note->before, before, sizeof(before))));
		write_literal(&to, " becomes ");
		write_str(&to, str_of(log_value(note->after, after, sizeof(after))));
	}
	if (!to.full)
		scratch->rules_told_n = to.n;
}
