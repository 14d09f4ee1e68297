/* users.h - the commands about users: with the master, and on a users file without one. */
#ifndef SIPWARD_SIPWARDCTL_USERS_H
#define SIPWARD_SIPWARDCTL_USERS_H

#include "client.h"
#include "ipc/command_table.h"

/* user add: asks for the password, and has the master store what is made of it. Only the HA1s leave
 * this process. address: NAME@DOMAIN. Returns the exit code. */
int users_add(const struct options *o, const char *address);
/* user add, remove and list on the file that o names, for a gateway that does not run yet. address:
 * NAME@DOMAIN, NAME where o names a realm, or NULL. Returns the exit code. */
int users_file(const struct options *o, enum command command, const char *address);

#endif
