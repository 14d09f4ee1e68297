/* section_rules.c - reads the rules about numbers and headers, in the order in which they are
 * written. What a rule says is ipc/rule.h's to know, for SIP workers read it, too. */
#include "section.h"

#include "ipc/rule.h"

#include <errno.h>

/* The headers that the rules of a section change, as far as they are read. */
struct rules_headers {
	struct rule rule[RULES_MAX];
	unsigned count;
	size_t added, removed; /* bytes of a request that they are applied to */
	bool full;             /* no request has room for them, which was told */
};

/* The same of what responses and requests within a dialog get: no rule takes back what another one
 * has added, which may be for something else. */
static void rules_add_up_later(struct reader *r, cfg_t *section, int line, struct rules_headers *h,
	const struct rule *rule)
{
	h->added += rule_added_size(rule);
	h->removed += rule_removed_size(rule);
	h->full = h->added > RULES_LATER_ADDED_MAX || h->removed > RULES_LATER_REMOVED_MAX;
	if (h->added > RULES_LATER_ADDED_MAX)
		reader_error(r, section, line,
			"rules: up to here they add %zu bytes of headers to responses and within "
			"dialogs, of at most %d",
			h->added, RULES_LATER_ADDED_MAX);
	else if (h->full)
		reader_error(r, section, line,
			"rules: up to here they remove %zu bytes of names of headers from "
			"responses and within dialogs, of at most %d (each name has two more)",
			h->removed, RULES_LATER_REMOVED_MAX);
}

/* Adds up what a rule changes, as SIP workers carry it out: what removes or sets a header takes
 * back what rules before it have added. */
static void rules_add_up(struct reader *r, cfg_t *section, int line, struct rules_headers *h,
	const struct rule *rule)
{
	unsigned i = 0;

	while (i < h->count && rule->kind != RULE_ADD) {
		struct rule *before = &h->rule[i];

		if (rule_same_header(rule->header, rule->name, before->header, before->name)) {
			h->added -= rule_added_size(before);
			*before = h->rule[--h->count];
		} else {
			i++;
		}
	}
	h->added += rule_added_size(rule);
	h->removed += rule_removed_size(rule);
	if (rule_added_size(rule))
		h->rule[h->count++] = *rule;
	h->full = h->added > RULES_ADDED_MAX || h->removed > RULES_REMOVED_MAX;
	if (h->added > RULES_ADDED_MAX)
		reader_error(r, section, line,
			"rules: up to here they add %zu bytes of headers, of at most %d", h->added,
			RULES_ADDED_MAX);
	else if (h->full)
		reader_error(r, section, line,
			"rules: up to here they remove %zu bytes of names of headers, of at most "
			"%d (each name has two more)",
			h->removed, RULES_REMOVED_MAX);
}

static bool rules_check(
	struct reader *r, cfg_t *section, const struct config_value *v, struct rules_headers h[2])
{
	struct rule_fault fault;
	struct rule rule;
	int error = rule_read(&rule, str_of(v->text), &fault);

	if (error == -ENOMEM)
		r->no_memory = true;
	else if (error)
		reader_error(r, section, v->line, "rules: \"%.80s\": %s", v->text, fault.text);
	if (error)
		return false;
	rule_clear(&rule);
	if (rule.where & RULE_LATER && strcmp(cfg_name(section), "zone") != 0) {
		reader_error(r, section, v->line,
			"rules: \"%.80s\": responses and requests within a dialog have the rules "
			"of zones alone: write it in the zone, with \"in\" for what comes from it "
			"or "
			"\"out\" for what goes to it",
			v->text);
		return false;
	}
	if (rule.kind != RULE_REPLACE && rule.where & RULE_IN_REQUEST && !h[0].full)
		rules_add_up(r, section, v->line, &h[0], &rule);
	if (rule.where & RULE_LATER && !h[1].full)
		rules_add_up_later(r, section, v->line, &h[1], &rule);
	return !h[0].full && !h[1].full;
}

void section_rules(struct reader *r, cfg_t *section, struct config_rules *out)
{
	size_t count = section_list_count(r, section, "rules", RULES_MAX);
	struct rules_headers headers[2] = {{.count = 0}}; /* of requests, and of what follows */

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

		if (!rules_check(r, section, v, headers))
			continue;
		rule->line = v->line;
		rule->text = reader_copy(r, v->text);
		out->count += rule->text != NULL;
	}
}
