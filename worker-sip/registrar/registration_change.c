/* registration_change.c - what a REGISTER changes in the bindings of its address of record (RFC
 * 3261 section 10.3 steps 6 and 7). */
#include "registration.h"

static void registration_remove(struct registration *q, unsigned i)
{
	q->count--;
	memmove(&q->binding[i], &q->binding[i + 1], (q->count - i) * sizeof(q->binding[0]));
	memmove(&q->fresh[i], &q->fresh[i + 1], (q->count - i) * sizeof(q->fresh[0]));
	q->changed++;
}

/* Whether c names the binding by instance and reg-id (RFC 5626 section 6). */
static bool registration_same_instance(const struct binding *b, const struct contact *c)
{
	return b->reg_id == c->reg_id && str_equal(b->instance, c->instance);
}

static bool registration_same_uri(const struct binding *b, const struct contact *c)
{
	struct uri_parts stored;

	if (str_equal(b->contact, c->uri.whole))
		return true;
	return uri_parse_contact(b->contact, &stored) == 0 && uri_equal(&stored, &c->uri);
}

/* Whether the REGISTER came by the flow of the binding, or its phone has another one by now: the
 * Call-ID of all its REGISTERs is one (RFC 3261 section 10.2). */
static bool registration_same_flow(const struct registration *q, const struct binding *b)
{
	return endpoint_equal(&b->flow.peer, &q->m->flow.peer) || str_equal(b->call_id, q->call_id);
}

static bool registration_by_flow(const struct registration *q)
{
	return q->domain->bindings_by == BINDINGS_BY_FLOW;
}

/* Whether the URI of a Contact may be that of another phone, too (bindings-by). */
static bool registration_is_ambiguous(const struct registration *q, const struct contact *c)
{
	struct endpoint host;

	return registration_by_flow(q) && !c->reg_id && !c->instance.n &&
	       endpoint_parse_host(c->uri.host, 0, &host) == 0 && endpoint_is_private(&host);
}

/* Whether the binding is of the phone that sends c, which came back by another port or address
 * (after a restart, or as its NAT would have it): by its instance, where it gives one, or because
 * the Contact differs in its port alone, and source and software are the same. */
static bool registration_same_phone(
	const struct registration *q, const struct binding *b, const struct contact *c)
{
	struct uri_parts stored;

	if (b->reg_id || c->reg_id)
		return false;
	if (c->instance.n || b->instance.n)
		return str_equal(b->instance, c->instance);
	return (!registration_by_flow(q) || str_equal(b->call_id, q->call_id)) && q->user_agent.n &&
	       str_equal(b->user_agent, q->user_agent) &&
	       endpoint_same_host(&b->flow.peer, &q->m->flow.peer) &&
	       uri_parse_contact(b->contact, &stored) == 0 && stored.user.n &&
	       str_equal(stored.user, c->uri.user) && str_equal_nocase(stored.host, c->uri.host);
}

/* The binding that c names, or q->count: by instance and reg-id, else by URI, or by URI and flow.
 */
static unsigned registration_find(const struct registration *q, const struct contact *c)
{
	for (unsigned i = 0; i < q->count && c->reg_id; i++)
		if (registration_same_instance(&q->binding[i], c))
			return i;
	const bool ambiguous = registration_is_ambiguous(q, c);

	for (unsigned i = 0; i < q->count; i++)
		if (registration_same_uri(&q->binding[i], c) &&
			(!ambiguous || registration_same_flow(q, &q->binding[i])))
			return i;
	return q->count;
}

enum order { ORDER_NEWER, ORDER_REPEATED, ORDER_OLDER };

/* The binding that c, which is none of those yet, takes the place of, or q->count. */
static unsigned registration_find_phone(const struct registration *q, const struct contact *c)
{
	for (unsigned i = 0; i < q->count; i++)
		if (!q->fresh[i] && registration_same_phone(q, &q->binding[i], c))
			return i;
	return q->count;
}

uint64_t registration_print(const struct registration *q)
{
	const struct hash_key *key = &q->sip->keys.slot_key;

	/* other than a plain sum, it tells which of the two is which */
	return 3 * hash_str(key, q->aor) + hash_str(key, q->call_id);
}

/* Whether a REGISTER that is older than the last one of its Call-ID may still be on its way. */
static bool registration_is_soon(const struct registration *q)
{
	return recent_registers_has(q->recent, registration_print(q), loop_now(q->sip->loop),
		settings_64_t1(q->sip->settings));
}

/* Step 7: of one Call-ID, only a higher CSeq may change a binding, for as long as what has a lower
 * one may have been sent before. */
static enum order registration_order(const struct registration *q, unsigned i)
{
	if (q->fresh[i] || !str_equal(q->binding[i].call_id, q->call_id))
		return ORDER_NEWER;
	if (q->m->cseq > q->binding[i].cseq)
		return ORDER_NEWER;
	if (!registration_is_soon(q)) {
		count(REGISTER_CSEQ_RESTARTED);
		return ORDER_NEWER;
	}
	return q->m->cseq == q->binding[i].cseq ? ORDER_REPEATED : ORDER_OLDER;
}

static void registration_refuse_order(struct registration *q)
{
	registration_refuse(q, COUNTER_REGISTER_OUT_OF_ORDER, 500, S("Out Of Order"), STR_EMPTY);
}

bool registration_remove_all(struct registration *q)
{
	for (unsigned i = 0; i < q->count; i++)
		if (registration_order(q, i) != ORDER_NEWER) {
			registration_refuse_order(q);
			return false;
		}
	q->changed = q->count;
	q->count = 0;
	return true;
}

static bool registration_refuse_brief(struct registration *q)
{
	char buffer[64];
	struct writer w = WRITER(buffer);

	write_literal(&w, "Min-Expires: ");
	write_number(&w, q->expires_min);
	write_literal(&w, "\r\n");
	registration_refuse(q, COUNTER_REGISTER_BRIEF, 423, STR_EMPTY, writer_text(&w));
	return false;
}

/* One Contact. False: answered, nothing of the request may stay. */
static bool registration_change(struct registration *q, const struct contact *c)
{
	unsigned i = registration_find(q, c);
	uint32_t expires = c->timed ? c->expires : q->domain->expires_default;

	if (i == q->count && expires) {
		i = registration_find_phone(q, c);
		if (i < q->count)
			count(BINDINGS_PHONE_BACK);
	}
	enum order order = i < q->count ? registration_order(q, i) : ORDER_NEWER;

	if (order == ORDER_REPEATED && expires) {
		q->repeated = true; /* in the store already */
		return true;
	}
	if (order != ORDER_NEWER) {
		registration_refuse_order(q);
		return false;
	}
	if (expires == 0) {
		if (i < q->count)
			registration_remove(q, i);
		return true;
	}
	if (expires < q->expires_min)
		return registration_refuse_brief(q);
	if (expires > q->expires_max)
		expires = q->expires_max;
	if (i == q->count && q->count++ == 2 * BINDINGS_MAX - 1) {
		q->count--;
		registration_refuse(
			q, COUNTER_REGISTER_TOO_MANY, 403, S("Too Many Contacts"), STR_EMPTY);
		return false;
	}
	q->binding[i] = (struct binding){.flow = q->m->flow,
		.expires_at = q->now_ms + (uint64_t)expires * 1000,
		.cseq = q->m->cseq,
		.reg_id = c->reg_id,
		.q = c->q,
		.contact = c->uri.whole,
		.call_id = q->call_id,
		.path = q->path,
		.instance = c->instance,
		.user_agent = q->user_agent};
	q->fresh[i] = true;
	q->changed++;
	return true;
}

/* Removes the binding that was refreshed longest ago, by its expiry, and is none of this request.
 * False: there is none, or the domain wants none removed. */
static bool registration_remove_oldest(struct registration *q)
{
	unsigned oldest = q->count;

	for (unsigned i = 0; i < q->count && q->domain->bindings_full == BINDINGS_FULL_REPLACE; i++)
		if (!q->fresh[i] && (oldest == q->count || q->binding[i].expires_at <
								   q->binding[oldest].expires_at))
			oldest = i;
	if (oldest == q->count)
		return false;
	registration_remove(q, oldest);
	count(BINDINGS_OLDEST_REPLACED);
	return true;
}

/* Whether there are more bindings than there may be, and the request adds to them: a record that
 * was larger before the limit was lowered may shrink and be refreshed. */
static bool registration_is_over(const struct registration *q)
{
	const unsigned limit = q->domain->bindings_max && q->domain->bindings_max < BINDINGS_MAX
	                               ? q->domain->bindings_max
	                               : BINDINGS_MAX;

	for (unsigned i = limit; i < q->count; i++)
		if (q->fresh[i])
			return true;
	return q->count > BINDINGS_MAX;
}

bool registration_change_all(struct registration *q, const struct contact *contacts, unsigned n)
{
	unsigned outbound = 0;

	for (unsigned i = 0; i < n; i++)
		if (contacts[i].reg_id && !(contacts[i].timed && contacts[i].expires == 0))
			outbound++;
	if (outbound > 1) { /* RFC 5626 section 6 */
		registration_refuse(q, COUNTER_REGISTER_BAD, 400, S("Several reg-id"), STR_EMPTY);
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		if (!registration_change(q, &contacts[i]))
			return false;
	while (registration_is_over(q))
		if (!registration_remove_oldest(q)) {
			registration_refuse(q, COUNTER_REGISTER_TOO_MANY, 403,
				S("Too Many Contacts"), STR_EMPTY);
			return false;
		}
	return true;
}
