/* main.c - sipward-tls, the key worker: holds private keys, reads no network and opens no file.
 *
 * Begins, receives its configuration, confines itself and waits for orders; signing joins with the key store.
 */
#include "../common/jail.h"
#include "../common/worker.h"
#include "../ipc/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct keeper {
	const struct settings *settings;
	size_t settings_size;
};

static int take_settings(struct keeper *k, int fd)
{
	const void *image;
	size_t size;
	int error = worker_map(fd, &image, &size);

	if (error < 0)
		return error;
	error = settings_check(image, size);
	if (error < 0) {
		munmap((void *)(uintptr_t)image, size);
		return error;
	}
	if (k->settings)
		munmap((void *)(uintptr_t)k->settings, k->settings_size);
	k->settings = image;
	k->settings_size = size;
	return 0;
}

static int on_packet(void *arg, struct lifeline_packet *packet)
{
	switch (packet->type) {
	case LIFELINE_SETTINGS:
		return take_settings(arg, packet->fd[0]);
	default:
		return -EPROTO;
	}
}

int main(void)
{
	static struct keeper keeper;
	static struct worker worker;

	if (worker_begin(&worker, PEER_TLS, on_packet, NULL, &keeper) || worker_receive(&worker))
		return EXIT_FAILURE;
	if (jail_confine(&worker) || jail_limit(&worker) || jail_seal(&worker))
		return EXIT_FAILURE;
	return worker_run(&worker) ? EXIT_FAILURE : EXIT_SUCCESS;
}
