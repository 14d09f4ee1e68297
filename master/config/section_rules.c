/* section_rules.c - reads the rules about numbers and headers, in the order in which they are
 * written. What a rule says is ipc/rule.h's to know, for SIP workers read it, too. */
#include "section.h"

#include "ipc/rule.h"

#include <errno.h>

static bool rules_check(struct reader *r, cfg_t *section, const struct config_value *v)
{
	struct rule_fault fault;
	struct rule rule;
	int error = rule_read(&rule, str_of(v->text), &fault);

	if (error == 0)
		rule_clear(&rule);
	else if (error == -ENOMEM)
		r->no_memory = true;
	else
		reader_error(r, section, v->line, "rules: \"%.80s\": %s", v->text, fault.text);
	return error == 0;
}

void section_rules(struct reader *r, cfg_t *section, struct config_rules *out)
{
	size_t count = config_list_count(section, "rules");

	if (count > RULES_MAX) {
		reader_error(r, section, config_list(section, "rules", RULES_MAX)->line,
			"rules: at most %d are possible", RULES_MAX);
		count = RULES_MAX;
	}
	if (!count)
		return;
	if (r->rules <= RULES_IN_ALL_MAX && r->rules + count > RULES_IN_ALL_MAX)
		reader_error(r, section, config_list(section, "rules", 0)->line,
			"rules: at most %d are possible in all sections together",
			RULES_IN_ALL_MAX);
	r->rules += count;
	if (r->rules > RULES_IN_ALL_MAX)
		return;
	out->rule = reader_array(r, count, sizeof(*out->rule));
	for (size_t i = 0; out->rule && i < count; i++) {
		const struct config_value *v = config_list(section, "rules", i);
		struct config_rule *rule = &out->rule[out->count];

		if (!rules_check(r, section, v))
			continue;
		rule->line = v->line;
		rule->text = reader_copy(r, v->text);
		out->count += rule->text != NULL;
	}
}
