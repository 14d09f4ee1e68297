/* memfd.c - see memfd.h. Relies on the kernel's seals (memfd_create(2)). */
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int memfd_write(int fd, const char *bytes, size_t size)
{
	for (size_t n = 0; n < size;) {
		ssize_t w = write(fd, bytes + n, size - n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		n += (size_t)w;
	}
	return 0;
}

/* Hands fd out sealed, or closes it. */
static int memfd_seal(int fd, int error, int seals, int *out)
{
	if (error == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | seals) < 0)
		error = -errno;
	if (error)
		close(fd);
	else
		*out = fd;
	return error;
}

int memfd_of(const char *name, const void *bytes, size_t size, int *out)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	return memfd_seal(fd, memfd_write(fd, bytes, size), F_SEAL_WRITE, out);
}

int memfd_shared(const char *name, size_t size, int *out)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	return memfd_seal(fd, ftruncate(fd, (off_t)size) < 0 ? -errno : 0, 0, out);
}
