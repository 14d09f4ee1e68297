/* fork_log.c - the targets of a request that are tried and that fail, for the log level debug
 * (fork.h). */
#include "fork.h"

#include "worker-sip/debug_watch.h"

/* Bytes of a value in a line: a Call-ID or a name. */
#define VALUE_MAX 160

bool fork_log_wanted(const struct fork_branch *b)
{
	const struct held_message *request = b->fork->request;

	return debug_watch_wants(b->fork->sip, request ? &request->message : NULL);
}

/* The Call-ID of the request as it came. */
static const char *fork_log_call_id(const struct fork_branch *b, char buffer[VALUE_MAX])
{
	const struct held_message *request = b->fork->request;

	return log_value(
		request ? message_str(&request->message, request->message.call_id) : STR_EMPTY,
		buffer, VALUE_MAX);
}

static const char *fork_log_trunk(const struct fork_branch *b, char buffer[VALUE_MAX])
{
	return log_value(settings_trunk_name(b->fork->sip->settings, b->trunk), buffer, VALUE_MAX);
}

void fork_log_tried(const struct fork_branch *b, bool sent)
{
	char call_id[VALUE_MAX], zone[VALUE_MAX], trunk[VALUE_MAX], peer[ENDPOINT_TEXT_SIZE];

	endpoint_text(&b->target->flow.peer, peer);
	enum log_level before = debug_watch_raise();
	log_debug("target-tried", "call-id=%s to=%s transport=%s zone=%s trunk=%s sent=%s out=%.*s",
		fork_log_call_id(b, call_id), peer, transport_name(b->target->flow.transport),
		log_value(settings_zone_name(b->fork->sip->settings, b->zone), zone, sizeof(zone)),
		fork_log_trunk(b, trunk), sent ? "yes" : "no", (int)sizeof(b->call_id), b->call_id);
	log_set_level(before);
}

void fork_log_failed(const struct fork_branch *b, unsigned status, bool response)
{
	char call_id[VALUE_MAX], trunk[VALUE_MAX];

	enum log_level before = debug_watch_raise();
	log_debug("target-failed", "call-id=%s trunk=%s status=%u response=%s out=%.*s",
		fork_log_call_id(b, call_id), fork_log_trunk(b, trunk), status,
		response ? "yes" : "no", (int)sizeof(b->call_id), b->call_id);
	log_set_level(before);
}
