/* main.c - sipward-transport: the network. Frames, parses and admits what comes in, hands it to the
 * SIP worker that owns its slot, and writes what SIP workers ask for (doc/ARCHITECTURE.md).
 *
 * Interface: lifeline on fd 3; listening sockets and edges as the master says. No arguments, no
 * environment.
 */
#include "worker/skeleton.h"
#include "ipc/mesh.h"
#include "worker-transport/tls/certificates.h"
#include "explain.h"
#include "from_sip.h"
#include "worker-transport/tls/sign_client.h"
#include "admit.h"
#include "hep.h"
#include "listing.h"
#include "resolve.h"
#include "worker-transport/tls/tls.h"
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sockets that came before GO, after which they can be used. */
struct pending {
	struct {
		int fd;
		uint16_t listener;
	} socket[LISTENERS_MAX];
	unsigned sockets;
};

struct context {
	struct worker worker;
	struct transport_worker transport;
	struct mesh *mesh;
	struct listings *listings;
	size_t settings_size;
	bool keys, slots; /* have come */
	bool started;     /* GO has come */
	struct pending pending;
};

static struct context context;

/* ---- packets of the master ---- */

static bool transport_same_listener(const struct settings *a, const struct settings *b, unsigned i)
{
	const struct listener_settings *la = settings_listener(a, i), *lb = settings_listener(b, i);

	return la->transport == lb->transport && endpoint_equal(&la->bind, &lb->bind);
}

/* Whether an index of a means the same listener in b, which may have more: sockets and flows know
 * theirs by its index. */
static bool transport_same_listeners(const struct settings *a, const struct settings *b)
{
	if (a->listeners.count > b->listeners.count)
		return false;
	for (unsigned i = 0; i < a->listeners.count; i++)
		if (!transport_same_listener(a, b, i))
			return false;
	return true;
}

static int transport_take_settings(struct context *c, struct lifeline_packet *packet)
{
	const struct settings *old = c->transport.settings, *settings;
	const void *image;
	size_t size;
	int error = worker_map(packet->fd[0], &image, &size);

	if (error)
		return error;
	settings = image;
	error = settings_check(image, size);
	if (error == 0 && c->started && !transport_same_listeners(old, settings))
		error = -EINVAL;
	if (error) {
		munmap((void *)(uintptr_t)image, size);
		return error;
	}
	c->transport.settings = settings;
	if (c->started)
		transport_settings(&c->transport);
	if (old)
		munmap((void *)(uintptr_t)old, c->settings_size);
	c->settings_size = size;
	return 0;
}

static void transport_take_keys(struct context *c, const struct lifeline_keys *keys)
{
	c->transport.slot_key = keys->slot_key;
	memcpy(c->transport.tag_key.byte, keys->tag_key, sizeof(keys->tag_key));
	c->keys = true;
}

static int transport_take_socket(struct context *c, struct lifeline_packet *packet)
{
	const struct lifeline_socket *socket = (const void *)packet->body;
	int error;

	if (c->started) {
		error = transport_listen(&c->transport, packet->fd[0], socket->listener);
		if (error)
			return error;
	} else {
		if (c->pending.sockets == LISTENERS_MAX)
			return -ENOSPC;
		c->pending.socket[c->pending.sockets].fd = packet->fd[0];
		c->pending.socket[c->pending.sockets++].listener = socket->listener;
	}
	packet->fd[0] = -1;
	return 0;
}

static int transport_take_dns_socket(struct context *c, struct lifeline_packet *packet)
{
	int error = resolver_socket(c->transport.resolver, packet->fd[0]);

	if (error == 0)
		packet->fd[0] = -1;
	return error;
}

static int transport_take_collector(struct context *c, struct lifeline_packet *packet)
{
	int error = hep_use(&c->transport.hep, packet->fd[0], (const void *)packet->body);

	if (error == 0)
		packet->fd[0] = -1;
	explicit_bzero(packet->body, sizeof(struct lifeline_hep));
	return error;
}

static void transport_close_socket(struct context *c, uint16_t listener)
{
	struct pending *p = &c->pending;

	if (c->started) {
		transport_unlisten(&c->transport, listener);
		return;
	}
	for (unsigned i = 0; i < p->sockets; i++)
		if (p->socket[i].listener == listener) {
			close(p->socket[i].fd);
			p->socket[i] = p->socket[--p->sockets];
			return;
		}
}

static int transport_take_key_edge(struct context *c, struct lifeline_packet *packet)
{
	const struct lifeline_edge *edge = (const void *)packet->body;
	int error = sign_client_edge(c->transport.sign_client, edge->peer, packet->fd[0]);

	if (error == 0)
		packet->fd[0] = -1;
	return error;
}

static int transport_take_certificate(struct context *c, const struct lifeline_packet *packet)
{
	int error = certificates_take(c->transport.certificates, packet->body, packet->size);

	/* the check will say that the certificate is not there */
	if (error == -ENOSPC || error == -ENOMEM) {
		log_error("certificates-full", "error=\"%s\"", error_text(error));
		return 0;
	}
	return error;
}

static void transport_on_checked(
	void *arg, uint32_t sequence, int error, uint16_t index, const char *text)
{
	struct context *c = arg;
	struct lifeline_certificates_result result = {
		.sequence = sequence, .error = error, .index = index};

	worker_send(&c->worker, LIFELINE_CERTIFICATES_RESULT, &result, sizeof(result), text,
		error ? strnlen(text, CERTIFICATES_TEXT_MAX - 1) : 0);
}

static int transport_take_certificates(struct context *c, const struct lifeline_certificates *order)
{
	switch (order->act) {
	case CERTIFICATES_CHECK:
		certificates_check(c->transport.certificates, order->generation, order->sequence,
			transport_on_checked, c);
		return 0;
	case CERTIFICATES_COMMIT:
		/* a generation that cannot be used leaves things as they are, and is in the log */
		if (certificates_commit(c->transport.certificates, order->generation) == 0)
			log_info("certificates", "generation=%u", order->generation);
		else
			transport_on_checked(c, 0, -EBADMSG, CERTIFICATES_ALL,
				"has no use for the certificates in force");
		return 0;
	case CERTIFICATES_DROP:
		certificates_drop(c->transport.certificates, order->generation);
		return 0;
	default: return -EPROTO;
	}
}

static void transport_tell_authorities(
	struct context *c, uint32_t sequence, int error, uint16_t listener)
{
	static const char text[] = "holds a certificate that cannot be read";
	struct lifeline_certificates_result result = {
		.sequence = sequence, .error = error, .index = listener, .authorities = 1};

	worker_send(&c->worker, LIFELINE_CERTIFICATES_RESULT, &result, sizeof(result), text,
		error ? sizeof(text) - 1 : 0);
}

static int transport_take_authorities(struct context *c, const struct lifeline_packet *packet)
{
	const struct lifeline_authorities *body = (const void *)packet->body;
	const void *text;
	size_t size;
	int error = worker_map(packet->fd[0], &text, &size);

	if (error)
		return error;
	if (body->sequence) {
		error = tls_authorities_try((struct str){text, size});
		munmap((void *)(uintptr_t)text, size);
		transport_tell_authorities(c, body->sequence, error, body->listener);
		return 0;
	}
	/* a text that cannot be used is in the log as well, and what stood before it stays */
	error = tls_authorities(c->transport.tls, body->listener, (struct str){text, size});
	munmap((void *)(uintptr_t)text, size);
	if (error)
		transport_tell_authorities(c, 0, error, body->listener);
	return 0;
}

static int transport_take_quarantine(struct context *c, const struct lifeline_quarantine *body)
{
	return refusals_set(&c->transport.refusals, body->print, body->count);
}

static int transport_reply(void *arg, uint32_t id, const char *text, size_t size, bool last)
{
	struct context *c = arg;

	return worker_send(&c->worker, LIFELINE_REPLY,
		&(struct lifeline_reply){.id = id, .last = last}, sizeof(struct lifeline_reply),
		text, size);
}

static void transport_lift(struct context *c, const struct lifeline_query *query)
{
	struct str argument = {query->argument, strnlen(query->argument, sizeof(query->argument))};
	struct prefix sources;
	uint64_t now = loop_now(c->transport.loop);
	unsigned lifted = 0;
	char row[32];
	int n;

	if (str_equal(argument, S("all")))
		lifted = admit_lift(c->transport.admit, NULL, now);
	else if (prefix_parse(argument, &sources) == 0)
		lifted = admit_lift(c->transport.admit, &sources, now);
	n = snprintf(row, sizeof(row), "{\"lifted\":%u}\n", lifted);
	transport_reply(c, query->id, row, n > 0 ? (size_t)n : 0, true);
}

static int transport_take_question(struct context *c, const struct lifeline_query *query)
{
	if (!c->listings)
		return -EAGAIN;
	switch (query->what) {
	case QUERY_FLOWS: return listing_start(c->listings, query->id, LISTING_STREAMS);
	case QUERY_BANS: return listing_start(c->listings, query->id, LISTING_BANS);
	case QUERY_BAN_LIFT: transport_lift(c, query); return 0;
	case QUERY_TRACE:
		return listing_start_trace(c->listings, query->id,
			(struct str){query->argument,
				strnlen(query->argument, sizeof(query->argument))});
	default: return -EINVAL;
	}
}

static void transport_take_query(struct context *c, const struct lifeline_query *query)
{
	/* a query for something that this role does not know has an empty answer */
	if (transport_take_question(c, query))
		transport_reply(c, query->id, "", 0, true);
}

static void transport_explain(struct context *c, const struct lifeline_explain *asked, size_t size)
{
	char *text = c->started ? malloc(EXPLAIN_TEXT_MAX) : NULL;
	struct str raw = {(const char *)(asked + 1), size - sizeof(*asked)};
	long n = text ? explain_message(&c->transport, asked->words, raw, text) : 0;

	transport_reply(c, asked->id, text, n > 0 ? (size_t)n : 0, true);
	free(text);
}

static int transport_on_packet(void *arg, struct lifeline_packet *packet)
{
	struct context *c = arg;
	void *body = packet->body;

	switch (packet->type) {
	case LIFELINE_SETTINGS: return transport_take_settings(c, packet);
	case LIFELINE_KEYS: transport_take_keys(c, body); return 0;
	case LIFELINE_SOCKET: return transport_take_socket(c, packet);
	case LIFELINE_SOCKET_CLOSE:
		transport_close_socket(c, ((const struct lifeline_socket *)body)->listener);
		return 0;
	case LIFELINE_EDGE:
	case LIFELINE_CONNECT:
	case LIFELINE_PEER_UP: return mesh_packet(c->mesh, packet, NULL);
	case LIFELINE_KEY_EDGE: return transport_take_key_edge(c, packet);
	case LIFELINE_CERTIFICATE: return transport_take_certificate(c, packet);
	case LIFELINE_CERTIFICATES: return transport_take_certificates(c, body);
	case LIFELINE_AUTHORITIES: return transport_take_authorities(c, packet);
	case LIFELINE_SLOTS:
		memcpy(&c->transport.slots, body, sizeof(c->transport.slots));
		c->slots = true;
		return 0;
	case LIFELINE_QUARANTINE: return transport_take_quarantine(c, body);
	case LIFELINE_BANS: return transport_bans(&c->transport, body);
	case LIFELINE_DNS_SOCKET: return transport_take_dns_socket(c, packet);
	case LIFELINE_HEP: return transport_take_collector(c, packet);
	case LIFELINE_HEP_NONE: hep_drop(&c->transport.hep); return 0;
	case LIFELINE_PEER_DOWN: return 0; /* its queue waits for its successor */
	case LIFELINE_QUERY: transport_take_query(c, body); return 0;
	case LIFELINE_DEBUG:
		if (((const struct lifeline_debug *)body)->count > DEBUG_WATCHES_MAX)
			return -EPROTO;
		memcpy(&c->transport.debug, body, sizeof(c->transport.debug));
		return 0;
	case LIFELINE_EXPLAIN: transport_explain(c, body, packet->size); return 0;
	default: return -EPROTO;
	}
}

/* ---- the end ---- */

static void transport_on_stop(void *arg, uint32_t grace_ms)
{
	struct context *c = arg;

	(void)grace_ms;
	transport_stop(&c->transport);
}

static bool transport_all_sent(const struct context *c)
{
	for (unsigned i = 0; i < c->transport.settings->workers[PEER_SIP]; i++)
		if (mesh_backlog(c->mesh, PEER(PEER_SIP, i)))
			return false;
	return transport_idle(&c->transport);
}

/* After transport and mesh had their turn. */
static bool transport_on_turn(void *arg)
{
	struct context *c = arg;

	if (c->transport.stopping && transport_all_sent(c))
		worker_leave(&c->worker);
	return false;
}

/* ---- the start ---- */

static void transport_on_record(
	void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	struct context *c = arg;

	if (!from_sip_record(&c->transport, peer, type, data, size))
		mesh_refused(c->mesh, peer, type, size);
}

static int transport_record(
	void *arg, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	return mesh_record(arg, peer, type, size, reserve, data);
}

static int transport_start_sockets(struct context *c)
{
	for (unsigned i = 0; i < c->pending.sockets; i++) {
		int error = transport_listen(
			&c->transport, c->pending.socket[i].fd, c->pending.socket[i].listener);

		if (error) {
			log_error("listener-failed", "listener=%u error=\"%s\"",
				c->pending.socket[i].listener, error_text(error));
			return error;
		}
	}
	return 0;
}

/* Makes the parts that take the first configuration. The loop does not run before GO. */
static int transport_prepare_worker(struct context *c)
{
	struct loop *loop = c->transport.loop;
	/* OpenSSL looks for its files now or never; certificates come with the first
	 * configuration */
	int error = transport_prepare(&c->transport);

	if (error == 0)
		error = loop_gather(loop);
	if (error == 0)
		error = mesh_new(&c->mesh, loop, c->worker.welcome.carrier,
			PEER(PEER_TRANSPORT, c->worker.welcome.index), transport_on_record, c);
	if (error == 0)
		mesh_set_gathering(c->mesh);
	return error;
}

static int transport_start_worker(struct context *c)
{
	struct transport_worker *t = &c->transport;
	int error;

	if (!t->settings || !c->keys || !c->slots) {
		log_error("configuration-incomplete", "settings=%d keys=%d slots=%d",
			t->settings != NULL, c->keys, c->slots);
		return -EPROTO;
	}
	t->index = c->worker.welcome.index;
	t->incarnation = c->worker.welcome.incarnation & 0xffffff;
	t->fds_limit = c->worker.welcome.fds_limit;
	loop_share(t->loop, t->settings->workers[PEER_SIP]);
	error = transport_start(t);
	if (error == 0)
		error = listings_new(&c->listings, t, transport_reply, c);
	/* before the mesh's turn, so that failures are reported in the same one */
	if (error == 0)
		error = loop_on_turn(t->loop, transport_turn, t);
	if (error == 0)
		error = mesh_start(c->mesh);
	if (error == 0)
		error = loop_on_turn(t->loop, transport_on_turn, c);
	if (error) {
		log_error("start-failed", "error=\"%s\"", error_text(error));
		return error;
	}
	t->upstream = (struct upstream){.record = transport_record, .arg = c->mesh};
	c->started = true;
	return transport_start_sockets(c);
}

int main(void)
{
	struct context *c = &context;
	struct worker *w = &c->worker;

	if (worker_begin(w, PEER_TRANSPORT, transport_on_packet, transport_on_stop, c))
		return EXIT_FAILURE;
	c->transport.loop = w->loop;
	if (transport_prepare_worker(c))
		return EXIT_FAILURE;
	if (worker_receive(w))
		return EXIT_FAILURE;
	if (jail_confine(&w->jail))
		return EXIT_FAILURE;
	if (jail_limit(&w->jail))
		return EXIT_FAILURE;
	if (transport_start_worker(c))
		return EXIT_FAILURE;
	if (jail_seal(&w->jail))
		return EXIT_FAILURE;
	if (worker_run(w))
		return EXIT_FAILURE;
	listings_free(c->listings);
	transport_end(&c->transport);
	mesh_free(c->mesh);
	return EXIT_SUCCESS;
}
