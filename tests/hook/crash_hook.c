/* crash_hook.c - the bug that a test needs: bytes with "X-Sipward-Crash: WHERE ACT" end the worker
 * that has them in hand, or hang it. Acts: fault, abort, exit, violation, hang. */
#include "worker/crash_hook.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MARKER "X-Sipward-Crash: "

void crash_hook(const char *where, struct str bytes)
{
	static const char *const acts[] = {"fault", "abort", "exit", "violation", "hang"};
	char wanted[64];

	if (!bytes.n)
		return;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		int n = snprintf(wanted, sizeof(wanted), MARKER "%s %s", where, acts[i]);

		if (!memmem(bytes.p, bytes.n, wanted, (size_t)n))
			continue;
		switch (i) {
		case 0: raise(SIGSEGV); break;
		case 1: abort();
		case 2: _exit(3);
		case 3: (void)!chroot("/"); break;
		case 4:
			for (;;)
				__asm__ volatile("");
		}
	}
}
