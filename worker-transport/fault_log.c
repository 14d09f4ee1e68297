/* fault_log.c - counting and logging of messages with faults (fault_log.h). Relies on the parser's
 * reasons, which are static phrases with the header's name, and on ipc/headers.def. */
#include "fault_log.h"

#include "common/log.h"

/* Whether a fault of a source is to be said now. */
static bool fault_log_may_say(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, struct str fault)
{
	const struct endpoint *peer = &from->flow->peer;
	const uint64_t now = from->now,
		       part[3] = {hash_bytes(key, peer->address, sizeof(peer->address)),
			       hash_str(key, fault), now / FAULT_LOG_AGAIN_MS};
	const uint64_t print = hash_bytes(key, part, sizeof(part)) | 1;
	uint64_t *place = &l->said[print / 2 % FAULT_LOG_PLACES], left_out;

	if (from->picked)
		return log_limit_pass(
			&l->picked_limit, now, FAULT_LOG_PICKED, LOG_LIMIT_SECOND, &left_out);
	if (!log_enabled(LOG_INFO) || *place == print ||
		!log_limit_pass(&l->limit, now, FAULT_LOG_LINES, LOG_LIMIT_SECOND, &left_out))
		return false;
	if (left_out)
		log_info("faults-log-limited", "left_out=%llu", (unsigned long long)left_out);
	*place = print;
	return true;
}

/* What is said of a picked source is not for the level to leave out. Returns the level for
 * log_set_level. */
static enum log_level fault_log_raise(const struct fault_source *from)
{
	const enum log_level before = log_level();

	if (from->picked && !log_enabled(LOG_INFO))
		log_set_level(LOG_INFO);
	return before;
}

void fault_log_refused(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, const struct parse_error *error)
{
	char peer[ENDPOINT_TEXT_SIZE], reason[96];

	counter_add(error->counter, 1);
	if (!fault_log_may_say(l, key, from, str_of(error->reason)))
		return;
	const enum log_level before = fault_log_raise(from);
	endpoint_text(&from->flow->peer, peer);
	log_info("message-refused", "peer=%s transport=%s status=%u reason=%s", peer,
		transport_name(from->flow->transport), error->status,
		log_value(str_of(error->reason), reason, sizeof(reason)));
	log_set_level(before);
}

void fault_log_dropped(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, const char *reason)
{
	char peer[ENDPOINT_TEXT_SIZE], text[96];

	if (!fault_log_may_say(l, key, from, str_of(reason)))
		return;
	const enum log_level before = fault_log_raise(from);
	endpoint_text(&from->flow->peer, peer);
	log_info("message-dropped", "peer=%s transport=%s reason=%s", peer,
		transport_name(from->flow->transport),
		log_value(str_of(reason), text, sizeof(text)));
	log_set_level(before);
}

/* The counter of a header that is left out. */
static enum counter fault_log_counter(uint8_t id)
{
	enum {
		/* of headers that are never left out (ipc/message.h) */
		COUNTER_LEFT_OUT_VIA = COUNTER_LEFT_OUT_OTHER,
		COUNTER_LEFT_OUT_FROM = COUNTER_LEFT_OUT_OTHER,
		COUNTER_LEFT_OUT_TO = COUNTER_LEFT_OUT_OTHER,
		COUNTER_LEFT_OUT_CALL_ID = COUNTER_LEFT_OUT_OTHER,
		COUNTER_LEFT_OUT_CSEQ = COUNTER_LEFT_OUT_OTHER
	};
	static const uint16_t counters[HEADER_COUNT] = {
#define HEADER(id, name, compact) [HEADER_##id] = COUNTER_LEFT_OUT_##id,
#include "ipc/headers.def"
#undef HEADER
	};

	return id < HEADER_COUNT ? (enum counter)counters[id] : COUNTER_LEFT_OUT_OTHER;
}

static void fault_log_say_left_out(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, struct str header)
{
	char peer[ENDPOINT_TEXT_SIZE], name[96];

	if (!fault_log_may_say(l, key, from, header))
		return;
	const enum log_level before = fault_log_raise(from);
	endpoint_text(&from->flow->peer, peer);
	log_info("header-left-out", "peer=%s transport=%s header=%s", peer,
		transport_name(from->flow->transport), log_value(header, name, sizeof(name)));
	log_set_level(before);
}

void fault_log_left_out(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, const struct message *m, unsigned crowd)
{
	const struct message_header *h = message_headers(m), *last = h + m->header_count;

	if (!m->is_request && m->start_line.length > 12 && !m->reason.length) {
		count(LEFT_OUT_REASON_PHRASE);
		fault_log_say_left_out(l, key, from, S("reason phrase"));
	}
	if (crowd) {
		counter_add(COUNTER_LEFT_OUT_CROWD, crowd);
		fault_log_say_left_out(l, key, from, S("those beyond the limit"));
	}
	if (!m->unreadable)
		return;
	for (; h < last; h++) {
		if (h->id != HEADER_UNREADABLE)
			continue;
		const uint8_t id = message_unreadable_id(m, h);

		counter_add(fault_log_counter(id), 1);
		fault_log_say_left_out(l, key, from,
			id < HEADER_COUNT ? str_of(header_name(id)) : message_header_name(m, h));
	}
}
