/* metric_labels.h - which row of the labelled counters (common/labelled.h) each zone and trunk has:
 * its name keeps it for as long as the master runs, whatever becomes of the config. */
#ifndef SIPWARD_MASTER_CONTROL_METRIC_LABELS_H
#define SIPWARD_MASTER_CONTROL_METRIC_LABELS_H

#include "common/labelled.h"
#include "master/config/config.h"

/* What stands for names that came when the rows were used up. */
#define LABEL_OTHER_NAME "other"

/* All zero at first. */
struct metric_labels {
	char *zone[LABEL_ZONES], *trunk[LABEL_TRUNKS]; /* NULL: not given away; 0 never is */
};

/* Writes the row of each zone and trunk into the config. Without memory for a name it is row 0. */
void metric_labels_assign(struct metric_labels *l, struct config *c);
void metric_labels_free(struct metric_labels *l);

#endif
