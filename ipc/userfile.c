/* userfile.c - reading, checking and editing users files. Relies on libsodium only for wiping
 * memory; files are edited by one atomic rename. */
#include "userfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint8_t algorithm;
	uint8_t ha1_length;
} algorithms[] = {{"MD5", DIGEST_MD5, 32}, {"SHA-256", DIGEST_SHA256, 64},
	{"SHA-512-256", DIGEST_SHA512_256, 64}};
#define ALGORITHM_COUNT (sizeof(algorithms) / sizeof(algorithms[0]))

const char *digest_algorithm_name(uint8_t algorithm)
{
	for (size_t i = 0; i < ALGORITHM_COUNT; i++)
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].name;
	return NULL;
}

uint8_t digest_algorithm_of(struct str name)
{
	for (size_t i = 0; i < ALGORITHM_COUNT; i++)
		if (str_equal_nocase(name, str_of(algorithms[i].name)))
			return algorithms[i].algorithm;
	return 0;
}

size_t digest_ha1_length(uint8_t algorithm)
{
	for (size_t i = 0; i < ALGORITHM_COUNT; i++)
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].ha1_length;
	return 0;
}

static bool userfile_plain(struct str s, size_t most)
{
	if (s.n == 0 || s.n > most || s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == ':')
			return false;
	return true;
}

bool userfile_name_valid(struct str name)
{
	return userfile_plain(name, USER_NAME_MAX) && name.p[0] != '#';
}

bool userfile_realm_valid(struct str realm)
{
	return userfile_plain(realm, REALM_MAX) && !memchr(realm.p, '"', realm.n) &&
	       !memchr(realm.p, '\\', realm.n);
}

bool userfile_group_valid(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && !memchr("._-", name.p[i], 3))
			return false;
	return name.n && name.n <= GROUP_NAME_MAX;
}

bool userfile_group_next(struct str *groups, struct str *name)
{
	size_t n = str_find(*groups, ',');

	if (!groups->n)
		return false;
	*name = (struct str){groups->p, n};
	*groups = str_from(*groups, n < groups->n ? n + 1 : n);
	return true;
}

/* At least one name, none twice. */
static bool userfile_groups_valid(struct str groups)
{
	struct str rest = groups, name, before, other;
	unsigned n = 0;

	if (!groups.n || groups.n > USERFILE_GROUPS_MAX || groups.p[groups.n - 1] == ',')
		return false;
	while (userfile_group_next(&rest, &name)) {
		if (!userfile_group_valid(name) || ++n > USER_GROUPS_MAX)
			return false;
		before = (struct str){groups.p, (size_t)(name.p - groups.p)};
		while (userfile_group_next(&before, &other))
			if (str_equal(other, name))
				return false;
	}
	return true;
}

/* ---- the file's text ---- */

struct text_buffer {
	char *p;
	size_t n, size;
	struct stat st;
};

static void userfile_buffer_free(struct text_buffer *b)
{
	if (b->p) {
		sodium_memzero(b->p, b->size);
		free(b->p);
	}
	*b = (struct text_buffer){0};
}

/* The whole file in memory that is wiped later. */
static int userfile_buffer_read(const char *path, struct text_buffer *out)
{
	struct text_buffer b = {0};
	/* O_NONBLOCK: a FIFO in the file's place must not stop the master */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &b.st) < 0)
		error = -errno;
	else if (!S_ISREG(b.st.st_mode))
		error = S_ISDIR(b.st.st_mode) ? -EISDIR : -EINVAL;
	else if (b.st.st_size > USERFILE_MAX)
		error = -EFBIG;
	if (error == 0) {
		b.size = (size_t)b.st.st_size + 1;
		b.p = calloc(1, b.size);
		error = b.p ? 0 : -ENOMEM;
	}
	while (error == 0 && b.n + 1 < b.size) {
		ssize_t n = read(fd, b.p + b.n, b.size - 1 - b.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = -errno;
		if (n <= 0)
			break;
		b.n += (size_t)n;
	}
	close(fd);
	if (error) {
		userfile_buffer_free(&b);
		return error;
	}
	*out = b;
	return 0;
}

/* The next line without its newline; false at the end. */
static bool userfile_next_line(struct str *rest, struct str *line)
{
	size_t end;

	if (rest->n == 0)
		return false;
	end = str_find(*rest, '\n');
	*line = (struct str){rest->p, end};
	*rest = str_from(*rest, end < rest->n ? end + 1 : end);
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static bool userfile_is_comment(struct str line)
{
	return str_trim(line).n == 0 || line.p[0] == '#';
}

/* Reads the fourth field and the fifth, where there is one; NULL, or what is wrong. */
static const char *userfile_parse_tail(struct str tail, struct userfile_entry *out)
{
	struct str ha1 = {tail.p, str_find(tail, ':')};

	if (ha1.n != digest_ha1_length(out->algorithm))
		return out->algorithm == DIGEST_MD5
		               ? "the ha1 of MD5 must be 32 hex digits"
		               : "the ha1 of SHA-256 and SHA-512-256 must be 64 hex digits";
	for (size_t i = 0; i < ha1.n; i++) {
		char c = ha1.p[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return "the ha1 must be hex digits";
		out->ha1[i] = c;
	}
	out->ha1[ha1.n] = '\0';
	if (ha1.n == tail.n)
		return NULL;
	struct str groups = str_from(tail, ha1.n + 1);
	if (!userfile_groups_valid(groups))
		return "the groups must be 1 to 8 names, each once and of 1 to 32 letters, digits, "
		       "dots, hyphens or underscores, with commas between them, 160 bytes in all";
	str_copy(groups, out->groups, sizeof(out->groups));
	return NULL;
}

/* Reads one line; NULL, or what is wrong with it. The ha1 never gets into a message. */
static const char *userfile_parse_line(struct str line, struct userfile_entry *out)
{
	struct str field[3];
	struct str rest = line;
	const char *wrong;

	if (line.n > USERFILE_LINE_MAX)
		return "the line is too long";
	for (int i = 0; i < 3; i++) {
		size_t colon = str_find(rest, ':');

		if (colon == rest.n)
			return "expected \"name:realm:algorithm:ha1\"";
		field[i] = (struct str){rest.p, colon};
		rest = str_from(rest, colon + 1);
	}
	if (!userfile_name_valid(field[0]))
		return "the user name must be 1 to 128 bytes without colon or control characters, "
		       "without a space at its ends";
	if (!userfile_realm_valid(field[1]))
		return "the realm must be 1 to 255 bytes without colon, quote, backslash or "
		       "control characters";
	out->algorithm = digest_algorithm_of(field[2]);
	if (!out->algorithm)
		return "the algorithm must be MD5, SHA-256 or SHA-512-256";
	wrong = userfile_parse_tail(rest, out);
	if (wrong)
		return wrong;
	str_copy(field[0], out->name, sizeof(out->name));
	str_copy(field[1], out->realm, sizeof(out->realm));
	return NULL;
}

static int userfile_compare(const void *a, const void *b)
{
	const struct userfile_entry *x = *(const struct userfile_entry *const *)a,
				    *y = *(const struct userfile_entry *const *)b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = strcmp(x->realm, y->realm);
	if (order == 0)
		order = x->algorithm - y->algorithm;
	return order ? order : x->line - y->line;
}

static bool userfile_same_user(const struct userfile_entry *a, const struct userfile_entry *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->realm, b->realm) == 0;
}

/* Both are for the same user, realm and algorithm: a file has one of them. */
static bool userfile_same_entry(const struct userfile_entry *a, const struct userfile_entry *b)
{
	return userfile_same_user(a, b) && a->algorithm == b->algorithm;
}

/* What is wrong with two lines of one user. */
static int userfile_report_pair(const char *path, const struct userfile_entry *a,
	const struct userfile_entry *b, struct config_errors *errors)
{
	if (!userfile_same_user(a, b))
		return 0;
	if (a->algorithm == b->algorithm)
		config_error_add(errors, path, b->line,
			"user \"%s\" has a line for %s in realm \"%s\" already (line %d)", b->name,
			digest_algorithm_name(b->algorithm), b->realm, a->line);
	else if (strcmp(a->groups, b->groups) != 0)
		config_error_add(errors, path, b->line,
			"user \"%s\" has other groups in line %d: expected the same in all his "
			"lines",
			b->name, a->line);
	else
		return 0;
	return -EINVAL;
}

static int userfile_report_duplicates(
	const char *path, const struct userfile *f, struct config_errors *errors)
{
	const struct userfile_entry **sorted = f->count ? calloc(f->count, sizeof(*sorted)) : NULL;
	int found = 0;

	if (f->count && !sorted)
		return -ENOMEM;
	for (size_t i = 0; i < f->count; i++)
		sorted[i] = &f->entries[i];
	if (f->count)
		qsort(sorted, f->count, sizeof(*sorted), userfile_compare);
	for (size_t i = 1; i < f->count; i++) {
		int error = userfile_report_pair(path, sorted[i - 1], sorted[i], errors);

		if (error)
			found = error;
	}
	free(sorted);
	return found;
}

int userfile_load(const char *path, struct userfile *out, struct config_errors *errors)
{
	struct userfile f = {0};
	struct text_buffer b;
	struct str rest, line;
	size_t lines = 1;
	int number = 0, error = userfile_buffer_read(path, &b);

	if (error)
		return error;
	for (size_t i = 0; i < b.n; i++)
		lines += b.p[i] == '\n';
	f.entries = calloc(lines, sizeof(*f.entries));
	if (!f.entries) {
		userfile_buffer_free(&b);
		return -ENOMEM;
	}
	for (rest = (struct str){b.p, b.n}; userfile_next_line(&rest, &line);) {
		const char *wrong;

		number++;
		if (userfile_is_comment(line))
			continue;
		wrong = userfile_parse_line(line, &f.entries[f.count]);
		if (wrong) {
			config_error_add(errors, path, number, "%s", wrong);
			error = -EINVAL;
			continue;
		}
		f.entries[f.count++].line = number;
	}
	userfile_buffer_free(&b);
	if (error == 0)
		error = userfile_report_duplicates(path, &f, errors);
	if (error) {
		f.count = lines; /* a bad line may have left part of itself */
		userfile_free(&f);
		return error;
	}
	*out = f;
	return 0;
}

void userfile_free(struct userfile *f)
{
	if (f->entries) {
		sodium_memzero(f->entries, f->count * sizeof(*f->entries));
		free(f->entries);
	}
	*f = (struct userfile){0};
}

/* ---- editing ---- */

static int userfile_write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Opens the folder of the file and locks it, so that of two edits at a time none is lost. Waits for
 * nobody: -EAGAIN. */
static int userfile_lock_folder(const char *path, int *out)
{
	char copy[PATH_MAX];
	int fd;

	if (str_copy(str_of(path), copy, sizeof(copy)))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int error = errno == EWOULDBLOCK ? -EAGAIN : -errno;

		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

/* Puts text in the file's place. st: the file that was there (st_mode 0: none). The rename is in
 * the folder, so the folder has to reach the disk too. */
static int userfile_replace(
	int folder, const char *path, const struct stat *st, const char *text, size_t n)
{
	char temporary[PATH_MAX];
	int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path), fd, error = 0;

	if (length < 0 || (size_t)length >= sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 until it has its owner */
	if (fd < 0)
		return -errno;
	if (st->st_mode && (st->st_uid != geteuid() || st->st_gid != getegid()) &&
		fchown(fd, st->st_uid, st->st_gid) < 0)
		error = -errno;
	if (error == 0 && fchmod(fd, st->st_mode ? st->st_mode & 0777 : 0640) < 0)
		error = -errno;
	if (error == 0)
		error = userfile_write_all(fd, text, n);
	if (error == 0 && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error) {
		unlink(temporary);
		return error;
	}
	return fsync(folder) < 0 ? -errno : 0;
}

static bool userfile_entry_valid(const struct userfile_entry *e)
{
	struct str ha1 = {e->ha1, strnlen(e->ha1, sizeof(e->ha1))};

	if (!userfile_name_valid((struct str){e->name, strnlen(e->name, sizeof(e->name))}))
		return false;
	if (!userfile_realm_valid((struct str){e->realm, strnlen(e->realm, sizeof(e->realm))}))
		return false;
	if (*e->groups && !userfile_groups_valid(
				  (struct str){e->groups, strnlen(e->groups, sizeof(e->groups))}))
		return false;
	return ha1.n && ha1.n == digest_ha1_length(e->algorithm) &&
	       strspn(e->ha1, "0123456789abcdef") == ha1.n;
}

/* The lines that go: those of the same user, realm and algorithm as one of the entries, or with
 * count 0 all of name in realm. */
struct selection {
	const struct userfile_entry *entries;
	size_t count;
	const char *name, *realm;
};

static bool userfile_selected(const struct selection *s, const struct userfile_entry *e)
{
	if (s->count == 0)
		return strcmp(e->name, s->name) == 0 &&
		       (!s->realm || strcmp(e->realm, s->realm) == 0);
	for (size_t i = 0; i < s->count; i++)
		if (userfile_same_entry(e, &s->entries[i]))
			return true;
	return false;
}

/* The groups of the entry's user: its own, or those that the text has of him. */
static void userfile_groups_of(const struct text_buffer *b, const struct userfile_entry *entry,
	char groups[USERFILE_GROUPS_MAX + 1])
{
	struct str rest = {b->p, b->n}, line;

	strcpy(groups, entry->groups);
	while (!*groups && userfile_next_line(&rest, &line)) {
		struct userfile_entry e = {0};

		if (!userfile_is_comment(line) && !userfile_parse_line(line, &e) &&
			userfile_same_user(&e, entry))
			strcpy(groups, e.groups);
		sodium_memzero(&e, sizeof(e));
	}
}

/* Writes the file again without the selected lines and with the new entries at its end. must_find:
 * -ENOENT where nothing was selected. */
static int userfile_edit_locked(
	int folder, const char *path, const struct selection *s, bool must_find, size_t *gone)
{
	struct text_buffer b = {0}, out = {0};
	struct str rest, line;
	size_t removed = 0;
	int error = userfile_buffer_read(path, &b);

	if (error == -ENOENT && !must_find)
		error = 0;
	if (error)
		return error;
	out.size = b.n + 2 + s->count * USERFILE_LINE_MAX;
	out.p = malloc(out.size);
	if (!out.p) {
		userfile_buffer_free(&b);
		return -ENOMEM;
	}
	for (rest = (struct str){b.p, b.n}; userfile_next_line(&rest, &line);) {
		struct userfile_entry e = {0};
		/* a line that cannot be read stays: it is the operator's, and the check will name
		 * it */
		bool goes = !userfile_is_comment(line) && !userfile_parse_line(line, &e) &&
		            userfile_selected(s, &e);

		sodium_memzero(&e, sizeof(e));
		if (goes) {
			removed++;
			continue;
		}
		memcpy(out.p + out.n, line.p, line.n);
		out.n += line.n;
		out.p[out.n++] = '\n';
	}
	for (size_t i = 0; i < s->count; i++) {
		const struct userfile_entry *e = &s->entries[i];
		char groups[USERFILE_GROUPS_MAX + 1];

		userfile_groups_of(&b, e, groups);
		out.n += (size_t)snprintf(out.p + out.n, out.size - out.n, "%s:%s:%s:%s%s%s\n",
			e->name, e->realm, digest_algorithm_name(e->algorithm), e->ha1,
			*groups ? ":" : "", groups);
	}
	if (must_find && removed == 0)
		error = -ENOENT;
	else if (out.n > USERFILE_MAX)
		error = -EFBIG;
	else
		error = userfile_replace(folder, path, &b.st, out.p, out.n);
	userfile_buffer_free(&b);
	userfile_buffer_free(&out);
	if (error == 0 && gone)
		*gone = removed;
	return error;
}

static int userfile_edit(const char *path, const struct selection *s, bool must_find, size_t *gone)
{
	int folder = -1, error = userfile_lock_folder(path, &folder);

	if (error)
		return error;
	error = userfile_edit_locked(folder, path, s, must_find, gone);
	close(folder);
	return error;
}

int userfile_put(
	const char *path, const struct userfile_entry *entries, size_t count, size_t *replaced)
{
	struct selection s = {.entries = entries, .count = count};

	if (count == 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!userfile_entry_valid(&entries[i]))
			return -EINVAL;
	return userfile_edit(path, &s, false, replaced);
}

int userfile_remove(const char *path, const char *name, const char *realm, size_t *removed)
{
	struct selection s = {.name = name, .realm = realm};

	return userfile_edit(path, &s, true, removed);
}
