/* debug_watch.c - see debug_watch.h. */
#include "debug_watch.h"

#include "ipc/line.h"

#define VALUE_MAX 160

static struct str debug_watch_value(const struct lifeline_debug_watch *w)
{
	return (struct str){w->value, strnlen(w->value, sizeof(w->value))};
}

/* Whether a URI names the user: "NAME", or "NAME@DOMAIN". */
static bool debug_watch_is_user(struct str wanted, const struct message *m, const struct uri *uri)
{
	struct str user = message_str(m, uri->user), host = message_str(m, uri->host);

	if (!user.n || !str_starts(wanted, user))
		return false;
	struct str rest = str_from(wanted, user.n);
	return !rest.n || (rest.p[0] == '@' && str_equal_nocase(str_from(rest, 1), host));
}

static bool debug_watch_fits(const struct lifeline_debug_watch *w, const struct message *m)
{
	struct str value = debug_watch_value(w);

	switch (w->kind) {
	case DEBUG_CALL: return str_equal(value, message_str(m, m->call_id));
	case DEBUG_SOURCE: return prefix_contains(&w->sources, &m->flow.peer);
	case DEBUG_USER:
		return debug_watch_is_user(value, m, &m->from) ||
		       debug_watch_is_user(value, m, &m->to) ||
		       (m->is_request && debug_watch_is_user(value, m, &m->request_uri));
	default: return false;
	}
}

bool debug_watch_has(const struct sip *sip, const struct message *m)
{
	uint64_t now = loop_now(sip->loop);

	for (unsigned i = 0; i < sip->debug.count; i++)
		if (now < sip->debug.watch[i].until && debug_watch_fits(&sip->debug.watch[i], m))
			return true;
	return false;
}

bool debug_watch_has_call(const struct sip *sip, struct str call_id)
{
	uint64_t now = loop_now(sip->loop);

	for (unsigned i = 0; i < sip->debug.count; i++) {
		const struct lifeline_debug_watch *w = &sip->debug.watch[i];

		if (w->kind == DEBUG_CALL && now < w->until &&
			str_equal(debug_watch_value(w), call_id))
			return true;
	}
	return false;
}

/* The start line, up to a token of a Contact at a trunk if it has one. */
static struct str debug_watch_line(const struct message *m)
{
	struct str line = message_str(m, m->start_line), token;

	if (line_of_request(m, &token) && token.p >= line.p && token.p < line.p + line.n)
		line.n = (size_t)(token.p - line.p);
	return line;
}

bool debug_watch_begin(struct sip *sip, const struct message *m)
{
	char peer[ENDPOINT_TEXT_SIZE], line[VALUE_MAX], call_id[VALUE_MAX], zone[VALUE_MAX];
	uint64_t left_out;
	bool permitted;

	if (!log_limit_pass(&sip->debug_limit, loop_now(sip->loop), DEBUG_MESSAGES,
		    LOG_LIMIT_SECOND, &left_out))
		return false;
	enum log_level before = debug_watch_raise();
	endpoint_text(&m->flow.peer, peer);
	log_debug("message-taken",
		"peer=%s transport=%s zone=%s call-id=%s line=%s slot=%u left_out=%llu", peer,
		transport_name(m->flow.transport),
		log_value(settings_zone_name(
				  sip->settings, settings_zone_of(sip->settings, m->flow.listener,
							 &m->flow.peer, &permitted)),
			zone, sizeof(zone)),
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		log_value(debug_watch_line(m), line, sizeof(line)), m->slot,
		(unsigned long long)left_out);
	log_set_level(before);
	return true;
}
