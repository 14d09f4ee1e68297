/* config_sources.h - which line of which file a line of the operator's configuration is, where that
 * was put together of several files (include). Lines are numbered through all of it. */
#ifndef SIPWARD_COMMON_CONFIG_SOURCES_H
#define SIPWARD_COMMON_CONFIG_SOURCES_H

#include <stddef.h>

/* From the line first of the whole on it is the file path, from its line own on. */
struct config_part {
	int first, own;
	char *path;
};

/* Zero-initialise before use; the first part is the file that was asked for. */
struct config_sources {
	struct config_part *part; /* by first */
	size_t count;
};

/* Adds a part behind the others; path is copied. -ENOMEM. */
int config_sources_add(struct config_sources *s, int first, const char *path, int own);
/* The file of a line of the whole, and in *own its line there; file and line themselves where file
 * is not the one that was asked for, where s is NULL or empty, or where line is 0. What is returned
 * lives as long as s and file. */
const char *config_sources_find(
	const struct config_sources *s, const char *file, int line, int *own);
/* Frees what it holds. */
void config_sources_clear(struct config_sources *s);

#endif
