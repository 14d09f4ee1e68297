/* session.c - a session that nobody refreshes ends (RFC 4028 section 10; exchange.h).
 *
 * The user agents keep the timer, and the one who waits for a refresh sends BYE a while before the
 * session expires. Where both are gone, or one keeps no time, the call ends here when it does.
 */
#include "exchange_state.h"

#include "worker-sip/message/session_timer.h"

#define SESSION_REASON "Reason: SIP;cause=408;text=\"Session expired\"\r\n"

/* Whether a request that may refresh it has come, and is not answered yet. */
static bool call_refresh_pending(const struct call *call)
{
	for (const struct exchange *x = call->exchanges; x; x = x->next)
		if (!x->answered && (x->method == METHOD_INVITE || x->method == METHOD_UPDATE))
			return true;
	return false;
}

static void call_session_over(struct timer *t, void *arg)
{
	struct call *call = arg;
	struct sip *sip = call->sip;

	(void)t;
	if (call_refresh_pending(call)) {
		loop_set(sip->loop, &call->session, 64u * sip->settings->t1_ms);
		return;
	}
	count(SESSIONS_EXPIRED);
	call_end(call, true, true, S(SESSION_REASON));
}

void call_refresh_session(
	struct call *call, const struct message *request, const struct message *answer)
{
	uint32_t seconds = session_timer_agreed(request, answer);

	loop_unset(call->sip->loop, &call->session);
	if (!seconds)
		return;
	timer_init(&call->session, call_session_over, call);
	loop_set(call->sip->loop, &call->session, (uint64_t)seconds * 1000);
}
