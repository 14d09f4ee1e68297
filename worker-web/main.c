/* main.c - sipward-web, which serves metrics and a page about the live state over HTTP (http.c). It
 * knows no SIP, no config and no counters: what it shows it asks of the master, which decides how
 * much that is, and how often it answers.
 *
 * Interface: lifeline on fd 3, one listening socket from the master. No arguments, no environment.
 */
#include "worker/skeleton.h"
#include "ipc/settings.h"
#include "drawing.h"
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct context {
	struct worker worker;
	int socket; /* -1: none, this process only tries its jail */
	struct http *http;
};

static struct context context = {.socket = -1};

/* Nothing in the settings is for this role, which checks them all the same: sound ones say that the
 * master is of this build. */
static int web_take_settings(int fd)
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

static int web_on_packet(void *arg, struct lifeline_packet *packet)
{
	struct context *c = arg;

	switch (packet->type) {
	case LIFELINE_SETTINGS: return web_take_settings(packet->fd[0]);
	case LIFELINE_WEB_SOCKET:
		if (c->socket >= 0)
			return -EPROTO;
		c->socket = packet->fd[0];
		packet->fd[0] = -1;
		return 0;
	case LIFELINE_WEB_ANSWER:
		return c->http ? http_take(c->http, (const void *)packet->body, packet->fd[0])
		               : -EPROTO;
	default: return -EPROTO;
	}
}

int main(void)
{
	struct context *c = &context;
	struct worker *w = &c->worker;
	int error = 0;

	if (worker_begin(w, PEER_WEB, web_on_packet, NULL, c))
		return EXIT_FAILURE;
	drawing_prepare();
	if (worker_receive(w))
		return EXIT_FAILURE;
	if (jail_confine(&w->jail))
		return EXIT_FAILURE;
	if (jail_limit(&w->jail))
		return EXIT_FAILURE;
	if (c->socket >= 0)
		error = http_start(&c->http, w, c->socket);
	if (error) {
		log_error("web-failed", "error=\"%s\"", error_text(error));
		return EXIT_FAILURE;
	}
	if (jail_seal(&w->jail))
		return EXIT_FAILURE;
	error = worker_run(w);
	http_stop(c->http);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
