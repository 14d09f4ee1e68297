/* transport.c - the parts of a transport worker put together: for main.c, and for tests without a
 * master. */
#include "transport.h"

#include "common/log.h"
#include "admit.h"
#include "flow.h"
#include "hep.h"
#include "worker-transport/tls/certificates.h"
#include "worker-transport/tls/sign_provider.h"
#include "worker-transport/tls/sign_client.h"
#include "resolve.h"
#include "stream.h"
#include "streams.h"
#include "tcp.h"
#include "to_sip.h"
#include "worker-transport/tls/tls.h"
#include "udp.h"
#include "ws.h"

#include <errno.h>

int transport_prepare(struct transport_worker *t)
{
	int error = sign_provider_begin();

	if (error == 0)
		error = sign_client_new(&t->sign_client, t->loop);
	if (error == 0)
		error = sign_provider_new(&t->sign_provider, t->sign_client);
	if (error == 0)
		error = certificates_new(&t->certificates, t, &tls_server);
	if (error == 0)
		error = tls_new(&t->tls, t);
	if (error == 0)
		error = resolver_new(&t->resolver, t);
	if (error)
		transport_end(t);
	return error;
}

int transport_start(struct transport_worker *t)
{
	int error = ws_prepare();

	if (error == 0 && !t->tls)
		error = transport_prepare(t);
	if (error == 0)
		error = admit_new(&t->admit, t->settings, &t->bans);
	if (error == 0)
		error = trace_resize(&t->trace, t->settings->trace_ring);
	if (error == 0)
		error = to_sip_new(&t->to_sip);
	if (error == 0)
		scanners_settings(&t->scanners, t->settings);
	if (error == 0)
		error = flows_new(&t->flows, t);
	if (error == 0)
		error = streams_new(&t->streams, t);
	if (error == 0)
		error = udp_new(&t->udp, t);
	if (error == 0)
		error = tcp_new(&t->tcp, t);
	if (error)
		transport_end(t);
	return error;
}

void transport_end(struct transport_worker *t)
{
	resolver_free(t->resolver);
	tcp_free(t->tcp);
	udp_free(t->udp);
	streams_free(t->streams);
	flows_free(t->flows);
	to_sip_free(t->to_sip);
	admit_free(t->admit);
	trace_resize(&t->trace, 0);
	hep_drop(&t->hep);
	tls_free(t->tls);
	certificates_free(t->certificates);
	sign_provider_free(t->sign_provider);
	sign_client_free(t->sign_client);
	t->resolver = NULL;
	t->tls = NULL;
	t->certificates = NULL;
	t->sign_provider = NULL;
	t->sign_client = NULL;
	t->tcp = NULL;
	t->udp = NULL;
	t->streams = NULL;
	t->flows = NULL;
	t->to_sip = NULL;
	t->admit = NULL;
}

int transport_listen(struct transport_worker *t, int fd, uint16_t listener)
{
	if (listener >= t->settings->listeners.count)
		return -EINVAL;
	switch (settings_listener(t->settings, listener)->transport) {
	case TRANSPORT_UDP: return udp_add(t->udp, fd, listener);
	case TRANSPORT_TCP:
	case TRANSPORT_TLS:
	case TRANSPORT_WS:
	case TRANSPORT_WSS: return tcp_add(t->tcp, fd, listener);
	default: return -EPROTONOSUPPORT;
	}
}

void transport_unlisten(struct transport_worker *t, uint16_t listener)
{
	udp_remove(t->udp, listener);
	tcp_remove(t->tcp, listener);
}

static void transport_check_profile(struct stream *s, void *arg)
{
	struct transport_worker *t = arg;

	if (s->outgoing && s->node.flow.transport == TRANSPORT_TLS && !tls_profile_holds(s))
		flow_unlist(t->flows, &s->node);
}

void transport_settings(struct transport_worker *t)
{
	admit_settings(t->admit, t->settings);
	scanners_settings(&t->scanners, t->settings);
	if (trace_resize(&t->trace, t->settings->trace_ring))
		log_error("trace-off", "error=\"no memory for a ring of %u bytes\"",
			t->settings->trace_ring);
	streams_each(t->streams, transport_check_profile, t);
	streams_close_banned(t->streams);
}

int transport_bans(struct transport_worker *t, const struct lifeline_bans *bans)
{
	if (bans->count > LIFELINE_BANS_MAX)
		return -EPROTO;
	t->bans = *bans;
	if (t->streams)
		streams_close_banned(t->streams);
	return 0;
}

bool transport_turn(void *arg)
{
	struct transport_worker *t = arg;

	bool more;

	udp_flush(t->udp);
	more = streams_flush(t->streams);
	flow_reports_flush(t->flows);
	if (t->hep)
		hep_flush(t->hep, loop_now(t->loop));
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
	return udp_queued(t->udp) == 0 && streams_queued(t->streams) == 0 &&
	       flow_reports(t->flows) == 0;
}
