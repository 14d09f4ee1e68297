/* password.h - asks the operator for a password. */
#ifndef SIPWARD_SIPWARDCTL_PASSWORD_H
#define SIPWARD_SIPWARDCTL_PASSWORD_H

#include "client.h"

#define PASSWORD_MAX 256 /* bytes with the NUL */

/* From the terminal, twice and without echo; or one line of standard input. 0; -EINVAL: empty, too
 * long, or not twice the same (said); -ENOTTY no terminal. The caller wipes out. */
int ctl_password(const struct options *o, char out[PASSWORD_MAX]);

#endif
