/* transport.c - the parts of a transport worker put together: for main.c, and for tests without a master. */
#include "transport.h"

#include "admit.h"
#include "tcp.h"
#include "udp.h"

#include <errno.h>

int transport_start(struct transport_worker *t)
{
	int error = admit_new(&t->admit, t->settings);

	if (!error)
		error = forward_new(&t->forward);
	if (!error)
		error = flows_new(&t->flows, t);
	if (!error)
		error = streams_new(&t->streams, t);
	if (!error)
		error = udp_new(&t->udp, t);
	if (!error)
		error = tcp_new(&t->tcp, t);
	if (error)
		transport_end(t);
	return error;
}

void transport_end(struct transport_worker *t)
{
	tcp_free(t->tcp);
	udp_free(t->udp);
	streams_free(t->streams);
	flows_free(t->flows);
	forward_free(t->forward);
	admit_free(t->admit);
	t->tcp = NULL;
	t->udp = NULL;
	t->streams = NULL;
	t->flows = NULL;
	t->forward = NULL;
	t->admit = NULL;
}

int transport_listen(struct transport_worker *t, int fd, uint16_t listener)
{
	if (listener >= t->settings->listeners.count)
		return -EINVAL;
	switch (settings_listener(t->settings, listener)->transport) {
	case TRANSPORT_UDP:
		return udp_add(t->udp, fd, listener);
	case TRANSPORT_TCP:
	case TRANSPORT_WS:
		return tcp_add(t->tcp, fd, listener);
	default:
		return -EPROTONOSUPPORT;
	}
}

bool transport_turn(void *arg)
{
	struct transport_worker *t = arg;

	bool more;

	udp_flush(t->udp);
	more = streams_flush(t->streams);
	flow_reports_flush(t->flows);
	return more;
}

void transport_stop(struct transport_worker *t)
{
	t->stopping = true;
	tcp_stop(t->tcp);
	udp_stop(t->udp);
	streams_stop(t->streams);
}

bool transport_idle(const struct transport_worker *t)
{
	return udp_queued(t->udp) == 0 && streams_queued(t->streams) == 0 && flow_reports(t->flows) == 0;
}
