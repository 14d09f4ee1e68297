/* sip-targets.h - calls to the trunk over sip-worker.h: which of its targets they try, and what
 * another SIP worker says of one. */
#ifndef SIPWARD_TESTS_UNIT_SIP_TARGETS_H
#define SIPWARD_TESTS_UNIT_SIP_TARGETS_H

#include "sip-worker.h"

#include <errno.h>

#define NUMBER "sip:5551000@example.net"
#define FIRST "10.0.0.11:5060"
#define SECOND "10.0.0.12:5060"
#define THIRD "10.0.0.13:5060"

static unsigned calls;

static inline struct said *call(void)
{
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-%u", calls++);
	return ask(.method = "INVITE", .uri = NUMBER, .call_id = call_id);
}

/* The INVITE that has gone to that target last. */
static inline struct sent *tried(const char *target)
{
	struct sent *out = NULL;

	for (struct sent *s; (s = take("INVITE", 0));)
		if (sent_to(s, target))
			out = s;
	cr_assert_not_null(out, "%s was not tried", target);
	return out;
}

/* What goes on there is of no interest any more. */
static inline void forget(void)
{
	for (unsigned i = 0; i < sent_count; i++)
		sent[i].taken = true;
}

/* Another worker says it of a target. */
static inline void tell(unsigned index, bool down, uint64_t found_at)
{
	struct record_target told = {
		.target = target_states_id(worker->sip.target_states, 0, index),
		.found_at = found_at,
		.error = down ? -ETIMEDOUT : 0,
		.status = down ? 0 : 200,
		.down = down};

	target_states_told(worker->sip.target_states, &told);
	settle();
}

/* The first target has said nothing to a call, which is answered by the second one. */
static inline void first_is_silent(void)
{
	call();
	tried(FIRST);
	pass(ANSWER);
	respond(tried(SECOND), 200, .tag = "2");
	forget();
}

#endif
