/* places.h - the places of zones, listeners and domains in a config that is to follow another one
 * while everything runs. */
#ifndef SIPWARD_MASTER_CONFIG_PLACES_H
#define SIPWARD_MASTER_CONFIG_PLACES_H

#include "config.h"
#include "file.h"

/* Calls, flows and bindings that stand name zones, listeners and domains by their places. So what
 * both configs have keeps its place in then, what is new comes behind, and what then has not any
 * more stays in its place as it was, with gone set, for those who still have to do with it. A
 * listener is the same that has the same address, a zone or domain that has the same name; one that
 * is gone comes back where it is named again.
 *
 * 0; -EINVAL with errors: a listener that stays would change its zone, or there is no place left;
 * -ENOMEM. then is to be freed where it fails, and in force already as it is otherwise. */
int places_keep(const struct config *now, struct config *then, struct config_errors *errors);

#endif
