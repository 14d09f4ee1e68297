/* source_text.c - see source_text.h. */
#include "source_text.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Braces within braces: three levels mean something. */
#define NESTING_MAX 16

struct preparing {
	const char *path;
	struct config_errors *errors;
	char *text;
};

char *source_text_skip_space(char *p)
{
	return p + strspn(p, " \t\r\n");
}

char *source_text_skip_token(char *p)
{
	if (*p == '"' || *p == '\'') {
		char quote = *p++;

		while (*p && *p != quote)
			p += p[0] == '\\' && p[1] ? 2 : 1;
		return *p ? p + 1 : p;
	}
	if (*p && strchr("{}()=,+", *p))
		return p + 1;
	p += strcspn(p, " \t\r\n#\"'{}()=,+");
	return p;
}

/* Blanks out the comment at *at, newlines excepted, and moves past it. False where it has no
 * end. */
static bool source_text_blank_comment(char **at, int *line)
{
	char *p = *at, *end;

	if (p[0] == '/' && p[1] == '*') {
		end = strstr(p + 2, "*/");
		if (!end)
			return false;
		end += 2;
	} else {
		end = p + strcspn(p, "\n");
	}
	for (; p < end; p++) {
		*line += *p == '\n';
		if (*p != '\n')
			*p = ' ';
	}
	*at = end;
	return true;
}

/* What people's editors put where a plain sign should be. NULL: at is none of them. */
static const char *source_text_typographic(const char *at)
{
	static const char *const quotes[] = {
		"\u2018", "\u2019", "\u201a", "\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb"};

	for (size_t i = 0; i < sizeof(quotes) / sizeof(*quotes); i++)
		if (strncmp(at, quotes[i], strlen(quotes[i])) == 0)
			return quotes[i];
	return NULL;
}

/* A sign outside of quotes and comments, after the sign before (blanks apart), that the syntax does
 * not have. False with an error where it is one. */
static bool source_text_sign_is_plain(struct preparing *p, const char *at, char before, int line)
{
	const char *quote = source_text_typographic(at);

	if (quote)
		config_error_add(p->errors, p->path, line,
			"%s is a typographic quote: expected a plain one, as in \"name\"", quote);
	else if (strncmp(at, "\u00a0", 2) == 0)
		config_error_add(p->errors, p->path, line,
			"there is a no-break space: expected a plain one");
	else if (*at == '[' && before == '=')
		config_error_add(p->errors, p->path, line,
			"a list stands in braces, not in brackets, as in { \"a\", \"b\" }");
	else
		return true;
	return false;
}

/* Moves past a quoted text. No value has a line feed in it: a quote that is not closed in its line
 * would run on to the next one, and the error would name that. False with an error where it is
 * open. */
static bool source_text_skip_quoted(struct preparing *p, char **at, int line)
{
	char quote = **at, *end = source_text_skip_token(*at);

	if (end < *at + 2 || end[-1] != quote || memchr(*at, '\n', (size_t)(end - *at))) {
		config_error_add(p->errors, p->path, line,
			"the quote that opens here is never closed in this line");
		return false;
	}
	*at = end;
	return true;
}

/* libconfuse 3.3 counts three lines for each comment, and takes a section or a comment that the end
 * of the file cuts off for a whole one. So comments are blanked out before it sees them, and all
 * that opens has to close. False with an error where it does not; what follows from it is not
 * looked for. */
static bool source_text_prepare(struct preparing *p)
{
	int line = 1, depth = 0, opened[NESTING_MAX];
	char *at = p->text, before = 0;

	while (*at) {
		char sign = *at;

		if (sign == '"' || sign == '\'') {
			if (!source_text_skip_quoted(p, &at, line))
				return false;
		} else if (sign == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*'))) {
			int began = line;

			if (!source_text_blank_comment(&at, &line)) {
				config_error_add(p->errors, p->path, began,
					"the comment that opens here is never closed");
				return false;
			}
			continue;
		} else {
			if (!source_text_sign_is_plain(p, at, before, line))
				return false;
			if (sign == '{' && depth < NESTING_MAX)
				opened[depth++] = line;
			else if (sign == '}' && depth)
				depth--;
			line += *at++ == '\n';
		}
		if (!strchr(" \t\r\n", sign))
			before = sign;
	}
	if (depth)
		config_error_add(p->errors, p->path, opened[depth - 1],
			"the brace that opens here is never closed");
	return !depth;
}

static int source_text_load(const char *path, char **out, struct config_errors *errors)
{
	struct stat st;
	char *text = NULL;
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		error = -errno;
	else if (!S_ISREG(st.st_mode))
		error = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else if (st.st_size > CONFIG_FILE_MAX)
		error = -EFBIG;
	else if (!(text = calloc(1, (size_t)st.st_size + 1)))
		error = -ENOMEM;
	while (error == 0 && n < (size_t)st.st_size) {
		ssize_t r = read(fd, text + n, (size_t)st.st_size - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			error = -errno;
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	if (fd >= 0)
		close(fd);
	if (error) {
		config_error_add(errors, path, 0, "cannot be read: %s", strerror(-error));
		free(text);
		return error;
	}
	/* some editors begin UTF-8 with a byte order mark */
	if (strncmp(text, "\ufeff", 3) == 0)
		memcpy(text, "   ", 3);
	for (size_t i = 0, line = 1; i < n; i++) {
		line += text[i] == '\n';
		if (text[i] == '\0') {
			config_error_add(errors, path, (int)line,
				"there is a zero byte in this line: expected text in UTF-8");
			free(text);
			return -EINVAL;
		}
	}
	*out = text;
	return 0;
}

int source_text_read(const char *path, char **out, struct config_errors *errors)
{
	struct preparing p = {.path = path, .errors = errors};
	int error = source_text_load(path, &p.text, errors);

	if (error)
		return error;
	if (!source_text_prepare(&p)) {
		free(p.text);
		return -EINVAL;
	}
	*out = p.text;
	return 0;
}
