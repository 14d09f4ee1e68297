/* mesh_listen.c - the listening side: the ROUTER on the master's fd, who may connect (ZAP, RFC 27/ZAP), and the way back to each peer.
 * Relies on the "User-Id"
 * of a message being what take_zap answered at that connection's handshake. */
#include "mesh_private.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

/* ZAP: a field is at most 255 bytes; version, request id, domain, address, routing id, mechanism, user name, password. */
#define ZAP_FIELDS 8
#define ZAP_FIELD_MAX 255

/* The way back to a connecter is the one it used last: by life, then by libzmq's running number, for what an ended connection sent may be
 * read after its successor's first. */
static void learn_route(struct link *l, uint32_t generation, const uint8_t id[ROUTING_ID_SIZE])
{
	uint32_t known, now;

	memcpy(&known, l->routing_id + 1, sizeof(known));
	memcpy(&now, id + 1, sizeof(now));
	if (l->routed && l->routing_generation == generation && (int32_t)(__builtin_bswap32(now) - __builtin_bswap32(known)) <= 0)
		return;
	memcpy(l->routing_id, id, ROUTING_ID_SIZE);
	l->routing_generation = generation;
	l->routed = true;
}

static int take_routed(struct socket *s)
{
	struct mesh *m = s->mesh;
	struct link *l = NULL;
	zmq_msg_t id, frame;
	unsigned peer = 0, generation = 0;
	const char *user;
	const void *batch;

	if (!frame_receive(s, &id))
		return -EAGAIN;
	if (!zmq_msg_more(&id) || !frame_receive(s, &frame)) {
		batch_refuse(m, 0, 0);
		zmq_msg_close(&id);
		return 0;
	}
	/* The user is what take_zap answered, not what the peer says. */
	user = zmq_msg_gets(&frame, "User-Id");
	if (user && sscanf(user, "%u.%u", &peer, &generation) == 2 && peer <= UINT16_MAX)
		l = link_find(m, (uint16_t)peer);
	if (frames_drop(s, &frame) || !l || !l->allowed || zmq_msg_size(&id) != ROUTING_ID_SIZE)
		batch_refuse(m, (uint16_t)peer, zmq_msg_size(&frame));
	else if ((batch = batch_checked(m, l->peer, &frame))) {
		/* What an earlier life sent was allowed when it was sent; but it is not the one to answer. */
		if (generation == l->generation)
			learn_route(l, generation, zmq_msg_data(&id));
		batch_deliver(m, l->peer, batch, zmq_msg_size(&frame));
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

static bool field_is(const struct zap_field *f, const char *text)
{
	return f->size == strlen(text) && memcmp(f->byte, text, f->size) == 0;
}

static struct link *authenticate(struct mesh *m, const struct zap_field *field)
{
	const struct zap_field *user = &field[6], *password = &field[7];
	uint64_t peer;
	struct link *l;

	if (!field_is(&field[0], "1.0") || !field_is(&field[5], "PLAIN"))
		return NULL;
	if (str_number((struct str){(const char *)user->byte, user->size}, UINT16_MAX, &peer))
		return NULL;
	l = link_find(m, (uint16_t)peer);
	if (!l || !l->allowed || password->size != MESH_TOKEN_SIZE || sodium_memcmp(password->byte, l->token, MESH_TOKEN_SIZE) != 0)
		return NULL;
	return l;
}

static int take_zap(struct socket *s)
{
	struct mesh *m = s->mesh;
	struct zap_field field[ZAP_FIELDS];
	unsigned fields = 0;
	bool more = true;
	struct link *l = NULL;
	char user[32];
	int length = 0;

	field[1].size = 0;
	while (more) {
		zmq_msg_t frame;
		if (!frame_receive(s, &frame))
			return -EAGAIN; /* only before the first: a request is delivered whole */
		if (fields < ZAP_FIELDS && zmq_msg_size(&frame) <= ZAP_FIELD_MAX) {
			field[fields].size = zmq_msg_size(&frame);
			memcpy(field[fields].byte, zmq_msg_data(&frame), field[fields].size);
			fields++;
		} else {
			fields = ZAP_FIELDS + 1;
		}
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
	}
	if (fields == ZAP_FIELDS)
		l = authenticate(m, field);
	if (l) {
		length = snprintf(user, sizeof(user), "%u.%u", l->peer, l->generation);
	} else {
		uint64_t left_out;
		count(MESH_AUTH_REFUSED);
		if (may_log(m, &left_out))
			log_warn("mesh-auth-refused", "left_out=%llu", (unsigned long long)left_out);
	}
	zmq_send(s->zmq, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, field[1].byte, field[1].size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, l ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, NULL, 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, user, (size_t)length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, NULL, 0, ZMQ_DONTWAIT);
	sodium_memzero(field, sizeof(field));
	return 0;
}

/* ---- the interface ---- */

int mesh_listen(struct mesh *m, int fd, const char *path)
{
	char endpoint[128];
	int error;

	if (m->router.zmq)
		return -EALREADY;
	if (snprintf(endpoint, sizeof(endpoint), "ipc://%s", path) >= (int)sizeof(endpoint))
		return -ENAMETOOLONG;
	/* ZAP first: without its handler a connecter would be refused for good. */
	if ((error = socket_open(m, &m->zap, NULL, ZMQ_REP, take_zap)))
		goto failed;
	if (zmq_bind(m->zap.zmq, "inproc://zeromq.zap.01") < 0) {
		error = -errno;
		goto failed;
	}
	if ((error = socket_watch(&m->zap)) || (error = socket_open(m, &m->router, NULL, ZMQ_ROUTER, take_routed)) ||
	    (error = socket_set_limits(&m->router)) || (error = socket_set(&m->router, ZMQ_ROUTER_MANDATORY, 1)) ||
	    (error = socket_set(&m->router, ZMQ_PLAIN_SERVER, 1)))
		goto failed;
	if (zmq_setsockopt(m->router.zmq, ZMQ_ZAP_DOMAIN, "mesh", 4) < 0 || (error = socket_set(&m->router, ZMQ_USE_FD, fd)) ||
	    zmq_bind(m->router.zmq, endpoint) < 0) {
		error = error ? error : -errno;
		goto failed;
	}
	if ((error = socket_watch(&m->router)))
		goto failed;
	return 0;
failed:
	socket_close(&m->router);
	socket_close(&m->zap);
	return error;
}

int mesh_allow(struct mesh *m, uint16_t peer, const uint8_t token[MESH_TOKEN_SIZE])
{
	struct link *l;
	int error = link_need(m, peer, &l);

	if (error)
		return error;
	/* The same token again is the same life: what it has said so far still counts. */
	if (token && l->allowed && sodium_memcmp(l->token, token, MESH_TOKEN_SIZE) == 0)
		return 0;
	l->allowed = token != NULL;
	if (token) {
		memcpy(l->token, token, MESH_TOKEN_SIZE);
		l->generation++;
	} else {
		sodium_memzero(l->token, MESH_TOKEN_SIZE);
		l->routed = false;
		if (!l->path)
			counter_add(COUNTER_MESH_UNREACHABLE, outgoing_clear(&l->out));
	}
	return 0;
}
