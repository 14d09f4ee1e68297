/* query_commands.c - what transport workers are asked for: their flows. */
#include "commands.h"
#include "query_words.h"

void command_flows(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	query_ask_rows(m, r, PEER_TRANSPORT, QUERY_FLOWS, "");
}
