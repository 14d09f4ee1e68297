/* send.c - handing finished messages to the transport worker that can send them. */
#include "worker-sip/sip.h"

#include "ipc/mesh.h"

#include <errno.h>

/* Transport workers by index, at most. */
#define TRANSPORTS_MAX 64

static int send_to_worker(struct sip *sip, unsigned worker, const struct flow *to, struct str bytes,
	uint64_t cookie, bool reserve)
{
	struct record_send *send;
	void *data;
	int error = mesh_record(sip->mesh, PEER(PEER_TRANSPORT, worker), RECORD_SEND,
		sizeof(*send) + bytes.n, reserve, &data);

	if (error)
		return error;
	send = data;
	*send = (struct record_send){
		.flow = *to, .cookie = cookie, .size = (uint32_t)bytes.n, .reserve = reserve};
	memcpy(send + 1, bytes.p, bytes.n);
	return 0;
}

int sip_send(
	struct sip *sip, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve)
{
	int error = -ENOTCONN;

	if (sip->send_hook)
		return sip->send_hook(sip->send_arg, to, bytes, cookie, reserve);
	if (!bytes.n || bytes.n > MESSAGE_RAW_MAX)
		return -EMSGSIZE;
	unsigned workers = sip->settings->workers[PEER_TRANSPORT];
	if (to->id) {
		error = send_to_worker(sip, FLOW_WORKER(to->id), to, bytes, cookie, reserve);
	} else if (workers) {
		/* One peer's messages take one way, or they would overtake each other. */
		uint64_t first = hash_bytes(&sip->keys.slot_key, &to->peer, sizeof(to->peer));

		for (unsigned i = 0; i < workers && error == -ENOTCONN; i++)
			error = send_to_worker(
				sip, (unsigned)((first + i) % workers), to, bytes, cookie, reserve);
	}
	if (error)
		count(SEND_FAILED);
	return error;
}

void sip_watch(struct sip *sip, const struct flow *flow, uint8_t slot)
{
	void *data;

	if (!flow->id || !sip->mesh)
		return;
	if (mesh_record(sip->mesh, PEER(PEER_TRANSPORT, FLOW_WORKER(flow->id)), RECORD_WATCH,
		    sizeof(struct record_watch), true, &data) == 0)
		*(struct record_watch *)data = (struct record_watch){
			.flow = flow->id, .slot = slot};
}

void sip_keep_alive(struct sip *sip, uint64_t flow, uint32_t seconds)
{
	void *data;

	if (!sip->mesh)
		return;
	if (mesh_record(sip->mesh, PEER(PEER_TRANSPORT, FLOW_WORKER(flow)), RECORD_KEEP_ALIVE,
		    sizeof(struct record_keep_alive), true, &data) == 0)
		*(struct record_keep_alive *)data = (struct record_keep_alive){
			.flow = flow, .seconds = seconds};
}

void write_own_host(struct writer *w, const struct sip *sip, const struct flow *flow)
{
	char buffer[ENDPOINT_TEXT_SIZE];
	const struct listener_settings *l = settings_listener(sip->settings, flow->listener);

	if (l->advertise_host.length) {
		write_str(w, settings_str(sip->settings, l->advertise_host));
	} else {
		const struct endpoint *e = endpoint_is_wildcard(&l->bind) && flow->local.family
		                                   ? &flow->local
		                                   : &l->bind;

		write_bytes(w, buffer, endpoint_host_text(e, buffer));
	}
}

void write_sent_by(struct writer *w, const struct sip *sip, const struct flow *flow)
{
	const struct listener_settings *l = settings_listener(sip->settings, flow->listener);

	write_own_host(w, sip, flow);
	write_literal(w, ":");
	write_number(w, l->advertise_port ? l->advertise_port : l->bind.port);
}
