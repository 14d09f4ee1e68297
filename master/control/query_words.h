/* query_words.h - commands that ask workers: their arguments as those of the question, and what
 * comes of the answers. */
#ifndef SIPWARD_MASTER_CONTROL_QUERY_WORDS_H
#define SIPWARD_MASTER_CONTROL_QUERY_WORDS_H

#include "control.h"
#include "ipc/command_table.h"
#include "ipc/lifeline.h"
#include "query.h"

struct master;

/* Refuses a request whose question query_start could not ask. */
void query_refuse(struct request *r, int error);
/* The sum of a member of all rows. */
json_int_t query_rows_sum(const json_t *rows, const char *name);
/* Asks all workers of role what, and answers with their rows. */
void query_ask_rows(
	struct master *m, struct request *r, unsigned role, uint16_t what, const char *argument);

/* A question with the arguments of a command under way. */
struct query_question {
	struct request *r;
	enum command command;
	char words[QUERY_ARGUMENT_MAX];
};

/* Asks workers what, with the arguments of a command; done gets a struct query_question, and frees
 * it when it has answered. Where it cannot be asked the request is refused. */
void query_ask_words(struct master *m, struct request *r, enum command command, json_t *arguments,
	bool one, uint16_t what, query_done done);
/* The same for a command that lists, which answers its rows up to the limit of the arguments, with
 * "matched" where there are more; with "count" among the arguments an object, whose member with the
 * command's name is how many there are. */
void query_ask_list(struct master *m, struct request *r, enum command command, json_t *arguments,
	bool one, uint16_t what);
/* Writes the arguments of a command as query_argument.h says, numbers checked: those that the
 * table calls SECONDS or NUMBER. False: one cannot be taken, and the request has been refused. */
bool query_words(
	struct request *r, enum command command, json_t *arguments, char out[QUERY_ARGUMENT_MAX]);

#endif
