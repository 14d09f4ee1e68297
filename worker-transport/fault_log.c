/* fault_log.c - counting and logging of messages with faults (fault_log.h). Relies on the parser's
 * reasons, which are static phrases with the header's name, and on ipc/headers.def. */
#include "fault_log.h"

#include "common/log.h"

/* Whether a fault of a source is to be said now. */
static bool fault_log_may_say(struct fault_log *l, const struct hash_key *key,
	const struct flow *flow, struct str fault, uint64_t now)
{
	const uint64_t part[3] = {hash_bytes(key, flow->peer.address, sizeof(flow->peer.address)),
		hash_str(key, fault), now / FAULT_LOG_AGAIN_MS};
	const uint64_t print = hash_bytes(key, part, sizeof(part)) | 1;
	uint64_t *place = &l->said[print / 2 % FAULT_LOG_PLACES], left_out;

	if (!log_enabled(LOG_INFO) || *place == print ||
		!log_limit_pass(&l->limit, now, FAULT_LOG_LINES, LOG_LIMIT_SECOND, &left_out))
		return false;
	if (left_out)
		log_info("faults-log-limited", "left_out=%llu", (unsigned long long)left_out);
	*place = print;
	return true;
}

void fault_log_refused(struct fault_log *l, const struct hash_key *key, const struct flow *flow,
	const struct parse_error *error, uint64_t now)
{
	char peer[ENDPOINT_TEXT_SIZE], reason[96];

	counter_add(error->counter, 1);
	if (!fault_log_may_say(l, key, flow, str_of(error->reason), now))
		return;
	endpoint_text(&flow->peer, peer);
	log_info("message-refused", "peer=%s transport=%s status=%u reason=%s", peer,
		transport_name(flow->transport), error->status,
		log_value(str_of(error->reason), reason, sizeof(reason)));
}

void fault_log_dropped(struct fault_log *l, const struct hash_key *key, const struct flow *flow,
	const char *reason, uint64_t now)
{
	char peer[ENDPOINT_TEXT_SIZE], text[96];

	if (!fault_log_may_say(l, key, flow, str_of(reason), now))
		return;
	endpoint_text(&flow->peer, peer);
	log_info("message-dropped", "peer=%s transport=%s reason=%s", peer,
		transport_name(flow->transport), log_value(str_of(reason), text, sizeof(text)));
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
	const struct flow *flow, struct str header, uint64_t now)
{
	char peer[ENDPOINT_TEXT_SIZE], name[96];

	if (!fault_log_may_say(l, key, flow, header, now))
		return;
	endpoint_text(&flow->peer, peer);
	log_info("header-left-out", "peer=%s transport=%s header=%s", peer,
		transport_name(flow->transport), log_value(header, name, sizeof(name)));
}

void fault_log_left_out(struct fault_log *l, const struct hash_key *key, const struct flow *flow,
	const struct message *m, unsigned crowd, uint64_t now)
{
	const struct message_header *h = message_headers(m), *last = h + m->header_count;

	if (!m->is_request && m->start_line.length > 12 && !m->reason.length) {
		count(LEFT_OUT_REASON_PHRASE);
		fault_log_say_left_out(l, key, flow, S("reason phrase"), now);
	}
	if (crowd) {
		counter_add(COUNTER_LEFT_OUT_CROWD, crowd);
		fault_log_say_left_out(l, key, flow, S("those beyond the limit"), now);
	}
	if (!m->unreadable)
		return;
	for (; h < last; h++) {
		if (h->id != HEADER_UNREADABLE)
			continue;
		const uint8_t id = message_unreadable_id(m, h);

		counter_add(fault_log_counter(id), 1);
		fault_log_say_left_out(l, key, flow,
			id < HEADER_COUNT ? str_of(header_name(id)) : message_header_name(m, h),
			now);
	}
}
