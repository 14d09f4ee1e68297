/* reader.h - reads the options of a section with their units and bounds, and says in one voice what
 * was expected. */
#ifndef SIPWARD_MASTER_CONFIG_READER_H
#define SIPWARD_MASTER_CONFIG_READER_H

#include "config.h"
#include "file.h"

struct reader {
	struct config *c;
	struct config_errors *errors;
	const char *folder; /* of the config file, absolute: what relative paths are relative to */
	size_t rules;       /* that were read, of all sections */
	bool no_memory;
};

/* Adds an error at line: "FILE:LINE: zone "access": ...". */
void reader_error(struct reader *r, cfg_t *section, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for a value: "... OPTION: expected EXPECTED, found "VALUE"". */
void reader_expected(struct reader *r, cfg_t *section, const char *option,
	const struct config_value *v, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Adds a sentence for the start log. */
void reader_warn(struct reader *r, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The line of an option; 0: it is not in the file. */
int reader_line(cfg_t *section, const char *option);
/* Adds an error where the option is not set. */
void reader_required(struct reader *r, cfg_t *section, const char *option, const char *example);

/* Each leaves *out alone where the option is not set or is wrong (an error is then added). Bounds
 * are inclusive. */
void reader_duration_ms(struct reader *r, cfg_t *section, const char *option, uint64_t least_ms,
	uint64_t most_ms, uint32_t *out);
void reader_duration_s(struct reader *r, cfg_t *section, const char *option, uint64_t least_ms,
	uint64_t most_ms, uint32_t *out);
void reader_size(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, uint32_t *out);
void reader_count(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, uint32_t *out);
/* The same where "off" may stand, which is 0. */
void reader_duration_s_or_off(struct reader *r, cfg_t *section, const char *option,
	uint64_t least_ms, uint64_t most_ms, uint32_t *out);
void reader_count_or_off(struct reader *r, cfg_t *section, const char *option, uint64_t least,
	uint64_t most, uint32_t *out);
/* 1: yes */
void reader_bool(struct reader *r, cfg_t *section, const char *option, uint32_t *out);
/* One of the words (count of them); *out is its position. */
void reader_word(struct reader *r, cfg_t *section, const char *option, const char *const *words,
	size_t count, uint32_t *out);
/* A path, made absolute, in *out (what it had is freed). */
void reader_path(struct reader *r, cfg_t *section, const char *option, char **out);
/* Text of 1 to most bytes without control characters, quotes and backslashes, in *out (what it had
 * is freed). */
void reader_text(struct reader *r, cfg_t *section, const char *option, size_t most, char **out);

/* strdup and calloc that tell the reader when there is no memory (and then return NULL). */
char *reader_copy(struct reader *r, const char *text);
void *reader_array(struct reader *r, size_t count, size_t size);

/* The index of the row with that name in an array of structs that begin with char *name, or
 * NONE_INDEX with an error that names what is near. kind: "zone", ... */
uint16_t reader_find(struct reader *r, cfg_t *section, const char *option,
	const struct config_value *v, const char *kind, const void *rows, size_t count,
	size_t stride);

#endif
