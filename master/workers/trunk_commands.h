/* trunk_commands.h - what of the trunks is told to others than operators, whose commands are in
 * commands.h. */
#ifndef SIPWARD_MASTER_WORKERS_TRUNK_COMMANDS_H
#define SIPWARD_MASTER_WORKERS_TRUNK_COMMANDS_H

#include "master/control/answer.h"

struct master;

/* Answers with the targets of all trunks, as "trunks show" has them of one, each with the trunk's
 * name. */
void trunk_targets_list(struct master *m, struct request *r, json_t *arguments);

#endif
