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

struct limit_page {
	struct limit_row row[ROLE_WORKERS_MAX][LIMIT_ROWS];
};

#endif
