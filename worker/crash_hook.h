/* crash_hook.h - lets a test end a worker by a message: in builds with SIPWARD_CRASH_HOOK alone
 * (Makefile: hook), which nobody installs. Everywhere else there is nothing of it. */
#ifndef SIPWARD_WORKER_CRASH_HOOK_H
#define SIPWARD_WORKER_CRASH_HOOK_H

#include "common/str.h"

#ifdef SIPWARD_CRASH_HOOK
/* where: "transport", "stream", "sip". Ends or hangs this process where bytes ask for it
 * (tests/hook/crash_hook.c). */
void crash_hook(const char *where, struct str bytes);
#else
static inline void crash_hook(const char *where, struct str bytes)
{
	(void)where, (void)bytes;
}
#endif

#endif
