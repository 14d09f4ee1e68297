/* options.c - see options.h. Relies on the table in ipc/options.def. */
#include "options.h"

#include "units.h"

#include <assert.h>

enum option_kind {
	OPTION_OWN, /* read by code of its section */
	OPTION_DURATION,
	OPTION_SECONDS_OR_OFF,
	OPTION_COUNT,
	OPTION_COUNT_OR_OFF,
	OPTION_SIZE,
	OPTION_BOOL,
	OPTION_WORD,
	OPTION_PATH,
	OPTION_TEXT,
};

struct option {
	const char *section, *name;
	size_t at; /* of its field in the struct that holds the section's options */
	enum option_kind kind;
	const char *least, *most, *words; /* NULL: none */
	const char *preset;               /* NULL: none */
	const char *needed; /* NULL: the option may be left out; otherwise an example */
	bool fixed;         /* it cannot change while sipward runs */
};

#define HOLDER_root struct config
#define HOLDER_workers struct config
#define HOLDER_control struct config
#define HOLDER_timers struct config
#define HOLDER_limits struct config
#define HOLDER_tls struct config
#define HOLDER_dns struct config
#define HOLDER_cdr struct config
#define HOLDER_trace struct config
#define HOLDER_hep struct config
#define HOLDER_web struct config
#define HOLDER_zone struct config_zone
#define HOLDER_listener struct config_listener
#define HOLDER_certificate struct config_certificate
#define HOLDER_domain struct config_domain
#define HOLDER_trunk struct config_trunk
#define HOLDER_numbers struct config_numbers
#define HOLDER_route struct config_route
#define HOLDER_forward struct config_forward

#define KIND_DURATION(from, to) .kind = OPTION_DURATION, .least = (from), .most = (to)
#define KIND_SECONDS_OR_OFF(from, to) .kind = OPTION_SECONDS_OR_OFF, .least = (from), .most = (to)
#define KIND_COUNT(from, to) .kind = OPTION_COUNT, .least = (from), .most = (to)
#define KIND_COUNT_OR_OFF(from, to) .kind = OPTION_COUNT_OR_OFF, .least = (from), .most = (to)
#define KIND_SIZE(from, to) .kind = OPTION_SIZE, .least = (from), .most = (to)
#define KIND_BOOL .kind = OPTION_BOOL
#define KIND_WORD(list) .kind = OPTION_WORD, .words = (list)
#define KIND_PATH .kind = OPTION_PATH
#define KIND_TEXT(to) .kind = OPTION_TEXT, .most = (to)
#define PRESET_DEFAULT(value) .preset = (value)
#define PRESET_NEEDED(example) .needed = (example)
#define PRESET_NOTHING .preset = NULL

static const struct option options[] = {
#define OPTION_ROW(s, n, kind_, preset_, field, fixed_)                                            \
	{.section = #s,                                                                            \
		.name = n,                                                                         \
		.at = offsetof(HOLDER_##s, field),                                                 \
		.fixed = fixed_,                                                                   \
		KIND_##kind_,                                                                      \
		PRESET_##preset_},
#define OPTION(s, n, kind, preset, field, receivers, help)                                         \
	OPTION_ROW(s, n, kind, preset, field, false)
#define FIXED_OPTION(s, n, kind, preset, field, receivers, help)                                   \
	OPTION_ROW(s, n, kind, preset, field, true)
#define OWN_OPTION(s, n, values, preset_, form, help)                                              \
	{.section = #s, .name = n, .kind = OPTION_OWN, PRESET_##preset_},
#include "ipc/options.def"
};
#define OPTION_COUNT_ALL (sizeof(options) / sizeof(options[0]))
#define WORDS_MAX 8
#define WORDS_SIZE 128

/* The table's own texts: what does not parse is a mistake in options.def. */
static uint64_t option_number(const struct option *o, const char *text)
{
	uint64_t number = 0;
	int error = 0;

	if (strcmp(text, "off") == 0)
		return 0;
	switch (o->kind) {
	case OPTION_DURATION:
	case OPTION_SECONDS_OR_OFF: error = unit_duration(str_of(text), &number); break;
	case OPTION_SIZE: error = unit_size(str_of(text), &number); break;
	default: error = unit_count(str_of(text), &number); break;
	}
	assert(error == 0);
	(void)error;
	return number;
}

/* Splits "one, two" into words, which stay in buffer. Returns their number. */
static size_t option_words(
	const struct option *o, char buffer[WORDS_SIZE], const char *words[WORDS_MAX])
{
	size_t count = 0;
	char *save = NULL;

	assert(strlen(o->words) < WORDS_SIZE);
	snprintf(buffer, WORDS_SIZE, "%s", o->words);
	for (char *word = strtok_r(buffer, ", ", &save); word && count < WORDS_MAX;
		word = strtok_r(NULL, ", ", &save))
		words[count++] = word;
	return count;
}

static bool option_is_text(const struct option *o)
{
	return o->kind == OPTION_PATH || o->kind == OPTION_TEXT;
}

static void option_set_default(struct reader *r, const struct option *o, void *field)
{
	const char *words[WORDS_MAX];
	char buffer[WORDS_SIZE];
	uint32_t *number = field;
	size_t count;

	if (option_is_text(o)) {
		const char *text = o->kind == OPTION_TEXT && !o->preset ? "" : o->preset;

		*(char **)field = text ? reader_copy(r, text) : NULL;
		return;
	}
	*number = 0;
	if (!o->preset)
		return;
	switch (o->kind) {
	case OPTION_BOOL: *number = strcmp(o->preset, "yes") == 0; break;
	case OPTION_WORD:
		count = option_words(o, buffer, words);
		while (*number < count && strcmp(words[*number], o->preset) != 0)
			++*number;
		assert(*number < count);
		break;
	case OPTION_SECONDS_OR_OFF: *number = (uint32_t)(option_number(o, o->preset) / 1000); break;
	default: *number = (uint32_t)option_number(o, o->preset); break;
	}
}

static void option_read(struct reader *r, cfg_t *section, const struct option *o, void *field)
{
	const char *words[WORDS_MAX];
	char buffer[WORDS_SIZE];
	uint64_t least = o->least ? option_number(o, o->least) : 0;
	uint64_t most = o->most ? option_number(o, o->most) : 0;

	switch (o->kind) {
	case OPTION_OWN: break;
	case OPTION_SECONDS_OR_OFF:
		reader_duration_s_or_off(r, section, o->name, least, most, field);
		break;
	case OPTION_COUNT_OR_OFF:
		reader_count_or_off(r, section, o->name, least, most, field);
		break;
	case OPTION_DURATION: reader_duration_ms(r, section, o->name, least, most, field); break;
	case OPTION_COUNT: reader_count(r, section, o->name, least, most, field); break;
	case OPTION_SIZE: reader_size(r, section, o->name, least, most, field); break;
	case OPTION_BOOL: reader_bool(r, section, o->name, field); break;
	case OPTION_WORD:
		reader_word(r, section, o->name, words, option_words(o, buffer, words), field);
		break;
	case OPTION_PATH: reader_path(r, section, o->name, field); break;
	case OPTION_TEXT: reader_text(r, section, o->name, most, field); break;
	}
}

void options_read(struct reader *r, cfg_t *section, const char *name, void *holder)
{
	for (size_t i = 0; i < OPTION_COUNT_ALL; i++) {
		const struct option *o = &options[i];
		void *field = (char *)holder + o->at;

		if (strcmp(o->section, name) != 0)
			continue;
		if (o->needed)
			reader_required(r, section, o->name, o->needed);
		if (o->kind == OPTION_OWN)
			continue;
		option_set_default(r, o, field);
		option_read(r, section, o, field);
	}
}

/* A field's value as it would stand in the file; buffer may hold it. */
static const char *option_value(const struct option *o, const void *field, char buffer[WORDS_SIZE])
{
	const char *words[WORDS_MAX], *text;
	uint32_t number;

	if (option_is_text(o)) {
		text = *(char *const *)field;
		return text ? text : "";
	}
	number = *(const uint32_t *)field;
	if (o->kind == OPTION_BOOL)
		return number ? "yes" : "no";
	if (o->kind == OPTION_WORD) {
		size_t count = option_words(o, buffer, words);

		return number < count ? words[number] : "?";
	}
	snprintf(buffer, WORDS_SIZE, "%u", number);
	return buffer;
}

void options_refuse_changes(
	const struct config *now, const struct config *then, struct config_errors *errors)
{
	for (size_t i = 0; i < OPTION_COUNT_ALL; i++) {
		const struct option *o = &options[i];
		char buffers[2][WORDS_SIZE];
		const char *a, *b;
		bool root = strcmp(o->section, "root") == 0;

		if (!o->fixed)
			continue;
		a = option_value(o, (const char *)now + o->at, buffers[0]);
		b = option_value(o, (const char *)then + o->at, buffers[1]);
		if (strcmp(a, b) != 0)
			config_error_add(errors, then->path, 0,
				"option \"%s\"%s%s cannot change from \"%s\" to \"%s\" while "
				"running: restart sipward",
				o->name, root ? "" : " of ", root ? "" : o->section, a, b);
	}
}

const char *option_default(const char *section, const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT_ALL; i++)
		if (strcmp(options[i].section, section) == 0 && strcmp(options[i].name, name) == 0)
			return options[i].preset;
	return NULL;
}
