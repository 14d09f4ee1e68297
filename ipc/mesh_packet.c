/* mesh_packet.c - what the master says of edges, packet by packet, the same in every role. */
#include "lifeline.h"
#include "mesh.h"

#include <errno.h>

static int packet_allow(
	struct mesh *m, const struct lifeline_allow *allow, struct lifeline_ack *ack)
{
	int error = mesh_allow(m, allow->peer, allow->token);

	if (error == -EPROTO)
		return error;
	*ack = (struct lifeline_ack){.sequence = allow->sequence, .error = error};
	return 1;
}

static int packet_listen(struct mesh *m, struct lifeline_packet *packet)
{
	struct lifeline_listen *listen = (void *)packet->body;
	int error;

	listen->path[sizeof(listen->path) - 1] = '\0';
	error = mesh_listen(m, packet->fd[0], listen->path);
	if (error == 0)
		packet->fd[0] = -1;
	return error;
}

static int packet_connect(struct mesh *m, struct lifeline_connect *connect)
{
	connect->path[sizeof(connect->path) - 1] = '\0';
	return mesh_connect(m, connect->peer, connect->path, connect->token);
}

static int packet_edge(struct mesh *m, struct lifeline_packet *packet)
{
	const struct lifeline_edge *edge = (const void *)packet->body;
	int error = mesh_edge(m, edge->peer, packet->fd[0]);

	if (error == 0)
		packet->fd[0] = -1;
	return error;
}

/* A listener's new life may be told before its edge has come: that one says hello by itself. */
static int packet_peer_up(struct mesh *m, const struct lifeline_peer *up)
{
	int error = mesh_hello(m, up->peer);

	return error == -ENOTCONN ? 0 : error;
}

int mesh_packet(struct mesh *m, struct lifeline_packet *packet, struct lifeline_ack *ack)
{
	switch (packet->type) {
	case LIFELINE_EDGE: return packet_edge(m, packet);
	case LIFELINE_LISTEN: return packet_listen(m, packet);
	case LIFELINE_ALLOW: return packet_allow(m, (const void *)packet->body, ack);
	case LIFELINE_CONNECT: return packet_connect(m, (void *)packet->body);
	case LIFELINE_PEER_UP: return packet_peer_up(m, (const void *)packet->body);
	default: return -EPROTO;
	}
}
