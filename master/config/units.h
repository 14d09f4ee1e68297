/* units.h - the values of the config file that carry units, from text to numbers. Spaces between
 * the parts are permitted, other bytes are not. */
#ifndef SIPWARD_MASTER_CONFIG_UNITS_H
#define SIPWARD_MASTER_CONFIG_UNITS_H

#include "common/str.h"

/* All return 0, -EINVAL where the text has not the form, or -ERANGE where it has but the number
 * does not fit; nothing is written then. */

/* "500ms", "30s", "15m", "2h", "7d" as milliseconds. */
int unit_duration(struct str text, uint64_t *ms);
/* "60s..3600s" as milliseconds; -EINVAL where the first is the greater one. */
int unit_duration_range(struct str text, uint64_t *least_ms, uint64_t *most_ms);
/* "512B", "64KB", "1MB" as bytes (1 KB is 1024 bytes). */
int unit_size(struct str text, uint64_t *bytes);
/* "50/s per source", "100/10s per source". */
int unit_rate(struct str text, uint32_t *number, uint32_t *window_ms);
/* "10 failures in 60s for 15m". */
int unit_ban(struct str text, uint32_t *failures, uint32_t *window_ms, uint32_t *ban_ms);
/* "4096": a number of things. */
int unit_count(struct str text, uint64_t *number);

#define UNIT_TEXT_SIZE 24
/* Writes a duration in the greatest unit that divides it, for messages; returns buffer. */
const char *unit_duration_text(uint64_t ms, char buffer[UNIT_TEXT_SIZE]);
/* The same for a size. */
const char *unit_size_text(uint64_t bytes, char buffer[UNIT_TEXT_SIZE]);

#endif
