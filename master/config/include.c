/* include.c - see include.h. Relies on source_text.c having blanked out comments, and on no quote
 * being open at the end of a line. */
#include "include.h"

#include "config.h"
#include "source_text.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct including {
	const char *folder;
	struct config_sources *sources;
	struct config_errors *errors;
	char *text; /* what is there so far */
	size_t used, room;
	int line; /* that the next one of it is */
	unsigned depth, files;
	struct {
		dev_t device;
		ino_t inode;
	} open[INCLUDE_DEPTH_MAX]; /* the files that stand within each other */
};

static int include_file(struct including *i, const char *path, const char *from, int line);

static int include_error(
	struct including *i, const char *path, int line, int error, const char *text)
{
	config_error_add(i->errors, path, line, "%s", text);
	return error;
}

static int include_append(struct including *i, const char *text, size_t n)
{
	if (i->used + n > CONFIG_FILE_MAX)
		return -EFBIG;
	if (i->used + n + 1 > i->room) {
		size_t room = (i->used + n + 1) * 2;
		char *more = realloc(i->text, room);

		if (!more)
			return -ENOMEM;
		i->text = more;
		i->room = room;
	}
	memcpy(i->text + i->used, text, n);
	i->used += n;
	i->text[i->used] = '\0';
	return 0;
}

/* Whether a line begins with the word; what follows it is *rest, without blanks. */
static bool include_is(struct str line, struct str *rest)
{
	static const char word[] = "include";
	struct str s = str_trim(line);

	if (s.n < sizeof(word) - 1 || memcmp(s.p, word, sizeof(word) - 1) != 0)
		return false;
	s = str_from(s, sizeof(word) - 1);
	if (s.n && !strchr(" \t\"'({=", s.p[0]))
		return false;
	*rest = str_trim(s);
	return true;
}

/* The depth of braces behind a line; those in quotes do not count. */
static int include_depth(struct str line, int depth)
{
	char quote = 0;

	for (size_t k = 0; k < line.n; k++) {
		char c = line.p[k];

		if (quote && c == '\\')
			k++;
		else if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else
			depth += c == '{' ? 1 : c == '}' ? -1 : 0;
	}
	return depth;
}

/* glob's: not 0 ends the search. What is not there is a pattern that nothing matches. */
static int include_on_glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int include_pattern(struct including *i, struct str quoted, const char *from, int line)
{
	char pattern[PATH_MAX], text[CONFIG_ERROR_TEXT_MAX];
	bool whole = quoted.n > 2 && quoted.p[0] == '"' && quoted.p[quoted.n - 1] == '"' &&
	             !memchr(quoted.p + 1, '"', quoted.n - 2);
	glob_t found;

	if (!whole)
		return include_error(i, from, line, -EINVAL,
			"include: expected one path in quotes, and nothing else in its line, as in "
			"include \"conf.d/*.conf\"");
	int n = snprintf(pattern, sizeof(pattern), "%s%s%.*s", quoted.p[1] == '/' ? "" : i->folder,
		quoted.p[1] == '/' ? "" : "/", (int)quoted.n - 2, quoted.p + 1);
	if (n < 0 || (size_t)n >= sizeof(pattern))
		return include_error(i, from, line, -ENAMETOOLONG, "include: the path is too long");
	int error = glob(pattern, 0, include_on_glob_error, &found);

	if (error == GLOB_NOMATCH && strpbrk(pattern, "*?["))
		return 0;
	if (error) {
		snprintf(text, sizeof(text), "include: \"%.300s\" %s", pattern,
			error == GLOB_NOMATCH ? "is not there"
					      : "cannot be searched: a folder cannot be read");
		return include_error(i, from, line, -ENOENT, text);
	}
	for (size_t k = 0; k < found.gl_pathc && error == 0; k++)
		error = include_file(i, found.gl_pathv[k], from, line);
	globfree(&found);
	return error;
}

static int include_lines(struct including *i, const char *path, char *text)
{
	struct str left = str_of(text), rest;
	int error = config_sources_add(i->sources, i->line, path, 1), depth = 0;

	for (int own = 1; left.n && error == 0; own++) {
		size_t end = str_find(left, '\n');
		struct str line = {left.p, end};

		left = str_from(left, end < left.n ? end + 1 : end);
		if (depth == 0 && include_is(line, &rest)) {
			error = include_pattern(i, rest, path, own);
			if (error == 0)
				error = config_sources_add(i->sources, i->line, path, own + 1);
			continue;
		}
		depth = include_depth(line, depth);
		error = include_append(i, line.p, line.n);
		if (error == 0)
			error = include_append(i, "\n", 1);
		i->line++;
	}
	return error;
}

/* from, line: where it is included; NULL: it is what was asked for. */
static int include_file(struct including *i, const char *path, const char *from, int line)
{
	struct stat st;
	char *text;

	if (i->depth == INCLUDE_DEPTH_MAX)
		return include_error(
			i, from, line, -ELOOP, "include: files stand in files more than 8 deep");
	if (i->files++ == INCLUDE_FILES_MAX)
		return include_error(
			i, from, line, -E2BIG, "include: there are more than 256 files");
	if (from && stat(path, &st) == 0)
		for (unsigned k = 0; k < i->depth; k++)
			if (i->open[k].device == st.st_dev && i->open[k].inode == st.st_ino)
				return include_error(i, from, line, -ELOOP,
					"include: this file would stand within itself");
	int error = source_text_read(path, &text, i->errors);
	if (error)
		return error;
	if (stat(path, &st) < 0)
		error = -errno;
	i->open[i->depth].device = st.st_dev;
	i->open[i->depth].inode = st.st_ino;
	i->depth++;
	if (error == 0)
		error = include_lines(i, path, text);
	i->depth--;
	free(text);
	return error;
}

int include_read(const char *path, const char *folder, char **out, struct config_sources *sources,
	struct config_errors *errors)
{
	struct including i = {.folder = folder, .sources = sources, .errors = errors, .line = 1};
	size_t before = errors->count + errors->dropped;
	int error;

	errors->sources = NULL;
	error = include_file(&i, path, NULL, 0);
	if (error == 0)
		error = include_append(&i, "", 0);
	if (error) {
		if (errors->count + errors->dropped == before)
			config_error_add(errors, path, 0, "cannot be read: %s", strerror(-error));
		free(i.text);
		return error;
	}
	*out = i.text;
	return 0;
}
