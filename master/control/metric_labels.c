/* metric_labels.c - see metric_labels.h. Rows are never taken back: what they counted goes on
 * being exported under its name. */
#include "metric_labels.h"

#include <stdlib.h>
#include <string.h>

static uint8_t metric_label_of(char **rows, unsigned count, const char *name)
{
	for (unsigned i = 1; i < count; i++) {
		if (!rows[i])
			rows[i] = strdup(name);
		if (!rows[i])
			break;
		if (strcmp(rows[i], name) == 0)
			return (uint8_t)i;
	}
	return LABEL_OTHER;
}

void metric_labels_assign(struct metric_labels *l, struct config *c)
{
	for (size_t i = 0; i < c->zone_count; i++)
		c->zones[i].label = metric_label_of(l->zone, LABEL_ZONES, c->zones[i].name);
	for (size_t i = 0; i < c->trunk_count; i++)
		c->trunks[i].label = metric_label_of(l->trunk, LABEL_TRUNKS, c->trunks[i].name);
}

void metric_labels_free(struct metric_labels *l)
{
	for (unsigned i = 0; i < LABEL_ZONES; i++)
		free(l->zone[i]);
	for (unsigned i = 0; i < LABEL_TRUNKS; i++)
		free(l->trunk[i]);
	*l = (struct metric_labels){0};
}
