/* proc_confinement.h - how a process is confined, as /proc says. */
#ifndef SIPWARD_MASTER_JAIL_PROC_CONFINEMENT_H
#define SIPWARD_MASTER_JAIL_PROC_CONFINEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONFINEMENT_MAX 8192

/* Writes a line for each property of pid (identity, capabilities, privileges, filters, limits,
 * namespaces, root), and one for each thread whose filters, capabilities or identity are not those
 * of its process. What we may not read says so. -errno: there is no such process. */
int confinement_read(pid_t pid, char out[CONFINEMENT_MAX]);
/* True where both say the same; else the first difference is described. */
bool confinement_same(const char *probe, const char *live, char *difference, size_t size);

#endif
