/* sip-location.c - the records and the store: what is put is found, by this process at once, by others at the end of the turn; what is damaged is refused; what is full says so. */
#include "sip-fixture.h"
#include "worker-sip/binding.h"
#include "worker-sip/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct bench {
	struct loop *loop;
	struct location *location;
	char directory[64];
};
static struct bench bench;

static void bench_open(size_t map_size)
{
	cr_assert_eq(loop_new(&bench.loop), 0);
	cr_assert_eq(location_open_bounded(&bench.location, bench.directory, &test_boot, bench.loop, map_size), 0);
}

static void bench_close(void)
{
	location_close(bench.location);
	loop_free(bench.loop);
}

static void set_up(void)
{
	log_init("test", -1, LOG_ERROR, NULL, NULL);
	strcpy(bench.directory, "/tmp/sipward-test-XXXXXX");
	cr_assert_not_null(mkdtemp(bench.directory));
	bench_open(1 << 20);
}

static void tear_down(void)
{
	char command[128];
	bench_close();
	snprintf(command, sizeof command, "rm -rf %s", bench.directory);
	cr_assert_eq(system(command), 0);
}
TestSuite(location, .init = set_up, .fini = tear_down);

static struct binding sample(const char *contact, uint64_t expires_in)
{
	return (struct binding){.flow = {.transport = TRANSPORT_UDP, .listener = 3, .peer = fixture_endpoint("198.51.100.7:5060"), .local = fixture_endpoint("192.0.2.1:5060")}, .expires_at = fixture_now() + expires_in,
		.cseq = 7, .q = 500, .contact = str_of(contact), .call_id = S("abc@host"), .path = S("<sip:p1;lr>, <sip:p2;lr>"), .instance = S("<urn:uuid:1>"), .reg_id = 2, .user_agent = S("phone/1.0")};
}

struct seen {
	unsigned count;
	char contact[64][64];
	struct binding last;
};

static void see(void *arg, const struct binding *b)
{
	struct seen *s = arg;
	if (s->count < 64)
		str_copy(b->contact, s->contact[s->count], sizeof s->contact[0]);
	s->count++;
	s->last = *b;
}

static struct seen look(const char *aor)
{
	struct seen s = {0};
	int n = location_lookup(bench.location, str_of(aor), see, &s);
	cr_assert_eq(n, (int)s.count, "%d", n);
	return s;
}

static int results[4096];
static unsigned done_count;
static void done(void *arg, int error)
{
	(void)arg;
	results[done_count++ % 4096] = error;
}

Test(binding, round_trip)
{
	char room[BINDINGS_SIZE_MAX];
	struct binding in[2], out[BINDINGS_MAX];
	in[0] = sample("sip:alice@198.51.100.7:5060;ob", 60000);
	in[1] = (struct binding){.flow = {.id = FLOW_ID(3, 4, 5), .transport = TRANSPORT_TLS, .listener = 1, .peer = fixture_endpoint("[2001:db8::1]:49152")},
		.expires_at = UINT64_MAX, .cseq = INT32_MAX, .q = 1000, .contact = S("sip:x")};
	in[1].flow.peer.scope = 9;
	long n = bindings_encode(in, 2, room, sizeof room);
	cr_assert_gt(n, 0);
	cr_assert_leq(n, 500);
	cr_assert_eq(bindings_decode((struct str){room, (size_t)n}, out), 2);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(memcmp(&in[i].flow, &out[i].flow, sizeof in[i].flow), 0);
		cr_assert(in[i].expires_at == out[i].expires_at && in[i].cseq == out[i].cseq && in[i].reg_id == out[i].reg_id && in[i].q == out[i].q);
		cr_assert(str_equal(in[i].contact, out[i].contact) && str_equal(in[i].call_id, out[i].call_id) && str_equal(in[i].path, out[i].path) && str_equal(in[i].instance, out[i].instance) &&
			str_equal(in[i].user_agent, out[i].user_agent));
	}
}

Test(binding, decodes_to_the_exact_end)
{
	char room[BINDINGS_SIZE_MAX];
	struct binding b[2] = {sample("sip:a@b", 60000), sample("sip:c@d", 60000)}, out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(b, 2, room, sizeof room - 1);
	for (size_t i = 0; i < n; i++) {
		char *exact = malloc(i ? i : 1); /* so that a sanitizer sees one byte too many */
		memcpy(exact, room, i);
		cr_assert_eq(bindings_decode((struct str){exact, i}, out), -EBADMSG, "cut at %zu", i);
		free(exact);
	}
	room[n] = 0;
	cr_assert_eq(bindings_decode((struct str){room, n + 1}, out), -EBADMSG);
	room[0]++;
	cr_assert_eq(bindings_decode((struct str){room, n}, out), -EBADMSG, "another version");
}

Test(binding, whatever_stands_there_is_refused_or_whole)
{
	char room[BINDINGS_SIZE_MAX], bad[512];
	struct binding b = sample("sip:a@b", 60000), out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(&b, 1, room, sizeof room);
	cr_assert_lt(n, sizeof bad);
	for (size_t i = 0; i < n; i++)
		for (unsigned value = 0; value < 256; value++) {
			memcpy(bad, room, n);
			bad[i] = (char)value;
			/* who was taken over writes a right check, too */
			struct hash_key key = {{(uint8_t)bad[1]}};
			uint32_t check = (uint32_t)hash_bytes(&key, bad + BINDINGS_HEAD, n - BINDINGS_HEAD);
			cr_assert(value == (unsigned char)room[i] || i < 1 || bindings_decode((struct str){bad, n}, out) == -EBADMSG, "the check misses byte %zu", i);
			memcpy(bad + 2, &check, sizeof check);
			int got = bindings_decode((struct str){bad, n}, out);
			cr_assert(got == -EBADMSG || got == 1);
			if (got != 1)
				continue;
			cr_assert(out[0].q <= 1000 && out[0].flow.transport < TRANSPORT_COUNT && out[0].flow.id == (transport_is_stream(out[0].flow.transport) ? out[0].flow.id : 0));
			for (size_t j = 0; j < out[0].contact.n; j++)
				cr_assert_geq((unsigned char)out[0].contact.p[j], 0x20);
		}
}

Test(binding, records_of_version_1_are_read)
{
	char room[BINDINGS_SIZE_MAX], old[512];
	struct binding b = sample("sip:a@b", 60000), out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(&b, 1, room, sizeof room);
	memcpy(old, (const char[]){1, 1}, 2);
	memcpy(old + 2, room + BINDINGS_HEAD, n - BINDINGS_HEAD);
	cr_assert_eq(bindings_decode((struct str){old, n - 4}, out), 1);
	cr_assert(str_equal(out[0].contact, b.contact) && out[0].cseq == b.cseq && out[0].expires_at == b.expires_at);
	cr_assert_eq(bindings_decode((struct str){old, n - 5}, out), -EBADMSG);
}

Test(binding, what_cannot_be_read_is_not_written)
{
	char room[BINDINGS_SIZE_MAX], longer[BINDING_PATH_MAX + 1];
	memset(longer, 'a', sizeof longer);
	struct binding good = sample("sip:a@b", 1), b = good;
	cr_assert_gt(bindings_encode(&b, 1, room, sizeof room), 0);
	cr_assert_eq(bindings_encode(&b, 0, room, sizeof room), -EINVAL);
	cr_assert_eq(bindings_encode(&b, BINDINGS_MAX + 1, room, sizeof room), -EINVAL);
	b.contact = S("sip:a@b\r\nX: y");
	cr_assert_eq(bindings_encode(&b, 1, room, sizeof room), -EINVAL);
	b = good, b.contact = (struct str){longer, BINDING_CONTACT_MAX + 1};
	cr_assert_eq(bindings_encode(&b, 1, room, sizeof room), -EINVAL);
	b = good, b.path = (struct str){longer, sizeof longer};
	cr_assert_eq(bindings_encode(&b, 1, room, sizeof room), -EINVAL);
	b = good, b.flow.transport = TRANSPORT_TCP;
	cr_assert_eq(bindings_encode(&b, 1, room, sizeof room), -EINVAL, "a stream without its connection");
	b = good, b.flow.id = 5;
	cr_assert_eq(bindings_encode(&b, 1, room, sizeof room), -EINVAL);
	b = good, b.q = 1001;
	cr_assert_eq(bindings_encode(&b, 1, room, sizeof room), -EINVAL);
	cr_assert_eq(bindings_encode(&good, 1, room, 20), -EINVAL);
}

Test(binding, a_control_byte_is_found_wherever_it_stands)
{
	char room[BINDINGS_SIZE_MAX], contact[19];
	for (size_t n = 1; n <= sizeof contact; n++)
		for (size_t at = 0; at < n; at++)
			for (unsigned value = 0; value < 256; value++) {
				/* what stands before it may borrow from it */
				memset(contact, value % 3 ? 0xa0 : 0x80, n);
				contact[at] = (char)value;
				struct binding b = sample("", 1);
				b.contact = (struct str){contact, n};
				cr_assert_eq(bindings_encode(&b, 1, room, sizeof room) < 0, value < 0x20 || value == 0x7f, "%u at %zu of %zu", value, at, n);
			}
}

Test(location, a_put_is_seen_at_once_and_done_at_the_end_of_the_turn)
{
	struct binding b = sample("sip:alice@198.51.100.7", 60000);
	cr_assert_eq(look("sip:alice@example.net").count, 0);
	cr_assert_eq(location_put(bench.location, S("sip:alice@example.net"), &b, 1, done, NULL), 0);
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
	struct binding b[2] = {sample("sip:one@198.51.100.7", 60000), sample("sip:two@198.51.100.7", 60000)};
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
	struct binding b[2] = {sample("sip:one@198.51.100.7", 60000), sample("sip:two@198.51.100.7", 60000)};
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
		if (loop_new(&own.loop) || location_open_bounded(&own.location, bench.directory, &test_boot, own.loop, 1 << 20))
			_exit(1);
		if (location_lookup(own.location, S("sip:a@x"), see, &s) != 1 || strcmp(s.contact[0], "sip:parent@x"))
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

/* Where several follow each other closely they wait for each other. */
static void until_done(unsigned n)
{
	while (done_count < n)
		loop_once(bench.loop, 1);
}

/* The whole map is 1 MB: fills it, one record a transaction. */
static unsigned fill(void)
{
	char aor[64], path[BINDING_PATH_MAX];
	memset(path, 'p', sizeof path);
	for (unsigned i = 0; i < 100000; i++) {
		struct binding b = sample("sip:alice@198.51.100.7", 3600000);
		b.path = (struct str){path, sizeof path};
		snprintf(aor, sizeof aor, "sip:user%06u@example.net", i);
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
	snprintf(aor, sizeof aor, "sip:user%06u@example.net", n);
	cr_assert_eq(look(aor).count, 0, "what was refused is not there");
	/* one that fits nowhere does not take others of its turn with it */
	struct binding b = sample("sip:alice@198.51.100.7", 3600000);
	done_count = 0;
	char path[BINDING_PATH_MAX];
	memset(path, 'p', sizeof path);
	b.path = (struct str){path, sizeof path};
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
		snprintf(aor, sizeof aor, "sip:user%06u@example.net", i);
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
		snprintf(aor, sizeof aor, "sip:%u@x", i);
		cr_assert_eq(location_put(bench.location, str_of(aor), &b, 1, done, NULL), 0);
	}
	cr_assert_eq(location_put(bench.location, S("sip:more@x"), &b, 1, done, NULL), -EAGAIN);
	cr_assert_eq(location_put(bench.location, S("sip:0@x"), &b, 1, NULL, NULL), 0, "one that waits already may change");
	loop_once(bench.loop, 0);
	cr_assert_eq(done_count, LOCATION_PENDING_MAX);
	cr_assert_eq(location_put(bench.location, S("sip:more@x"), &b, 1, done, NULL), 0);
	char longest[AOR_MAX];
	memset(longest, 'a', sizeof longest);
	cr_assert_eq(location_put(bench.location, (struct str){longest, AOR_MAX}, &b, 1, done, NULL), -ENAMETOOLONG);
	cr_assert_eq(location_put(bench.location, (struct str){longest, AOR_MAX - 1}, &b, 1, done, NULL), 0);
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
	str_copy(aor, r->last, sizeof r->last);
}

Test(location, lists_page_by_page)
{
	struct binding b[3] = {sample("sip:a@b", 60000), sample("sip:c@d", 60000), sample("sip:e@f", 0)};
	char aor[64];
	for (unsigned i = 0; i < 100; i++) {
		snprintf(aor, sizeof aor, "sip:%02u@x", i);
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

static void file_of(char room[128], const char *name)
{
	snprintf(room, 128, "%s/%s", bench.directory, name);
}

/* Writes bytes under a key as a sibling that was taken over could. */
static void write_raw(struct str key, struct str value)
{
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val k = {key.n, (void *)(uintptr_t)key.p}, v = {value.n, (void *)(uintptr_t)value.p};
	file_of(path, "location.mdb");
	pid_t child = fork();
	if (child == 0) {
		if (mdb_env_create(&env) || mdb_env_open(env, path, MDB_NOSUBDIR, 0600) || mdb_txn_begin(env, NULL, 0, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi) || mdb_put(txn, dbi, &k, &v, 0) || mdb_txn_commit(txn))
			_exit(1);
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

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
		snprintf(aor, sizeof aor, "sip:%03u@x", i);
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
	size_t n = fread(all, 1, sizeof all, f), changed = 0;
	for (size_t i = 2 * 4096; i + 9 < n; i++)
		if (memcmp(all + i, "sip:100@x", 9) == 0) { /* as if a page was older than its neighbours */
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
static void tend_seen(void *arg, struct str aor, const struct binding *b)
{
	(void)arg;
	(void)aor;
	(void)b;
	seen_live++;
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
		if (mdb_env_create(&env) || mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY, 0600) || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi) || mdb_stat(txn, dbi, &stat))
			stat.ms_entries = 999999;
		n = (unsigned)stat.ms_entries;
		if (write(fd[1], &n, sizeof n) != sizeof n)
			_exit(1);
		_exit(0);
	}
	cr_assert_eq(read(fd[0], &n, sizeof n), sizeof n);
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
		snprintf(aor, sizeof aor, "sip:%03u@x", i);
		location_put(bench.location, str_of(aor), b + (i >= 500), 1, NULL, NULL);
	}
	loop_once(bench.loop, 0);
	while (fixture_now() <= b[0].expires_at)
		;
	cr_assert_eq(stored_records(), 1000);
	location_tend(bench.location, even, tend_seen, NULL);
	uint64_t deadline = fixture_now() + 10000;
	while ((counters_page->counter[COUNTER_BINDINGS_EXPIRED] < 250 || seen_live < 250) && fixture_now() < deadline)
		loop_once(bench.loop, 2000);
	loop_once(bench.loop, 0);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_EXPIRED], 250);
	cr_assert_eq(seen_live, 250);
	cr_assert_eq(stored_records(), 750);
}

Test(location, what_follows_closely_shares_a_transaction)
{
	char aor[64];
	struct binding b = sample("sip:alice@198.51.100.7", 3600000);
	unsigned puts = 0, waited = 0;
	/* the first go at once; a loop that turns faster than the store may write has some wait for others */
	for (unsigned i = 0; i < 1000 && !waited; i++) {
		snprintf(aor, sizeof aor, "sip:user%u@example.net", i);
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

/* ---- refreshing in place ---- */

static uint64_t transactions_of_store(void)
{
	/* the higher of the two meta pages' transaction numbers, as LMDB 0.9 writes them: what is asked is only whether it stands still */
	uint64_t number[2];
	char path[128];
	file_of(path, "location.mdb");
	FILE *f = fopen(path, "r");
	for (int i = 0; i < 2; i++) {
		fseek(f, i * 4096 + 144, SEEK_SET);
		cr_assert_eq(fread(&number[i], sizeof number[i], 1, f), 1);
	}
	fclose(f);
	return number[0] > number[1] ? number[0] : number[1];
}

static void put_now(const char *aor, const struct binding *b, unsigned count)
{
	done_count = 0;
	cr_assert_eq(location_put(bench.location, str_of(aor), b, count, done, NULL), 0);
	until_done(1);
	cr_assert_eq(results[0], 0);
}

Test(location, a_refresh_is_stored_at_once_and_in_its_place)
{
	struct binding b[2] = {sample("sip:alice@198.51.100.7", 60000), sample("sip:alice@198.51.100.8", 60000)};
	put_now("sip:alice@example.net", b, 2);
	uint64_t before = transactions_of_store();
	for (unsigned i = 0; i < 100; i++) {
		b[i % 2].expires_at += 1000;
		b[i % 2].cseq++;
		cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 2), 0);
		struct seen s = look("sip:alice@example.net");
		cr_assert(s.count == 2 && s.last.expires_at == b[1].expires_at && s.last.cseq == b[1].cseq);
	}
	cr_assert_eq(transactions_of_store(), before, "no transaction of LMDB's was made");
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 2), 0, "nothing changed");
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_REFRESHED], 101);
	bench_close();
	bench_open(1 << 20);
	struct seen s = look("sip:alice@example.net");
	cr_assert(s.count == 2 && s.last.expires_at == b[1].expires_at && s.last.cseq == b[1].cseq, "it is in the file");
}

Test(location, what_is_no_refresh_has_to_be_put)
{
	struct binding b[BINDINGS_MAX] = {sample("sip:alice@198.51.100.7", 60000)};
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -ENOENT, "not there");
	put_now("sip:alice@example.net", b, 1);
	b[0].contact = S("sip:alice@198.51.100.71");
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -ENOENT, "longer");
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 0), -ENOENT);
	cr_assert_str_eq(look("sip:alice@example.net").contact[0], "sip:alice@198.51.100.7");
	b[0].q = 1001;
	cr_assert_eq(location_refresh(bench.location, S("sip:alice@example.net"), b, 1), -EINVAL);
	/* larger than a page */
	for (unsigned i = 0; i < BINDINGS_MAX; i++)
		b[i] = sample("sip:alice.of.a.long.name.in.wonderland@198.51.100.7", 60000);
	put_now("sip:large@example.net", b, BINDINGS_MAX);
	b[0].cseq++;
	cr_assert_eq(location_refresh(bench.location, S("sip:large@example.net"), b, BINDINGS_MAX), -ENOENT);
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
		if (loop_new(&own.loop) || location_open_bounded(&own.location, bench.directory, &test_boot, own.loop, 1 << 20))
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

Test(location, a_refresh_is_seen_though_its_page_moved_in_this_turn)
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

Test(location, nobody_sees_half_a_refresh_and_none_is_left_by_who_dies, .timeout = 60)
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
			cr_assert(s.count == 1 && n < 127 && s.last.expires_at == whole.expires_at && s.last.cseq == whole.cseq, "%u", n);
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

static int half_written[2];

/* As a sibling that the machine left no time for between the two halves of its write: a byte of the record is another, until a while after it has told of it. */
static int stops_half_way(void)
{
	static char all[1 << 20];
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	file_of(path, "location.mdb");
	int fd = open(path, O_RDWR);
	ssize_t n = read(fd, all, sizeof all);
	const char *at = n > 0 ? memmem(all, (size_t)n, "sip:half@x", 10) : NULL;
	if (!at || mdb_env_create(&env) || mdb_env_open(env, path, MDB_NOSUBDIR, 0600) || mdb_txn_begin(env, NULL, 0, &txn))
		return 1;
	off_t place = at + 10 + BINDINGS_HEAD - all;
	char right = all[place], wrong = (char)(right ^ 1);
	if (pwrite(fd, &wrong, 1, place) != 1 || write(half_written[1], "", 1) != 1)
		return 2;
	usleep(50000);
	if (pwrite(fd, &right, 1, place) != 1)
		return 3;
	mdb_txn_abort(txn);
	return 0;
}

Test(location, who_meets_half_a_refresh_waits_for_the_whole)
{
	struct binding b = sample("sip:a@x", 60000);
	char byte;
	put_now("sip:half@x", &b, 1);
	cr_assert_eq(pipe(half_written), 0);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(stops_half_way());
	}
	cr_assert_eq(read(half_written[0], &byte, 1), 1);
	struct seen s = look("sip:half@x");
	int status;
	cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", WEXITSTATUS(status));
	cr_assert(s.count == 1 && s.last.expires_at == b.expires_at);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 0);
}

Test(location, a_record_that_stays_half_written_is_damaged)
{
	char room[BINDINGS_SIZE_MAX];
	struct binding b = sample("sip:a@x", 60000);
	struct seen s = {0};
	long n = bindings_encode(&b, 1, room, sizeof room);
	room[BINDINGS_HEAD + 3] ^= 1; /* of expires_at, as a power loss may leave it */
	write_raw(S("sip:a@x"), (struct str){room, (size_t)n});
	cr_assert_eq(location_lookup(bench.location, S("sip:a@x"), see, &s), -EBADMSG);
	cr_assert_eq(counters_page->counter[COUNTER_LOCATION_DAMAGED], 1);
}
