/* merged.c - merged requests (RFC 3261 section 8.2.2.2): the table of those that stand, in which an
 * INVITE is found, too, whose sent-by cannot be relied on. Relies on key.c's keys. */
#include "machine.h"
#include "worker-sip/message/wire_header.h"

static bool merged_same(const struct table_node *node, const void *arg)
{
	const struct transaction *t = container_of(node, const struct transaction, merged_node);
	const struct transaction_key *key = arg;

	return t->merged_key.part[0] == key->part[0] && t->merged_key.part[1] == key->part[1];
}

bool merged_find(const struct transactions *ts, const struct transaction_key *key)
{
	return table_find(&ts->merged, key->part[0], merged_same, key) != NULL;
}

struct merged_wanted {
	uint64_t front; /* of its key */
	const struct message *message;
};

/* Whether m came by the flow that t came by. */
static bool merged_same_flow(const struct transaction *t, const struct message *m)
{
	return t->flow.transport == m->flow.transport && t->flow.id == m->flow.id &&
	       t->flow.listener == m->flow.listener && endpoint_equal(&t->flow.peer, &m->flow.peer);
}

/* The branch of a request: its own, and once it is answered its answer's. */
static struct str merged_branch(const struct transaction *t)
{
	struct str line, value;
	size_t at = 0;
	uint8_t id;
	struct via via;

	if (t->request)
		return message_str(&t->request->message, t->request->message.via_branch);
	while (t->sent && wire_header(t->sent, &at, &id, &line, &value))
		if (id == HEADER_VIA)
			return via_next(&value, &via) ? STR_NONE : via.branch;
	return STR_NONE;
}

static bool merged_is_invite(const struct table_node *node, const void *arg)
{
	const struct transaction *t = container_of(node, const struct transaction, merged_node);
	const struct merged_wanted *w = arg;
	const struct message *m = w->message;

	/* the ACK of a 2xx means the dialog, whatever branch it has */
	if (m->method == METHOD_ACK && t->stage == STAGE_ACCEPTED)
		return false;
	return t->merged_key.part[0] == w->front && t->kind == SERVER_INVITE &&
	       merged_same_flow(t, m) && m->via_branch.length &&
	       str_equal_nocase(merged_branch(t), message_str(m, m->via_branch));
}

struct transaction *merged_find_invite(const struct transactions *ts, const struct message *m)
{
	struct merged_wanted w = {key_of_merged_front(ts, m, S("INVITE")), m};
	struct table_node *node = table_find(&ts->merged, w.front, merged_is_invite, &w);

	return node ? container_of(node, struct transaction, merged_node) : NULL;
}

void merged_add(struct transaction *t, const struct transaction_key *key)
{
	t->merged_key = *key;
	t->has_merged = true;
	table_add(&t->owner->merged, &t->merged_node, key->part[0]);
}

void merged_remove(struct transaction *t)
{
	if (!t->has_merged)
		return;
	t->has_merged = false;
	table_remove(&t->owner->merged, &t->merged_node);
}
