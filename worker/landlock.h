/* landlock.h - what the kernel's Landlock refuses this process and all threads that it starts from
 * now on. */
#ifndef SIPWARD_WORKER_LANDLOCK_H
#define SIPWARD_WORKER_LANDLOCK_H

#include <stdbool.h>

/* No file may be opened, made, removed, linked or cut to length by path, whoever owns it; what is
 * open already stays so. TCP: connecting only where connect is true, and binding then only to a
 * port that the kernel chooses; otherwise neither. Abstract Unix sockets and processes outside of
 * this jail cannot be reached or sent signals. Each as far as the kernel's version knows it. Needs
 * no_new_privs. 0; -ENOSYS or -EOPNOTSUPP where the kernel has no Landlock. */
int landlock_close(bool connect);

/* The kernel's version of Landlock; 0 none. */
int landlock_version(void);

#endif
