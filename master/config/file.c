/* file.c - see file.h. Relies on libconfuse for the syntax.
 *
 * libconfuse stops at the first unknown name. So that one check tells all of them, the part of the
 * text that has the unknown name is blanked out and the text parsed again.
 */
#include "file.h"

#include "config.h"
#include "include.h"
#include "source_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A list that each section with a title has by default: libconfuse hands its value to
 * file_take_value when the section begins, which is the only way to learn that line. */
#define BEGINS "--begins"

static int file_take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
static int file_take_section(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);

#define VALUE(name) CFG_PTR_CB(name, 0, CFGF_NODEFAULT, file_take_value, free)
#define LIST(name) CFG_PTR_LIST_CB(name, 0, CFGF_NODEFAULT, file_take_value, free)
#define BEGIN_LINE CFG_PTR_LIST_CB(BEGINS, "{x}", CFGF_NONE, file_take_section, free)

/* Each section's options, from the table; then root's with the sections. */
#define NAMES_BEGIN_SINGLE
#define NAMES_BEGIN_NAMED BEGIN_LINE,
#define SECTION(section, titles, help) static cfg_opt_t section##_options[] = {NAMES_BEGIN_##titles
#define END(section)                                                                               \
	CFG_END()                                                                                  \
	}                                                                                          \
	;
#define OPTION(section, name, kind, preset, field, receivers, help) VALUE(name),
#define OWN_OPTION(section, name, values, preset, form, help) values(name),
#define OPTIONS OPTIONS_OF_SECTIONS
#include "ipc/options.def"

#define SECTION_SINGLE CFGF_NONE
#define SECTION_NAMED (CFGF_MULTI | CFGF_TITLE)
static cfg_opt_t root_options[] = {
#define OPTION(section, name, kind, preset, field, receivers, help) VALUE(name),
#define OWN_OPTION(section, name, values, preset, form, help) values(name),
#define OPTIONS OPTIONS_OF_ROOT
#include "ipc/options.def"
#define SECTION(section, titles, help) CFG_SEC(#section, section##_options, SECTION_##titles),
#define OPTIONS OPTIONS_OF_SECTIONS
#include "ipc/options.def"
	CFG_END()};

/* A section that began in the present pass. */
struct begun {
	char *kind, *title;
	int line;
};

/* The state of one config_file_parse. libconfuse's callbacks have no argument of ours, hence the
 * one pointer below. */
struct parsing {
	const char *path;
	struct config_errors *errors;
	struct begun *begun;
	size_t begun_count;
	char *text;
	bool retry; /* text was mended: parse once more */
	int line;   /* where the last pass ended */
};
static struct parsing *current;

/* ---- mending the text ---- */

/* Moves past "{ ... }" with what is nested in it. p is at the brace. */
static char *file_skip_braces(char *p)
{
	size_t depth = 0;

	while (*p) {
		char *token = p = source_text_skip_space(p);

		depth += *p == '{';
		p = source_text_skip_token(p);
		if (*token == '}' && --depth == 0)
			return p;
	}
	return p;
}

/* Blanks out "name = value", "name = { ... }", "name { ... }" or "name "title" { ... }" that begins
 * with the bare word name on the given line. False where it is not found. */
static bool file_blank_option(char *text, int line, const char *name)
{
	char *p = text, *start, *end;
	size_t length = strlen(name);
	int at = 1;

	for (;;) {
		char *space = source_text_skip_space(p);

		for (; p < space; p++)
			at += *p == '\n';
		if (!*p || at > line)
			return false;
		end = source_text_skip_token(p);
		if (at == line && (size_t)(end - p) == length && memcmp(p, name, length) == 0)
			break;
		if (end == p)
			end++;
		for (; p < end; p++)
			at += *p == '\n';
	}
	start = p;
	p = source_text_skip_space(end);
	if (*p == '+')
		p = source_text_skip_space(p + 1);
	if (*p == '=') {
		p = source_text_skip_space(p + 1);
		end = *p == '{' ? file_skip_braces(p) : source_text_skip_token(p);
	} else {
		if (*p && *p != '{')
			p = source_text_skip_space(source_text_skip_token(p));
		if (*p != '{')
			return false;
		end = file_skip_braces(p);
	}
	for (p = start; p < end; p++)
		if (*p != '\n')
			*p = ' ';
	return true;
}

/* ---- libconfuse's callbacks ---- */

static bool file_is_root(const cfg_t *cfg)
{
	return !cfg->title && strcmp(cfg->name, "root") == 0;
}

/* "zone \"access\"" into buffer, or "the config" at the top. */
static const char *file_section_text(const cfg_t *cfg, char *buffer, size_t size)
{
	if (file_is_root(cfg))
		snprintf(buffer, size, "the config");
	else if (cfg->title)
		snprintf(buffer, size, "%s \"%.*s\"", cfg->name, NAME_MAX_LENGTH, cfg->title);
	else
		snprintf(buffer, size, "%s", cfg->name);
	return buffer;
}

#define OPTIONS_MAX 32

/* Whether the name that ends its first line stands before a title or a brace: it begins a section.
 */
static bool file_names_section(char *text, int line, const char *name)
{
	char *p = text;

	for (; line > 1 && (p = strchr(p, '\n')); line--)
		p++;
	p = p ? strstr(p, name) : NULL;
	if (!p)
		return false;
	p += strlen(name);
	if (*p == '"' || *p == '\'')
		return false; /* it is quoted itself */
	p = source_text_skip_space(p);
	return *p == '{' || (*p != '=' && *p != '+' &&
				    *source_text_skip_space(source_text_skip_token(p)) == '{');
}

static void file_unknown_name(cfg_t *cfg, const char *name)
{
	const char *kind = file_names_section(current->text, cfg->line, name) ? "section"
	                                                                      : "option";
	const char *known[OPTIONS_MAX], *nearest;
	char buffer[NAME_MAX_LENGTH * 2];
	size_t n = 0;

	for (cfg_opt_t *o = cfg->opts; o->name && n < OPTIONS_MAX; o++)
		if (strcmp(o->name, BEGINS) != 0)
			known[n++] = o->name;
	nearest = config_nearest(name, known, n);
	file_section_text(cfg, buffer, sizeof(buffer));
	if (nearest)
		config_error_add(current->errors, current->path, cfg->line,
			"unknown %s \"%.64s\" in %s: did you mean \"%s\"?", kind, name, buffer,
			nearest);
	else
		config_error_add(current->errors, current->path, cfg->line,
			"unknown %s \"%.64s\" in %s", kind, name, buffer);
	current->retry = file_blank_option(current->text, cfg->line, name);
}

/* Up to 60 bytes of a line of the text, trimmed. */
static struct str file_line_text(const char *text, int line)
{
	struct str s = str_of(text);

	for (; line > 1 && s.n; line--) {
		size_t end = str_find(s, '\n');

		s = str_from(s, end < s.n ? end + 1 : end);
	}
	s.n = str_find(s, '\n');
	s = str_trim(s);
	if (s.n > 60)
		s.n = 60;
	return s;
}

__attribute__((format(printf, 2, 0))) static void file_take_error(
	cfg_t *cfg, const char *format, va_list args)
{
	char message[256];
	struct str near = file_line_text(current->text, cfg->line);

	if (strcmp(format, "no such option '%s'") == 0) {
		va_list copy;

		va_copy(copy, args);
		file_unknown_name(cfg, va_arg(copy, const char *));
		va_end(copy);
		return;
	}
	vsnprintf(message, sizeof(message), format, args);
	if (strcmp(message, "premature end of file") == 0)
		snprintf(message, sizeof(message),
			"the file ends too early: a closing brace, a quote or a value is missing");
	if (near.n)
		config_error_add(current->errors, current->path, cfg->line, "%s, near: %.*s",
			message, STR(near));
	else
		config_error_add(current->errors, current->path, cfg->line, "%s", message);
}

static struct config_value *file_new_value(int line, const char *text)
{
	size_t n = strlen(text) + 1;
	struct config_value *v = malloc(sizeof(*v) + n);

	if (v) {
		v->line = line;
		memcpy(v->text, text, n);
	}
	return v;
}

#define LINE_NAME_SIZE 160

/* "line 5", with its file where that is not the one that was asked for. */
static const char *file_line_name(int line, char buffer[LINE_NAME_SIZE])
{
	const char *file = config_sources_find(
		current->errors->sources, current->path, line, &line);

	if (strcmp(file, current->path) == 0)
		snprintf(buffer, LINE_NAME_SIZE, "line %d", line);
	else
		snprintf(buffer, LINE_NAME_SIZE, "line %d of %.120s", line, file);
	return buffer;
}

static int file_take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	char buffer[NAME_MAX_LENGTH * 2], where[LINE_NAME_SIZE];
	struct config_value *v = file_new_value(cfg->line, value);

	if (!v)
		return -1;
	/* libconfuse would let the last one win. The first value of an assignment is number 1 of
	 * its list; def.number is free in options of this kind and private to the section. */
	if (opt->nvalues == 1 && opt->def.number)
		config_error_add(current->errors, current->path, cfg->line,
			"option \"%s\" in %s is set already in %s", opt->name,
			file_section_text(cfg, buffer, sizeof(buffer)),
			file_line_name((int)opt->def.number, where));
	if (opt->nvalues == 1)
		opt->def.number = cfg->line;
	*(void **)result = v;
	return 0;
}

static int file_take_section(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct config_value *v = file_new_value(cfg->line, value);
	char where[LINE_NAME_SIZE];
	struct begun *more;

	(void)opt;

	if (!v)
		return -1;
	for (size_t i = 0; i < current->begun_count; i++) {
		const struct begun *b = &current->begun[i];

		if (strcmp(b->kind, cfg->name) == 0 && strcasecmp(b->title, cfg->title) == 0)
			config_error_add(current->errors, current->path, cfg->line,
				"there is a %s \"%.64s\" already in %s", cfg->name, cfg->title,
				file_line_name(b->line, where));
	}
	more = reallocarray(current->begun, current->begun_count + 1, sizeof(*more));
	if (more) {
		current->begun = more;
		more[current->begun_count] = (struct begun){
			strdup(cfg->name), strdup(cfg->title), cfg->line};
		if (more[current->begun_count].kind && more[current->begun_count].title)
			current->begun_count++;
	}
	*(void **)result = v;
	return 0;
}

static void file_forget_sections(struct parsing *p)
{
	for (size_t i = 0; i < p->begun_count; i++) {
		free(p->begun[i].kind);
		free(p->begun[i].title);
	}
	free(p->begun);
	p->begun = NULL;
	p->begun_count = 0;
}

/* ---- the file ---- */

/* One pass over the text. */
static int file_parse_once(struct parsing *p, cfg_t **out)
{
	cfg_t *cfg = cfg_init(root_options, CFGF_NONE);
	int result;

	if (!cfg)
		return -ENOMEM;
	cfg_set_error_function(cfg, file_take_error);
	p->retry = false;
	result = cfg_parse_buf(cfg, p->text);
	file_forget_sections(p);
	p->line = cfg->line;
	if (result != CFG_SUCCESS) {
		cfg_free(cfg);
		return -EINVAL;
	}
	*out = cfg;
	return 0;
}

int config_file_parse(const char *path, const char *folder, cfg_t **out,
	struct config_sources *sources, struct config_errors *errors)
{
	struct parsing p = {.path = path, .errors = errors};
	int error = include_read(path, folder, &p.text, sources, errors);

	if (error)
		return error;
	errors->sources = sources;
	current = &p;
	/* ends: each further pass has one unknown name less, and stops when the room for errors is
	 * full */
	do {
		size_t before = errors->count;

		error = file_parse_once(&p, out);
		if (error == -EINVAL && errors->count == before)
			config_error_add(errors, path, p.line, "cannot be parsed");
	} while (error == -EINVAL && p.retry && errors->dropped == 0);
	current = NULL;
	free(p.text);
	return error;
}

/* ---- reading what was parsed ---- */

const struct config_value *config_list(cfg_t *section, const char *option, size_t index)
{
	cfg_opt_t *o = cfg_getopt(section, option);

	return o && index < o->nvalues ? o->values[index]->ptr : NULL;
}

const struct config_value *config_value(cfg_t *section, const char *option)
{
	return config_list(section, option, 0);
}

size_t config_list_count(cfg_t *section, const char *option)
{
	cfg_opt_t *o = cfg_getopt(section, option);

	return o ? o->nvalues : 0;
}

int config_section_line(cfg_t *section)
{
	const struct config_value *v = config_value(section, BEGINS);

	return v ? v->line : section->line;
}
