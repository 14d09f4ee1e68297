/* quarantine.c - the folder of what workers died of, and the list of it. Relies on the state
 * directory being the master's alone to write (state.h). No fsync: a power loss may cost the
 * newest, a slow disk must not cost the respawn. */
#include "quarantine.h"

#include "common/counters.h"
#include "common/log.h"
#include "master/state.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "quarantine"
#define NEW_FILE "new"
#define FIELDS 5
#define TIME_MAX INT64_C(253402300799999) /* year 9999 */

struct quarantine {
	int fd;
	size_t count;
	struct poison poison[QUARANTINE_MAX];
};

/* ---- names ---- */

static void quarantine_name(const struct poison *p, char buffer[QUARANTINE_NAME_MAX])
{
	char print[FINGERPRINT_TEXT_SIZE];

	snprintf(buffer, QUARANTINE_NAME_MAX, "%lld.%s.%s.%s.%s", (long long)p->time,
		evidence_kind_name(p->print.kind), p->worker, p->reason,
		fingerprint_text(&p->print, print));
}

/* A word of letters, digits and hyphens that fits. */
static bool quarantine_take_word(struct str s, char *buffer, size_t size)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isascii(s.p[i]) || (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-'))
			return false;
	return s.n && str_copy(s, buffer, size) == 0;
}

static bool quarantine_take_name(const char *name, struct poison *out)
{
	struct str rest = str_of(name), field[FIELDS];
	uint64_t time;
	size_t n;

	for (int i = 0; i < FIELDS; i++) {
		size_t at = i + 1 < FIELDS ? str_find(rest, '.') : rest.n;

		field[i] = (struct str){rest.p, at};
		rest = str_from(rest, at < rest.n ? at + 1 : at);
	}
	*out = (struct poison){.stored = true};
	if (str_number(field[0], TIME_MAX, &time) < 0)
		return false;
	if (!quarantine_take_word(field[2], out->worker, sizeof(out->worker)))
		return false;
	if (!quarantine_take_word(field[3], out->reason, sizeof(out->reason)))
		return false;
	out->time = (int64_t)time;
	for (unsigned k = EVIDENCE_NOTHING + 1; k < EVIDENCE_KIND_COUNT; k++)
		if (str_equal(field[1], str_of(evidence_kind_name(k))))
			out->print.kind = (uint8_t)k;
	return out->print.kind &&
	       sodium_hex2bin(out->print.byte, sizeof(out->print.byte), field[4].p, field[4].n,
		       NULL, &n, NULL) == 0 &&
	       n == sizeof(out->print.byte);
}

/* ---- files ---- */

static int quarantine_read_file(int folder, const char *name, unsigned char *buffer, size_t *size)
{
	struct stat st;
	int error;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 1 || st.st_size > EVIDENCE_MAX)
		return -EBADMSG;
	error = state_read(folder, name, buffer, (size_t)st.st_size);
	if (error == 0)
		*size = (size_t)st.st_size;
	return error;
}

static int quarantine_write_file(
	int folder, const char *name, const unsigned char *bytes, size_t size)
{
	int error = 0;

	unlinkat(folder, NEW_FILE, 0);
	int fd = openat(
		folder, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, bytes, size);
	if (n != (ssize_t)size)
		error = n < 0 ? -errno : -ENOSPC;
	close(fd);
	if (error == 0 && renameat(folder, NEW_FILE, folder, name) < 0)
		error = -errno;
	if (error < 0)
		unlinkat(folder, NEW_FILE, 0);
	return error;
}

/* ---- the list ---- */

static bool fingerprint_same(const struct fingerprint *a, const struct fingerprint *b)
{
	return a->kind == b->kind && memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

int quarantine_remove(struct quarantine *q, size_t i)
{
	char name[QUARANTINE_NAME_MAX];
	int error = 0;

	quarantine_name(&q->poison[i], name);
	if (q->poison[i].stored && unlinkat(q->fd, name, 0) < 0 && errno != ENOENT) {
		error = -errno;
		log_error("quarantine-remove", "file=%s error=\"%s\"", name, error_text(error));
	}
	memmove(&q->poison[i], &q->poison[i + 1], (q->count - i - 1) * sizeof(q->poison[0]));
	q->count--;
	return error;
}

int quarantine_clear(struct quarantine *q)
{
	int error = 0;

	while (q->count) {
		int one = quarantine_remove(q, q->count - 1);

		error = error ? error : one;
	}
	return error;
}

/* Finds the one that makes room: the oldest of those that are kept for analysis only, or where
 * there is none the oldest. A worker that dies of its state must not have what is refused let in
 * again. */
static size_t quarantine_least(const struct quarantine *q)
{
	for (size_t i = 0; i < q->count; i++)
		if (!fingerprint_refusable(&q->poison[i].print))
			return i;
	return 0;
}

/* Puts it where it belongs by its time; if the list is full another one makes room. */
static struct poison *quarantine_insert(struct quarantine *q, const struct poison *p)
{
	size_t at;

	if (q->count == QUARANTINE_MAX) {
		count(QUARANTINE_REMOVED);
		quarantine_remove(q, quarantine_least(q));
	}
	for (at = q->count; at > 0 && q->poison[at - 1].time > p->time; at--)
		q->poison[at] = q->poison[at - 1];
	q->poison[at] = *p;
	q->count++;
	return &q->poison[at];
}

static int quarantine_store(
	struct quarantine *q, struct poison *p, const unsigned char *bytes, size_t size)
{
	char name[QUARANTINE_NAME_MAX];
	int error;

	quarantine_name(p, name);
	error = quarantine_write_file(q->fd, name, bytes, size);
	p->stored = error == 0;
	if (error < 0) {
		count(QUARANTINE_NOT_KEPT);
		log_error("quarantine-write", "file=%s error=\"%s\"", name, error_text(error));
	}
	return error;
}

int quarantine_keep(struct quarantine *q, enum evidence_kind kind, const unsigned char *bytes,
	size_t size, const char *worker, const char *reason, int64_t time,
	const struct poison **out)
{
	struct poison p = {.time = time, .deaths = 1}, *added;

	fingerprint_of(kind, bytes, size, &p.print);
	for (size_t i = 0; i < q->count; i++)
		if (fingerprint_same(&q->poison[i].print, &p.print)) {
			struct poison *again = &q->poison[i];

			again->deaths++;
			*out = again;
			return again->stored ? 0
			                     : quarantine_store(q, again, bytes,
						       size); /* there may be room by now */
		}
	/* A clock that went back: the newest is the last all the same, or it might be the first to
	 * go. */
	if (q->count && p.time < q->poison[q->count - 1].time)
		p.time = q->poison[q->count - 1].time;
	if (!quarantine_take_word(str_of(worker), p.worker, sizeof(p.worker)) ||
		!quarantine_take_word(str_of(reason), p.reason, sizeof(p.reason)))
		return -EINVAL;
	count(QUARANTINED);
	/* in this order: whom it replaces leaves room on the disk */
	*out = added = quarantine_insert(q, &p);
	return quarantine_store(q, added, bytes, size);
}

size_t quarantine_count(const struct quarantine *q)
{
	return q->count;
}

const struct poison *quarantine_at(const struct quarantine *q, size_t i)
{
	return &q->poison[i];
}

int quarantine_find(const struct quarantine *q, const char *digits, size_t *i)
{
	size_t n = strlen(digits), found = q->count;

	if (n < QUARANTINE_PREFIX_MIN || n >= FINGERPRINT_TEXT_SIZE ||
		strspn(digits, "0123456789abcdef") != n)
		return -EINVAL;
	for (size_t k = 0; k < q->count; k++) {
		char text[FINGERPRINT_TEXT_SIZE];

		if (strncmp(fingerprint_text(&q->poison[k].print, text), digits, n) != 0)
			continue;
		if (found < q->count)
			return -ENOTUNIQ;
		found = k;
	}
	if (found == q->count)
		return -ENOENT;
	*i = found;
	return 0;
}

int quarantine_read(const struct quarantine *q, size_t i, unsigned char *buffer, size_t *size)
{
	const struct poison *p = &q->poison[i];
	char name[QUARANTINE_NAME_MAX];
	struct fingerprint print;
	int error;

	if (!p->stored)
		return -ENOENT;
	quarantine_name(p, name);
	error = quarantine_read_file(q->fd, name, buffer, size);
	if (error < 0)
		return error;
	fingerprint_of((enum evidence_kind)p->print.kind, buffer, *size, &print);
	return fingerprint_same(&print, &p->print) ? 0 : -EBADMSG;
}

void quarantine_list(const struct quarantine *q, struct lifeline_quarantine *out)
{
	*out = (struct lifeline_quarantine){.count = 0};
	for (size_t i = 0; i < q->count; i++)
		if (fingerprint_refusable(&q->poison[i].print))
			out->print[out->count++] = q->poison[i].print;
}

/* ---- opening ---- */

/* One file of the folder. */
static void quarantine_load(struct quarantine *q, const char *name)
{
	static unsigned char buffer[EVIDENCE_MAX];
	struct poison p;
	struct fingerprint print;
	char again[QUARANTINE_NAME_MAX];
	size_t size;
	int error = quarantine_take_name(name, &p)
	                    ? quarantine_read_file(q->fd, name, buffer, &size)
	                    : -EINVAL;

	if (error == 0) {
		fingerprint_of((enum evidence_kind)p.print.kind, buffer, size, &print);
		error = fingerprint_same(&print, &p.print) ? 0 : -EBADMSG;
		p.print = print;
		quarantine_name(&p, again);
		/* One spelling each, so that it is found again. */
		if (error == 0 && strcmp(again, name) != 0)
			error = -EINVAL;
	}
	for (size_t i = 0; error == 0 && i < q->count; i++)
		if (fingerprint_same(&q->poison[i].print, &p.print))
			error = -EEXIST;
	if (error == -EEXIST) {
		unlinkat(q->fd, name,
			0); /* the same bytes twice: cleared once, they would come back */
		return;
	}
	if (error < 0) {
		log_warn("quarantine-file", "file=%.*s error=\"%s\" hint=\"left alone\"",
			QUARANTINE_NAME_MAX, name, error_text(error));
		return;
	}
	if (q->count == QUARANTINE_MAX && p.time < q->poison[0].time) {
		count(QUARANTINE_REMOVED);
		unlinkat(q->fd, name, 0);
		return;
	}
	quarantine_insert(q, &p);
}

static int quarantine_load_all(struct quarantine *q)
{
	int fd = openat(q->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder) {
		int error = -errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	unlinkat(q->fd, NEW_FILE, 0);
	while ((entry = readdir(folder)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			strcmp(entry->d_name, NEW_FILE) != 0)
			quarantine_load(q, entry->d_name);
	closedir(folder);
	return 0;
}

int quarantine_open(struct quarantine **out, int directory)
{
	struct quarantine *q = calloc(1, sizeof(*q));
	struct stat st;
	int error = 0;

	if (!q)
		return -ENOMEM;
	q->fd = -1;
	if (mkdirat(directory, FOLDER, 0700) < 0 && errno != EEXIST)
		error = -errno;
	if (error == 0) {
		q->fd = openat(directory, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (q->fd < 0 || fstat(q->fd, &st) < 0)
			error = -errno;
		else if (state_folder_unsafe(&st))
			error = -EPERM;
		else if (fchmod(q->fd, 0700) < 0)
			error = -errno;
	}
	if (error == 0)
		error = quarantine_load_all(q);
	if (error < 0) {
		log_error("quarantine-open", "folder=" FOLDER " error=\"%s\"", error_text(error));
		quarantine_close(q);
		return error;
	}
	if (q->count)
		log_warn("quarantine", "kept=%zu hint=\"sipwardctl quarantine list\"", q->count);
	*out = q;
	return 0;
}

void quarantine_close(struct quarantine *q)
{
	if (!q)
		return;
	if (q->fd >= 0)
		close(q->fd);
	free(q);
}

/* ---- for people ---- */

void quarantine_print(const unsigned char *bytes, size_t size, FILE *to)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = bytes[i];

		if (c == '\r' && i + 1 < size && bytes[i + 1] == '\n') {
			fputc('\n', to);
			i++;
		} else if (c == '\r' || c == '\n' || c == '\t' || c == '\\') {
			fprintf(to, "\\%c",
				c == '\r'   ? 'r'
				: c == '\n' ? 'n'
				: c == '\t' ? 't'
					    : '\\');
		} else if (c < 0x20 || c >= 0x7f) {
			fprintf(to, "\\x%02x", c);
		} else {
			fputc(c, to);
		}
	}
}
