/* no_gate.c - a kernel that lacks the gate (worker/gate.h), for tests: linked in place of
 * worker/gate.c. */
#include "worker/gate.h"

#include <errno.h>

int gate_call(void)
{
#ifdef __x86_64__
	__asm__ volatile("hlt"); /* the same fault that int 0x80 is there */
#endif
	return -ENOSYS;
}
