/* config.c - fuzz target: a config file, from its bytes to the image that the workers get. What is
 * accepted must make an image that they accept; what is not must say why. */
#include "common/log.h"
#include "master/config/load.h"
#include "master/config/settings_builder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

static char folder[] = "/tmp/sipward-fuzz-XXXXXX", path[64];

static void remove_files(void)
{
	unlink(path);
	REQUIRE(chdir(folder) == 0);
	unlink("users");
	rmdir(folder);
}

/* A folder with the config, which is written anew each time, and a users file that it may name. */
static int open_files(void)
{
	static const char user[] = "alice:example.net:MD5:00112233445566778899aabbccddeeff\n";
	char users[64];

	log_init("fuzz", -1, LOG_ERROR, quiet, NULL);
	REQUIRE(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/config", folder);
	snprintf(users, sizeof(users), "%s/users", folder);
	int fd = open(users, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	REQUIRE(fd >= 0 && write(fd, user, sizeof(user) - 1) == sizeof(user) - 1);
	close(fd);
	atexit(remove_files);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_errors errors;
	static int fd = -1;
	struct config *config;

	if (fd < 0)
		fd = open_files();
	/* The files that it names are read; one that we did not make might never end. */
	if (memmem(data, size, "include", 7) || memmem(data, size, "dev", 3) ||
		memmem(data, size, "proc", 4))
		return 0;
	REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (config_load(path, &config, &errors) < 0) {
		REQUIRE(errors.count > 0);
		return 0;
	}
	REQUIRE(errors.count == 0);
	for (enum peer_role role = ROLE_FIRST; role < ROLE_COUNT; role++) {
		int image;

		REQUIRE(settings_build(config, role, 1, &image) == 0);
		close(image);
	}
	config_free(config);
	return 0;
}
