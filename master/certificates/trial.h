/* trial.h - has the certificates of a config checked before there are workers: by `sipward -n`, and
 * by each start.
 *
 * The master has no OpenSSL. A TLS worker and a transport worker, each in its jail as always, are
 * started for the check alone: they get the files, answer what the workers of a reload would, and
 * are ended. They have no listener, no store and no peer but each other.
 */
#ifndef SIPWARD_MASTER_CERTIFICATES_TRIAL_H
#define SIPWARD_MASTER_CERTIFICATES_TRIAL_H

#include "common/config_errors.h"
#include "master/config/config.h"
#include "master/workers/account.h"

/* All that the two may take together, milliseconds. */
#define TRIAL_MS 15000

/* Reads all files and has them checked, where the config has any; with require-jail it is tried
 * whether the jails can be whole in any case. account: whom workers run as, by role. 0; -EINVAL
 * with all that is wrong in *errors, by line of the config; another -errno with an error that says
 * that the check itself failed. Certificates that have expired, or are not valid yet, are added to
 * the config's warnings: a gateway that starts again at night is better off with them than without
 * its other listeners. */
int trial_run(
	struct config *c, const struct account account[ROLE_COUNT], struct config_errors *errors);

#endif
