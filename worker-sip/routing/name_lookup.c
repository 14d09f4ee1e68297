/* name_lookup.c - see name_lookup.h. Pure over settings and answers. */
#include "name_lookup.h"

#include "address_order.h"
#include "common/counters.h"
#include "common/hash.h"
#include "name_permit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The services of RFC 3263 section 4.1, and how SRV names them. */
static const struct {
	const char *naptr, *srv;
	uint8_t transport;
} services[] = {
	{"SIP+D2U", "_sip._udp.", TRANSPORT_UDP},
	{"SIP+D2T", "_sip._tcp.", TRANSPORT_TCP},
	{"SIPS+D2T", "_sips._tcp.", TRANSPORT_TLS},
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static const struct target_settings *lookup_target(const struct name_lookup *l)
{
	return SETTINGS_ROW(l->settings, struct target_settings,
		settings_trunk(l->settings, l->trunk)->targets, l->written);
}

static const char *lookup_name(const struct name_lookup *l)
{
	return settings_str(l->settings, lookup_target(l)->name).p;
}

/* Whether the trunk's zone can send over that transport, to that family (0: to any). */
static bool lookup_can_send(const struct name_lookup *l, uint8_t transport, uint8_t family)
{
	unsigned zone = settings_trunk(l->settings, l->trunk)->zone;

	if (family)
		return settings_listener_for(l->settings, zone, transport, family) != NONE_INDEX;
	return lookup_can_send(l, transport, 4) || lookup_can_send(l, transport, 6);
}

/* Whether the target may be reached over that transport: the one that its URI names, TLS alone of a
 * sips: URI, else any that its zone has. */
static bool lookup_wants(const struct name_lookup *l, uint8_t transport)
{
	const struct target_settings *t = lookup_target(l);

	if (t->explicit_transport || t->transport == TRANSPORT_TLS)
		return transport == t->transport;
	return lookup_can_send(l, transport, 0);
}

static void lookup_add_host(struct name_lookup *l, const struct name_host *h)
{
	unsigned at = l->hosts;

	while (at && l->host[at - 1].priority > h->priority)
		at--;
	if (at == NAME_HOSTS_MAX)
		return;
	if (l->hosts == NAME_HOSTS_MAX)
		l->hosts--;
	memmove(&l->host[at + 1], &l->host[at], (l->hosts - at) * sizeof(*h));
	l->host[at] = *h;
	l->hosts++;
}

/* ---- from stage to stage ---- */

/* The next family of the host, or the next host. */
static void lookup_address_stage(struct name_lookup *l, bool v6_done)
{
	for (;; v6_done = false, l->host_at++, l->addresses = 0) {
		if (l->host_at == l->hosts || l->found.count == ADDRESSES_MAX) {
			l->stage = NAME_DONE;
			return;
		}
		l->stage = NAME_AAAA;
		if (!v6_done && lookup_can_send(l, l->transport, 6))
			return;
		l->stage = NAME_A;
		if (lookup_can_send(l, l->transport, 4))
			return;
	}
}

/* The addresses of the name itself. */
static void lookup_name_itself(struct name_lookup *l)
{
	const struct target_settings *t = lookup_target(l);
	struct name_host host = {.port = t->endpoint.port};

	l->transport = t->transport;
	l->by_service = false;
	if (!host.port)
		host.port = settings_default_port(l->transport);
	snprintf(host.name, sizeof(host.name), "%s", lookup_name(l));
	lookup_add_host(l, &host);
	lookup_address_stage(l, false);
}

static void lookup_next_service(struct name_lookup *l)
{
	l->stage = NAME_SRV;
	if (l->service_at == l->services)
		lookup_name_itself(l);
}

/* The services that SRV is asked for where NAPTR says nothing. */
static void lookup_usual_services(struct name_lookup *l)
{
	for (size_t i = 0; i < SERVICES; i++) {
		struct name_service *s = &l->service[l->services];

		if (!lookup_wants(l, services[i].transport))
			continue;
		int n = snprintf(s->name, sizeof(s->name), "%s%s", services[i].srv, lookup_name(l));
		if (n < 0 || (size_t)n >= sizeof(s->name))
			continue;
		s->transport = services[i].transport;
		l->services++;
	}
}

void name_lookup_begin(
	struct name_lookup *l, const struct settings *s, unsigned trunk, unsigned written)
{
	const struct target_settings *t;

	memset(l, 0, sizeof(*l));
	l->settings = s;
	l->trunk = (uint16_t)trunk;
	l->written = (uint16_t)written;
	l->ttl = l->negative = UINT32_MAX;
	t = lookup_target(l);
	if (t->endpoint.port) {
		lookup_name_itself(l);
	} else if (t->explicit_transport) {
		lookup_usual_services(l);
		lookup_next_service(l);
	} else {
		l->stage = NAME_NAPTR;
	}
}

const char *name_lookup_question(const struct name_lookup *l, uint16_t *type)
{
	switch (l->stage) {
	case NAME_NAPTR: *type = DNS_NAPTR; return lookup_name(l);
	case NAME_SRV: *type = DNS_SRV; return l->service[l->service_at].name;
	case NAME_AAAA: *type = DNS_AAAA; return l->host[l->host_at].name;
	case NAME_A: *type = DNS_A; return l->host[l->host_at].name;
	default: return NULL;
	}
}

/* ---- answers ---- */

/* The transport of a service field that we could use, or 0. */
static uint8_t lookup_naptr_transport(const struct name_lookup *l, const struct dns_record *r)
{
	for (size_t i = 0; i < SERVICES; i++)
		if (r->flag == 's' && r->name[0] && strcmp(r->service, services[i].naptr) == 0 &&
			lookup_wants(l, services[i].transport))
			return services[i].transport;
	return 0;
}

/* Takes the records that are for us, those of the lowest order and preference first. */
static void lookup_take_naptr(struct name_lookup *l)
{
	uint32_t rank[NAME_SERVICES_MAX];

	for (unsigned i = 0; i < l->answer.count; i++) {
		const struct dns_record *r = &l->answer.record[i];
		uint32_t mine = (uint32_t)r->priority << 16 | r->weight;
		uint8_t transport = lookup_naptr_transport(l, r);
		unsigned at = l->services;

		if (!transport || l->services == NAME_SERVICES_MAX)
			continue;
		for (; at && rank[at - 1] > mine; at--) {
			rank[at] = rank[at - 1];
			l->service[at] = l->service[at - 1];
		}
		rank[at] = mine;
		l->service[at].transport = transport;
		memcpy(l->service[at].name, r->name, sizeof(r->name));
		l->services++;
	}
	if (!l->services)
		lookup_usual_services(l);
	lookup_next_service(l);
}

/* A target of the root says that the service is not there (RFC 2782). */
static void lookup_take_srv(struct name_lookup *l)
{
	for (unsigned i = 0; i < l->answer.count; i++) {
		const struct dns_record *r = &l->answer.record[i];
		struct name_host host = {
			.priority = r->priority, .weight = r->weight, .port = r->port};

		if (!r->name[0] || !r->port)
			continue;
		memcpy(host.name, r->name, sizeof(r->name));
		lookup_add_host(l, &host);
	}
	l->transport = l->service[l->service_at].transport;
	l->service_at++;
	if (!l->hosts) {
		lookup_next_service(l);
		return;
	}
	l->by_service = true;
	lookup_address_stage(l, false);
}

/* Those of one host are whole: they are tried in the order of RFC 6724. */
static void lookup_host_done(struct name_lookup *l)
{
	static const struct hash_key same;
	const struct name_host *h = &l->host[l->host_at];
	struct address_candidate candidate[2 * ADDRESSES_MAX];
	unsigned count = 0;
	uint16_t listener;

	for (unsigned i = 0; i < l->addresses; i++) {
		struct endpoint to = l->address[i];

		to.port = h->port;
		if (!name_permit(l->settings, l->trunk, l->transport, &to, &listener)) {
			count(ADDRESSES_REFUSED);
			l->found.left_out++;
			continue;
		}
		candidate[count].to = to;
		candidate[count++].from = settings_listener(l->settings, listener)->bind;
	}
	address_order(candidate, count);
	for (unsigned i = 0; i < count; i++) {
		if (l->found.count == ADDRESSES_MAX) {
			l->found.left_out++;
			continue;
		}
		l->found.address[l->found.count++] = (struct record_address){
			.endpoint = candidate[i].to,
			.transport = l->transport,
			.by_service = l->by_service,
			.service_priority = h->priority,
			.service_weight = h->weight,
			.host = hash_str(&same, str_of(h->name)) ^ h->port};
	}
}

static void lookup_take_addresses(struct name_lookup *l)
{
	bool v6 = l->stage == NAME_AAAA;

	for (unsigned i = 0; i < l->answer.count && l->addresses < 2 * ADDRESSES_MAX; i++)
		l->address[l->addresses++] = l->answer.record[i].address;
	if (v6 && lookup_can_send(l, l->transport, 4)) {
		l->stage = NAME_A;
		return;
	}
	lookup_host_done(l);
	l->host_at++;
	l->addresses = 0;
	lookup_address_stage(l, false);
}

int name_lookup_take(struct name_lookup *l)
{
	struct dns_answer *a = &l->answer;
	bool address = l->stage == NAME_A || l->stage == NAME_AAAA;

	/* Whoever can make servers fail must not choose the transport by that: only a host may fail
	 * by itself. */
	if (a->outcome == DNS_FAILURE && !address)
		return -EREMOTEIO;
	if (a->outcome == DNS_FAILURE)
		l->error = -EREMOTEIO;
	if (a->outcome == DNS_FOUND && a->ttl < l->ttl)
		l->ttl = a->ttl;
	if ((a->outcome == DNS_NO_NAME || a->outcome == DNS_NOTHING) && a->ttl < l->negative)
		l->negative = a->ttl;
	if (address && l->hosts == 1 && !l->by_service)
		l->missing = a->outcome == DNS_NO_NAME;
	switch (l->stage) {
	case NAME_NAPTR: lookup_take_naptr(l); return 0;
	case NAME_SRV: lookup_take_srv(l); return 0;
	default: lookup_take_addresses(l); return 0;
	}
}
