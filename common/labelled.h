/* labelled.h - counters with labels of zone, trunk, method and class of response, and histograms: a
 * block of fixed size in the shared page of a worker.
 *
 * A row stands for a name, not for a place in the config: the master gives each zone and trunk its
 * row (master/control/metric_labels.h) for as long as it lives, in the workers' settings. Row 0 is
 * of all that came when the rows were used up. So the rows mean the same after a reload and to the
 * successor of a worker that died.
 */
#ifndef SIPWARD_COMMON_LABELLED_H
#define SIPWARD_COMMON_LABELLED_H

#include <stdint.h>

/* Rows, the one of all others included. */
#define LABEL_ZONES 33
#define LABEL_TRUNKS 65
#define LABEL_OTHER 0
/* Methods by their id in ipc/methods.def, 0: unknown. */
#define LABEL_METHODS 16
/* 1 to 6, the first digit of a status; 0: there was no response. */
#define LABEL_CLASSES 7

enum trunk_gauge {
	TRUNK_GAUGE_NONE = 0, /* this worker does not tell */
	TRUNK_GAUGE_DOWN,
	TRUNK_GAUGE_UP,
	TRUNK_GAUGE_DISABLED
};

enum registration_gauge {
	REGISTRATION_GAUGE_NONE = 0, /* this worker does not tell, or the trunk does not register */
	REGISTRATION_GAUGE_MISSING,
	REGISTRATION_GAUGE_STANDS
};

struct labelled {
	uint64_t zone_requests[LABEL_ZONES][LABEL_METHODS];
	uint64_t zone_responses[LABEL_ZONES][LABEL_METHODS][LABEL_CLASSES];
	uint64_t trunk_requests[LABEL_TRUNKS][LABEL_METHODS];
	uint64_t trunk_responses[LABEL_TRUNKS][LABEL_METHODS][LABEL_CLASSES];
	uint64_t trunk_gauge[LABEL_TRUNKS];        /* enum trunk_gauge: of this life */
	uint64_t registration_gauge[LABEL_TRUNKS]; /* enum registration_gauge: as well */
};

enum histogram_id {
#define HISTOGRAM(id, ...) HISTOGRAM_##id,
#include "histograms.def"
	HISTOGRAM_COUNT
};
#define HISTOGRAM_BOUNDS_MAX 15
struct histogram {
	uint64_t bucket[HISTOGRAM_BOUNDS_MAX + 1]; /* each up to its bound; the one after the last
	                                              bound has the rest */
	uint64_t sum_ms;
};
struct histogram_row {
	const char *name;
	const char *help;
	uint32_t bound_ms[HISTOGRAM_BOUNDS_MAX + 1]; /* rising; 0 after the last */
};
extern const struct histogram_row histogram_rows[HISTOGRAM_COUNT];

#endif
