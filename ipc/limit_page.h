/* limit_page.h - how many calls there are of a zone, a source, a user or a trunk: the page that all
 * SIP workers share. Each has a column, which it alone writes, and adds up what stands in all of
 * them; nothing is locked. The master makes the page, and knows no more of it than its size. */
#ifndef SIPWARD_IPC_LIMIT_PAGE_H
#define SIPWARD_IPC_LIMIT_PAGE_H

#include "role.h"

#include <stdint.h>

/* What is counted at once by one worker; memory is touched only as it comes. */
#define LIMIT_ROWS 131072
/* Rows that are looked at for a key. */
#define LIMIT_PROBES 32

struct limit_row {
	uint64_t key;    /* a keyed hash of what is counted; 0: never used */
	uint32_t calls;  /* at once */
	uint32_t second; /* of CLOCK_MONOTONIC, in which calls began last; hourly: the hour */
	uint32_t begun;  /* in that time */
	uint32_t hourly; /* 1: calls an hour are counted, else 0: a second */
};

/* What is counted of a day's minutes by one worker, and bytes of the names that are kept of it. */
#define MINUTE_ROWS 16384
#define MINUTE_LIST_MAX 64
#define MINUTE_WHO_MAX 112

/* The minutes of a list of numbers, of one caller or of all. They outlive the worker, whose next
 * life goes on with them. */
struct minute_row {
	uint64_t key;     /* a keyed hash; 0: never used */
	uint32_t day;     /* since 1970, in UTC */
	uint32_t seconds; /* in it */
	/* for an operator, NUL-terminated where there is room; who is empty: all callers */
	char list[MINUTE_LIST_MAX], who[MINUTE_WHO_MAX];
};

struct limit_page {
	struct limit_row row[ROLE_WORKERS_MAX][LIMIT_ROWS];
	struct minute_row minute[ROLE_WORKERS_MAX][MINUTE_ROWS];
	uint64_t minute_columns; /* of those, from the first one on, may have something in them */
};

#endif
