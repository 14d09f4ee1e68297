/* reader.c - see reader.h. */
#include "reader.h"

#include "units.h"

#include <errno.h>
#include <stdlib.h>

static void reader_section_prefix(cfg_t *section, char *buffer, size_t size)
{
	if (section->title)
		snprintf(buffer, size, "%s \"%.*s\": ", section->name, NAME_MAX_LENGTH,
			section->title);
	else if (strcmp(section->name, "root") != 0)
		snprintf(buffer, size, "%s: ", section->name);
	else
		buffer[0] = '\0';
}

void reader_error(struct reader *r, cfg_t *section, int line, const char *format, ...)
{
	char prefix[NAME_MAX_LENGTH * 2], message[CONFIG_ERROR_TEXT_MAX];
	va_list args;

	reader_section_prefix(section, prefix, sizeof(prefix));
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	config_error_add(r->errors, r->c->path, line, "%s%s", prefix, message);
}

void reader_expected(struct reader *r, cfg_t *section, const char *option,
	const struct config_value *v, const char *format, ...)
{
	char message[CONFIG_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	reader_error(
		r, section, v->line, "%s: expected %s, found \"%.80s\"", option, message, v->text);
}

void reader_warn(struct reader *r, int line, const char *format, ...)
{
	char message[CONFIG_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	config_warn(r->c, line, "%s", message);
}

void reader_required(struct reader *r, cfg_t *section, const char *option, const char *example)
{
	if (config_list_count(section, option) == 0)
		reader_error(r, section, config_section_line(section),
			"%s is missing: for instance %s = %s", option, option, example);
}

int reader_line(cfg_t *section, const char *option)
{
	const struct config_value *v = config_value(section, option);

	return v ? v->line : 0;
}

char *reader_copy(struct reader *r, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		r->no_memory = true;
	return copy;
}

void *reader_array(struct reader *r, size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		r->no_memory = true;
	return p;
}

/* What stands before what is expected where the value may be "off". */
#define OR_OFF(off) ((off) ? "\"off\" or " : "")

static bool reader_is_off(const struct config_value *v, bool off, uint32_t *out)
{
	if (!off || strcmp(v->text, "off") != 0)
		return false;
	*out = 0;
	return true;
}

/* step_ms: of a unit of *out. off: "off" may stand there. */
static void reader_duration(struct reader *r, cfg_t *section, const char *option, uint64_t least_ms,
	uint64_t most_ms, uint64_t step_ms, bool off, uint32_t *out)
{
	const struct config_value *v = config_value(section, option);
	char least[UNIT_TEXT_SIZE], most[UNIT_TEXT_SIZE];
	uint64_t ms;
	int error;

	if (!v || reader_is_off(v, off, out))
		return;
	error = unit_duration(str_of(v->text), &ms);
	if (error == 0 && ms >= least_ms && ms <= most_ms && ms % step_ms == 0) {
		*out = (uint32_t)(ms / step_ms);
		return;
	}
	unit_duration_text(least_ms, least);
	unit_duration_text(most_ms, most);
	reader_expected(r, section, option, v,
		"%sa time with its unit (%ss, m, h, d) from %s to %s", OR_OFF(off),
		step_ms == 1 ? "ms, " : "", least, most);
}

void reader_duration_ms(struct reader *r, cfg_t *section, const char *option, uint64_t least_ms,
	uint64_t most_ms, uint32_t *out)
{
	reader_duration(r, section, option, least_ms, most_ms, 1, false, out);
}

void reader_duration_s(struct reader *r, cfg_t *section, const char *option, uint64_t least_ms,
	uint64_t most_ms, uint32_t *out)
{
	reader_duration(r, section, option, least_ms, most_ms, 1000, false, out);
}

void reader_duration_s_or_off(struct reader *r, cfg_t *section, const char *option,
	uint64_t least_ms, uint64_t most_ms, uint32_t *out)
{
	reader_duration(r, section, option, least_ms, most_ms, 1000, true, out);
}

void reader_size(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, uint32_t *out)
{
	const struct config_value *v = config_value(section, option);
	char from[UNIT_TEXT_SIZE], to[UNIT_TEXT_SIZE];
	uint64_t bytes;

	if (!v)
		return;
	if (unit_size(str_of(v->text), &bytes) == 0 && bytes >= least && bytes <= most) {
		*out = (uint32_t)bytes;
		return;
	}
	reader_expected(r, section, option, v, "a size with its unit (B, KB, MB) from %s to %s",
		unit_size_text(least, from), unit_size_text(most, to));
}

static void reader_number(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, bool off, uint32_t *out)
{
	const struct config_value *v = config_value(section, option);
	uint64_t n;

	if (!v || reader_is_off(v, off, out))
		return;
	if (unit_count(str_of(v->text), &n) == 0 && n >= least && n <= most) {
		*out = (uint32_t)n;
		return;
	}
	reader_expected(r, section, option, v, "%sa number from %llu to %llu without a unit",
		OR_OFF(off), (unsigned long long)least, (unsigned long long)most);
}

void reader_count(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, uint32_t *out)
{
	reader_number(r, section, option, least, most, false, out);
}

void reader_count_or_off(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, uint32_t *out)
{
	reader_number(r, section, option, least, most, true, out);
}

void reader_bool(struct reader *r, cfg_t *section, const char *option, uint32_t *out)
{
	const struct config_value *v = config_value(section, option);

	if (!v)
		return;
	if (strcmp(v->text, "yes") == 0)
		*out = 1;
	else if (strcmp(v->text, "no") == 0)
		*out = 0;
	else
		reader_expected(r, section, option, v, "yes or no");
}

void reader_word(struct reader *r, cfg_t *section, const char *option, const char *const *words,
	size_t count, uint32_t *out)
{
	const struct config_value *v = config_value(section, option);
	char list[256] = "";

	if (!v)
		return;
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(list);

		if (strcmp(v->text, words[i]) == 0) {
			*out = (uint32_t)i;
			return;
		}
		snprintf(list + n, sizeof(list) - n, "%s%s",
			i == 0           ? ""
			: i + 1 == count ? " or "
					 : ", ",
			words[i]);
	}
	reader_expected(r, section, option, v, "%s", list);
}

#define CREDENTIAL_SCHEME "credential:"
/* Where systemd puts credentials, for who looks from outside of the service (sipward -n). */
#define CREDENTIALS_OF_SERVICE "/run/credentials/sipward.service"

/* The path of what systemd has under that name for us, in whole. False: no credential has such a
 * name. */
static bool reader_credential(const char *name, char whole[CONFIG_PATH_MAX])
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	int n;

	if (!name[0] || name[0] == '.' || strchr(name, '/'))
		return false;
	n = snprintf(whole, CONFIG_PATH_MAX, "%s/%s",
		folder && folder[0] == '/' ? folder : CREDENTIALS_OF_SERVICE, name);
	return n > 0 && n < CONFIG_PATH_MAX;
}

void reader_path(struct reader *r, cfg_t *section, const char *option, char **out)
{
	const struct config_value *v = config_value(section, option);
	char whole[CONFIG_PATH_MAX];
	int n;

	if (!v)
		return;
	if (strncmp(v->text, CREDENTIAL_SCHEME, strlen(CREDENTIAL_SCHEME)) == 0) {
		if (!reader_credential(v->text + strlen(CREDENTIAL_SCHEME), whole)) {
			reader_expected(r, section, option, v,
				"credential:NAME, with the name of a credential of systemd");
			return;
		}
		free(*out);
		*out = reader_copy(r, whole);
		return;
	}
	n = v->text[0] == '/' ? snprintf(whole, sizeof(whole), "%s", v->text)
	                      : snprintf(whole, sizeof(whole), "%s/%s", r->folder, v->text);
	if (!v->text[0] || n < 0 || (size_t)n >= sizeof(whole)) {
		reader_expected(r, section, option, v, "a path");
		return;
	}
	free(*out);
	*out = reader_copy(r, whole);
}

void reader_text(struct reader *r, cfg_t *section, const char *option, size_t most, char **out)
{
	const struct config_value *v = config_value(section, option);
	bool fits;

	if (!v)
		return;
	fits = v->text[0] && strlen(v->text) <= most;
	for (const char *p = v->text; *p && fits; p++)
		fits = (unsigned char)*p >= 0x20 && *p != 0x7f && *p != '"' && *p != '\\';
	if (!fits) {
		reader_expected(r, section, option, v,
			"1 to %zu bytes without quotes, backslashes and control characters", most);
		return;
	}
	free(*out);
	*out = reader_copy(r, v->text);
}

static const char *reader_row_name(const void *rows, size_t stride, size_t i)
{
	return *(char *const *)(const void *)((const char *)rows + i * stride);
}

uint16_t reader_find(struct reader *r, cfg_t *section, const char *option,
	const struct config_value *v, const char *kind, const void *rows, size_t count,
	size_t stride)
{
	const char **names, *nearest;

	for (size_t i = 0; i < count; i++)
		if (reader_row_name(rows, stride, i) &&
			strcasecmp(reader_row_name(rows, stride, i), v->text) == 0)
			return (uint16_t)i;
	names = reader_array(r, count, sizeof(*names));
	if (!names)
		return NONE_INDEX;
	for (size_t i = 0; i < count; i++)
		names[i] = reader_row_name(rows, stride, i);
	nearest = config_nearest(v->text, names, count);
	if (nearest)
		reader_error(r, section, v->line,
			"%s: there is no %s \"%.80s\": did you mean \"%s\"?", option, kind, v->text,
			nearest);
	else if (count)
		reader_error(r, section, v->line,
			"%s: there is no %s \"%.80s\" (the first there is: \"%s\")", option, kind,
			v->text, names[0] ? names[0] : "");
	else
		reader_error(r, section, v->line, "%s: there is no %s \"%.80s\", nor any other",
			option, kind, v->text);
	free(names);
	return NONE_INDEX;
}
