/* user_commands.h - what other commands ask of those about users, which are in commands.h. */
#ifndef SIPWARD_MASTER_CONFIG_USER_COMMANDS_H
#define SIPWARD_MASTER_CONFIG_USER_COMMANDS_H

#include "config.h"

#include <jansson.h>

struct master;
struct request;

/* The domain and the user part of the argument NAME@DOMAIN, or NULL after having refused. */
const struct config_domain *user_argument(
	struct master *m, struct request *r, json_t *arguments, char user[USER_NAME_MAX + 1]);

#endif
