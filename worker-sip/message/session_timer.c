/* session_timer.c - Session-Expires of requests and of their answers (session_timer.h). */
#include "session_timer.h"

#include "ipc/syntax.h"

/* The interval that m says, in seconds; 0: none, or none that can be read. */
static uint32_t session_timer_interval(const struct message *m)
{
	struct str value = message_value(m, HEADER_SESSION_EXPIRES);
	struct str number = str_trim((struct str){value.p, str_find(value, ';')});
	uint64_t seconds;

	if (!number.n || str_number(number, UINT32_MAX, &seconds))
		return 0;
	if (seconds < SESSION_INTERVAL_MIN)
		return SESSION_INTERVAL_MIN;
	return seconds > SESSION_INTERVAL_MAX ? SESSION_INTERVAL_MAX : (uint32_t)seconds;
}

/* Whether one of the option tags of these headers is timer. */
static bool session_timer_is_tagged(const struct message *m, enum header id)
{
	for (const struct message_header *h = message_first(m, id); h; h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), tag;

		while (list_next(&rest, &tag) == 0)
			if (str_equal_nocase(tag, S("timer")))
				return true;
	}
	return false;
}

/* Whether the answer's sender has no session timers, and the request's sender has one to keep. */
static bool session_timer_is_kept(const struct message *request, const struct message *answer)
{
	return !message_first(answer, HEADER_SESSION_EXPIRES) && session_timer_interval(request) &&
	       (session_timer_is_tagged(request, HEADER_SUPPORTED) ||
		       session_timer_is_tagged(request, HEADER_REQUIRE));
}

void session_timer_write_kept(
	struct writer *w, const struct message *request, const struct message *answer)
{
	if (!session_timer_is_kept(request, answer))
		return;
	write_literal(w, "Session-Expires: ");
	write_number(w, session_timer_interval(request));
	write_literal(w, ";refresher=uac\r\nRequire: timer\r\n");
}

uint32_t session_timer_agreed(const struct message *request, const struct message *answer)
{
	if (session_timer_is_kept(request, answer))
		return session_timer_interval(request);
	return session_timer_interval(answer);
}
