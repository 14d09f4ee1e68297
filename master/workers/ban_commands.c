/* ban_commands.c - sources that are banned. What zones' rules have banned transport workers know,
 * each for itself, and are asked; what an operator has banned is the master's to know (struct
 * supervisor), who tells it transport workers of every life. */
#include "common/clock.h"
#include "master/config/units.h"
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/control/query_words.h"
#include "master/master.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Fewer bits would shut out whole countries by a slip of the hand. */
#define BAN_BITS_LEAST_4 8
#define BAN_BITS_LEAST_6 16

/* A question about bans under way. */
struct ban_question {
	struct master *m;
	struct request *r;
	char source[ENDPOINT_TEXT_SIZE + 4]; /* to be lifted */
	unsigned lifted;                     /* of the operator's */
};

/* Whether all of inner lies in outer. */
static bool ban_within(const struct prefix *inner, const struct prefix *outer)
{
	return inner->bits >= outer->bits && prefix_contains(outer, &inner->network);
}

static bool ban_over(const struct lifeline_ban *b, uint64_t now)
{
	return b->until && now >= b->until;
}

static void bans_tell(struct master *m)
{
	struct lifeline_bans *bans = &m->supervisor.bans;

	for (unsigned i = 0; i < m->supervisor.count; i++)
		if (m->supervisor.worker[i].role == PEER_TRANSPORT)
			worker_tell(
				&m->supervisor.worker[i], LIFELINE_BANS, bans, sizeof(*bans), -1);
}

/* Removes those of an operator that lie in that network (NULL: all) or are over; returns how many
 * of the first there were. */
static unsigned bans_remove(struct master *m, const struct prefix *in)
{
	struct lifeline_bans *bans = &m->supervisor.bans;
	uint64_t now = clock_monotonic_ms();
	unsigned kept = 0, removed = 0;

	for (unsigned i = 0; i < bans->count; i++) {
		bool over = ban_over(&bans->ban[i], now);

		if (!over && in && !ban_within(&bans->ban[i].sources, in))
			bans->ban[kept++] = bans->ban[i];
		else
			removed += !over;
	}
	bans->count = kept;
	return removed;
}

static void ban_text(const struct prefix *p, char *buffer, size_t size)
{
	char address[ENDPOINT_TEXT_SIZE];
	unsigned all = p->network.family == 6 ? 128 : 32;

	endpoint_address_text(&p->network, address);
	if (p->bits == all)
		snprintf(buffer, size, "%s", address);
	else
		snprintf(buffer, size, "%s/%u", address, p->bits);
}

/* ---- the list ---- */

/* Each transport worker has the same bans, and some of them a moment longer. */
static void bans_merge(json_t *out, const json_t *rows)
{
	json_t *seen = json_object();
	size_t i;
	json_t *row;

	json_array_foreach (rows, i, row) {
		const char *source = json_string_value(json_object_get(row, "source"));
		const char *zone = json_string_value(json_object_get(row, "zone"));
		char key[256];

		if (!source || !zone)
			continue;
		snprintf(key, sizeof(key), "%s %s", source, zone);
		json_t *first = json_object_get(seen, key);
		json_t *left = json_object_get(row, "left_s");
		if (!first) {
			json_object_set_new(row, "by", json_string("rule"));
			json_object_set(seen, key, row);
			json_array_append(out, row);
		} else if (json_integer_value(left) >
			   json_integer_value(json_object_get(first, "left_s"))) {
			json_object_set(first, "left_s", left);
		}
	}
	json_decref(seen);
}

static void bans_listed(void *arg, json_t *rows, json_t *missing)
{
	struct ban_question *q = arg;
	const struct lifeline_bans *bans = &q->m->supervisor.bans;
	uint64_t now = clock_monotonic_ms();
	json_t *out = json_array();

	for (unsigned i = 0; i < bans->count; i++) {
		const struct lifeline_ban *b = &bans->ban[i];
		char source[ENDPOINT_TEXT_SIZE + 4];

		if (ban_over(b, now))
			continue;
		ban_text(&b->sources, source, sizeof(source));
		json_array_append_new(out,
			json_pack("{s:s, s:n, s:o, s:s}", "source", source, "zone", "left_s",
				b->until ? json_integer((json_int_t)((b->until - now + 999) / 1000))
					 : json_null(),
				"by", "operator"));
	}
	bans_merge(out, rows);
	json_decref(rows);
	answer_found(q->r, out, missing);
	free(q);
}

/* ---- lifting ---- */

static void ban_lifted(void *arg, json_t *rows, json_t *missing)
{
	struct ban_question *q = arg;
	json_int_t lifted = 0;
	size_t i;
	json_t *row;

	json_array_foreach (rows, i, row) {
		json_int_t n = json_integer_value(json_object_get(row, "lifted"));

		lifted = n > lifted ? n : lifted;
	}
	lifted += q->lifted;
	json_decref(rows);
	if (lifted || json_array_size(missing)) {
		request_answer(
			q->r, json_pack("{s:b, s:{s:s, s:I}, s:o}", "ok", 1, "object", "source",
				      q->source, "lifted", lifted, "missing", missing));
	} else {
		json_decref(missing);
		answer_refused(q->r, "there is no ban of \"%s\"", q->source);
	}
	free(q);
}

static void ban_ask(struct master *m, struct request *r, uint16_t what, const char *source,
	unsigned lifted, query_done done)
{
	struct ban_question *q = calloc(1, sizeof(*q));
	int error = -ENOMEM;

	if (q) {
		*q = (struct ban_question){.m = m, .r = r, .lifted = lifted};
		error = str_copy(str_of(source), q->source, sizeof(q->source));
	}
	if (error == 0)
		error = query_start(&m->queries, PEER_TRANSPORT, false, what, source, done, q);
	if (error == 0)
		return;
	free(q);
	query_refuse(r, error);
}

void command_bans_list(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	ban_ask(m, r, QUERY_BANS, "", 0, bans_listed);
}

/* The argument as a network; false after having refused. */
static bool ban_argument(struct request *r, json_t *arguments, struct prefix *out)
{
	const char *text = json_string_value(json_object_get(arguments, "source"));

	if (text && prefix_parse(str_of(text), out) == 0)
		return true;
	answer_refused(r,
		"expected an address or a network without host bits, as in \"192.0.2.7\" or "
		"\"192.0.2.0/24\", found \"%.100s\"",
		text ? text : "");
	return false;
}

void command_bans_lift(struct master *m, struct request *r, json_t *arguments)
{
	const char *text = json_string_value(json_object_get(arguments, "source"));
	bool all = text && strcmp(text, "all") == 0;
	char source[ENDPOINT_TEXT_SIZE + 4] = "all";
	struct prefix in;

	if (!all && !ban_argument(r, arguments, &in))
		return;
	if (!all)
		ban_text(&in, source, sizeof(source));
	unsigned removed = bans_remove(m, all ? NULL : &in);
	bans_tell(m);
	ban_ask(m, r, QUERY_BAN_LIFT, source, removed, ban_lifted);
}

/* ---- adding ---- */

/* The name of what never bans all of it ("limits", or a zone's), or NULL. */
static const char *ban_spared_by(const struct config *c, const struct prefix *in)
{
	for (size_t i = 0; i < c->never_ban_count; i++)
		if (ban_within(in, &c->never_ban[i]))
			return "limits";
	for (size_t z = 0; z < c->zone_count; z++)
		for (size_t i = 0; i < c->zones[z].never_ban_count; i++)
			if (ban_within(in, &c->zones[z].never_ban[i]))
				return c->zones[z].name;
	return NULL;
}

/* until as the argument says; false after having refused. */
static bool ban_until(struct request *r, json_t *arguments, uint64_t *until)
{
	const char *text = json_string_value(json_object_get(arguments, "time"));
	uint64_t ms = 0;

	*until = 0;
	if (!text)
		return true;
	if (unit_duration(str_of(text), &ms) != 0 || ms == 0) {
		answer_refused(r, "expected a time, as in \"15m\", found \"%.100s\"", text);
		return false;
	}
	*until = clock_monotonic_ms() + ms;
	return true;
}

void command_bans_add(struct master *m, struct request *r, json_t *arguments)
{
	struct lifeline_bans *bans = &m->supervisor.bans;
	struct prefix sources;
	char text[ENDPOINT_TEXT_SIZE + 4];
	uint64_t until;
	unsigned least;

	if (!ban_argument(r, arguments, &sources) || !ban_until(r, arguments, &until))
		return;
	least = sources.network.family == 6 ? BAN_BITS_LEAST_6 : BAN_BITS_LEAST_4;
	ban_text(&sources, text, sizeof(text));
	if (sources.bits < least) {
		answer_refused(r, "a ban has at least /%u, not \"%s\"", least, text);
		return;
	}
	const char *by = ban_spared_by(m->config, &sources);
	if (by) {
		answer_refused(r, "never-ban of %s names \"%s\"", by, text);
		return;
	}
	bans_remove(m, &sources); /* those that lie in it */
	if (bans->count == LIFELINE_BANS_MAX) {
		answer_refused(r, "there are %d bans by operators, and more are not possible",
			LIFELINE_BANS_MAX);
		return;
	}
	bans->ban[bans->count++] = (struct lifeline_ban){.sources = sources, .until = until};
	bans_tell(m);
	request_answer(r, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object", "source", text,
				  "state", "banned"));
}
