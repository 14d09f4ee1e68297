/* query_commands.c - what workers are asked for: registrations, which SIP workers know, and the
 * flows of transport workers. Calls are call_commands.c's. */
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

void command_registrations(struct master *m, struct request *r, json_t *arguments)
{
	const char *aor = json_string_value(json_object_get(arguments, "aor"));

	if (aor && strlen(aor) >= sizeof(((struct lifeline_query *)0)->argument)) {
		answer_refused(r, "the address of record is too long");
		return;
	}
	/* They all read the same store. */
	query_ask(m, r, PEER_SIP, true, QUERY_REGISTRATIONS, aor ? aor : "");
}
