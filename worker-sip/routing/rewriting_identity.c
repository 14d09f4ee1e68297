/* rewriting_identity.c - a rule over the values of P-Asserted-Identity (rewriting_part.h). Those
 * that came pass by the policy of their zone; those that rules have set or added stand among the
 * added lines, and pass in any case. */
#include "rewriting_part.h"

#include <errno.h>

/* Writes an address with another user. False: no such URI has it, as tel: has no letters. */
static bool rewriting_identity_user(struct writer *to, const struct address *a, struct str user,
	const struct user_escapes *escapes)
{
	size_t before = to->n;
	struct address written;

	rewriting_write_address(to, a, user, escapes);
	struct str text = {to->p + before, to->n - before};
	return to->full || address_next(&text, &written) == 0;
}

/* Writes what the rule makes of each of the values in rest. */
static enum rule_outcome rewriting_identity_write(struct writer *to, const struct rule *rule,
	struct pattern_matcher *matcher, struct str rest)
{
	enum rule_outcome outcome = RULE_UNMATCHED;
	size_t start = to->n;
	struct address a;

	while (rest.n && address_next(&rest, &a) == 0) {
		char text[RULE_PART_MAX], after[RULE_PART_MAX];
		struct user_escapes escapes;
		long n = rewriting_user_text(&a.uri, text, &escapes);
		enum rule_outcome one = RULE_UNMATCHED;
		size_t length = 0;

		if (n == -EBADMSG)
			return RULE_TOO_LONG;
		if (n >= 0)
			one = rewriting_replace(rule, matcher, (struct str){text, (size_t)n}, after,
				&length, &escapes);
		if (one > RULE_MATCHED)
			return one;
		if (one == RULE_MATCHED &&
			!rewriting_part_valid(RULE_IDENTITY_USER, (struct str){after, length}))
			return RULE_INVALID;
		if (to->n > start)
			write_literal(to, ", ");
		if (one == RULE_MATCHED) {
			outcome = RULE_MATCHED;
			if (!rewriting_identity_user(to, &a, (struct str){after, length}, &escapes))
				return RULE_INVALID;
		} else {
			write_str(to, a.whole);
		}
	}
	return to->full ? RULE_TOO_LONG : outcome;
}

/* Whether a rule before has taken out the lines that came. */
static bool rewriting_identity_removed(const struct rewriting *w)
{
	struct str rest = {w->removed, w->removed_n};

	while (rest.n >= 2) {
		if ((uint8_t)rest.p[0] == HEADER_P_ASSERTED_IDENTITY)
			return true;
		rest = str_from(rest, 2u + (uint8_t)rest.p[1]);
	}
	return false;
}

static void rewriting_identity_show(struct writer *to, struct str values)
{
	if (to->n && values.n)
		write_literal(to, ", ");
	write_str(to, values);
}

/* Writes the added lines with what the rule makes of those of P-Asserted-Identity, and what is to
 * be told of them. */
static enum rule_outcome rewriting_identity_added(const struct rewriting *w,
	const struct rule *rule, struct pattern_matcher *matcher, struct writer *to,
	struct writer *before, struct writer *after)
{
	struct str rest = {w->added, w->added_n};
	enum rule_outcome outcome = RULE_UNMATCHED;

	while (rest.n) {
		struct str line = {rest.p, str_find(rest, '\n') + 1};
		struct str name = {line.p, str_find(line, ':')};
		struct str value = str_trim(str_from(line, name.n + 1));

		rest = str_from(rest, line.n);
		if (header_of(name) != HEADER_P_ASSERTED_IDENTITY) {
			write_str(to, line);
			continue;
		}
		write_str(to, name);
		write_literal(to, ": ");
		size_t start = to->n;
		enum rule_outcome one = rewriting_identity_write(to, rule, matcher, value);
		if (one > RULE_MATCHED)
			return one;
		if (one == RULE_MATCHED)
			outcome = RULE_MATCHED;
		rewriting_identity_show(before, value);
		rewriting_identity_show(after, (struct str){to->p + start, to->n - start});
		write_literal(to, "\r\n");
	}
	return to->full || before->full || after->full ? RULE_TOO_LONG : outcome;
}

/* Nothing is changed before all of it has come to a good end: a call of emergency goes on without
 * the rule. */
enum rule_outcome rewriting_identity(struct rewriting *w, const struct rule *rule,
	struct pattern_matcher *matcher, struct rule_note *note, struct rewriting_seen *seen)
{
	struct writer before = WRITER(seen->before), after = WRITER(seen->after);
	enum rule_outcome came = RULE_UNMATCHED, added;
	char lines[RULES_ADDED_MAX];
	struct writer to = WRITER(lines);
	size_t n;

	if (!rewriting_identity_removed(w)) {
		if (!w->identity_read && !rewriting_identity_read(w))
			return RULE_TOO_LONG;
		write_bytes(&before, w->identity, w->identity_n);
		came = rewriting_identity_write(&after, rule, matcher, writer_text(&before));
	}
	note->before = writer_text(&before);
	if (came > RULE_MATCHED)
		return came;
	n = after.n;
	added = rewriting_identity_added(w, rule, matcher, &to, &before, &after);
	note->before = writer_text(&before);
	if (added > RULE_MATCHED)
		return added;
	if (came == RULE_MATCHED) {
		memcpy(w->identity, seen->after, n);
		w->identity_n = (uint16_t)n;
		w->identity_changed = true;
	}
	if (added == RULE_MATCHED) {
		memcpy(w->added, lines, to.n);
		w->added_n = (uint16_t)to.n;
	}
	note->after = writer_text(&after);
	return came == RULE_MATCHED ? came : added;
}
