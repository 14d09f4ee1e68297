/* root.h - the worker's own root folder and namespaces. */
#ifndef SIPWARD_WORKER_ROOT_H
#define SIPWARD_WORKER_ROOT_H

#include <stdbool.h>

/* Namespaces of its own: for System V IPC, for roles without network one with no interface that is
 * up, and for an ordinary user a user namespace, in which it may set up the rest (with a mount
 * namespace). The process must have one thread. 0; -EPERM where the kernel does not let us. */
int root_namespaces(bool network);

/* Makes folder the root: as root with chroot, in a user namespace with pivot_root. stores (a
 * folder's fd, -1 none): the working directory is there afterwards although it lies outside of the
 * root, so that stores can be opened with relative paths; root_leave_stores then moves it into the
 * root. *back is what that needs, the caller's to hand on. Where no own root is possible the
 * working directory is set all the same, and -EPERM returned. Other -errno: folder or stores cannot
 * be reached; *back is not written. */
int root_enter(const char *folder, int stores, int *back);
/* Closes back. -errno. */
int root_leave_stores(int back);

#endif
