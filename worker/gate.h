/* gate.h - the kernel's entry for programs of another architecture: int 0x80 on x86-64. Some
 * kernels are built or booted without it; there the instruction is a fault (SIGSEGV) for every
 * process, jailed or not.
 */
#ifndef SIPWARD_WORKER_GATE_H
#define SIPWARD_WORKER_GATE_H

#include <stdbool.h>

/* Makes a harmless system call (getpid) through the gate. 0: it was carried out; -errno: it was
 * refused; -ENOSYS: this build's architecture has no such gate. Where the kernel lacks the gate the
 * process ends with SIGSEGV. */
int gate_call(void);

/* Whether the kernel has the gate, found out by a child that tries it: one that is refused by a
 * filter has found a gate, one that ends with SIGSEGV has not. True where no child could be
 * started: then nothing is taken for granted. */
bool gate_exists(void);

#endif
