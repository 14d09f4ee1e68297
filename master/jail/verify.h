/* verify.h - proves the jails of the running system: `sipwardctl sandbox verify`.
 *
 * For each role and each act of worker/probe.def a throw-away process of the role's program is
 * taken through the same steps as a worker, and then tries the act: what the kernel did is what it
 * would do to the role's workers, for the last process of each role only stands still and is
 * compared with them, property by property.
 */
#ifndef SIPWARD_MASTER_JAIL_VERIFY_H
#define SIPWARD_MASTER_JAIL_VERIFY_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct master;
struct verification;

/* rows (the callee's to json_decref): one per act, with a column per role, then one per live
 * worker. bad: acts that were possible, workers that differ and probes that said nothing. */
typedef void (*verify_done)(void *arg, json_t *rows, unsigned bad);

/* Starts. -EBUSY: it is under way already; another -errno: logged. done is called later, from the
 * loop, or by verify_close. */
int verify_start(struct master *m, verify_done done, void *arg);
/* A child that is no worker has ended. */
void verify_reaped(struct master *m, pid_t pid, int status);
/* Kills what is left and ends with what is known; no-op where none is under way. */
void verify_close(struct master *m);

#endif
