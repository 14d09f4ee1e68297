/* trace_commands.c - the messages that transport workers keep, and the calls that SIP workers keep.
 * sipwardctl draws them. */
#include "answer.h"
#include "commands.h"
#include "ipc/trace_filter.h"
#include "query_words.h"

#include <stdio.h>

static void trace_ask(struct master *m, struct request *r, unsigned role, json_t *arguments)
{
	const char *filter = json_string_value(json_object_get(arguments, "filter"));
	const char *since = json_string_value(json_object_get(arguments, "since"));
	char argument[sizeof(((struct lifeline_query *)0)->argument)];
	struct trace_filter parsed;
	int n = snprintf(
		argument, sizeof(argument), "%s %s", since ? since : "0", filter ? filter : "all");

	if (n < 0 || (size_t)n >= sizeof(argument)) {
		answer_refused(r, "the filter is too long");
		return;
	}
	if (trace_filter_parse(str_of(argument), &parsed)) {
		answer_refused(r, "expected all, call:CALL-ID, user:NAME, source:ADDRESS, "
				  "trunk:NAME or last:NUMBER, and a number of microseconds");
		return;
	}
	query_ask_rows(m, r, role, QUERY_TRACE, argument);
}

void command_trace_messages(struct master *m, struct request *r, json_t *arguments)
{
	trace_ask(m, r, PEER_TRANSPORT, arguments);
}

void command_trace_calls(struct master *m, struct request *r, json_t *arguments)
{
	trace_ask(m, r, PEER_SIP, arguments);
}

void command_trace(struct master *m, struct request *r, json_t *arguments)
{
	command_trace_messages(m, r, arguments);
}
