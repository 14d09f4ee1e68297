/* userfile.c - fuzz target: a users file. Each entry that is accepted must be valid by itself, and
 * putting it into an empty file must give it back. */
#include "common/log.h"
#include "ipc/userfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_errors errors;
	static char path[64];
	static int fd = -1;
	struct userfile file;

	if (fd < 0) {
		log_init("fuzz", -1, LOG_ERROR, quiet, NULL);
		fd = memfd_create("users", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	errors.count = errors.dropped = 0;
	if (userfile_load(path, &file, &errors) < 0)
		return 0;
	REQUIRE(errors.count == 0);
	for (size_t i = 0; i < file.count; i++) {
		const struct userfile_entry *e = &file.entries[i];

		REQUIRE(userfile_name_valid(str_of(e->name)) &&
			userfile_realm_valid(str_of(e->realm)));
		REQUIRE(digest_algorithm_name(e->algorithm) &&
			strlen(e->ha1) == digest_ha1_length(e->algorithm));
		REQUIRE(strspn(e->ha1, "0123456789abcdef") == strlen(e->ha1) && e->line > 0);
	}
	userfile_free(&file);
	return 0;
}
