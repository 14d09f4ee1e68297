/* refusal_log.c - counting and logging of refusals (refusal_log.h). */
#include "refusal_log.h"

#include "common/log.h"

static enum counter refusal_log_counter(unsigned status)
{
	switch (status) {
#define STATUS(n)                                                                                  \
	case n: return COUNTER_ANSWERED_##n;
		STATUS(400)
		STATUS(403)
		STATUS(404)
		STATUS(405)
		STATUS(406)
		STATUS(408)
		STATUS(414)
		STATUS(416)
		STATUS(420)
		STATUS(421)
		STATUS(423)
		STATUS(433)
		STATUS(480)
		STATUS(481)
		STATUS(482)
		STATUS(483)
		STATUS(484)
		STATUS(486)
		STATUS(489)
		STATUS(491)
		STATUS(500)
		STATUS(501)
		STATUS(502)
		STATUS(503)
#undef STATUS
	default: return COUNTER_ANSWERED_OTHER;
	}
}

static bool refusal_log_may(struct sip *sip)
{
	uint64_t left_out;

	if (log_enabled(LOG_DEBUG))
		return true; /* all is told: of everybody, or of whom an operator has picked */
	if (!log_enabled(LOG_INFO) || !log_limit_pass(&sip->refusal_limit, loop_now(sip->loop),
					      REFUSAL_LOG_LINES, LOG_LIMIT_SECOND, &left_out))
		return false;
	if (left_out)
		log_info("refusals-log-limited", "left_out=%llu", (unsigned long long)left_out);
	return true;
}

/* An answer of our own that refuses nothing. */
static void refusal_log_answered(const struct message *request, unsigned status)
{
	char call_id[160];

	if (log_enabled(LOG_DEBUG) && status >= 200)
		log_debug("request-answered", "call-id=%s method=%s status=%u",
			log_value(message_str(request, request->call_id), call_id, sizeof(call_id)),
			method_name(request->method), status);
}

void refusal_log_request(
	struct sip *sip, const struct message *request, unsigned status, struct str headers)
{
	char peer[ENDPOINT_TEXT_SIZE], method[32], host[128], header[128];

	if (status < 300 || status == 401 || status == 407 || status == 487) {
		refusal_log_answered(request, status);
		return;
	}
	counter_add(refusal_log_counter(status), 1);
	if (!refusal_log_may(sip))
		return;
	endpoint_text(&request->flow.peer, peer);
	headers.n = str_find(headers, '\r');
	log_info("request-refused", "peer=%s method=%s host=%s status=%u header=%s", peer,
		log_value(message_str(request, request->method_name), method, sizeof(method)),
		log_value(message_str(request, request->request_uri.host), host, sizeof(host)),
		status, log_value(headers, header, sizeof(header)));
}

void refusal_log_unanswered(
	struct sip *sip, const struct message *request, unsigned status, const char *reason)
{
	char peer[ENDPOINT_TEXT_SIZE], method[32], text[96];

	if (!refusal_log_may(sip))
		return;
	endpoint_text(&request->flow.peer, peer);
	log_info("request-unanswered", "peer=%s method=%s status=%u reason=%s", peer,
		log_value(message_str(request, request->method_name), method, sizeof(method)),
		status, log_value(str_of(reason), text, sizeof(text)));
}

void refusal_log_dropped(struct sip *sip, const struct message *request, const char *reason)
{
	char peer[ENDPOINT_TEXT_SIZE], method[32], text[96];

	if (!refusal_log_may(sip))
		return;
	endpoint_text(&request->flow.peer, peer);
	log_info("request-dropped", "peer=%s method=%s reason=%s", peer,
		log_value(message_str(request, request->method_name), method, sizeof(method)),
		log_value(str_of(reason), text, sizeof(text)));
}

void refusal_log_response(struct sip *sip, const struct message *response, const char *reason)
{
	char peer[ENDPOINT_TEXT_SIZE], text[96];

	if (!refusal_log_may(sip))
		return;
	endpoint_text(&response->flow.peer, peer);
	log_info("response-dropped", "peer=%s status=%u reason=%s", peer, response->status,
		log_value(str_of(reason), text, sizeof(text)));
}
