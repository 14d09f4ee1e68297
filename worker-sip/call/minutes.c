/* minutes.c - see minutes.h. Each worker writes its own rows alone, and adds up those of all. What
 * a worker has counted stays when it dies: its next life goes on with it. */
#include "minutes.h"

#include "common/clock.h"
#include "ipc/limit_page.h"
#include "ipc/query_argument.h"
#include "limits.h"
#include "worker-sip/json.h"

#include <stdlib.h>

/* Lines a second about calls that are refused. */
#define MINUTES_LINES 5
/* Bytes of a value in such a line. */
#define VALUE_MAX 160
#define DAY_MS UINT64_C(86400000)

#define MINUTE_LOAD(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define MINUTE_STORE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)

/* What is counted of a list: the minutes of who calls, and those of all. */
enum { MINUTES_OF_CALLER, MINUTES_OF_ALL, MINUTES_KINDS };

struct minutes {
	struct sip *sip;
	struct timer timer;
	uint64_t from; /* loop_now, to where it is counted; 0: it does not stand */
	uint64_t key[MINUTES_KINDS];
	uint32_t most[MINUTES_KINDS]; /* seconds; 0: no limit */
	bool ends;
	void (*over)(void *arg);
	void *arg;
	char list[MINUTE_LIST_MAX], who[MINUTE_WHO_MAX];
};

static uint32_t minutes_day(void)
{
	return (uint32_t)(clock_realtime_ms() / DAY_MS);
}

/* ---- rows ---- */

static struct minute_row *minutes_find(struct limit_page *page, unsigned column, uint64_t key)
{
	for (unsigned i = 0; i < LIMIT_PROBES; i++) {
		struct minute_row *row = &page->minute[column][(key + i) % MINUTE_ROWS];
		uint64_t found = MINUTE_LOAD(row->key);

		if (found == key)
			return row;
		if (found == 0)
			return NULL;
	}
	return NULL;
}

/* The columns in which there may be something: those of workers that are no more, too. */
static unsigned minutes_columns(const struct limit_page *page)
{
	uint64_t n = MINUTE_LOAD(page->minute_columns);

	return n < ROLE_WORKERS_MAX ? (unsigned)n : ROLE_WORKERS_MAX;
}

static uint64_t minutes_sum(struct limit_page *page, uint64_t key)
{
	uint32_t day = minutes_day();
	uint64_t seconds = 0;

	for (unsigned i = 0; i < minutes_columns(page); i++) {
		const struct minute_row *row = minutes_find(page, i, key);

		if (row && MINUTE_LOAD(row->day) == day)
			seconds += MINUTE_LOAD(row->seconds);
	}
	return seconds;
}

/* The row of key in this worker's own column, made where it has none: in the place of one of
 * another day. NULL: no room. */
static struct minute_row *minutes_own(struct sip *sip, uint64_t key, uint32_t day)
{
	struct minute_row *row = minutes_find(sip->limits, sip->index, key);

	for (unsigned i = 0; i < LIMIT_PROBES && !row; i++) {
		struct minute_row *r = &sip->limits->minute[sip->index][(key + i) % MINUTE_ROWS];

		if (!r->key || r->day != day)
			row = r;
	}
	return row;
}

static void minutes_add(struct minutes *m, unsigned kind, uint32_t seconds)
{
	struct sip *sip = m->sip;
	uint32_t day = minutes_day();
	uint64_t columns = sip->index + 1u;
	struct minute_row *row;

	if (!m->key[kind] || !sip->limits)
		return;
	if (MINUTE_LOAD(sip->limits->minute_columns) < columns)
		MINUTE_STORE(sip->limits->minute_columns, columns);
	row = minutes_own(sip, m->key[kind], day);
	if (!row) {
		count(LIMITS_FULL);
		return;
	}
	if (row->key != m->key[kind] || row->day != day) {
		MINUTE_STORE(row->seconds, 0);
		memcpy(row->list, m->list, sizeof(row->list));
		memset(row->who, 0, sizeof(row->who));
		if (kind == MINUTES_OF_CALLER)
			memcpy(row->who, m->who, sizeof(row->who));
		MINUTE_STORE(row->day, day);
		MINUTE_STORE(row->key, m->key[kind]);
	}
	MINUTE_STORE(row->seconds, row->seconds + seconds);
}

/* ---- a call ---- */

/* Counts what has passed; rest: with the part of a second. */
static void minutes_count(struct minutes *m, bool rest)
{
	uint64_t now = loop_now(m->sip->loop);
	uint32_t seconds = (uint32_t)((now - m->from + (rest ? 999 : 0)) / 1000);

	m->from += (uint64_t)seconds * 1000;
	for (unsigned i = 0; i < MINUTES_KINDS && seconds; i++)
		minutes_add(m, i, seconds);
}

/* The seconds until a limit is reached where calls end then; 0: it is. */
static uint64_t minutes_left(const struct minutes *m)
{
	uint64_t left = UINT64_MAX;

	for (unsigned i = 0; i < MINUTES_KINDS && m->ends; i++) {
		uint64_t sum = m->key[i] ? minutes_sum(m->sip->limits, m->key[i]) : 0;
		uint64_t most = m->most[i];

		if (m->key[i] && sum >= most)
			return 0;
		if (m->key[i] && most - sum < left)
			left = most - sum;
	}
	return left;
}

static void minutes_pass(struct minutes *m)
{
	uint64_t left = minutes_left(m);

	if (left == 0) {
		count(LIMIT_DAY_ENDED);
		m->over(m->arg);
		return;
	}
	loop_set(m->sip->loop, &m->timer,
		left < MINUTES_TICK_MS / 1000 ? left * 1000 : MINUTES_TICK_MS);
}

static void minutes_tick(struct timer *t, void *arg)
{
	(void)t;
	minutes_count(arg, false);
	minutes_pass(arg);
}

void minutes_begin(struct minutes *m, void (*over)(void *arg), void *arg)
{
	if (!m)
		return;
	m->over = over;
	m->arg = arg;
	m->from = loop_now(m->sip->loop);
	timer_init(&m->timer, minutes_tick, m);
	loop_set(m->sip->loop, &m->timer, MINUTES_TICK_MS);
	if (m->ends) {
		uint64_t left = minutes_left(m);

		if (left < MINUTES_TICK_MS / 1000)
			loop_set(m->sip->loop, &m->timer, left * 1000);
	}
}

void minutes_end(struct minutes *m)
{
	if (!m)
		return;
	if (m->from) {
		loop_unset(m->sip->loop, &m->timer);
		minutes_count(m, true);
	}
	free(m);
}

/* ---- an INVITE ---- */

static const struct number_list_settings *minutes_list_of(const struct incoming *in)
{
	const struct settings *s = in->sip->settings;
	const struct number_list_settings *l = in->number_list < s->number_lists.count
	                                               ? SETTINGS_ROW(s,
								 struct number_list_settings,
								 s->number_lists, in->number_list)
	                                               : NULL;

	return l && in->sip->limits && (l->minutes_per_day || l->minutes_per_day_per_user) ? l
	                                                                                   : NULL;
}

static uint64_t minutes_key(const struct incoming *in, unsigned kind)
{
	return limits_minutes_key(in, kind == MINUTES_OF_CALLER);
}

static uint64_t minutes_most(const struct number_list_settings *l, unsigned kind)
{
	return 60ull *
	       (kind == MINUTES_OF_CALLER ? l->minutes_per_day_per_user : l->minutes_per_day);
}

/* The caller as an operator names him: NAME@DOMAIN, or the address of who is none of ours. */
static void minutes_who(const struct incoming *in, char who[MINUTE_WHO_MAX])
{
	const struct settings *s = in->sip->settings;
	const struct identity *sender = &in->sender;
	struct writer w = {.p = who, .size = MINUTE_WHO_MAX - 1};
	char address[ENDPOINT_TEXT_SIZE];

	memset(who, 0, MINUTE_WHO_MAX);
	if (!sender->authenticated || sender->domain >= s->domains.count) {
		write_str(&w, (struct str){address,
				      endpoint_address_text(&in->message->flow.peer, address)});
		return;
	}
	write_bytes(&w, sender->name, sender->name_length < w.size ? sender->name_length : w.size);
	write_literal(&w, "@");
	write_str(&w, settings_str(s, settings_domain(s, sender->domain)->name));
}

static void minutes_log(const struct incoming *in, const struct number_list_settings *l,
	unsigned kind, uint64_t most)
{
	const struct message *m = in->message;
	const struct settings *s = in->sip->settings;
	char source[ENDPOINT_TEXT_SIZE], who[MINUTE_WHO_MAX], user[VALUE_MAX], uri[VALUE_MAX],
		list[VALUE_MAX];
	uint64_t left_out;

	if (!log_limit_pass(&in->sip->minutes_log, loop_now(in->sip->loop), MINUTES_LINES,
		    LOG_LIMIT_SECOND, &left_out))
		return;
	endpoint_text(&m->flow.peer, source);
	minutes_who(in, who);
	log_warn("minutes-used-up",
		"source=%s user=%s uri=%s list=%s of=%s minutes=%llu left_out=%llu", source,
		log_value(str_of(who), user, sizeof(user)),
		log_value(message_str(m, m->request_uri.whole), uri, sizeof(uri)),
		log_value(settings_str(s, l->name), list, sizeof(list)),
		kind == MINUTES_OF_CALLER ? "caller" : "all", (unsigned long long)(most / 60),
		(unsigned long long)left_out);
}

bool minutes_admit_forward(const struct incoming *in)
{
	const struct number_list_settings *l = minutes_list_of(in);

	for (unsigned i = 0; l && i < MINUTES_KINDS; i++) {
		uint64_t most = minutes_most(l, i);
		uint64_t sum = most ? minutes_sum(in->sip->limits, minutes_key(in, i)) : 0;

		if (most && in->explanation)
			explanation_say(in->explanation, "limit", S("minutes"), 0,
				"%llu minutes of %llu this day%s%s", (unsigned long long)sum / 60,
				(unsigned long long)most / 60,
				i == MINUTES_OF_ALL ? ", of all callers" : "",
				in->emergency ? ", which does not hold for emergency calls" : "");
		if (!most || sum < most || in->emergency)
			continue;
		count(LIMIT_NUMBERS_DAY);
		if (!in->explanation)
			minutes_log(in, l, i, most);
		return false;
	}
	return true;
}

bool minutes_admit(const struct incoming *in)
{
	if (minutes_admit_forward(in))
		return true;
	incoming_answer(
		in, 403, S("Warning: 399 gateway \"limit of minutes a day to such numbers\"\r\n"));
	return false;
}

struct minutes *minutes_new(const struct incoming *in)
{
	const struct number_list_settings *l = minutes_list_of(in);
	struct minutes *m = l && !in->emergency ? calloc(1, sizeof(*m)) : NULL;

	if (!m) {
		if (l && !in->emergency)
			count(LIMITS_FULL);
		return NULL;
	}
	m->sip = in->sip;
	m->ends = l->minutes_end_calls;
	for (unsigned i = 0; i < MINUTES_KINDS; i++) {
		m->most[i] = (uint32_t)minutes_most(l, i);
		m->key[i] = m->most[i] ? minutes_key(in, i) : 0;
	}
	struct str name = settings_str(in->sip->settings, l->name);
	memcpy(m->list, name.p, name.n < sizeof(m->list) ? name.n : sizeof(m->list) - 1);
	minutes_who(in, m->who);
	return m;
}

/* ---- what an operator asks ---- */

static struct str minutes_text(const char *text, size_t size)
{
	return (struct str){text, strnlen(text, size)};
}

/* Whether the row is of this day and of that user; STR_NONE: of any. */
static bool minutes_fits(const struct minute_row *row, struct str user)
{
	if (!MINUTE_LOAD(row->key) || MINUTE_LOAD(row->day) != minutes_day() ||
		!MINUTE_LOAD(row->seconds))
		return false;
	if (user.n >= sizeof(row->who))
		user.n = sizeof(row->who) - 1;
	return !user.p || str_equal(minutes_text(row->who, sizeof(row->who)), user);
}

/* Whether a column before that one has told of the key. */
static bool minutes_told(struct limit_page *page, unsigned column, uint64_t key)
{
	for (unsigned i = 0; i < column; i++) {
		const struct minute_row *row = minutes_find(page, i, key);

		if (row && minutes_fits(row, STR_NONE))
			return true;
	}
	return false;
}

/* The minutes that the settings give a row; 0: none any more. */
static uint32_t minutes_given(const struct settings *s, struct str list, bool all)
{
	for (unsigned i = 0; i < s->number_lists.count; i++) {
		const struct number_list_settings *l = SETTINGS_ROW(
			s, struct number_list_settings, s->number_lists, i);

		if (str_equal(settings_str(s, l->name), list))
			return all ? l->minutes_per_day : l->minutes_per_day_per_user;
	}
	return 0;
}

static void minutes_write(struct writer *w, const struct sip *sip, const struct minute_row *row)
{
	struct str list = minutes_text(row->list, sizeof(row->list)),
		   who = minutes_text(row->who, sizeof(row->who));

	write_literal(w, "{");
	write_json_field(w, "list", list);
	write_json_field(w, "user", who);
	write_json_number(w, "minutes", minutes_sum(sip->limits, row->key) / 60);
	write_json_number(w, "of", minutes_given(sip->settings, list, !who.n));
	write_json_end(w);
}

void minutes_list(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	struct str user = query_argument(arguments, "user");

	for (unsigned c = 0; sip->limits && c < minutes_columns(sip->limits); c++)
		for (unsigned i = 0; i < MINUTE_ROWS; i++) {
			const struct minute_row *row = &sip->limits->minute[c][i];
			char buffer[2048];
			struct writer w = WRITER(buffer);

			if (!minutes_fits(row, user) || minutes_told(sip->limits, c, row->key))
				continue;
			minutes_write(&w, sip, row);
			if (!w.full)
				line(arg, writer_text(&w));
		}
}

static unsigned minutes_reset_column(struct limit_page *page, unsigned column, struct str user)
{
	unsigned rows = 0;

	for (unsigned i = 0; i < MINUTE_ROWS; i++) {
		struct minute_row *row = &page->minute[column][i];

		if (!minutes_fits(row, user))
			continue;
		MINUTE_STORE(row->seconds, 0);
		rows++;
	}
	return rows;
}

void minutes_reset(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	struct str user = query_argument(arguments, "user");
	unsigned rows = 0;

	if (str_equal(user, S("all")))
		user = STR_NONE;
	else if (!user.n)
		return;
	if (sip->limits)
		rows = minutes_reset_column(sip->limits, sip->index, user);
	for (unsigned c = limits_columns(sip);
		sip->limits && sip->index == 0 && c < minutes_columns(sip->limits); c++)
		rows += minutes_reset_column(sip->limits, c, user);
	json_number_line("reset", rows, line, arg);
}
