/* query_commands.c - what transport workers are asked for: their flows. */
#include "answer.h"
#include "commands.h"
#include "master/master.h"
#include "query.h"

#include <errno.h>

static void query_answered(void *arg, json_t *rows, json_t *missing)
{
	request_answer(
		arg, json_pack("{s:b, s:o, s:o}", "ok", 1, "rows", rows, "missing", missing));
}

static void query_ask(struct master *m, struct request *r, unsigned role, bool one, uint16_t what,
	const char *argument)
{
	int error = query_start(&m->queries, role, one, what, argument, query_answered, r);

	if (error == -EAGAIN)
		answer_refused(r, "too many questions are under way");
	else if (error < 0)
		answer_refused(r, "%s", strerror(-error));
}

void command_flows(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	query_ask(m, r, PEER_TRANSPORT, false, QUERY_FLOWS, "");
}
