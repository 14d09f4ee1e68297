/* metrics.h - the counters of all processes, as rows and as Prometheus text. */
#ifndef SIPWARD_MASTER_CONTROL_METRICS_H
#define SIPWARD_MASTER_CONTROL_METRICS_H

#include "metric_labels.h"
#include "master/certificates/certificate_set.h"
#include "master/workers/worker_slot.h"

#include <jansson.h>
#include <stdio.h>

/* One object a counter: name, total, and the sum per role; all: those that are zero too. */
json_t *metrics_rows(const struct supervisor *s, bool all);

struct metrics_source {
	const struct supervisor *supervisor;
	const struct certificate_set *certificates; /* in force; NULL: there are none */
	const struct metric_labels *labels;
	uint64_t generation; /* of the config */
};
/* Writes all metrics in Prometheus text exposition format, one sample a worker that can count it.
 * 0 or -ENOMEM. *text is the caller's to free. */
int metrics_text(const struct metrics_source *from, char **text, size_t *size);

/* Its parts: HELP and TYPE, the counters with labels, the histograms (metrics_labelled.c), and what
 * the kernel says of each process (metrics_process.c). */
void metrics_head(FILE *f, const char *name, const char *type, const char *help);
void metrics_labelled(FILE *f, const struct metrics_source *from);
void metrics_histograms(FILE *f, const struct supervisor *s);
void metrics_processes(FILE *f, const struct supervisor *s);
/* Relaxed: a sample may be a moment old, never torn. */
static inline uint64_t metrics_load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}
/* The value of a label, with what it may not contain escaped. */
void metrics_label(FILE *f, const char *value);

#endif
