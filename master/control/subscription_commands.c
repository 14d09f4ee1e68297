/* subscription_commands.c - what sipwardctl says of subscriptions, which SIP workers know. */
#include "answer.h"
#include "commands.h"
#include "query_words.h"

#include <stdlib.h>

static void subscriptions_listed(void *arg, json_t *rows, json_t *missing)
{
	struct query_question *q = arg;

	query_answer_list(q->r, q->words, "subscriptions", QUERY_LISTED, rows, missing);
	free(q);
}

void command_subscriptions(struct master *m, struct request *r, json_t *arguments)
{
	query_ask_words(m, r, COMMAND_subscriptions, arguments, false, QUERY_SUBSCRIPTIONS,
		subscriptions_listed);
}
