/* sip-location.c - the store: what is put is found, by this process at once, by others at the end
 * of the turn; what is damaged is refused; what is full says so. */
#include "sip-location.h"
#include "worker-sip/registrar/pending_put.h"

TestSuite(location, .init = set_up, .fini = tear_down);

Test(location, a_put_is_seen_at_once_and_done_at_the_end_of_the_turn)
{
	struct binding b = sample("sip:alice@198.51.100.7", 60000);

	cr_assert_eq(look("sip:alice@example.net").count, 0);
	cr_assert_eq(
		location_put(bench.location, S("sip:alice@example.net"), &b, 1, done, NULL), 0);
	struct seen s = look("sip:alice@example.net");
	cr_assert_eq(s.count, 1);
	cr_assert_str_eq(s.contact[0], "sip:alice@198.51.100.7");
	cr_assert_eq(done_count, 0);
	loop_once(bench.loop, 0);
	cr_assert_eq(done_count, 1);
	cr_assert_eq(results[0], 0);
	cr_assert_eq(look("sip:alice@example.net").count, 1);
	cr_assert_eq(look("sip:alic@example.net").count, 0);
	bench_close();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:alice@example.net").count, 1, "it is in the file");
}

Test(location, the_last_put_of_a_turn_counts_and_every_done_is_called)
{
	struct binding b[2] = {
		sample("sip:one@198.51.100.7", 60000), sample("sip:two@198.51.100.7", 60000)};

	location_put(bench.location, S("sip:a@x"), b, 2, done, NULL);
	location_put(bench.location, S("sip:a@x"), b + 1, 1, done, NULL);
	location_put(bench.location, S("sip:b@x"), b, 2, done, NULL);
	location_put(bench.location, S("sip:b@x"), NULL, 0, done, NULL);
	cr_assert_eq(look("sip:b@x").count, 0);
	loop_once(bench.loop, 0);
	cr_assert_eq(done_count, 4);
	struct seen s = look("sip:a@x");
	cr_assert_eq(s.count, 1);
	cr_assert_str_eq(s.contact[0], "sip:two@198.51.100.7");
	cr_assert_eq(look("sip:b@x").count, 0);
}

static void put_again(void *arg, int error)
{
	struct binding *b = arg;

	cr_assert_eq(error, 0);
	cr_assert_eq(look("sip:a@x").count, 1);
	cr_assert_eq(location_put(bench.location, S("sip:a@x"), b, 2, done, NULL), 0);
}

Test(location, done_may_put, .timeout = 10)
{
	struct binding b[2] = {
		sample("sip:one@198.51.100.7", 60000), sample("sip:two@198.51.100.7", 60000)};

	location_put(bench.location, S("sip:a@x"), b, 1, put_again, b);
	loop_once(bench.loop, 0);
	cr_assert_eq(look("sip:a@x").count, 2);
	loop_once(bench.loop, -1); /* must not sleep: the turn left work */
	cr_assert_eq(done_count, 1);
	cr_assert_eq(look("sip:a@x").count, 2);
}

Test(location, expired_bindings_are_not_found)
{
	struct binding b[2] = {sample("sip:old@x", 0), sample("sip:new@x", 60000)};

	location_put(bench.location, S("sip:a@x"), b, 2, NULL, NULL);
	struct seen s = look("sip:a@x");
	cr_assert_eq(s.count, 1);
	cr_assert_str_eq(s.contact[0], "sip:new@x");
	loop_once(bench.loop, 0);
	cr_assert_eq(look("sip:a@x").count, 1);
}

Test(location, another_process_reads_and_writes)
{
	struct binding b = sample("sip:parent@x", 60000);

	location_put(bench.location, S("sip:a@x"), &b, 1, done, NULL);
	loop_once(bench.loop, 0);
	pid_t child = fork();
	if (child == 0) {
		/* a life of its own: nothing of the parent's environment is used */
		struct bench own = {0};
		struct seen s = {0};
		struct binding mine = sample("sip:child@x", 60000);

		if (loop_new(&own.loop) || location_open_bounded(&own.location, bench.directory,
						   &test_boot, own.loop, 1 << 20))
			_exit(1);
		if (location_lookup(own.location, S("sip:a@x"), see, &s) != 1 ||
			strcmp(s.contact[0], "sip:parent@x"))
			_exit(2);
		if (location_put(own.location, S("sip:b@x"), &mine, 1, NULL, NULL))
			_exit(3);
		loop_once(own.loop, 0);
		/* dies as a reader with an open transaction */
		location_lookup(own.location, S("sip:a@x"), see, &s);
		raise(SIGKILL);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status), "%d", WEXITSTATUS(status));
	location_reader_check(bench.location);
	struct seen s = look("sip:b@x");
	cr_assert_eq(s.count, 1);
	cr_assert_str_eq(s.contact[0], "sip:child@x");
}

/* The whole map is 1 MB: fills it, one record a transaction. */
static unsigned fill(void)
{
	char aor[64], path[BINDING_PATH_MAX];

	memset(path, 'p', sizeof(path));
	for (unsigned i = 0; i < 100000; i++) {
		struct binding b = sample("sip:alice@198.51.100.7", 3600000);

		b.path = (struct str){path, sizeof(path)};
		snprintf(aor, sizeof(aor), "sip:user%06u@example.net", i);
		done_count = 0;
		cr_assert_eq(location_put(bench.location, str_of(aor), &b, 1, done, NULL), 0);
		until_done(1);
		if (results[0]) {
			cr_assert_eq(results[0], -ENOSPC);
			return i;
		}
	}
	cr_assert_fail("it never became full");
	return 0;
}

Test(location, a_full_store_says_so_and_empties_again)
{
	char aor[64];
	unsigned n = fill();

	cr_assert_gt(n, 150);
	snprintf(aor, sizeof(aor), "sip:user%06u@example.net", n);
	cr_assert_eq(look(aor).count, 0, "what was refused is not there");
	/* one that fits nowhere does not take others of its turn with it */
	struct binding b = sample("sip:alice@198.51.100.7", 3600000);
	done_count = 0;
	char path[BINDING_PATH_MAX];
	memset(path, 'p', sizeof(path));
	b.path = (struct str){path, sizeof(path)};
	struct binding many[BINDINGS_MAX];
	for (unsigned i = 0; i < BINDINGS_MAX; i++)
		many[i] = b;
	location_put(bench.location, S("sip:user000000@example.net"), NULL, 0, done, NULL);
	location_put(bench.location, str_of(aor), many, BINDINGS_MAX, done, NULL);
	location_put(bench.location, S("sip:user000001@example.net"), NULL, 0, done, NULL);
	until_done(3);
	cr_assert_eq(done_count, 3);
	cr_assert_eq(results[0], 0);
	cr_assert_eq(results[1], -ENOSPC);
	cr_assert_eq(results[2], 0);
	for (unsigned i = 2; i < n; i++) {
		snprintf(aor, sizeof(aor), "sip:user%06u@example.net", i);
		done_count = 0;
		location_put(bench.location, str_of(aor), NULL, 0, done, NULL);
		until_done(1);
		cr_assert_eq(results[0], 0, "removing %u", i);
	}
	cr_assert_geq(fill(), n - 5);
}

Test(location, one_turn_takes_so_many_and_no_more)
{
	struct binding b = sample("sip:a@b", 60000);
	char aor[64];

	bench_close();
	bench_open(16 << 20);
	for (unsigned i = 0; i < LOCATION_PENDING_MAX; i++) {
		snprintf(aor, sizeof(aor), "sip:%u@x", i);
		cr_assert_eq(location_put(bench.location, str_of(aor), &b, 1, done, NULL), 0);
	}
	cr_assert_eq(location_put(bench.location, S("sip:more@x"), &b, 1, done, NULL), -EAGAIN);
	cr_assert_eq(location_put(bench.location, S("sip:0@x"), &b, 1, NULL, NULL), 0,
		"one that waits already may change");
	loop_once(bench.loop, 0);
	cr_assert_eq(done_count, LOCATION_PENDING_MAX);
	cr_assert_eq(location_put(bench.location, S("sip:more@x"), &b, 1, done, NULL), 0);
	char longest[AOR_MAX];
	memset(longest, 'a', sizeof(longest));
	cr_assert_eq(
		location_put(bench.location, (struct str){longest, AOR_MAX}, &b, 1, done, NULL),
		-ENAMETOOLONG);
	cr_assert_eq(
		location_put(bench.location, (struct str){longest, AOR_MAX - 1}, &b, 1, done, NULL),
		0);
	done_count = 0;
	loop_once(bench.loop, 0);
	cr_assert_eq(results[1], 0, "LMDB takes the longest address of record");
}

struct rows {
	unsigned count;
	char last[AOR_MAX];
};
static void row(void *arg, struct str aor, const struct binding *b)
{
	struct rows *r = arg;

	(void)b;
	r->count++;
	str_copy(aor, r->last, sizeof(r->last));
}

Test(location, lists_page_by_page)
{
	struct binding b[3] = {
		sample("sip:a@b", 60000), sample("sip:c@d", 60000), sample("sip:e@f", 0)};
	char aor[64];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(aor, sizeof(aor), "sip:%02u@x", i);
		location_put(bench.location, str_of(aor), b, 3, NULL, NULL);
	}
	loop_once(bench.loop, 0);
	struct rows r = {0};
	unsigned pages = 0;
	int n;
	while ((n = location_list(bench.location, str_of(r.last), 64, row, &r)) > 0) {
		cr_assert_leq(n, 64);
		pages++;
	}
	cr_assert_eq(n, 0);
	cr_assert_eq(r.count, 200);
	cr_assert_gt(pages, 3);
}

/* ---- damage ---- */

Test(location, a_damaged_record_is_refused_and_counted)
{
	struct seen s = {0};

	write_raw(S("sip:evil@x"), S("\1\1no record"));
	cr_assert_eq(location_lookup(bench.location, S("sip:evil@x"), see, &s), -EBADMSG);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 1);
	struct binding b = sample("sip:a@b", 60000);
	location_put(bench.location, S("sip:evil@x"), &b, 1, NULL, NULL);
	loop_once(bench.loop, 0);
	cr_assert_eq(look("sip:evil@x").count, 1);
}

static bool exists(const char *name)
{
	char path[128];
	struct stat st;

	file_of(path, name);
	return stat(path, &st) == 0;
}

static void other_boot(void)
{
	char path[128];

	file_of(path, "location.boot");
	FILE *f = fopen(path, "w");
	fputs("another boot\n", f);
	fclose(f);
}

static void store_many(void)
{
	struct binding b = sample("sip:a@b", 3600000);
	char aor[64];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(aor, sizeof(aor), "sip:%03u@x", i);
		location_put(bench.location, str_of(aor), &b, 1, NULL, NULL);
	}
	loop_once(bench.loop, 0);
	bench_close();
}

Test(location, a_clean_store_of_another_boot_is_kept)
{
	store_many();
	other_boot();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:003@x").count, 1);
	cr_assert_not(exists("location.mdb.aside"));
}

Test(location, a_store_of_another_boot_with_a_damaged_record_is_set_aside)
{
	write_raw(S("sip:evil@x"), S("nonsense"));
	store_many();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:003@x").count, 1, "of this boot: kept");
	bench_close();
	other_boot();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:003@x").count, 0);
	cr_assert(exists("location.mdb.aside"));
	bench_close();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:003@x").count, 0);
}

Test(location, torn_pages_of_another_boot_are_set_aside)
{
	char path[128];
	struct stat st;

	store_many();
	file_of(path, "location.mdb");
	cr_assert_eq(stat(path, &st), 0);
	/* every page but the two that say what is there */
	FILE *f = fopen(path, "r+");
	fseek(f, 2 * 4096, SEEK_SET);
	for (long i = 2 * 4096; i < st.st_size; i++)
		fputc((int)(i * 31 & 0xff), f);
	fclose(f);
	other_boot();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:003@x").count, 0);
	cr_assert(exists("location.mdb.aside"));
	struct binding b = sample("sip:a@b", 60000);
	location_put(bench.location, S("sip:a@x"), &b, 1, done, NULL);
	loop_once(bench.loop, 0);
	cr_assert_eq(results[0], 0);
}

Test(location, keys_out_of_order_of_another_boot_are_set_aside)
{
	char path[128];
	static char all[1 << 20];

	store_many();
	file_of(path, "location.mdb");
	FILE *f = fopen(path, "r+");
	size_t n = fread(all, 1, sizeof(all), f), changed = 0;
	for (size_t i = 2 * 4096; i + 9 < n; i++)
		if (memcmp(all + i, "sip:100@x", 9) ==
			0) { /* as if a page was older than its neighbours */
			all[i + 4] = '0';
			changed++;
		}
	cr_assert_gt(changed, 0);
	rewind(f);
	cr_assert_eq(fwrite(all, 1, n, f), n);
	fclose(f);
	other_boot();
	bench_open(1 << 20);
	cr_assert(exists("location.mdb.aside"));
}

Test(location, a_cut_store_of_another_boot_is_set_aside)
{
	char path[128];

	store_many();
	file_of(path, "location.mdb");
	cr_assert_eq(truncate(path, 3 * 4096), 0);
	other_boot();
	bench_open(1 << 20);
	cr_assert_eq(look("sip:003@x").count, 0);
	cr_assert(exists("location.mdb.aside"));
}

Test(location, what_is_no_store_is_set_aside)
{
	char path[128];

	bench_close();
	file_of(path, "location.mdb");
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 20000; i++)
		fputc('x', f);
	fclose(f);
	bench_open(1 << 20);
	cr_assert(exists("location.mdb.aside"));
	cr_assert_eq(look("sip:a@x").count, 0);
}

Test(location, a_directory_that_cannot_be_is_an_error)
{
	struct location *l = NULL;

	cr_assert_lt(location_open(&l, "/proc/none/here", &test_boot, bench.loop), 0);
	cr_assert_null(l);
}

/* ---- tending ---- */

static bool even(void *arg, struct str aor)
{
	(void)arg;
	return (aor.p[str_find(aor, '@') - 1] - '0') % 2 == 0;
}

static unsigned seen_live;
static bool tend_seen(void *arg, struct str aor, const struct binding *b)
{
	(void)arg;
	(void)aor;
	(void)b;
	seen_live++;
	return true;
}

static unsigned stored_records(void)
{
	unsigned n = 0;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_stat stat;
	char path[128];
	int fd[2];

	file_of(path, "location.mdb");
	cr_assert_eq(pipe(fd), 0);
	if (fork() == 0) { /* one process must not open a store twice */
		stat.ms_entries = 0;
		if (mdb_env_create(&env) ||
			mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY, 0600) ||
			mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) ||
			mdb_dbi_open(txn, NULL, 0, &dbi) || mdb_stat(txn, dbi, &stat))
			stat.ms_entries = 999999;
		n = (unsigned)stat.ms_entries;
		if (write(fd[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
		_exit(0);
	}
	cr_assert_eq(read(fd[0], &n, sizeof(n)), sizeof(n));
	close(fd[0]);
	close(fd[1]);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return n;
}

Test(location, tending_removes_what_expired_of_its_own_and_shows_what_lives)
{
	struct binding b[2] = {sample("sip:old@b", 1), sample("sip:new@b", 3600000)};
	char aor[64];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(aor, sizeof(aor), "sip:%03u@x", i);
		location_put(bench.location, str_of(aor), b + (i >= 500), 1, NULL, NULL);
	}
	loop_once(bench.loop, 0);
	while (fixture_now() <= b[0].expires_at)
		;
	cr_assert_eq(stored_records(), 1000);
	location_tend(bench.location, even, tend_seen, NULL);
	uint64_t deadline = fixture_now() + 10000;
	while ((counters_page->counter[COUNTER_BINDINGS_EXPIRED] < 250 || seen_live < 250) &&
		fixture_now() < deadline)
		loop_once(bench.loop, 2000);
	loop_once(bench.loop, 0);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_EXPIRED], 250);
	cr_assert_eq(seen_live, 250);
	cr_assert_eq(stored_records(), 750);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS], 250);
}

static bool tend_removes_bob(void *arg, struct str aor, const struct binding *b)
{
	(void)arg;
	(void)b;
	return !str_equal(aor, S("sip:bob@0"));
}

static bool all_are_ours(void *arg, struct str aor)
{
	(void)arg;
	(void)aor;
	return true;
}

/* A pass that removes bindings counts them once. */
Test(location, what_tending_removes_is_counted_once)
{
	struct binding b[2] = {sample("sip:one@b", 3600000), sample("sip:two@b", 3600000)};

	put_now("sip:alice@0", b, 2);
	put_now("sip:bob@0", b, 2);
	put_now("sip:carol@0", b, 1);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS], 5);
	location_tend(bench.location, all_are_ours, tend_removes_bob, NULL);
	uint64_t deadline = fixture_now() + 10000;
	while (stored_records() != 2 && fixture_now() < deadline)
		loop_once(bench.loop, 2000);
	cr_assert_eq(stored_records(), 2);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS], 3);
}

Test(location, what_follows_closely_shares_a_transaction)
{
	char aor[64];
	struct binding b = sample("sip:alice@198.51.100.7", 3600000);
	unsigned puts = 0, waited = 0;

	/* the first go at once; a loop that turns faster than the store may write has some wait for
	 * others */
	for (unsigned i = 0; i < 1000 && !waited; i++) {
		snprintf(aor, sizeof(aor), "sip:user%u@example.net", i);
		cr_assert_eq(location_put(bench.location, str_of(aor), &b, 1, done, NULL), 0);
		puts++;
		loop_once(bench.loop, 0);
		waited = puts - done_count;
		cr_assert(i > 3 || !waited, "%u", i);
	}
	cr_assert_eq(waited, 1);
	cr_assert_eq(look(aor).count, 1, "seen here at once");
	while (done_count < puts)
		cr_assert_eq(loop_once(bench.loop, 1000), 0);
	cr_assert_eq(done_count, puts);
}
