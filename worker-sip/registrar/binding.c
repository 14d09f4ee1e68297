/* binding.c - encoding and decoding of an address of record's bindings (binding.h). */
#include "binding.h"

#include "common/hash.h"
#include "worker-sip/message/writer.h"

#include <errno.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");

struct reader {
	struct str rest;
	bool bad;
};

static void binding_get(struct reader *r, void *out, size_t n)
{
	if (r->rest.n < n) {
		r->bad = true;
		memset(out, 0, n);
		return;
	}
	memcpy(out, r->rest.p, n);
	r->rest = str_from(r->rest, n);
}

/* True where any of eight bytes is a control byte: below 0x20, or 0x7f. A byte's highest bit is set
 * by the subtraction where it was smaller, and by nothing else where it was not set before. */
static bool binding_has_control(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t del = eight ^ ones * 0x7f;

	return ((((eight - ones * 0x20) & ~eight) | ((del - ones) & ~del)) & high) != 0;
}

/* A string from the store goes into headers: a control byte in it would end the line. */
static bool binding_printable(struct str s)
{
	uint64_t eight;
	size_t i = 0;

	for (; s.n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, s.p + i, sizeof(eight));
		if (binding_has_control(eight))
			return false;
	}
	for (; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* Takes a string of n bytes, max at most. binding_valid looks at what is in it. */
static struct str binding_get_str(struct reader *r, size_t n, size_t max)
{
	struct str s = {r->rest.p, n};

	if (n > max || n > r->rest.n) {
		r->bad = true;
		return STR_NONE;
	}
	r->rest = str_from(r->rest, n);
	return s;
}

/* ---- listeners ---- */

static uint64_t binding_listener_name(const struct listener_settings *l)
{
	static const struct hash_key key;
	struct {
		struct endpoint bind;
		uint64_t transport;
	} text = {.bind = l->bind, .transport = l->transport};

	return hash_bytes(&key, &text, sizeof(text));
}

void binding_listeners_set(struct binding_listeners *l, const struct settings *s)
{
	l->count = s->listeners.count < LISTENERS_MAX ? s->listeners.count : LISTENERS_MAX;
	for (unsigned i = 0; i < l->count; i++)
		l->name[i] = binding_listener_name(settings_listener(s, i));
}

static uint16_t binding_listener_of(const struct binding_listeners *l, uint64_t name)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->name[i] == name)
			return (uint16_t)i;
	return NONE_INDEX;
}

static void binding_write_listener(
	struct writer *w, const struct binding_listeners *l, const struct binding *b)
{
	uint64_t name = b->flow.listener < l->count ? l->name[b->flow.listener] : b->listener;

	write_bytes(w, (const char *)&name, sizeof(name));
}

/* With the place that older records have. */
static void binding_get_listener(
	struct reader *r, const struct binding_listeners *l, uint8_t version, struct binding *b)
{
	if (version != BINDINGS_VERSION) {
		binding_get(r, &b->flow.listener, sizeof(b->flow.listener));
		return;
	}
	binding_get(r, &b->listener, sizeof(b->listener));
	b->flow.listener = binding_listener_of(l, b->listener);
}

/* ---- bindings ---- */

static void binding_write_endpoint(struct writer *w, const struct endpoint *e)
{
	write_bytes(w, (const char *)&e->family, 1);
	if (e->family == 0)
		return;
	write_bytes(w, (const char *)&e->port, 2);
	if (e->family == 6)
		write_bytes(w, (const char *)&e->scope, 4);
	write_bytes(w, (const char *)e->address, e->family == 6 ? 16 : 4);
}

static void binding_get_endpoint(struct reader *r, struct endpoint *e)
{
	*e = (struct endpoint){0};
	binding_get(r, &e->family, 1);
	if (e->family != 0 && e->family != 4 && e->family != 6)
		r->bad = true;
	if (e->family == 0 || r->bad)
		return;
	binding_get(r, &e->port, 2);
	if (e->family == 6)
		binding_get(r, &e->scope, 4);
	binding_get(r, e->address, e->family == 6 ? 16 : 4);
}

static bool binding_valid(const struct binding *b)
{
	return b->contact.n > 0 && b->contact.n <= BINDING_CONTACT_MAX &&
	       b->call_id.n <= BINDING_CALL_ID_MAX && b->path.n <= BINDING_PATH_MAX &&
	       b->instance.n <= BINDING_INSTANCE_MAX && b->user_agent.n <= BINDING_USER_AGENT_MAX &&
	       binding_printable(b->contact) && binding_printable(b->call_id) &&
	       binding_printable(b->path) && binding_printable(b->instance) &&
	       binding_printable(b->user_agent) && b->q <= 1000 && b->flow.transport > 0 &&
	       b->flow.transport < TRANSPORT_COUNT &&
	       (b->flow.peer.family == 4 || b->flow.peer.family == 6) &&
	       (b->flow.local.family == 0 || b->flow.local.family == 4 ||
		       b->flow.local.family == 6) &&
	       /* access is by flow only: a stream binding without its connection would have us
	          connect to wherever it says */
	       (b->flow.id != 0) == transport_is_stream(b->flow.transport);
}

static void binding_encode(
	struct writer *w, const struct binding_listeners *l, const struct binding *b)
{
	uint16_t contact = (uint16_t)b->contact.n, call_id = (uint16_t)b->call_id.n,
		 path = (uint16_t)b->path.n;
	uint8_t instance = (uint8_t)b->instance.n, user_agent = (uint8_t)b->user_agent.n;

	write_bytes(w, (const char *)&b->expires_at, 8);
	write_bytes(w, (const char *)&b->flow.id, 8);
	write_bytes(w, (const char *)&b->cseq, 4);
	write_bytes(w, (const char *)&b->reg_id, 4);
	write_bytes(w, (const char *)&b->q, 2);
	binding_write_listener(w, l, b);
	write_bytes(w, (const char *)&b->flow.transport, 1);
	binding_write_endpoint(w, &b->flow.peer);
	binding_write_endpoint(w, &b->flow.local);
	write_bytes(w, (const char *)&contact, 2);
	write_bytes(w, (const char *)&call_id, 2);
	write_bytes(w, (const char *)&path, 2);
	write_bytes(w, (const char *)&instance, 1);
	write_bytes(w, (const char *)&user_agent, 1);
	write_str(w, b->contact);
	write_str(w, b->call_id);
	write_str(w, b->path);
	write_str(w, b->instance);
	write_str(w, b->user_agent);
}

static uint32_t bindings_check(uint8_t count, const char *rest, size_t n)
{
	struct hash_key key = {{count}};

	return (uint32_t)hash_bytes(&key, rest, n);
}

long bindings_encode(const struct binding_listeners *l, const struct binding *b, unsigned count,
	char *buffer, size_t size)
{
	struct writer w = {.p = buffer, .size = size};
	char head[BINDINGS_HEAD] = {BINDINGS_VERSION, (char)count};

	if (count == 0 || count > BINDINGS_MAX)
		return -EINVAL;
	write_bytes(&w, head, sizeof(head));
	for (unsigned i = 0; i < count; i++) {
		if (!binding_valid(&b[i]))
			return -EINVAL;
		binding_encode(&w, l, &b[i]);
	}
	if (w.full)
		return -EINVAL;
	uint32_t check = bindings_check(
		(uint8_t)count, buffer + BINDINGS_HEAD, w.n - BINDINGS_HEAD);
	memcpy(buffer + 2, &check, sizeof(check));
	return (long)w.n;
}

static void binding_decode(
	struct reader *r, const struct binding_listeners *l, uint8_t version, struct binding *b)
{
	uint16_t contact, call_id, path;
	uint8_t instance, user_agent;

	*b = (struct binding){0};
	binding_get(r, &b->expires_at, 8);
	binding_get(r, &b->flow.id, 8);
	binding_get(r, &b->cseq, 4);
	binding_get(r, &b->reg_id, 4);
	binding_get(r, &b->q, 2);
	binding_get_listener(r, l, version, b);
	binding_get(r, &b->flow.transport, 1);
	binding_get_endpoint(r, &b->flow.peer);
	binding_get_endpoint(r, &b->flow.local);
	binding_get(r, &contact, 2);
	binding_get(r, &call_id, 2);
	binding_get(r, &path, 2);
	binding_get(r, &instance, 1);
	binding_get(r, &user_agent, 1);
	b->contact = binding_get_str(r, contact, BINDING_CONTACT_MAX);
	b->call_id = binding_get_str(r, call_id, BINDING_CALL_ID_MAX);
	b->path = binding_get_str(r, path, BINDING_PATH_MAX);
	b->instance = binding_get_str(r, instance, BINDING_INSTANCE_MAX);
	b->user_agent = binding_get_str(r, user_agent, BINDING_USER_AGENT_MAX);
}

unsigned bindings_number(struct str record)
{
	return record.n < 2 ? 0 : (unsigned char)record.p[1];
}

int bindings_decode(
	const struct binding_listeners *l, struct str record, struct binding out[BINDINGS_MAX])
{
	struct reader r = {.rest = record};
	uint8_t version, number;
	uint32_t check;

	binding_get(&r, &version, 1);
	binding_get(&r, &number, 1);
	if (version == BINDINGS_VERSION || version == BINDINGS_VERSION_PLACES) {
		binding_get(&r, &check, 4);
		r.bad |= check != bindings_check(number, r.rest.p, r.rest.n);
	} else if (version != BINDINGS_VERSION_UNCHECKED) {
		r.bad = true;
	}
	if (r.bad || number == 0 || number > BINDINGS_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < number; i++) {
		binding_decode(&r, l, version, &out[i]);
		if (r.bad || !binding_valid(&out[i]))
			return -EBADMSG;
	}
	return r.rest.n ? -EBADMSG : number;
}

struct str binding_user_agent(const struct message *m)
{
	struct str s = message_value(m, HEADER_USER_AGENT);

	for (size_t i = 0; i < s.n; i++)
		if (i == BINDING_USER_AGENT_MAX || (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return (struct str){s.p, i};
	return s;
}
