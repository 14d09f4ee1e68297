/* number_list.c - see number_list.h. All patterns of all lists stand in one index, in the order in
 * which they decide: list by list, what a list permits before what it blocks. */
#include "number_list.h"

#include "common/log.h"
#include "number_pattern.h"

#include <stdlib.h>

/* Lines a second about numbers that are blocked. */
#define NUMBER_LIST_LINES 5
/* Bytes of a value in such a line. */
#define VALUE_MAX 160

struct number_list_entry {
	uint16_t list, index;
	bool blocks;
};

struct number_lists {
	struct number_patterns *patterns;
	struct log_limit log;
	unsigned count;
	struct number_list_entry entry[]; /* one a pattern */
};

static const struct number_list_settings *number_list_settings(
	const struct settings *s, unsigned list)
{
	return SETTINGS_ROW(s, struct number_list_settings, s->number_lists, list);
}

/* The patterns of one list that it permits, or blocks. */
static int number_list_add(
	struct number_lists *l, const struct settings *s, unsigned list, bool blocks)
{
	const struct number_list_settings *row = number_list_settings(s, list);
	struct array a = blocks ? row->block : row->permit;
	const struct text *text = settings_array(s, a);
	int error = 0;

	for (unsigned i = 0; i < a.count && error == 0; i++) {
		l->entry[l->count++] = (struct number_list_entry){
			.list = (uint16_t)list, .index = (uint16_t)i, .blocks = blocks};
		error = number_patterns_add(l->patterns, settings_str(s, text[i]));
	}
	if (error)
		log_error("number-pattern-bad", "of=numbers index=%u error=\"%s\"", l->count - 1,
			error_text(error));
	return error;
}

int number_lists_new(struct number_lists **out, const struct settings *settings)
{
	unsigned lists = settings->number_lists.count, patterns = 0;
	struct number_lists *l;

	*out = NULL;
	for (unsigned i = 0; i < lists; i++)
		patterns += number_list_settings(settings, i)->permit.count +
		            number_list_settings(settings, i)->block.count;
	if (!patterns)
		return 0;
	l = calloc(1, sizeof(*l) + patterns * sizeof(l->entry[0]));
	int error = l ? number_patterns_new(&l->patterns, patterns) : -ENOMEM;
	for (unsigned i = 0; i < lists && error == 0; i++) {
		error = number_list_add(l, settings, i, false);
		if (error == 0)
			error = number_list_add(l, settings, i, true);
	}
	if (error) {
		number_lists_free(l);
		return error;
	}
	number_patterns_sort(l->patterns);
	*out = l;
	return 0;
}

void number_lists_free(struct number_lists *l)
{
	if (!l)
		return;
	number_patterns_free(l->patterns);
	free(l);
}

/* ---- for whom a list is ---- */

static const struct user_row *number_list_user(const struct sip *sip, const struct identity *sender)
{
	if (!sender->authenticated || !sip->users)
		return NULL;
	return users_find(
		sip->users, sender->domain, (struct str){sender->name, sender->name_length});
}

static bool number_list_is_in(const struct user_row *user, uint32_t group)
{
	for (unsigned i = 0; i < USER_GROUPS_MAX && user->group[i]; i++)
		if (user->group[i] == group)
			return true;
	return false;
}

/* Whether a list is for requests from that zone of that user (NULL: none of ours). *group: of the
 * list's groups the one that he is in. */
static bool number_list_is_for(const struct settings *s, unsigned list, unsigned zone,
	const struct user_row *user, uint16_t *group)
{
	const struct number_list_settings *row = number_list_settings(s, list);
	const struct group_settings *g = settings_array(s, row->groups);

	*group = NONE_INDEX;
	if (!(row->from >> zone & 1))
		return false;
	if (!row->groups.count)
		return true;
	for (unsigned i = 0; user && i < row->groups.count; i++)
		if (number_list_is_in(user, g[i].id)) {
			*group = (uint16_t)i;
			return true;
		}
	return false;
}

/* ---- what it says ---- */

struct number_verdict number_lists_decide(
	const struct sip *sip, unsigned zone, const struct identity *sender, struct str number)
{
	struct number_verdict v = {.list = NONE_INDEX, .group = NONE_INDEX};
	struct number_lists *l = sip->number_lists;
	struct number_prefix_walk walk;
	const struct user_row *user;
	uint32_t i;

	if (!l || !number.n)
		return v;
	user = number_list_user(sip, sender);
	number_patterns_walk(l->patterns, number, &walk);
	while (number_prefix_next(&walk, &i)) {
		const struct number_list_entry *e = &l->entry[i];

		if (!number_list_is_for(sip->settings, e->list, zone, user, &v.group))
			continue;
		int found = number_patterns_match(l->patterns, i, number);
		if (found == 0 || (found < 0 && !e->blocks))
			continue;
		v.list = e->list;
		v.pattern = e->index;
		v.blocked = e->blocks;
		return v;
	}
	v.group = NONE_INDEX;
	return v;
}

static void number_list_log(const struct incoming *in, const struct number_verdict *v)
{
	const struct sip *sip = in->sip;
	const struct message *m = in->message;
	const struct settings *s = sip->settings;
	const struct number_list_settings *row = number_list_settings(s, v->list);
	const struct group_settings *g = settings_array(s, row->groups);
	char source[ENDPOINT_TEXT_SIZE], zone[VALUE_MAX], user[VALUE_MAX], uri[VALUE_MAX];
	uint64_t left_out;

	if (!log_limit_pass(&sip->number_lists->log, loop_now(sip->loop), NUMBER_LIST_LINES,
		    LOG_LIMIT_SECOND, &left_out))
		return;
	endpoint_text(&m->flow.peer, source);
	log_warn("number-blocked",
		"source=%s zone=%s user=%s uri=%s list=%.*s group=%.*s left_out=%llu", source,
		log_value(settings_zone_name(s, in->zone), zone, sizeof(zone)),
		log_value(in->sender.authenticated
				  ? (struct str){in->sender.name, in->sender.name_length}
				  : STR_EMPTY,
			user, sizeof(user)),
		log_value(message_str(m, m->request_uri.whole), uri, sizeof(uri)),
		STR(settings_str(s, row->name)),
		STR(v->group < row->groups.count ? settings_str(s, g[v->group].name) : S("-")),
		(unsigned long long)left_out);
}

void number_lists_explain(const struct incoming *in, const struct number_verdict *v)
{
	const struct settings *s = in->sip->settings;

	if (v->list >= s->number_lists.count)
		return;
	const struct number_list_settings *row = number_list_settings(s, v->list);
	struct array patterns = v->blocked ? row->block : row->permit;
	const struct text *text = settings_array(s, patterns);

	explanation_say(in->explanation, "number-list", settings_str(s, row->name), 0,
		"%s what is called, by %.*s", v->blocked ? "blocks" : "permits",
		STR(v->pattern < patterns.count ? settings_str(s, text[v->pattern]) : STR_EMPTY));
}

void number_lists_tell(const struct incoming *in, const struct number_verdict *v)
{
	count(NUMBERS_BLOCKED);
	if (!in->explanation)
		number_list_log(in, v);
}
