/* mesh_zeromq_listen.c - the listening side: the ROUTER on the master's fd, who may connect (ZAP,
 * RFC 27/ZAP), and the way back to each peer. Relies on the "User-Id" of a message being what
 * zap_take_request answered at that connection's handshake.
 */
#include "mesh_zeromq.h"
#include "common/counters.h"
#include "common/log.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ZAP: a field is at most 255 bytes; version, request id, domain, address, routing id, mechanism,
 * user name, password. */
#define ZAP_FIELDS 8
#define ZAP_FIELD_MAX 255

void zlink_unroute(struct zlink *l)
{
	if (l->routed)
		mesh_count_edge(l->link.mesh, -1);
	l->routed = false;
}

/* The way back to a connecter is the one it used last: by life, then by libzmq's running number,
 * for what an ended connection sent may be read after its successor's first. */
static void zlink_learn_route(
	struct zlink *l, uint32_t generation, const uint8_t id[ROUTING_ID_SIZE])
{
	uint32_t known, now;

	memcpy(&known, l->routing_id + 1, sizeof(known));
	memcpy(&now, id + 1, sizeof(now));
	if (l->routed && l->routing_generation == generation &&
		(int32_t)(__builtin_bswap32(now) - __builtin_bswap32(known)) <= 0)
		return;
	if (!l->routed)
		mesh_count_edge(l->link.mesh, 1);
	memcpy(l->routing_id, id, ROUTING_ID_SIZE);
	l->routing_generation = generation;
	l->routed = true;
}

/* Whose message it is, by what zap_take_request answered and not by what the peer says. NULL:
 * nobody's who may still speak. */
static struct zlink *frame_sender(struct zmesh *z, zmq_msg_t *frame, uint16_t *peer, unsigned *life)
{
	const char *user = zmq_msg_gets(frame, "User-Id");
	unsigned number = 0;
	struct link *l = NULL;

	if (user && sscanf(user, "%u.%u", &number, life) == 2 && number <= UINT16_MAX)
		l = link_find(&z->mesh, (uint16_t)number);
	*peer = (uint16_t)number;
	return l && zlink_of(l)->allowed ? zlink_of(l) : NULL;
}

static int router_take_batch(struct zsocket *s)
{
	struct zmesh *z = s->mesh;
	zmq_msg_t id, frame;
	struct zlink *l;
	unsigned life = 0;
	uint16_t peer;

	if (!frame_receive(s, &id))
		return -EAGAIN;
	if (!zmq_msg_more(&id) || !frame_receive(s, &frame)) {
		mesh_refuse_batch(&z->mesh, 0, 0);
		zmq_msg_close(&id);
		return 0;
	}
	l = frame_sender(z, &frame, &peer, &life);
	if (frames_drop(s, &frame) || !l || zmq_msg_size(&id) != ROUTING_ID_SIZE) {
		mesh_refuse_batch(&z->mesh, peer, zmq_msg_size(&frame));
	} else if (zmesh_is_hello(zmq_msg_data(&frame), zmq_msg_size(&frame))) {
		/* A message of an earlier life was allowed when it was sent; but it is not the one
		 * to answer. */
		if (life == l->generation)
			zlink_learn_route(l, life, zmq_msg_data(&id));
	} else {
		frame_deliver(z, peer, &frame);
	}
	zmq_msg_close(&id);
	zmq_msg_close(&frame);
	return 0;
}

/* ---- authentication: the ZAP handler ---- */

struct zap_field {
	size_t size;
	uint8_t byte[ZAP_FIELD_MAX + 1];
};

static bool zap_field_is(const struct zap_field *f, const char *text)
{
	return f->size == strlen(text) && memcmp(f->byte, text, f->size) == 0;
}

static struct zlink *zap_authenticate(struct zmesh *z, const struct zap_field *field)
{
	const struct zap_field *user = &field[6], *password = &field[7];
	const struct link *found;
	struct zlink *l;
	uint64_t peer;

	if (!zap_field_is(&field[0], "1.0") || !zap_field_is(&field[5], "PLAIN"))
		return NULL;
	if (str_number((struct str){(const char *)user->byte, user->size}, UINT16_MAX, &peer))
		return NULL;
	found = link_find(&z->mesh, (uint16_t)peer);
	l = found ? zlink_of(found) : NULL;
	if (!l || !l->allowed || password->size != MESH_TOKEN_SIZE ||
		sodium_memcmp(password->byte, l->token, MESH_TOKEN_SIZE) != 0)
		return NULL;
	return l;
}

/* The fields of one request. False: there is none. *fields is ZAP_FIELDS where it is well formed.
 */
static bool zap_receive(struct zsocket *s, struct zap_field field[ZAP_FIELDS], unsigned *fields)
{
	bool more = true;

	*fields = 0;
	field[1].size = 0;
	while (more) {
		zmq_msg_t frame;

		if (!frame_receive(s, &frame))
			return false; /* only before the first: a request is delivered whole */
		if (*fields < ZAP_FIELDS && zmq_msg_size(&frame) <= ZAP_FIELD_MAX) {
			field[*fields].size = zmq_msg_size(&frame);
			memcpy(field[*fields].byte, zmq_msg_data(&frame), field[*fields].size);
			++*fields;
		} else {
			*fields = ZAP_FIELDS + 1;
		}
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
	}
	return true;
}

static void zap_answer(struct zsocket *s, const struct zap_field *request, const struct zlink *l)
{
	char user[32];
	int length = l ? snprintf(user, sizeof(user), "%u.%u", l->link.peer, l->generation) : 0;

	s->used = true;
	zmq_send(s->zmq, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, request->byte, request->size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, l ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, NULL, 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, user, (size_t)length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, NULL, 0, ZMQ_DONTWAIT);
}

static int zap_take_request(struct zsocket *s)
{
	struct mesh *m = &s->mesh->mesh;
	struct zap_field field[ZAP_FIELDS];
	struct zlink *l;
	uint64_t left_out;
	unsigned fields;

	if (!zap_receive(s, field, &fields))
		return -EAGAIN;
	l = fields == ZAP_FIELDS ? zap_authenticate(s->mesh, field) : NULL;
	if (!l) {
		count(MESH_AUTH_REFUSED);
		if (mesh_may_log(m, &left_out))
			log_warn(
				"mesh-auth-refused", "left_out=%llu", (unsigned long long)left_out);
	}
	zap_answer(s, &field[1], l);
	sodium_memzero(field, sizeof(field));
	return 0;
}

/* Before the ROUTER: without its handler a connecter would be refused for good. */
static int zap_open(struct zmesh *z)
{
	int error = zsocket_open(z, &z->zap, NULL, ZMQ_REP, zap_take_request);

	if (error)
		return error;
	if (zmq_bind(z->zap.zmq, "inproc://zeromq.zap.01") < 0)
		return -errno;
	return zsocket_watch(&z->zap, false);
}

static int router_open(struct zmesh *z, const char *endpoint)
{
	int error = zsocket_open(z, &z->router, NULL, ZMQ_ROUTER, router_take_batch);

	if (error == 0)
		error = zsocket_set_limits(&z->router);
	if (error == 0)
		error = zsocket_set(&z->router, ZMQ_ROUTER_MANDATORY, 1);
	if (error == 0)
		error = zsocket_set(&z->router, ZMQ_PLAIN_SERVER, 1);
	if (error == 0)
		error = zsocket_set(&z->router, ZMQ_USE_FD, z->listen_fd);
	if (error)
		return error;
	if (zmq_setsockopt(z->router.zmq, ZMQ_ZAP_DOMAIN, "mesh", 4) < 0 ||
		zmq_bind(z->router.zmq, endpoint) < 0)
		return -errno;
	return 0;
}

/* ---- the interface ---- */

int zlisten_open(struct zmesh *z)
{
	char endpoint[EDGE_PATH_MAX + 8];
	int error;

	if (z->listen_fd < 0)
		return 0;
	accept_limit(z->listen_fd); /* of the one listener that a process has */
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", z->listen_path);
	error = zap_open(z);
	if (error == 0)
		error = router_open(z, endpoint);
	if (error)
		return error;
	z->listen_fd = -1; /* libzmq's now */
	return zsocket_watch(&z->router, true);
}

int zlisten_take_fd(struct mesh *m, int fd, const char *path)
{
	struct zmesh *z = zmesh_of(m);

	if (z->listen_fd >= 0 || z->context)
		return -EALREADY;
	if (strlen(path) >= EDGE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(z->listen_path, path, strlen(path) + 1);
	z->listen_fd = fd;
	return 0;
}

int zlisten_allow(struct mesh *m, uint16_t peer, const uint8_t *token)
{
	struct link *found;
	struct zlink *l;
	int error = link_need(m, peer, &found);

	if (error)
		return error;
	l = zlink_of(found);
	/* The same token again is the same life: what it has said so far still counts. */
	if (token && l->allowed && sodium_memcmp(l->token, token, MESH_TOKEN_SIZE) == 0)
		return 0;
	l->allowed = token != NULL;
	if (token) {
		memcpy(l->token, token, MESH_TOKEN_SIZE);
		l->generation++;
	} else {
		sodium_memzero(l->token, MESH_TOKEN_SIZE);
	}
	/* Messages that wait for a connecter belong to its connections, which have ended with its
	 * last life. Where we connect to it as well, it waits for that edge. */
	zlink_unroute(l);
	if (!l->path[0])
		counter_add(COUNTER_MESH_UNREACHABLE, outgoing_clear(&l->link.out));
	return 0;
}
