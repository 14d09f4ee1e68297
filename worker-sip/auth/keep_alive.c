/* keep_alive.c - OPTIONS of registered phones (keep_alive.h). Relies on location.c for whom a flow
 * has registered. */
#include "keep_alive.h"

#include "ipc/address_of_record.h"
#include "worker-sip/registrar/location.h"

struct keep_alive {
	const struct flow *flow;
	bool any_connection; /* of that peer; a message that is explained has come by none */
	bool found;
};

static void keep_alive_visit(void *arg, const struct binding *b)
{
	struct keep_alive *k = arg;

	k->found |= b->flow.listener == k->flow->listener &&
	            b->flow.transport == k->flow->transport &&
	            (b->flow.id == k->flow->id || k->any_connection) &&
	            endpoint_equal(&b->flow.peer, &k->flow->peer);
}

bool keep_alive_is(const struct incoming *in)
{
	const struct message *m = in->message;
	struct keep_alive k = {.flow = &m->flow, .any_connection = in->explanation != NULL};
	char aor[AOR_MAX];

	if (m->method != METHOD_OPTIONS)
		return false;
	struct uri_parts from = uri_of(m, &m->from);
	long n = address_of_record(in->sip->settings, &from, aor);

	if (n > 0)
		location_lookup(
			in->sip->location, (struct str){aor, (size_t)n}, keep_alive_visit, &k);
	return k.found;
}
