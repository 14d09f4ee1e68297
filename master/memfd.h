/* memfd.h - memory that the master hands to other processes as an fd. */
#ifndef SIPWARD_MASTER_MEMFD_H
#define SIPWARD_MASTER_MEMFD_H

#include <stddef.h>

/* Makes one of those bytes, which nobody can change. 0, or -errno; *fd is the caller's. */
int memfd_of(const char *name, const void *bytes, size_t size, int *fd);
/* Makes one of size zero bytes, for several to write to. None of them can shrink it, which would
 * end the others with SIGBUS. 0, or -errno; *fd is the caller's. */
int memfd_shared(const char *name, size_t size, int *fd);

#endif
