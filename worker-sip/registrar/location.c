/* location.c - the location store: address of record -> bindings (location.h).
 *
 * One slot has one owner, so that reading a record, changing it and putting it back needs no lock
 * here; LMDB's write lock orders the processes. Puts of one turn gather in memory (pending_put.c),
 * where our own look-ups see them at once, and go in one transaction at the end of the turn. A
 * refresh, which leaves the size of its record as it is, is written in its place at once: of the
 * pages between root and leaf none is copied. The read transaction lives for a turn at most: a
 * reader that sleeps would pin pages. Relies on: store.c (opening), binding.c (records), loop (end
 * of turn, timer). A stuck holder of the write lock stops every writer until the master kills it:
 * LMDB has no trylock.
 */
#include "location.h"

#include "common/clock.h"
#include "binding.h"
#include "pending_put.h"
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Records looked at in one pass of tending, and the pause between passes, ms: some 100,000 records
 * a second at most, in steps of well under a millisecond. */
#define TEND_PAGE 256
#define TEND_PAUSE_MS 2
#define TEND_SOON_MS 1000
#define TEND_MAX_MS 3600000
/* One transaction in so many ms where they follow each other closely: a page that several records
 * share is then written once. GROUP_BURST of them go at once before that, so that a store with
 * little to do waits for nothing. */
#define GROUP_MS 2
#define GROUP_BURST 8
/* Records that are not held back any longer. */
#define GROUP_MAX 256

struct location {
	struct store store;
	struct loop *loop;
	MDB_txn *read; /* made once, reset at the end of each turn */
	bool reading;
	struct binding_listeners listeners;
	struct pending_puts pending;
	struct timer group; /* what is pending waits for it */
	uint64_t credit_at; /* ms of loop_now up to which credit is counted */
	unsigned credit;    /* transactions that may go at once */
	struct timer tend;
	bool (*mine)(void *arg, struct str aor);
	bool (*seen)(void *arg, struct str aor, const struct binding *b);
	void *tend_arg;
	void (*changed)(void *arg, struct str aor); /* NULL: nobody asks */
	void *changed_arg;
	uint64_t bindings;      /* of our own records, by the last pass and what was put since */
	uint64_t counted;       /* in the pass so far, as the store has them now */
	int64_t more;           /* bindings that the transaction under way adds */
	int64_t more_counted;   /* those of them in records that the pass has counted */
	uint64_t earliest;      /* of our own records, in the pass so far; ms of CLOCK_REALTIME */
	size_t position_length; /* where the pass goes on; 0: at the start */
	char position[AOR_MAX];
	char buffer[BINDINGS_SIZE_MAX];      /* of the record that is written */
	char read_buffer[BINDINGS_SIZE_MAX]; /* of the one that is visited */
	bool visiting;
};

static MDB_val location_val(struct str s)
{
	return (MDB_val){s.n, (void *)(uintptr_t)s.p};
}

/* ---- reading ---- */

static int location_read_begin(struct location *l)
{
	if (l->reading)
		return 0;
	int error = l->read ? mdb_txn_renew(l->read)
	                    : mdb_txn_begin(l->store.env, NULL, MDB_RDONLY, &l->read);
	if (error == 0)
		l->reading = true;
	return store_error(error);
}

static void location_read_end(struct location *l)
{
	if (l->reading)
		mdb_txn_reset(l->read);
	l->reading = false;
}

/* Decodes a copy of the record of aor, which stands in read_buffer until the next one: it lies in
 * memory that another process can write. One that is not whole may be at the point of being
 * overwritten; under the write lock it is not. Returns the number of bindings (0: it is not there
 * any more), -EBADMSG for a damaged one, another -errno where it could not be read again. */
static int location_decode(
	struct location *l, struct str aor, struct str record, struct binding out[BINDINGS_MAX])
{
	int n = -EBADMSG;

	assert(!l->visiting);
	if (record.n && record.n <= sizeof(l->read_buffer)) {
		memcpy(l->read_buffer, record.p, record.n);
		n = bindings_decode(&l->listeners, (struct str){l->read_buffer, record.n}, out);
	}
	if (n >= 0)
		return n;
	long again = store_read(&l->store, aor, l->read_buffer, sizeof(l->read_buffer));
	if (again == -ENOENT)
		return 0; /* removed meanwhile */
	if (again < 0 && again != -EMSGSIZE)
		return (int)again;
	n = again >= 0 ? bindings_decode(
				 &l->listeners, (struct str){l->read_buffer, (size_t)again}, out)
	               : -EBADMSG;
	if (n < 0)
		count(LOCATION_DAMAGED);
	return n;
}

/* Visits those of n bindings that have not expired. Their number; what is negative is returned as
 * it is. */
static int location_visit_live(const struct binding *bindings, int n,
	void (*visit)(void *arg, const struct binding *b), void *arg)
{
	int live = 0;
	uint64_t now = clock_realtime_ms();

	for (int i = 0; i < n; i++)
		if (bindings[i].expires_at > now) {
			visit(arg, &bindings[i]);
			live++;
		}
	return n < 0 ? n : live;
}

static int location_visit(struct location *l, struct str aor, struct str record,
	void (*visit)(void *arg, const struct binding *b), void *arg)
{
	struct binding bindings[BINDINGS_MAX];
	int n = location_decode(l, aor, record, bindings);

	l->visiting = true;
	int live = location_visit_live(bindings, n, visit, arg);
	l->visiting = false;
	return live;
}

int location_lookup(struct location *l, struct str aor,
	void (*visit)(void *arg, const struct binding *b), void *arg)
{
	const struct pending_put *p = pending_puts_find(&l->pending, aor);

	if (p) {
		struct binding bindings[BINDINGS_MAX];

		return p->record ? location_visit_live(bindings,
					   bindings_decode(&l->listeners,
						   (struct str){p->record, p->size}, bindings),
					   visit, arg)
		                 : 0;
	}
	if (aor.n == 0 || aor.n >= AOR_MAX)
		return 0;
	int error = location_read_begin(l);
	if (error)
		return error;
	MDB_val key = location_val(aor), value;
	error = mdb_get(l->read, l->store.dbi, &key, &value);
	if (error)
		return error == MDB_NOTFOUND ? 0 : store_error(error);
	return location_visit(l, aor, (struct str){value.mv_data, value.mv_size}, visit, arg);
}

/* ---- writing ---- */

static void location_tend_in(struct location *l, uint64_t delay)
{
	if (l->mine && !timer_armed(&l->tend))
		loop_set(l->loop, &l->tend, delay);
}

int location_put(struct location *l, struct str aor, const struct binding *b, unsigned count,
	void (*done)(void *arg, int error), void *arg)
{
	if (aor.n == 0 || aor.n >= AOR_MAX)
		return -ENAMETOOLONG;
	long size = count ? bindings_encode(&l->listeners, b, count, l->buffer, sizeof(l->buffer))
	                  : 0;
	if (size < 0)
		return (int)size;
	int error = pending_puts_add(
		&l->pending, aor, (struct str){l->buffer, (size_t)size}, done, arg);
	if (error)
		return error;
	if (count)
		location_tend_in(l, LOCATION_TEND_MIN_MS);
	if (l->changed)
		l->changed(l->changed_arg, aor);
	return 0;
}

void location_on_change(struct location *l, void (*changed)(void *arg, struct str aor), void *arg)
{
	l->changed = changed;
	l->changed_arg = arg;
}

int location_refresh(struct location *l, struct str aor, const struct binding *b, unsigned count)
{
	if (aor.n == 0 || aor.n >= AOR_MAX || count == 0 || pending_puts_find(&l->pending, aor))
		return -ENOENT;
	long size = bindings_encode(&l->listeners, b, count, l->buffer, sizeof(l->buffer));
	if (size < 0)
		return (int)size;
	int error = store_overwrite(&l->store, aor, (struct str){l->buffer, (size_t)size});
	if (error)
		return error;
	location_read_end(l); /* its state may be older than the page that was written */
	count(LOCATION_REFRESHED);
	location_tend_in(l, LOCATION_TEND_MIN_MS);
	return 0;
}

/* What others put into our records before they were ours may be missing until the next pass. */
static void location_count_bindings(struct location *l, uint64_t bindings)
{
	l->bindings = (int64_t)bindings < 0 ? 0 : bindings;
	counter_set(COUNTER_BINDINGS, l->bindings);
}

/* Whether the pass under way has counted that record: it goes in the order of LMDB. */
static bool location_is_counted(const struct location *l, struct str aor)
{
	size_t n = aor.n < l->position_length ? aor.n : l->position_length;
	int order = memcmp(aor.p, l->position, n);

	return order < 0 || (order == 0 && aor.n < l->position_length);
}

static int location_write(struct location *l, MDB_txn *txn, const struct pending_put *p)
{
	struct str aor = {p->aor, p->aor_length};
	MDB_val key = location_val(aor), old;
	int64_t more = 0;

	if (mdb_get(txn, l->store.dbi, &key, &old) == 0)
		more -= bindings_number((struct str){old.mv_data, old.mv_size});
	if (p->record)
		more += bindings_number((struct str){p->record, p->size});
	l->more += more;
	l->more_counted += location_is_counted(l, aor) ? more : 0;
	if (!p->record) {
		int error = mdb_del(txn, l->store.dbi, &key, NULL);

		return error == MDB_NOTFOUND ? 0 : error;
	}
	MDB_val value = location_val((struct str){p->record, p->size});
	return mdb_put(txn, l->store.dbi, &key, &value, 0);
}

/* Writes the list from p on: all of it, or (alone) its first only. */
static int location_commit(struct location *l, const struct pending_put *p, bool alone)
{
	MDB_txn *txn;
	size_t pages = pending_put_pages(p, alone);
	int error = pages ? location_read_begin(l) : 0;

	if (error)
		return error;
	bool fits = pages == 0 || store_may_grow(&l->store, l->read, pages);
	location_read_end(l); /* the pages of an old state could not be used again */
	if (!fits)
		return -ENOSPC;
	error = mdb_txn_begin(l->store.env, NULL, 0, &txn);
	if (error)
		return store_error(error);
	l->more = l->more_counted = 0;
	for (; p && error == 0; p = alone ? NULL : p->next)
		error = location_write(l, txn, p);
	if (error)
		mdb_txn_abort(txn);
	else
		error = mdb_txn_commit(txn);
	if (error == 0) {
		l->counted += (uint64_t)l->more_counted;
		location_count_bindings(l, l->bindings + (uint64_t)l->more);
	}
	return store_error(error);
}

/* True where the next transaction may go now. Else the loop is woken when it may. */
static bool location_may_commit(struct location *l)
{
	uint64_t now = loop_now(l->loop), earned = (now - l->credit_at) / GROUP_MS;

	l->credit_at += earned * GROUP_MS;
	l->credit = earned < GROUP_BURST - l->credit ? l->credit + (unsigned)earned : GROUP_BURST;
	if (!l->credit && l->pending.by_aor.count < GROUP_MAX) {
		if (!timer_armed(&l->group))
			loop_set(l->loop, &l->group, l->credit_at + GROUP_MS - now);
		return false;
	}
	l->credit -= l->credit > 0;
	return true;
}

void location_hurry(struct location *l)
{
	l->credit = GROUP_BURST;
	l->credit_at = loop_now(l->loop);
}

bool location_pending(const struct location *l, struct str aor)
{
	return pending_puts_find(&l->pending, aor) != NULL;
}

/* The turn that it wakes does the work, at its end. */
static void location_group_on_timer(struct timer *t, void *arg)
{
	(void)t;
	(void)arg;
}

/* The end of a turn. The callbacks may put again: then the next turn starts at once. */
static bool location_on_turn(void *arg)
{
	struct location *l = arg;

	location_read_end(l);
	if (!l->pending.first || !location_may_commit(l))
		return false;
	struct pending_put *list = pending_puts_take(&l->pending);
	int error = location_commit(l, list, false);
	/* one record that does not fit must not take the others of its turn with it: each by itself
	 * then */
	bool single = error && list->next;
	for (struct pending_put *p = list, *next; p; p = next) {
		next = p->next;
		int failed = single ? location_commit(l, p, true) : error;
		if (!failed)
			count(LOCATION_WRITES);
		pending_put_finish(p, failed);
	}
	location_read_end(l);
	return l->pending.first != NULL;
}

/* ---- tending ---- */

/* Looks at one record of ours; a damaged one goes. True where it must be rewritten, with its live
 * bindings in out, their strings in read_buffer. */
static bool location_tend_record(struct location *l, struct str aor, struct str record,
	struct binding out[BINDINGS_MAX], unsigned *live)
{
	struct binding all[BINDINGS_MAX];
	int n = location_decode(l, aor, record, all);
	uint64_t now = clock_realtime_ms();

	*live = 0;
	for (int i = 0; i < n; i++) {
		if (all[i].expires_at <= now) {
			count(BINDINGS_EXPIRED);
			continue;
		}
		if (l->seen && !l->seen(l->tend_arg, aor, &all[i]))
			continue;
		if (all[i].expires_at < l->earliest)
			l->earliest = all[i].expires_at;
		out[(*live)++] = all[i];
	}
	return n == -EBADMSG || (n > 0 && *live < (unsigned)n);
}

/* Tends up to TEND_PAGE records from the position on. 1: there are more; 0: the pass is over;
 * -errno. */
static int location_tend_page(struct location *l)
{
	struct binding live[BINDINGS_MAX];
	MDB_cursor *cursor;
	int error = location_read_begin(l);

	if (error)
		return error;
	error = mdb_cursor_open(l->read, l->store.dbi, &cursor);
	if (error)
		return store_error(error);
	MDB_val key = location_val((struct str){l->position, l->position_length}), value;
	unsigned left = TEND_PAGE;
	for (error = mdb_cursor_get(
		     cursor, &key, &value, l->position_length ? MDB_SET_RANGE : MDB_FIRST);
		error == 0 && left;
		error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT), left--) {
		unsigned n;
		char aor_buffer[AOR_MAX];
		struct str aor = {aor_buffer, key.mv_size}, record = {value.mv_data, value.mv_size};

		if (key.mv_size >= AOR_MAX)
			continue;
		memcpy(aor_buffer, key.mv_data, key.mv_size);
		if (!l->mine(l->tend_arg, aor))
			continue;
		/* what is put is counted when it is written */
		uint64_t number = bindings_number(record);
		if (!pending_puts_find(&l->pending, aor) &&
			location_tend_record(l, aor, record, live, &n) &&
			location_put(l, aor, live, n, NULL, NULL))
			break; /* this turn takes no more: from here in the next */
		l->counted += number;
	}
	if (error == 0 && key.mv_size < AOR_MAX) {
		l->position_length = key.mv_size;
		memcpy(l->position, key.mv_data, key.mv_size);
	}
	mdb_cursor_close(cursor);
	return error == MDB_NOTFOUND ? 0 : error ? store_error(error) : 1;
}

static void location_tend_on_timer(struct timer *t, void *arg)
{
	struct location *l = arg;

	(void)t;
	int more = location_tend_page(l);
	if (more > 0) {
		loop_set(l->loop, &l->tend, TEND_PAUSE_MS);
		return;
	}
	if (more == 0)
		location_count_bindings(l, l->counted);
	l->counted = 0;
	MDB_stat stat;
	bool empty = more == 0 && mdb_stat(l->read, l->store.dbi, &stat) == 0 &&
	             stat.ms_entries == 0 && !l->pending.first;
	uint64_t now = clock_realtime_ms(), delay = l->earliest > now ? l->earliest - now : 0;
	l->position_length = 0;
	l->earliest = UINT64_MAX;
	if (delay < LOCATION_TEND_MIN_MS)
		delay = LOCATION_TEND_MIN_MS;
	if (!empty)
		loop_set(l->loop, &l->tend, delay < TEND_MAX_MS ? delay : TEND_MAX_MS);
}

void location_listeners(struct location *l, const struct settings *s)
{
	binding_listeners_set(&l->listeners, s);
}

void location_tend(struct location *l, bool (*mine)(void *arg, struct str aor),
	bool (*seen)(void *arg, struct str aor, const struct binding *b), void *arg)
{
	l->mine = mine;
	l->seen = seen;
	l->tend_arg = arg;
	l->counted = 0;
	l->position_length = 0;
	l->earliest = UINT64_MAX;
	loop_unset(l->loop, &l->tend);
	if (mine)
		loop_set(l->loop, &l->tend, TEND_SOON_MS);
}

/* ---- listing ---- */

/* The record that is being listed. */
struct location_listed {
	void (*visit)(void *arg, struct str aor, const struct binding *b);
	void *arg;
	struct str aor;
};

static void location_listed_visit(void *arg, const struct binding *b)
{
	struct location_listed *listed = arg;

	listed->visit(listed->arg, listed->aor, b);
}

/* The first key after `after`. */
static int location_cursor_after(MDB_cursor *cursor, struct str after, MDB_val *key, MDB_val *value)
{
	*key = location_val(after);
	int error = mdb_cursor_get(cursor, key, value, after.n ? MDB_SET_RANGE : MDB_FIRST);
	if (error == 0 && after.n && str_equal((struct str){key->mv_data, key->mv_size}, after))
		error = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	return error;
}

int location_list(struct location *l, struct str after, unsigned limit,
	void (*visit)(void *arg, struct str aor, const struct binding *b), void *arg)
{
	MDB_cursor *cursor;
	MDB_val key, value;

	assert(limit >= BINDINGS_MAX);
	int error = location_read_begin(l);
	if (error == 0)
		error = store_error(mdb_cursor_open(l->read, l->store.dbi, &cursor));
	if (error)
		return error;
	unsigned visited = 0;
	for (error = location_cursor_after(cursor, after, &key, &value);
		error == 0 && visited + BINDINGS_MAX <= limit;
		error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		struct location_listed listed = {
			.visit = visit, .arg = arg, .aor = {key.mv_data, key.mv_size}};
		int n = location_visit(l, listed.aor, (struct str){value.mv_data, value.mv_size},
			location_listed_visit, &listed);

		visited += n > 0 ? (unsigned)n : 0;
	}
	mdb_cursor_close(cursor);
	return error && error != MDB_NOTFOUND ? store_error(error) : (int)visited;
}

void location_reader_check(struct location *l)
{
	int dead = 0, error = mdb_reader_check(l->store.env, &dead);

	if (error)
		log_warn("location-reader-check", "error=\"%s\"", error_text(store_error(error)));
	else if (dead)
		log_info("location-reader-check", "freed=%d", dead);
}

/* ---- opening ---- */

static bool location_record_clean(struct str key, struct str value)
{
	static const struct binding_listeners any;
	struct binding bindings[BINDINGS_MAX];

	return key.n > 0 && key.n < AOR_MAX && bindings_decode(&any, value, bindings) > 0;
}

int location_open_bounded(struct location **out, const char *directory, const struct boot_id *boot,
	struct loop *loop, size_t map_size)
{
	struct location *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	timer_init(&l->tend, location_tend_on_timer, l);
	timer_init(&l->group, location_group_on_timer, l);
	l->credit = GROUP_BURST;
	l->credit_at = loop_now(loop);
	int error = pending_puts_init(&l->pending);
	if (error == 0) {
		error = store_open(
			&l->store, directory, "location", boot, map_size, location_record_clean);
		if (error == 0) {
			error = loop_on_turn(loop, location_on_turn, l);
			if (error == 0) {
				*out = l;
				return 0;
			}
			store_close(&l->store);
		}
		pending_puts_free(&l->pending);
	}
	free(l);
	log_error(
		"location-open-failed", "directory=%s error=\"%s\"", directory, error_text(error));
	return error;
}

int location_open(
	struct location **out, const char *directory, const struct boot_id *boot, struct loop *loop)
{
	return location_open_bounded(out, directory, boot, loop, LOCATION_MAP_SIZE);
}

/* The loop must not turn any more: its end-of-turn callback cannot be taken back. */
void location_close(struct location *l)
{
	if (!l)
		return;
	loop_unset(l->loop, &l->tend);
	loop_unset(l->loop, &l->group);
	if (l->read)
		mdb_txn_abort(l->read);
	store_close(&l->store);
	pending_puts_free(&l->pending);
	free(l);
}
