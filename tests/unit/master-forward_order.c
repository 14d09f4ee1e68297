/* What users have dialled, as a SIP worker says it: that worker may have been taken over. */
#include "master/forwards.h"

#include "common/log.h"
#include "master/master.h"

#include <criterion/criterion.h>

static unsigned lines;

static void count_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
	lines++;
}

Test(forward_order, what_fails_is_logged_at_a_bounded_rate)
{
	const struct lifeline_forward_order order = {.when = FORWARD_BUSY,
		.user = "nobody",
		.domain = "example.net",
		.to = "sip:carol@example.net"};
	struct worker_slot w = {.role = PEER_SIP};
	static struct master m;

	cr_assert_eq(loop_new(&m.loop), 0);
	m.supervisor.users = -1;
	log_init("test", -1, LOG_WARN, count_line, NULL);
	for (unsigned i = 0; i < 10 * FORWARD_ORDERS_MAX; i++)
		cr_assert(forwards_order(&m, &w, &order));
	/* the loop's clock stands still meanwhile */
	cr_expect_eq(lines, FORWARD_ORDERS_MAX, "%u", lines);
	loop_free(m.loop);
}
