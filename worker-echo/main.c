/* main.c - sipward-echo, the smallest worker: it starts, is watched and stops. It holds nothing and
 * reads nothing but its lifeline.
 *
 * Interface: lifeline on fd 3. No arguments, no environment.
 */
#include "worker/skeleton.h"
#include "ipc/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct worker context;

/* This role needs nothing of the settings. It checks them all the same, for sound settings say that
 * the master and this worker are of one build. */
static int echo_take_settings(int fd)
{
	const void *image;
	size_t size;
	int error = worker_map(fd, &image, &size);

	if (error)
		return error;
	error = settings_check(image, size);
	munmap((void *)(uintptr_t)image, size);
	return error;
}

static int echo_on_packet(void *arg, struct lifeline_packet *packet)
{
	(void)arg;
	return packet->type == LIFELINE_SETTINGS ? echo_take_settings(packet->fd[0]) : -EPROTO;
}

int main(void)
{
	struct worker *w = &context;

	if (worker_begin(w, PEER_ECHO, echo_on_packet, NULL, NULL))
		return EXIT_FAILURE;
	if (worker_receive(w))
		return EXIT_FAILURE;
	if (jail_confine(&w->jail))
		return EXIT_FAILURE;
	if (jail_limit(&w->jail))
		return EXIT_FAILURE;
	if (jail_seal(&w->jail))
		return EXIT_FAILURE;
	return worker_run(w) ? EXIT_FAILURE : EXIT_SUCCESS;
}
