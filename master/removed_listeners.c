/* removed_listeners.c - see removed_listeners.h. Calls are asked about of SIP workers; what is no
 * call has its time, 64*T1, by which each of its transactions is over. */
#include "removed_listeners.h"

#include "common/log.h"
#include "master/workers/supervise.h"

static bool removed_listener_is(const struct master *m, size_t i)
{
	return m->config->listeners[i].gone && listen_is_open(&m->listen, (unsigned)i);
}

static bool removed_listeners_named(const json_t *rows, size_t i)
{
	const json_t *row;
	size_t k;

	json_array_foreach ((json_t *)(uintptr_t)rows, k, row)
		if (json_integer_value(json_object_get(row, "listener")) == (json_int_t)i)
			return true;
	return false;
}

static void removed_listeners_on_answer(void *arg, json_t *rows, json_t *missing)
{
	struct master *m = arg;
	uint64_t now = loop_now(m->loop), patience = 64 * (uint64_t)m->config->t1_ms;
	bool known = json_array_size(missing) == 0;

	m->removed.asked = false;
	for (size_t i = 0; i < m->config->listener_count && known; i++) {
		if (!removed_listener_is(m, i) || now - m->removed.since[i] < patience ||
			removed_listeners_named(rows, i))
			continue;
		supervise_close_listener(&m->supervisor, (unsigned)i);
		listen_close_listener(&m->listen, (unsigned)i);
		log_info("listener-closed", "listener=\"%s\"", m->config->listeners[i].name);
	}
	json_decref(rows);
	json_decref(missing);
	removed_listeners_watch(m);
}

static void removed_listeners_look(struct timer *t, void *arg)
{
	struct master *m = arg;

	(void)t;
	m->removed.asked = query_start(&m->queries, PEER_SIP, false, QUERY_LISTENERS, "",
				   removed_listeners_on_answer, m) == 0;
	if (!m->removed.asked)
		removed_listeners_watch(m);
}

void removed_listeners_watch(struct master *m)
{
	bool any = false;

	for (size_t i = 0; i < m->config->listener_count; i++) {
		if (!removed_listener_is(m, i)) {
			m->removed.since[i] = 0;
			continue;
		}
		any = true;
		if (!m->removed.since[i])
			m->removed.since[i] = loop_now(m->loop);
	}
	if (any && !m->removed.asked && !timer_armed(&m->removed.timer))
		loop_set(m->loop, &m->removed.timer, REMOVED_LOOK_MS);
}

void removed_listeners_init(struct master *m)
{
	timer_init(&m->removed.timer, removed_listeners_look, m);
}
