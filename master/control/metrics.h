/* metrics.h - the counters of all processes, as rows and as Prometheus text. */
#ifndef SIPWARD_MASTER_CONTROL_METRICS_H
#define SIPWARD_MASTER_CONTROL_METRICS_H

#include "master/certificates/certificate_set.h"
#include "master/workers/worker_slot.h"

#include <jansson.h>

/* One object a counter: name, total, and the sum per role; all: those that are zero too. */
json_t *metrics_rows(const struct supervisor *s, bool all);
/* Prometheus text exposition format, one sample a worker, and the expiry of each certificate in
 * force (NULL: there are none), as a JSON string. NULL: no memory. */
json_t *metrics_text(const struct supervisor *s, const struct certificate_set *certificates);

#endif
