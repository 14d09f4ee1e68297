/* provisional.c - provisional responses that no dialog can be made of (provisional.h). */
#include "provisional.h"

#include "common/counters.h"

/* Has a header pass for one that cannot be read, which stays behind (policy.c). */
static void provisional_leave_out(struct message *m, enum header id)
{
	struct message_header *h = (struct message_header *)(void *)(m + 1);

	for (unsigned i = 0; i < m->header_count; i++) {
		if (h[i].id != id)
			continue;
		h[i].id = HEADER_UNREADABLE;
		h[i].value = (struct span){0, 0};
		m->unreadable++;
	}
	m->first[id] = 0xff;
}

struct held_message *provisional_unreliable(const struct message *m, bool offered)
{
	struct held_message *copy = held_message_new(m);

	if (!copy)
		return NULL;
	if (message_first(m, HEADER_RSEQ)) {
		count(PROVISIONALS_UNRELIABLE);
		provisional_leave_out(&copy->message, HEADER_RSEQ);
		provisional_leave_out(&copy->message, HEADER_REQUIRE);
		if (!offered)
			copy->message.body.length = 0;
	}
	return copy;
}
