/* store.c - opening an LMDB file in the state directory (store.h).
 *
 * Relies on: flock (one exclusive opener at a time), LMDB 0.9 (copy on write: the torn write of a
 * killed process is invisible), fork before the process has threads.
 */
#include "store.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct names {
	char data[PATH_MAX], aside[PATH_MAX], boot[PATH_MAX], lock[PATH_MAX];
};

int store_error(int lmdb)
{
	if (lmdb == 0)
		return 0;
	if (lmdb > 0)
		return -lmdb;
	switch (lmdb) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL: return -ENOSPC;
	case MDB_NOTFOUND: return -ENOENT;
	case MDB_READERS_FULL: return -EAGAIN;
	case MDB_PANIC: return -EIO;
	case MDB_BAD_VALSIZE: return -EINVAL;
	default: return -EBADMSG;
	}
}

/* Writes "directory/name" and the suffix. False where that is too long. */
static bool store_name(
	char path[PATH_MAX], const char *directory, const char *name, const char *suffix)
{
	return snprintf(path, PATH_MAX, "%s/%s%s", directory, name, suffix) < PATH_MAX;
}

static int store_names_make(struct names *n, const char *directory, const char *name)
{
	bool fit = store_name(n->data, directory, name, ".mdb") &&
	           store_name(n->aside, directory, name, ".mdb.aside") &&
	           store_name(n->boot, directory, name, ".boot") &&
	           store_name(n->lock, directory, name, ".lock");

	return fit ? 0 : -ENAMETOOLONG;
}

/* The first line of a small file; n == 0 where it cannot be read. */
static struct str store_read_line(const char *path, char buffer[BOOT_ID_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, BOOT_ID_SIZE);

	if (fd >= 0)
		close(fd);
	return str_trim((struct str){buffer, n > 0 ? (size_t)n : 0});
}

void boot_id_read(struct boot_id *out)
{
	char buffer[BOOT_ID_SIZE];

	if (str_copy(store_read_line("/proc/sys/kernel/random/boot_id", buffer), out->text,
		    sizeof(out->text)))
		out->text[0] = 0;
}

static int store_write_boot(const char *path, struct str id)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int error = write(fd, id.p, id.n) == (ssize_t)id.n ? 0 : -EIO;
	close(fd);
	return error;
}

static int store_open_env(const char *path, size_t map_size, unsigned flags, MDB_env **out)
{
	MDB_env *env;
	int error = mdb_env_create(&env);

	if (error)
		return error;
	error = mdb_env_set_mapsize(env, map_size);
	if (error == 0 && !(flags & MDB_NOLOCK))
		error = mdb_env_set_maxreaders(env, STORE_READERS_MAX);
	if (error == 0)
		error = mdb_env_open(env, path,
			MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD | flags, 0600);
	if (error)
		mdb_env_close(env);
	else
		*out = env;
	return error;
}

static struct str store_str(const MDB_val *value)
{
	return (struct str){value->mv_data, value->mv_size};
}

/* Keys strictly in order and as many as the root says: a page that is older than its parent breaks
 * one of the two. */
static bool store_walk_data(MDB_txn *txn, MDB_dbi dbi, store_clean clean)
{
	MDB_stat stat;
	MDB_cursor *cursor;

	if (mdb_stat(txn, dbi, &stat) || mdb_cursor_open(txn, dbi, &cursor))
		return false;
	MDB_val key, value, last = {0, NULL};
	size_t entries = 0;
	int error;
	while ((error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		bool rising = !last.mv_data || mdb_cmp(txn, dbi, &last, &key) < 0;

		if (++entries > stat.ms_entries || !rising)
			return false;
		if (!clean(store_str(&key), store_str(&value)))
			return false;
		last = key;
	}
	return error == MDB_NOTFOUND && entries == stat.ms_entries;
}

/* LMDB's own list of free pages (dbi 0): a torn one would have it hand out pages that are in
 * use. */
static bool store_walk_free(MDB_env *env, MDB_txn *txn)
{
	MDB_envinfo info;
	MDB_stat stat;
	MDB_cursor *cursor;

	if (mdb_env_info(env, &info) || mdb_stat(txn, 0, &stat) || mdb_cursor_open(txn, 0, &cursor))
		return false;
	MDB_val key, value;
	size_t entries = 0;
	int error;
	while ((error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		size_t id, pages;

		if (++entries > stat.ms_entries)
			return false;
		if (key.mv_size != sizeof(id) || value.mv_size < sizeof(pages))
			return false;
		memcpy(&id, key.mv_data, sizeof(id));
		memcpy(&pages, value.mv_data, sizeof(pages));
		if (id > info.me_last_txnid || pages > value.mv_size / sizeof(pages) - 1)
			return false;
		for (size_t i = 1; i <= pages; i++) {
			size_t page;

			memcpy(&page, (const char *)value.mv_data + i * sizeof(page), sizeof(page));
			if (page < 2 || page > info.me_last_pgno)
				return false;
		}
	}
	return error == MDB_NOTFOUND && entries == stat.ms_entries;
}

static bool store_walk(const char *path, size_t map_size, store_clean clean)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	if (store_open_env(path, map_size, MDB_RDONLY | MDB_NOLOCK, &env))
		return false;
	if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi))
		return false;
	return store_walk_data(txn, dbi, clean) && store_walk_free(env, txn);
}

/* 0 clean, -EBADMSG not, another -errno: it cannot be told. */
static int store_check(const char *path, size_t map_size, store_clean clean)
{
	struct stat file;

	if (stat(path, &file))
		return errno == ENOENT ? 0 : -errno;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		static const struct rlimit none = {0, 0};
		static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGALRM};

		for (size_t i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
			signal(fatal[i], SIG_DFL);
		setrlimit(RLIMIT_CORE, &none);
		alarm(STORE_CHECK_SECONDS);
		_exit(store_walk(path, map_size, clean) ? 0 : 1);
	}
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBADMSG;
}

static int store_set_aside(const struct names *n)
{
	char lock[PATH_MAX + 8], quoted[256];

	if (rename(n->data, n->aside))
		return -errno;
	snprintf(lock, sizeof(lock), "%s-lock", n->data);
	unlink(lock);
	log_warn("store-set-aside", "file=%s", log_value(str_of(n->aside), quoted, sizeof(quoted)));
	return 0;
}

/* Decides whether what an earlier boot left may be used. Called with the exclusive lock. */
static int store_settle(const struct names *n, struct str now, size_t map_size, store_clean clean)
{
	char was_buffer[BOOT_ID_SIZE];
	struct str was = store_read_line(n->boot, was_buffer);

	if (now.n && str_equal(now, was))
		return 0;
	int error = store_check(n->data, map_size, clean);
	if (error == -EBADMSG)
		error = store_set_aside(n);
	if (error == 0 && now.n)
		error = store_write_boot(n->boot, now);
	return error;
}

static int store_open_dbi(MDB_env *env, MDB_dbi *out)
{
	MDB_txn *txn;
	int error = mdb_txn_begin(env, NULL, 0, &txn);

	if (error)
		return error;
	error = mdb_dbi_open(txn, NULL, 0, out);
	if (error) {
		mdb_txn_abort(txn);
		return error;
	}
	return mdb_txn_commit(txn);
}

/* Whether LMDB says that the file is not a store at all. */
static bool store_is_none(int lmdb)
{
	return lmdb == MDB_INVALID || lmdb == MDB_VERSION_MISMATCH || lmdb == MDB_CORRUPTED;
}

/* Opens the file. One that is not a store at all is put out of the way, by a process that is alone
 * with it. */
static int store_open_file(struct store *s, const struct names *n, size_t map_size, bool alone)
{
	int lmdb = store_open_env(n->data, map_size, 0, &s->env);

	if (store_is_none(lmdb)) {
		int error = alone ? store_set_aside(n) : -EBADMSG;

		if (error)
			return error;
		lmdb = store_open_env(n->data, map_size, 0, &s->env);
	}
	return store_error(lmdb);
}

/* The first to open the store has the lock exclusively until it is open, the others wait. */
static int store_open_locked(
	struct store *s, const struct names *n, struct str boot, size_t map_size, store_clean clean)
{
	bool alone = flock(s->lock, LOCK_EX | LOCK_NB) == 0;
	int error = 0;

	if (alone)
		error = store_settle(n, boot, map_size, clean);
	else if (flock(s->lock, LOCK_SH))
		error = -errno;
	if (error == 0)
		error = store_open_file(s, n, map_size, alone);
	if (error == 0)
		error = store_error(store_open_dbi(s->env, &s->dbi));
	if (error == 0 && alone && flock(s->lock, LOCK_SH))
		error = -errno;
	return error;
}

int store_open(struct store *out, const char *directory, const char *name,
	const struct boot_id *boot, size_t map_size, store_clean clean)
{
	struct names n;
	struct store s = {.lock = -1};
	int error = store_names_make(&n, directory, name);

	if (error)
		return error;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return -errno;
	s.lock = open(n.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s.lock < 0)
		return -errno;
	error = store_open_locked(&s, &n, str_of(boot->text), map_size, clean);
	if (error) {
		store_close(&s);
		return error;
	}
	int dead;
	mdb_reader_check(s.env, &dead);
	*out = s;
	return 0;
}

bool store_may_grow(const struct store *s, MDB_txn *read, size_t pages)
{
	MDB_envinfo info;
	MDB_stat stat;
	MDB_cursor *cursor;

	if (mdb_env_info(s->env, &info) || mdb_env_stat(s->env, &stat))
		return false;
	size_t all = info.me_mapsize / stat.ms_psize, left = all - info.me_last_pgno - 1;
	if (left >= pages + STORE_RESERVE)
		return true;
	if (mdb_cursor_open(read, 0, &cursor))
		return false;
	MDB_val key, value;
	while (left < pages + STORE_RESERVE) {
		size_t id, free_pages;

		if (mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
			break;
		if (key.mv_size != sizeof(id) || value.mv_size < sizeof(free_pages))
			break;
		memcpy(&id, key.mv_data, sizeof(id));
		memcpy(&free_pages, value.mv_data, sizeof(free_pages));
		if (id >= info.me_last_txnid)
			break;
		left += free_pages;
	}
	mdb_cursor_close(cursor);
	return left >= pages + STORE_RESERVE;
}

/* ---- in place ---- */

/* Whether the n bytes of the file at that place are those at p. */
static bool store_file_has(int fd, off_t place, const char *p, size_t n)
{
	char read_back[64];

	n = n < sizeof(read_back) ? n : sizeof(read_back);
	return lseek(fd, place, SEEK_SET) >= 0 && read(fd, read_back, n) == (ssize_t)n &&
	       memcmp(read_back, p, n) == 0;
}

/* LMDB promises that it maps the file as a whole, and that a value which was read and not written
 * in this transaction lies in the map. It does not promise that a page begins with its number, by
 * which the map's beginning is found here. So the bytes at the place that follows from it are read
 * from the file once, and compared. */
static void store_find_map(struct store *s, int fd, const char *p, size_t n, size_t page_size)
{
	size_t within = (uintptr_t)p % page_size, number;

	memcpy(&number, p - within, sizeof(number));
	bool possible = number < SIZE_MAX / page_size / 2;
	if (possible && store_file_has(fd, (off_t)(number * page_size + within), p, n)) {
		s->map = p - within - number * page_size;
		return;
	}
	s->copies = true;
	log_warn("store-copies", "reason=\"where the file lies in memory cannot be told\"");
}

/* The place in the file of n bytes at p in the map. False: not within one page of it. */
static bool store_place(struct store *s, int fd, const char *p, size_t n, off_t *out)
{
	MDB_envinfo info;
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);

	if ((uintptr_t)p % page_size + n > page_size || mdb_env_info(s->env, &info))
		return false;
	if (!s->map && !s->copies)
		store_find_map(s, fd, p, n, page_size);
	if (!s->map || p < s->map || (size_t)(p - s->map) / page_size > info.me_last_pgno)
		return false;
	*out = (off_t)(p - s->map);
	return true;
}

/* Writes the part of value that differs from the old one of the same size. */
static int store_write_over(struct store *s, const MDB_val *old, struct str value)
{
	const char *was = old->mv_data;
	size_t from = 0, to = value.n;
	off_t place;
	int fd;

	if (old->mv_size != value.n || mdb_env_get_fd(s->env, &fd))
		return -ENOENT;
	if (!store_place(s, fd, was, value.n, &place))
		return -ENOENT;
	while (from < to && was[from] == value.p[from])
		from++;
	while (to - from >= 8 && memcmp(was + to - 8, value.p + to - 8, 8) == 0)
		to -= 8;
	if (from == to)
		return 0;
	ssize_t written = pwrite(fd, value.p + from, to - from, place + (off_t)from);
	if (written < 0)
		return -errno;
	return (size_t)written == to - from ? 0 : -EIO;
}

int store_overwrite(struct store *s, struct str key, struct str value)
{
	MDB_txn *txn;
	MDB_val k = {key.n, (void *)(uintptr_t)key.p}, old;
	int error = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (error)
		return store_error(error);
	error = store_error(mdb_get(txn, s->dbi, &k, &old));
	if (error == 0)
		error = store_write_over(s, &old, value);
	mdb_txn_abort(txn);
	return error;
}

long store_read(struct store *s, struct str key, char *buffer, size_t size)
{
	MDB_txn *txn;
	MDB_val k = {key.n, (void *)(uintptr_t)key.p}, value;
	long result = store_error(mdb_txn_begin(s->env, NULL, 0, &txn));

	if (result)
		return result;
	result = store_error(mdb_get(txn, s->dbi, &k, &value));
	if (result == 0 && value.mv_size > size)
		result = -EMSGSIZE;
	if (result == 0) {
		memcpy(buffer, value.mv_data, value.mv_size);
		result = (long)value.mv_size;
	}
	mdb_txn_abort(txn);
	return result;
}

void store_close(struct store *s)
{
	mdb_env_close(s->env); /* NULL is a no-op */
	close(s->lock);
}
