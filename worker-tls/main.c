/* main.c - sipward-tls, the key worker: holds private keys, reads no network and opens no file. It
 * answers sign requests of permitted shape (sign_policy.c) over one key edge per transport worker
 * (sign_server.c) and nothing else.
 *
 * Interface: lifeline on fd 3, key edges as the master hands them over. No arguments, no
 * environment.
 */
#include "worker/skeleton.h"
#include "ipc/settings.h"
#include "common/clock.h"
#include "sign_server.h"
#include "tickets.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Transport workers that a master may have (their index is 8 bits). */
#define EDGES_MAX 256

struct context {
	struct worker worker;
	struct keystore *keys;
	struct tickets *tickets;
	struct sign_server *edge[EDGES_MAX];
};

static struct context context;

/* ---- packets of the master ---- */

/* This role needs nothing of the settings. It checks them all the same, for sound settings say that
 * the master and this worker are of one build. */
static int tls_take_settings(int fd)
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

static void tls_send_tickets(struct context *c, struct sign_server *e)
{
	unsigned char packet[SIGN_PACKET_MAX];
	size_t size = tickets_packet(c->tickets, packet);

	sign_server_tickets(e, packet, size);
	sodium_memzero(packet, sizeof(packet));
}

static void tls_on_tickets(void *arg)
{
	struct context *c = arg;

	for (unsigned i = 0; i < EDGES_MAX; i++)
		if (c->edge[i])
			tls_send_tickets(c, c->edge[i]);
}

static int tls_take_edge(struct context *c, struct lifeline_packet *packet)
{
	const struct lifeline_edge *body = (const void *)packet->body;
	unsigned index = PEER_INDEX(body->peer);
	struct sign_server *e;
	int error;

	if (PEER_ROLE(body->peer) != PEER_TRANSPORT || index >= EDGES_MAX)
		return -EPROTO;
	error = sign_server_new(&e, c->worker.loop, packet->fd[0], index, c->keys);
	if (error)
		return error;
	packet->fd[0] = -1;
	sign_server_free(c->edge[index]);
	c->edge[index] = e;
	if (tickets_on(c->tickets))
		tls_send_tickets(c, e);
	return 0;
}

static int tls_take_certificate(struct context *c, struct lifeline_packet *packet)
{
	int error = keystore_take(c->keys, packet->body, packet->size);

	/* the check will say that the certificate is not there */
	if (error == -ENOSPC) {
		log_error("generations-full", "most=%d", GENERATIONS_MAX);
		return 0;
	}
	return error;
}

static int tls_send_result(struct context *c, uint32_t sequence, int error, uint16_t index,
	const void *more, size_t size)
{
	struct lifeline_certificates_result result = {
		.sequence = sequence, .error = error, .index = index};

	return worker_send(
		&c->worker, LIFELINE_CERTIFICATES_RESULT, &result, sizeof(result), more, size);
}

static int tls_check_certificates(struct context *c, const struct lifeline_certificates *order)
{
	char text[KEYSTORE_TEXT_MAX] = "",
	     more[CERTIFICATES_MAX * sizeof(int64_t) + KEYSTORE_TEXT_MAX];
	int64_t not_after[CERTIFICATES_MAX];
	uint16_t index;
	unsigned n = 0;
	int error = keystore_check(
		c->keys, order->generation, clock_realtime_s(), &index, text, not_after, &n);
	size_t dates = error == 0 || error == -EKEYEXPIRED ? n * sizeof(not_after[0]) : 0;

	memcpy(more, not_after, dates);
	memcpy(more + dates, text, strlen(text));
	return tls_send_result(c, order->sequence, error, index, more, dates + strlen(text));
}

static int tls_take_certificates(struct context *c, const struct lifeline_certificates *order)
{
	static const char missing[] = "does not have the certificates in force";
	int error = 0;

	switch (order->act) {
	case CERTIFICATES_CHECK: return tls_check_certificates(c, order);
	case CERTIFICATES_COMMIT:
		if (keystore_commit(c->keys, order->generation)) {
			log_error("certificates-missing", "generation=%u", order->generation);
			error = tls_send_result(
				c, 0, -ENOENT, CERTIFICATES_ALL, missing, strlen(missing));
			break;
		}
		log_info("certificates", "generation=%u", order->generation);
		error = tickets_set(c->tickets, order->tickets == 1);
		break;
	case CERTIFICATES_DROP: keystore_drop(c->keys, order->generation); break;
	default: return -EPROTO;
	}
	return error;
}

static int tls_on_packet(void *arg, struct lifeline_packet *packet)
{
	struct context *c = arg;

	switch (packet->type) {
	case LIFELINE_SETTINGS: return tls_take_settings(packet->fd[0]);
	case LIFELINE_KEY_EDGE: return tls_take_edge(c, packet);
	case LIFELINE_CERTIFICATE: return tls_take_certificate(c, packet);
	case LIFELINE_CERTIFICATES: return tls_take_certificates(c, (const void *)packet->body);
	default: return -EPROTO;
	}
}

int main(void)
{
	struct context *c = &context;
	struct worker *w = &c->worker;

	if (worker_begin(w, PEER_TLS, tls_on_packet, NULL, c))
		return EXIT_FAILURE;
	/* Before the first certificate, and before the jail closes: OpenSSL opens no file
	 * afterwards. */
	if (keystore_begin() || keystore_new(&c->keys) ||
		tickets_new(&c->tickets, w->loop, tls_on_tickets, c))
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
