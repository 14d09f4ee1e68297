/* subscription_commands.c - what sipwardctl says of subscriptions, which SIP workers know. */
#include "commands.h"
#include "query_words.h"

void command_subscriptions(struct master *m, struct request *r, json_t *arguments)
{
	query_ask_list(m, r, COMMAND_subscriptions, arguments, false, QUERY_SUBSCRIPTIONS);
}
