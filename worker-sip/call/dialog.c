/* dialog.c - dialogs (RFC 3261 section 12) in a table by our own tag.
 *
 * osip_dialog_t is not used as the record: it holds a parsed tree for each header (some forty
 * allocations a call) where four strings in one block do.
 */
#include "dialog.h"

#include "common/slab.h"
#include "ipc/token.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/routing/target_state.h"

#include <errno.h>
#include <stdlib.h>

struct dialogs {
	struct table by_tag, retired; /* those that stand, and those that are over */
	struct table awaited;         /* those that a NOTIFY may make */
	struct flow_user_tables flow_user_tables;
	struct slab slab;
};

int dialogs_new(struct dialogs **out)
{
	struct dialogs *ds = calloc(1, sizeof(*ds));

	if (!ds)
		return -ENOMEM;
	int error = table_init(&ds->by_tag, 1024);
	if (error == 0)
		error = table_init(&ds->retired, 1024);
	if (error == 0)
		error = table_init(&ds->awaited, 64);
	if (error == 0)
		error = flow_users_init(&ds->flow_user_tables.legs);
	if (error == 0)
		error = flow_users_init(&ds->flow_user_tables.branches);
	if (error == 0)
		error = flow_users_init(&ds->flow_user_tables.callers);
	if (error) {
		dialogs_free(ds);
		return error;
	}
	*out = ds;
	return 0;
}

struct slab *dialogs_slab(struct dialogs *ds)
{
	return &ds->slab;
}

void dialogs_free(struct dialogs *ds)
{
	if (!ds)
		return;
	flow_users_free(&ds->flow_user_tables.legs);
	flow_users_free(&ds->flow_user_tables.branches);
	flow_users_free(&ds->flow_user_tables.callers);
	table_free(&ds->by_tag);
	table_free(&ds->retired);
	table_free(&ds->awaited);
	free(ds);
}

struct flow_user_tables *dialogs_flow_users(struct dialogs *ds)
{
	return &ds->flow_user_tables;
}

size_t dialogs_count(const struct dialogs *ds)
{
	return ds->by_tag.count;
}

size_t dialogs_retired(const struct dialogs *ds)
{
	return ds->retired.count;
}

struct table *dialogs_awaited(struct dialogs *ds)
{
	return &ds->awaited;
}

static struct str dialog_put(char **at, struct str s)
{
	struct str copy = {*at, s.n};

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

int dialog_new(struct sip *sip, const struct dialog_parts *parts, struct dialog **out)
{
	size_t size = parts->call_id.n + parts->local.n + parts->remote.n + parts->remote_tag.n +
	              parts->route.n;
	struct slab *slab = &sip->dialogs->slab;
	struct dialog *d = slab_take(slab, sizeof(*d) + size);
	char *target = slab_take(slab, parts->target.n);

	if (!d || !target) {
		slab_give(slab, d, sizeof(*d) + size);
		slab_give(slab, target, parts->target.n);
		return -ENOMEM;
	}
	memset(d, 0, sizeof(*d));
	d->id = parts->id;
	d->slot = parts->slot;
	d->zone = parts->zone;
	d->flow = *parts->flow;
	d->trunk = parts->trunk;
	d->local_cseq = parts->local_cseq;
	d->remote_cseq = parts->remote_cseq;
	d->state = DIALOG_EARLY;
	d->text_size = (uint32_t)size;
	char *at = d->text;
	d->call_id = dialog_put(&at, parts->call_id);
	d->local = dialog_put(&at, parts->local);
	d->remote = dialog_put(&at, parts->remote);
	d->remote_tag = dialog_put(&at, parts->remote_tag);
	d->route = dialog_put(&at, parts->route);
	d->target = dialog_put(&target, parts->target);
	token_mint(&sip->keys.minting, TOKEN_TAG, d->slot, d->id, d->tag);
	table_add(&sip->dialogs->by_tag, &d->node, d->id);
	flow_users_add(&sip->dialogs->flow_user_tables.legs, &d->flow_user, d->flow.id);
	*out = d;
	return 0;
}

void dialog_retire(struct sip *sip, struct dialog *d)
{
	table_remove(&sip->dialogs->by_tag, &d->node);
	flow_users_remove(&sip->dialogs->flow_user_tables.legs, &d->flow_user);
	d->state = DIALOG_RETIRED;
	table_add(&sip->dialogs->retired, &d->node, d->id);
}

static void dialog_drop_route(struct sip *sip, struct dialog *d)
{
	bool in_text = d->route.p >= d->text && d->route.p < d->text + d->text_size;

	if (d->route.n && !in_text)
		slab_give(&sip->dialogs->slab, (char *)(uintptr_t)d->route.p, d->route.n);
}

int dialog_set_route(struct sip *sip, struct dialog *d, struct str route)
{
	char *text = NULL;

	if (str_equal(route, d->route))
		return 0;
	if (route.n) {
		text = slab_take(&sip->dialogs->slab, route.n);
		if (!text)
			return -ENOMEM;
		memcpy(text, route.p, route.n);
	}
	dialog_drop_route(sip, d);
	d->route = (struct str){text, route.n};
	return 0;
}

void dialog_free(struct sip *sip, struct dialog *d)
{
	if (!d)
		return;
	table_remove(d->state == DIALOG_RETIRED ? &sip->dialogs->retired : &sip->dialogs->by_tag,
		&d->node);
	flow_users_remove(&sip->dialogs->flow_user_tables.legs, &d->flow_user);
	struct slab *slab = &sip->dialogs->slab;
	slab_give(slab, (char *)(uintptr_t)d->target.p, d->target.n);
	dialog_drop_route(sip, d);
	allowance_drop(d->allowance);
	slab_give(slab, d, sizeof(*d) + d->text_size);
}

struct dialog_wanted {
	uint64_t id;
	struct str remote_tag, call_id;
};

static bool dialog_same(const struct table_node *node, const void *key)
{
	const struct dialog *d = container_of(node, struct dialog, node);
	const struct dialog_wanted *w = key;

	return d->id == w->id && str_equal_nocase(d->remote_tag, w->remote_tag) &&
	       str_equal(d->call_id, w->call_id);
}

static bool dialog_same_id(const struct table_node *node, const void *key)
{
	return ((const struct dialog *)container_of(node, struct dialog, node))->id ==
	       *(const uint64_t *)key;
}

static struct dialog *dialog_find(
	struct sip *sip, bool retired, struct str call_id, struct str ours, struct str theirs)
{
	const struct table *table;
	uint8_t slot;
	struct dialog_wanted w = {.remote_tag = theirs, .call_id = call_id};

	if (token_prove(&sip->keys.minting, TOKEN_TAG, ours, &slot, &w.id))
		return NULL;
	table = retired ? &sip->dialogs->retired : &sip->dialogs->by_tag;
	struct table_node *node = table_find(table, w.id, dialog_same, &w);
	return node ? container_of(node, struct dialog, node) : NULL;
}

struct dialog *dialog_of_tags(
	struct sip *sip, struct str call_id, struct str ours, struct str theirs)
{
	return dialog_find(sip, false, call_id, ours, theirs);
}

struct dialog *dialog_retired(
	struct sip *sip, struct str call_id, struct str ours, struct str theirs)
{
	return dialog_find(sip, true, call_id, ours, theirs);
}

struct dialog *dialog_of_request(struct sip *sip, const struct message *m)
{
	return dialog_of_tags(sip, message_str(m, m->call_id), message_str(m, m->to_tag),
		message_str(m, m->from_tag));
}

struct dialog *dialog_of_contact(struct sip *sip, struct str user)
{
	uint8_t slot;
	uint64_t id;

	if (token_prove(&sip->keys.minting, TOKEN_CONTACT, user, &slot, &id))
		return NULL;
	return dialog_of_id(sip, id);
}

struct dialog *dialog_of_id(struct sip *sip, uint64_t id)
{
	struct table_node *node = table_find(&sip->dialogs->by_tag, id, dialog_same_id, &id);

	return node ? container_of(node, struct dialog, node) : NULL;
}

/* Whether the peer may come back by another flow, as a phone behind NAT does: of the same zone, or
 * a trusted peer's dialog could be drawn to the Internet. The core has seen that the zone permits
 * the source. */
static bool dialog_may_move(const struct settings *s, const struct dialog *d, const struct flow *to)
{
	return !settings_zone(s, d->zone)->trust &&
	       settings_listener(s, to->listener)->zone == d->zone;
}

void dialog_take_target(struct sip *sip, struct dialog *d, const struct message *m)
{
	struct str target = message_str(m, m->contact.whole);

	if (!target.n || str_equal(target, d->target))
		return;
	char *text = slab_take(&sip->dialogs->slab, target.n);
	if (!text)
		return;
	memcpy(text, target.p, target.n);
	slab_give(&sip->dialogs->slab, (char *)(uintptr_t)d->target.p, d->target.n);
	d->target = (struct str){text, target.n};
}

void dialog_take_flow(struct sip *sip, struct dialog *d, const struct flow *flow)
{
	if (!dialog_may_move(sip->settings, d, flow))
		return;
	bool moved = d->flow.id != flow->id;
	d->lost &= !moved;
	d->flow = *flow;
	flow_users_add(&sip->dialogs->flow_user_tables.legs, &d->flow_user, d->flow.id);
	if (moved && d->state == DIALOG_CONFIRMED)
		sip_watch(sip, &d->flow, d->slot);
}

void dialog_refresh(struct sip *sip, struct dialog *d, const struct message *m)
{
	dialog_take_target(sip, d, m);
	dialog_take_flow(sip, d, &m->flow);
}

/* Finds the trunk of the zone that reaches that host by TLS, as flow.profile names it: what is
 * known of the trunk's certificate holds wherever it wants to be reached. Returns 0 where there is
 * none; the certificate must then name the address. */
static uint16_t dialog_profile(
	const struct sip *sip, const struct dialog *d, const struct endpoint *peer)
{
	const struct settings *s = sip->settings;

	if (d->flow.profile)
		return d->flow.profile;
	for (unsigned i = 0; i < s->trunks.count && sip->target_states; i++) {
		unsigned count;
		const struct target_settings *t = target_states_rows(sip->target_states, i, &count);

		for (unsigned k = 0; k < count && settings_trunk(s, i)->zone == d->zone; k++)
			if (t[k].transport == TRANSPORT_TLS &&
				endpoint_same_host(&t[k].endpoint, peer))
				return settings_profile(s, i, t[k].written);
	}
	return 0;
}

/* Whether the zone's sources contain the peer. */
static bool dialog_is_source(
	const struct settings *s, const struct zone_settings *zone, const struct endpoint *peer)
{
	for (unsigned i = 0; i < zone->sources.count; i++)
		if (prefix_contains(SETTINGS_ROW(s, struct prefix, zone->sources, i), peer))
			return true;
	return false;
}

static uint8_t dialog_transport(const struct uri_parts *uri)
{
	struct str value;
	uint8_t transport = uri_param_find(uri->params, S("transport"), &value)
	                            ? transport_of(value)
	                            : TRANSPORT_UDP;

	/* sips: is TLS over whatever is named (RFC 3261 section 26.2.2). */
	if (uri->scheme == URI_SIPS && transport != TRANSPORT_WS)
		return TRANSPORT_TLS;
	return transport;
}

/* The host that requests to a URI are sent to: maddr stands for it (RFC 3261 sections 16.6 step 7
 * and 19.1.1). */
static struct str dialog_host(const struct uri_parts *uri)
{
	struct str maddr;

	return uri_param_find(uri->params, S("maddr"), &maddr) && maddr.n ? maddr : uri->host;
}

/* Sets *flow to a numeric next hop within the zone's sources. Leaves it where the URI names none.
 */
static void dialog_next_hop(
	struct sip *sip, const struct dialog *d, struct str uri_text, struct flow *flow)
{
	const struct settings *s = sip->settings;
	struct uri_parts uri;
	struct endpoint peer;

	if (uri_parse_contact(uri_text, &uri) || (uri.scheme != URI_SIP && uri.scheme != URI_SIPS))
		return;
	const char *port = uri.host.p + uri.host.n;
	if (!uri.port && port < uri_text.p + uri_text.n && *port == ':')
		return; /* port 0 */
	uint8_t transport = dialog_transport(&uri);
	uint16_t asked = uri.port ? uri.port : settings_default_port(transport);
	if (endpoint_parse_host(dialog_host(&uri), asked, &peer))
		return;
	if (!dialog_is_source(s, settings_zone(s, d->zone), &peer))
		return;
	unsigned listener = settings_listener_for(s, d->zone, transport, peer.family);
	if (listener == NONE_INDEX)
		return;
	if (d->flow.transport == transport && endpoint_equal(&d->flow.peer, &peer))
		return; /* the flow that it has: a connection stays in use */
	*flow = (struct flow){.transport = transport, .listener = (uint16_t)listener, .peer = peer};
	if (transport == TRANSPORT_TLS)
		flow->profile = dialog_profile(sip, d, &peer);
	if (d->flow.listener == listener)
		flow->local = d->flow.local;
}

struct flow dialog_flow(struct sip *sip, const struct dialog *d)
{
	struct flow flow = d->flow;

	if (!settings_zone(sip->settings, d->zone)->trust)
		return flow;
	struct str rest = d->route;
	struct address first;
	if (rest.n && address_next(&rest, &first) == 0)
		dialog_next_hop(sip, d, first.uri.whole, &flow);
	else
		dialog_next_hop(sip, d, d->target, &flow);
	return flow;
}

bool dialog_can_read(const struct message *m)
{
	return !m->broken ||
	       (m->from.whole.length && m->to.whole.length && m->call_id.length &&
		       m->method_name.length && (!m->body.length || m->content_type.length));
}

bool dialog_write_route_set(struct writer *w, const struct message *m, bool reverse)
{
	struct str item[64];
	size_t count = 0;

	for (const struct message_header *h = message_first(m, HEADER_RECORD_ROUTE); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;
		int error;

		while ((error = address_next(&rest, &a)) == 0) {
			if (count == 64)
				return false;
			item[count++] = a.whole;
		}
		if (error != -ENOENT)
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (i)
			write_literal(w, ", ");
		write_str(w, item[reverse ? count - 1 - i : i]);
	}
	return !w->full;
}
