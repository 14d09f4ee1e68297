/* sip-refresh.c - records written in their place: what a refresh changes is there at once, for
 * every process, whole or not at all; what cannot be written so has to be put. */
#include "sip-location.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/prctl.h>

TestSuite(refresh, .init = set_up, .fini = tear_down);

/* ---- what the store calls ---- */

/* Once, before the write lock is asked for; what it returns other than 0 is LMDB's error then. */
static int (*before_write_lock)(void);
static bool write_fails, write_short, seek_fails;

static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	cr_assert_not_null(found, "%s", name);
	return found;
}

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
	int (*begin)(MDB_env *, MDB_txn *, unsigned, MDB_txn **) = real("mdb_txn_begin"),
							     (*act)(void) = before_write_lock;

	if (act && !(flags & MDB_RDONLY)) {
		before_write_lock = NULL;
		int error = act();
		if (error)
			return error;
	}
	return begin(env, parent, flags, txn);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t place)
{
	ssize_t (*write_at)(int, const void *, size_t, off_t) = real("pwrite");

	if (write_fails) {
		errno = ENOSPC;
		return -1;
	}
	return write_at(fd, bytes, write_short ? 1 : n, place);
}

off_t lseek(int fd, off_t offset, int from)
{
	off_t (*seek)(int, off_t, int) = real("lseek");

	if (seek_fails) {
		errno = ESPIPE;
		return -1;
	}
	return seek(fd, offset, from);
}

/* ---- refreshes ---- */

static uint64_t transactions_of_store(void)
{
	/* the higher of the two meta pages' transaction numbers, as LMDB 0.9 writes them: what is
	 * asked is only whether it stands still */
	uint64_t number[2];
	char path[128];

	file_of(path, "location.mdb");
	FILE *f = fopen(path, "r");
	for (int i = 0; i < 2; i++) {
		fseek(f, i * 4096 + 144, SEEK_SET);
		cr_assert_eq(fread(&number[i], sizeof(number[i]), 1, f), 1);
	}
	fclose(f);
	return number[0] > number[1] ? number[0] : number[1];
}

Test(refresh, it_is_stored_at_once_and_in_its_place)
{
	struct binding b[2] = {
		sample("sip:alice@198.51.100.7", 60000), sample("sip:alice@198.51.100.8", 60000)};

	put_now("sip:alice@example.net", b, 2);
	uint64_t before = transactions_of_store();
	for (unsigned i = 0; i < 100; i++) {
		b[i % 2].expires_at += 1000;
		b[i % 2].cseq++;
		cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 2), 0);
		struct seen s = look("sip:alice@example.net");
		cr_assert(s.count == 2 && s.last.expires_at == b[1].expires_at &&
			  s.last.cseq == b[1].cseq);
	}
	cr_assert_eq(transactions_of_store(), before, "no transaction of LMDB's was made");
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 2), 0,
		"nothing changed");
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_REFRESHED], 101);
	bench_close();
	bench_open(1 << 20);
	struct seen s = look("sip:alice@example.net");
	cr_assert(s.count == 2 && s.last.expires_at == b[1].expires_at && s.last.cseq == b[1].cseq,
		"it is in the file");
}

Test(refresh, what_is_none_has_to_be_put)
{
	struct binding b[BINDINGS_MAX] = {sample("sip:alice@198.51.100.7", 60000)};

	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -ENOENT,
		"not there");
	put_now("sip:alice@example.net", b, 1);
	b[0].contact = S("sip:alice@198.51.100.71");
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -ENOENT,
		"longer");
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 0), -ENOENT);
	cr_assert_str_eq(look("sip:alice@example.net").contact[0], "sip:alice@198.51.100.7");
	b[0].contact = S("sip:alice@198.51.100.7");
	done_count = 0;
	cr_assert_eq(location_put(bench.location, S("sip:alice@example.net"), b, 1, done, NULL), 0);
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -ENOENT,
		"what was put is not stored yet");
	until_done(1);
	b[0].q = 1001;
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -EINVAL);
	/* larger than a page */
	for (unsigned i = 0; i < BINDINGS_MAX; i++)
		b[i] = sample("sip:alice.of.a.long.name.in.wonderland@198.51.100.7", 60000);
	put_now("sip:large@example.net", b, BINDINGS_MAX);
	b[0].cseq++;
	cr_assert_eq(location_refresh(bench.location, S("sip:large@example.net"), b, BINDINGS_MAX),
		-ENOENT);
	put_now("sip:large@example.net", b, BINDINGS_MAX);
	cr_assert_eq(look("sip:large@example.net").count, BINDINGS_MAX);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_REFRESHED], 0);
}

/* A sibling over the same store; what it returns is its exit status. */
static pid_t sibling(int (*life)(struct location *l, struct loop *loop))
{
	pid_t child = fork();

	if (child == 0) {
		struct bench own = {0};

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody */
		if (loop_new(&own.loop) || location_open_bounded(&own.location, bench.directory,
						   &test_boot, own.loop, 1 << 20))
			_exit(101);
		_exit(life(own.location, own.loop));
	}
	return child;
}

static int moves_the_page(struct location *l, struct loop *loop)
{
	struct binding b = sample("sip:b@x", 60000);

	done_count = 0;
	if (location_put(l, S("sip:b@x"), &b, 1, done, NULL))
		return 1;
	while (!done_count)
		loop_once(loop, 1);
	return results[0] != 0;
}

Test(refresh, it_is_seen_though_its_page_moved_in_this_turn)
{
	struct binding b = sample("sip:a@x", 60000);

	put_now("sip:a@x", &b, 1);
	cr_assert_eq(look("sip:a@x").count, 1); /* from here on the turn reads one state */
	int status;
	cr_assert_eq(waitpid(sibling(moves_the_page), &status, 0) > 0 && WIFEXITED(status), true);
	cr_assert_eq(WEXITSTATUS(status), 0);
	b.cseq = 1000;
	cr_assert_eq(location_refresh(bench.location, S("sip:a@x"), &b, 1), 0);
	cr_assert_eq(look("sip:a@x").last.cseq, 1000);
	cr_assert_eq(look("sip:b@x").count, 1);
}

/* A refresh whose parts tell whether they belong together. */
static struct binding numbered(unsigned i)
{
	struct binding b = sample("sip:a@x", 0);

	b.expires_at = UINT64_MAX / 2 + i * UINT64_C(0x0101010101);
	b.cseq = i * 0x010101;
	b.reg_id = i + 1;
	return b;
}

static int refreshes(struct location *l, struct loop *loop)
{
	(void)loop;
	for (unsigned i = 0;; i++) {
		struct binding b = numbered(i % 127);

		if (location_refresh(l, S("sip:a@x"), &b, 1))
			return 1;
	}
}

Test(refresh, nobody_sees_half_of_one_and_none_is_left_by_who_dies, .timeout = 60)
{
	struct binding b = numbered(0);

	put_now("sip:a@x", &b, 1);
	for (unsigned life = 0; life < 10; life++) {
		unsigned seen[2] = {0, 0};
		pid_t child = sibling(refreshes);
		uint32_t last = UINT32_MAX;
		/* until it was seen at work, and some more */
		uint64_t deadline = fixture_now() + 10000;

		for (unsigned i = 0; i < 5000 || seen[1] < 100; i++) {
			struct seen s = look("sip:a@x");
			unsigned n = s.last.reg_id - 1;
			struct binding whole = numbered(n);

			cr_assert(s.count == 1 && n < 127 &&
					  s.last.expires_at == whole.expires_at &&
					  s.last.cseq == whole.cseq,
				"%u", n);
			seen[s.last.reg_id != last]++;
			last = s.last.reg_id;
			if (i % 64 == 0)
				loop_once(bench.loop, 0);
			cr_assert_lt(fixture_now(), deadline);
		}
		int status;
		kill(child, SIGKILL);
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFSIGNALED(status), "%d", WEXITSTATUS(status));
		loop_once(bench.loop, 0);
		struct binding whole = numbered(look("sip:a@x").last.reg_id - 1);
		cr_assert(look("sip:a@x").last.cseq == whole.cseq);
		/* whatever lock it held is free again */
		cr_assert_eq(location_refresh(bench.location, S("sip:a@x"), &b, 1), 0);
		struct binding other = sample("sip:c@x", 60000);
		put_now("sip:c@x", &other, 1);
		location_reader_check(bench.location);
	}
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 0);
}

static int told[2], asked[2];

/* As a sibling that the machine left no time for between the two halves of its write: a byte of the
 * record is another, until somebody asks for the write lock. */
static int stops_half_way(void)
{
	static char all[1 << 20];
	char path[128], byte;
	MDB_env *env;
	MDB_txn *txn;

	file_of(path, "location.mdb");
	int fd = open(path, O_RDWR);
	ssize_t n = read(fd, all, sizeof(all));
	const char *at = n > 0 ? memmem(all, (size_t)n, "sip:half@x", 10) : NULL;
	if (!at || mdb_env_create(&env) || mdb_env_open(env, path, MDB_NOSUBDIR, 0600) ||
		mdb_txn_begin(env, NULL, 0, &txn))
		return 1;
	off_t place = at + 10 + BINDINGS_HEAD - all;
	char right = all[place], wrong = (char)(right ^ 1);
	if (pwrite(fd, &wrong, 1, place) != 1 || write(told[1], "", 1) != 1 ||
		read(asked[0], &byte, 1) != 1 || pwrite(fd, &right, 1, place) != 1)
		return 2;
	mdb_txn_abort(txn);
	return 0;
}

static int tells_the_sibling(void)
{
	cr_assert_eq(write(asked[1], "", 1), 1);
	return 0;
}

Test(refresh, who_meets_half_of_one_waits_for_the_whole)
{
	struct binding b = sample("sip:a@x", 60000);
	char byte;

	put_now("sip:half@x", &b, 1);
	cr_assert(pipe(told) == 0 && pipe(asked) == 0);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(stops_half_way());
	}
	cr_assert_eq(read(told[0], &byte, 1), 1);
	before_write_lock = tells_the_sibling;
	struct seen s = look("sip:half@x");
	int status;
	cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
			  WEXITSTATUS(status) == 0,
		"%d", WEXITSTATUS(status));
	cr_assert(s.count == 1 && s.last.expires_at == b.expires_at);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 0);
}

/* ---- what is not whole ---- */

static void write_half(const char *aor)
{
	char buffer[BINDINGS_SIZE_MAX];
	struct binding b = sample("sip:a@x", 60000);
	long n = bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer));

	buffer[BINDINGS_HEAD + 3] ^= 1; /* of expires_at, as a power loss may leave it */
	write_raw(str_of(aor), (struct str){buffer, (size_t)n});
}

Test(refresh, half_of_one_that_stays_is_damage)
{
	struct seen s = {0};

	write_half("sip:a@x");
	cr_assert_eq(location_lookup(bench.location, S("sip:a@x"), see, &s), -EBADMSG);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 1);
}

static int removes(struct location *l, struct loop *loop)
{
	done_count = 0;
	if (location_put(l, S("sip:a@x"), NULL, 0, done, NULL))
		return 1;
	while (!done_count)
		loop_once(loop, 1);
	return results[0] != 0;
}

static int has_it_removed(void)
{
	int status;

	cr_assert(waitpid(sibling(removes), &status, 0) > 0 && WIFEXITED(status) &&
		  WEXITSTATUS(status) == 0);
	return 0;
}

Test(refresh, a_record_that_goes_while_it_is_read_again_is_none)
{
	write_half("sip:a@x");
	before_write_lock = has_it_removed;
	cr_assert_eq(look("sip:a@x").count, 0);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 0);
}

static int store_fails(void)
{
	return MDB_PANIC;
}

static bool every(void *arg, struct str aor)
{
	(void)arg;
	(void)aor;
	return true;
}

Test(refresh, a_record_that_cannot_be_read_again_is_not_taken_for_damaged, .timeout = 20)
{
	struct seen s = {0};

	write_half("sip:a@x");
	before_write_lock = store_fails;
	cr_assert_eq(location_lookup(bench.location, S("sip:a@x"), see, &s), -EIO);
	/* nor is it removed */
	location_tend(bench.location, every, NULL, NULL);
	before_write_lock = store_fails;
	while (before_write_lock)
		loop_once(bench.loop, 2000);
	loop_once(bench.loop, 0);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 0);
	cr_assert_eq(location_lookup(bench.location, S("sip:a@x"), see, &s), -EBADMSG,
		"it is still there");
}

/* ---- what cannot be written ---- */

Test(refresh, one_that_is_not_written_leaves_the_record_to_be_put)
{
	struct binding b = sample("sip:a@x", 60000);
	struct seen s = {0};

	put_now("sip:a@x", &b, 1);
	b.cseq++;
	write_fails = true;
	cr_assert_eq(location_refresh(bench.location, S("sip:a@x"), &b, 1), -ENOSPC);
	write_fails = false;
	cr_assert_eq(look("sip:a@x").last.cseq, b.cseq - 1);
	write_short = true;
	cr_assert_eq(location_refresh(bench.location, S("sip:a@x"), &b, 1), -EIO);
	write_short = false;
	cr_assert_eq(
		location_lookup(bench.location, S("sip:a@x"), see, &s), -EBADMSG, "half of it");
	put_now("sip:a@x", &b, 1);
	cr_assert_eq(look("sip:a@x").last.cseq, b.cseq);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_REFRESHED], 0);
}

Test(refresh, without_its_place_in_the_file_a_record_has_to_be_put)
{
	struct binding b = sample("sip:a@x", 60000);

	put_now("sip:a@x", &b, 1);
	seek_fails = true;
	b.cseq++;
	cr_assert_eq(location_refresh(bench.location, S("sip:a@x"), &b, 1), -ENOENT);
	seek_fails = false;
	cr_assert_eq(location_refresh(bench.location, S("sip:a@x"), &b, 1), -ENOENT,
		"it is not looked for again");
	cr_assert_eq(look("sip:a@x").last.cseq, b.cseq - 1);
	put_now("sip:a@x", &b, 1);
	cr_assert_eq(look("sip:a@x").last.cseq, b.cseq);
}
