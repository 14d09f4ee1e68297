/* counters.h - the shared page of a worker: its counters, its progress mark and what it has in
 * hand.
 *
 * The master makes one memfd a worker; the worker writes with relaxed stores and without locks, the
 * master reads. It survives the worker: a successor goes on counting. Names, kinds and help come
 * from counters.def, the one table.
 */
#ifndef SIPWARD_COMMON_COUNTERS_H
#define SIPWARD_COMMON_COUNTERS_H

#include "crash_evidence.h"
#include "labelled.h"

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define COUNTER(id, name, help) COUNTER_##id,
#define GAUGE(id, name, help) COUNTER_##id,
#include "counters.def"
	COUNTER_COUNT
};

/* The layout of the shared page. */
struct page {
	uint64_t progress; /* the loop's turns; the watchdog's mark */
	uint64_t reserved[7];
	uint64_t counter[COUNTER_COUNT];
	struct labelled labelled;
	struct histogram histogram[HISTOGRAM_COUNT];
	_Alignas(64) struct crash_evidence work; /* the message or record that is being worked on */
	_Alignas(64) struct crash_evidence stream; /* the bytes of a stream that are being framed;
	                                              work lies within them then */
};

struct counter_row {
	const char *name; /* as in `sipwardctl status` and, with sipward_ before it, in Prometheus
	                     text */
	const char *help;
	int gauge; /* 1: goes up and down */
};
extern const struct counter_row counter_rows[COUNTER_COUNT];

/* The page of this process; a private one until counters_attach. One writer: no locked operation is
 * needed. */
extern struct page *counters_page;
void counters_attach(struct page *page);

static inline void counter_add(enum counter c, uint64_t n)
{
	uint64_t *at = &counters_page->counter[c];
	__atomic_store_n(at, __atomic_load_n(at, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
static inline void counter_set(enum counter c, uint64_t value)
{
	__atomic_store_n(&counters_page->counter[c], value, __ATOMIC_RELAXED);
}
#define count(id) counter_add(COUNTER_##id, 1)

/* One more of those in at, a cell of counters_page->labelled. */
static inline void labelled_add(uint64_t *at)
{
	__atomic_store_n(at, __atomic_load_n(at, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}
static inline void labelled_set(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}
/* A span of time was measured, milliseconds. */
void histogram_observe(enum histogram_id id, uint64_t ms);

#endif
