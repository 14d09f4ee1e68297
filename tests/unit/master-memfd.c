/* master-memfd.c - what nobody can change, and what nobody can shrink. */
#include "master/memfd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

Test(memfd, of_bytes_cannot_be_changed)
{
	char got[8] = "";
	int fd;

	cr_assert_eq(memfd_of("test", "bytes", 5, &fd), 0);
	cr_expect_eq(pread(fd, got, sizeof(got), 0), 5);
	cr_expect_str_eq(got, "bytes");
	cr_expect_eq(pwrite(fd, "x", 1, 0), -1);
	cr_expect_eq(ftruncate(fd, 1), -1);
	cr_expect_eq(mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
	cr_assert_eq(memfd_of("test", "", 0, &fd), 0, "of none");
	close(fd);
}

Test(memfd, that_is_shared_keeps_its_size)
{
	char *a, *b;
	int fd;

	cr_assert_eq(memfd_shared("test", 4096, &fd), 0);
	a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert(a != MAP_FAILED && b != MAP_FAILED);
	a[4095] = 7;
	cr_expect_eq(b[4095], 7);
	cr_expect_eq(ftruncate(fd, 1), -1);
	cr_expect_eq(errno, EPERM);
	cr_expect_eq(ftruncate(fd, 8192), -1);
	close(fd);
}
