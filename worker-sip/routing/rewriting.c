/* rewriting.c - the rules of the config, carried out over one request (rewriting.h). What the
 * parts are as they came, and what may stand in their place, is rewriting_part.c's to know. */
#include "rewriting_part.h"

#include "common/log.h"
#include "worker-sip/message/rewrite.h"
#include "worker-sip/sip.h"

#include <errno.h>

void rewriting_begin(struct rewriting *w, struct sip *sip, const struct message *m,
	const struct uri_parts *uri, bool emergency)
{
	w->sip = sip;
	w->message = m;
	w->uri = uri ? *uri : (struct uri_parts){.scheme = URI_NONE};
	w->emergency = emergency;
	w->identity_read = w->identity_changed = false;
	w->request_n = w->identity_n = w->added_n = w->removed_n = 0;
	for (unsigned i = 0; i < RULE_IDENTITY_USER; i++)
		w->part[i].read = w->part[i].changed = false;
}

/* ---- match and replace ---- */

/* What of the result came escaped: the same replacement, made of marks in the place of octets.
 * Rules have no control characters, so that what they add is none. */
static void rewriting_move_escapes(const struct rule *rule, struct str text,
	const struct str group[PATTERN_GROUPS], size_t n, struct user_escapes *escapes)
{
	char in[RULE_PART_MAX], out[RULE_PART_MAX];
	struct str mark[PATTERN_GROUPS];
	size_t front = (size_t)(group[0].p - text.p), end = front + group[0].n;

	for (size_t i = 0; i < text.n; i++)
		in[i] = escapes->bit[i / 8] >> i % 8 & 1;
	for (unsigned i = 0; i < PATTERN_GROUPS; i++)
		mark[i] = group[i].n ? (struct str){in + (group[i].p - text.p), group[i].n}
		                     : STR_EMPTY;
	memcpy(out, in, front);
	rule_expand(rule, mark, out + front, n - front);
	memcpy(out + n - (text.n - end), in + end, text.n - end);
	memset(escapes, 0, sizeof(*escapes));
	for (size_t i = 0; i < n; i++)
		if (out[i] == 1) {
			escapes->bit[i / 8] |= (uint8_t)(1u << i % 8);
			escapes->any = true;
		}
}

enum rule_outcome rewriting_replace(const struct rule *rule, struct pattern_matcher *matcher,
	struct str text, char buffer[RULE_PART_MAX], size_t *n, struct user_escapes *escapes)
{
	struct str group[PATTERN_GROUPS];
	int found = pattern_match_groups(rule->pattern, matcher, text, group);
	size_t front;

	if (found <= 0)
		return found ? RULE_LIMIT : RULE_UNMATCHED;
	front = (size_t)(group[0].p - text.p);
	memcpy(buffer, text.p, front);
	long middle = rule_expand(rule, group, buffer + front, RULE_PART_MAX - front);
	if (middle < 0)
		return RULE_TOO_LONG;
	struct str rest = str_from(text, front + group[0].n);
	if (rest.n > RULE_PART_MAX - front - (size_t)middle)
		return RULE_TOO_LONG;
	if (rest.n)
		memcpy(buffer + front + middle, rest.p, rest.n);
	*n = front + (size_t)middle + rest.n;
	if (escapes && escapes->any)
		rewriting_move_escapes(rule, text, group, *n, escapes);
	return RULE_MATCHED;
}

static enum rule_outcome rewriting_part(struct rewriting *w, const struct rule *rule,
	struct pattern_matcher *matcher, struct rule_note *note, char before[RULE_PART_MAX])
{
	struct rewriting_part *part = &w->part[rule->part];
	bool user = rule->part == RULE_REQUEST_USER || rule->part == RULE_FROM_USER ||
	            rule->part == RULE_TO_USER;
	struct user_escapes escapes;
	char after[RULE_PART_MAX];
	enum rule_outcome outcome;
	size_t n;

	if (!part->read && !rewriting_part_read(w, rule->part))
		return RULE_TOO_LONG;
	if (!part->there)
		return RULE_UNMATCHED;
	memcpy(before, part->text, part->n);
	note->before = (struct str){before, part->n};
	if (user)
		escapes = part->escapes;
	outcome = rewriting_replace(rule, matcher, note->before, after, &n, user ? &escapes : NULL);
	if (outcome != RULE_MATCHED)
		return outcome;
	if (!rewriting_part_valid(rule->part, (struct str){after, n}))
		return RULE_INVALID;
	if (n == part->n && memcmp(after, part->text, n) == 0) {
		note->after = note->before;
		return RULE_MATCHED;
	}
	memcpy(part->text, after, n);
	part->n = (uint16_t)n;
	part->changed = true;
	if (user)
		part->escapes = escapes;
	note->after = (struct str){part->text, n};
	if (rule->part == RULE_REQUEST_USER && !rewriting_write_request(w))
		return RULE_TOO_LONG;
	return RULE_MATCHED;
}

/* ---- headers ---- */

/* Takes the lines of a header out of what was added. */
static void rewriting_take_back(struct rewriting *w, const struct rule *rule)
{
	size_t at = 0;

	while (at < w->added_n) {
		struct str line = {w->added + at, w->added_n - at};
		struct str name = {line.p, str_find(line, ':')};

		line.n = str_find(line, '\n') + 1;
		if (!rule_same_header(rule->header, rule->name, header_of(name), name)) {
			at += line.n;
			continue;
		}
		memmove(w->added + at, w->added + at + line.n, w->added_n - at - line.n);
		w->added_n = (uint16_t)(w->added_n - line.n);
	}
}

static enum rule_outcome rewriting_remove(struct rewriting *w, const struct rule *rule)
{
	struct writer to = {.p = w->removed, .n = w->removed_n, .size = sizeof(w->removed)};
	const char head[2] = {(char)rule->header, (char)rule->name.n};

	rewriting_take_back(w, rule);
	write_bytes(&to, head, sizeof(head));
	write_str(&to, rule->name);
	if (to.full)
		return RULE_TOO_LONG;
	w->removed_n = (uint16_t)to.n;
	return RULE_MATCHED;
}

static enum rule_outcome rewriting_add(struct rewriting *w, const struct rule *rule)
{
	struct writer to = {.p = w->added, .n = w->added_n, .size = sizeof(w->added)};

	write_str(&to, rule->name);
	write_literal(&to, ": ");
	write_str(&to, rule->value);
	write_literal(&to, "\r\n");
	if (to.full)
		return RULE_TOO_LONG;
	w->added_n = (uint16_t)to.n;
	return RULE_MATCHED;
}

static enum rule_outcome rewriting_header(
	struct rewriting *w, const struct rule *rule, struct rule_note *note)
{
	enum rule_outcome outcome = RULE_MATCHED;

	if (rule->kind != RULE_ADD)
		outcome = rewriting_remove(w, rule);
	if (rule->kind != RULE_REMOVE && outcome == RULE_MATCHED)
		outcome = rewriting_add(w, rule);
	note->after = rule->value;
	return outcome;
}

/* ---- all rules ---- */

static struct str rewriting_section(const struct settings *s, enum rules_of of, unsigned index)
{
	switch (of) {
	case RULES_OF_ZONE: return settings_zone_name(s, index);
	case RULES_OF_ROUTE: return settings_str(s, settings_route(s, index)->name);
	default: return settings_trunk_name(s, index);
	}
}

static void rewriting_note(const struct rewriting *w, const struct rule_note *note)
{
	const struct rule_watch *watch = w->sip->rule_watch;

	if (watch)
		watch->note(watch->arg, note);
	rewriting_tell(w, note);
	if (log_enabled(LOG_DEBUG))
		rewriting_log(w, note);
}

/* Applies the rules that are for that, of enum rule_where, one by one. False: one cannot be carried
 * out. */
static bool rewriting_apply_each(struct rewriting *w, const struct rules *rules, enum rules_of of,
	unsigned index, unsigned where)
{
	unsigned count;
	const struct rules_row *row = rules_list(rules, of, index, &count);
	struct rewriting_seen seen;

	for (unsigned i = 0; i < count; i++) {
		const struct rule *rule = &row[i].rule;
		struct rule_note note = {.of = of,
			.section = rewriting_section(w->sip->settings, of, index),
			.line = row[i].line,
			.rule = row[i].text,
			.before = STR_EMPTY,
			.after = STR_EMPTY};

		if (!(rule->where & where))
			continue;
		if (rule->kind != RULE_REPLACE)
			note.outcome = rewriting_header(w, rule, &note);
		else if (rule->part == RULE_IDENTITY_USER)
			note.outcome = rewriting_identity(
				w, rule, rules_matcher(rules), &note, &seen);
		else
			note.outcome = rewriting_part(
				w, rule, rules_matcher(rules), &note, seen.before);
		if (note.outcome == RULE_UNMATCHED)
			continue;
		if (note.outcome > RULE_MATCHED)
			note.after = STR_EMPTY;
		rewriting_note(w, &note);
		if (note.outcome > RULE_MATCHED && !rewriting_refuse(w, &note))
			return false;
	}
	return true;
}

void rewriting_uri(const struct rewriting *w, struct uri_parts *uri)
{
	if (w->request_n)
		rewrite_uri_user(uri, (struct str){w->request, w->request_n});
}

/* ---- the result ---- */

static struct rewrite_text rewriting_put(
	struct writer *to, const struct rewrite *r, struct str text)
{
	struct rewrite_text at = {(uint32_t)(to->p + to->n - (const char *)r), (uint32_t)text.n};

	write_str(to, text);
	return at;
}

/* The part as it is written: users are escaped. */
static void rewriting_put_part(
	const struct rewriting *w, enum rule_part i, struct writer *to, struct rewrite *r)
{
	const struct rewriting_part *part = &w->part[i];
	struct str text = {part->text, part->n};

	if (!part->changed)
		return;
	if (i == RULE_REQUEST_USER) {
		r->part[i] = rewriting_put(to, r, (struct str){w->request, w->request_n});
	} else if (i == RULE_FROM_USER || i == RULE_TO_USER) {
		size_t before = to->n;

		r->part[i] = rewriting_put(to, r, STR_EMPTY);
		rewriting_write_user(to, text, &part->escapes);
		r->part[i].n = (uint32_t)(to->n - before);
	} else {
		r->part[i] = rewriting_put(to, r, text);
	}
}

int rewriting_keep(const struct rewriting *w, char *buffer, size_t size, size_t *used,
	const struct rewrite **out)
{
	struct writer to = {.p = buffer, .n = *used, .size = size};
	struct rewrite *r = (void *)(to.p + to.n);
	bool changed = w->identity_changed || w->added_n || w->removed_n;

	for (unsigned i = 0; i < RULE_IDENTITY_USER; i++)
		changed |= w->part[i].changed;
	*out = NULL;
	if (!changed)
		return 0;
	if (to.size - to.n < sizeof(*r))
		return -ENOBUFS;
	*r = (struct rewrite){.size = 0};
	to.n += sizeof(*r);
	for (unsigned i = 0; i < RULE_IDENTITY_USER; i++)
		rewriting_put_part(w, i, &to, r);
	if (w->identity_changed)
		r->part[RULE_IDENTITY_USER] = rewriting_put(
			&to, r, (struct str){w->identity, w->identity_n});
	r->removed = rewriting_put(&to, r, (struct str){w->removed, w->removed_n});
	r->added = rewriting_put(&to, r, (struct str){w->added, w->added_n});
	while (to.n % 8)
		write_bytes(&to, "", 1);
	if (to.full)
		return -ENOBUFS;
	r->size = (uint32_t)(to.n - *used);
	*used = to.n;
	*out = r;
	return 0;
}

bool rewriting_apply(struct rewriting *w, const struct rules *rules, enum rules_of of,
	unsigned index, const struct rewrite **out)
{
	struct scratch *scratch = &w->sip->scratch;

	if (!rewriting_apply_each(w, rules, of, index, RULE_IN_REQUEST))
		return false;
	if (rewriting_keep(w, scratch->rewrites, sizeof(scratch->rewrites), &scratch->rewrites_size,
		    out) == 0)
		return true;
	const struct rule_note note = {.of = of,
		.section = rewriting_section(w->sip->settings, of, index),
		.rule = S("all together"),
		.outcome = RULE_TOO_LONG,
		.before = STR_EMPTY,
		.after = STR_EMPTY};

	rewriting_note(w, &note);
	return rewriting_refuse(w, &note);
}

void rewriting_apply_later(
	struct rewriting *w, const struct rules *rules, unsigned zone, unsigned where)
{
	rewriting_apply_each(w, rules, RULES_OF_ZONE, zone, where);
}
