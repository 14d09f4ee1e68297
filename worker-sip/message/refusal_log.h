/* refusal_log.h - what is said of requests that are refused here and of responses that are dropped:
 * each is counted by its status or reason, and logged with its source at a bounded rate. */
#ifndef SIPWARD_SIP_MESSAGE_REFUSAL_LOG_H
#define SIPWARD_SIP_MESSAGE_REFUSAL_LOG_H

#include "worker-sip/sip.h"

/* Lines a second, of requests and responses together; at the level debug there is no bound. */
#define REFUSAL_LOG_LINES 5

/* The request is answered, by what was built and goes out, with a final status of our own. headers:
 * those of the answer, of which the first line is logged: of a 420 it names what is not supported.
 * Challenges and the 487 of a cancelled INVITE refuse nothing. */
void refusal_log_request(
	struct sip *sip, const struct message *request, unsigned status, struct str headers);

/* The request has no answer, of that status, for that static reason; counting is the caller's. */
void refusal_log_unanswered(
	struct sip *sip, const struct message *request, unsigned status, const char *reason);

/* The request, which is an ACK or not for us, is dropped for that static reason; counting is the
 * caller's. */
void refusal_log_dropped(struct sip *sip, const struct message *request, const char *reason);

/* The response is dropped for that static reason; counting is the caller's. */
void refusal_log_response(struct sip *sip, const struct message *response, const char *reason);

#endif
