/* explain_commands.c - what would become of a message (sipwardctl explain).
 *
 * The master never reads it. A transport worker does, and says what it decides; the block that it
 * makes of the message, which stays a row of digits here, goes to the SIP worker that owns its
 * slot, which believes nothing of it and says the rest.
 */
#include "answer.h"
#include "commands.h"
#include "explain_lines.h"
#include "ipc/query_argument.h"
#include "master/master.h"
#include "query_words.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

struct explain {
	struct master *m;
	struct request *r;
	json_t *rows, *missing;       /* of the transport worker */
	struct lifeline_explain head; /* and behind it the bytes */
	unsigned char bytes[EXPLAIN_BYTES_MAX];
};

static void explain_free(struct explain *e)
{
	json_decref(e->rows);
	json_decref(e->missing);
	free(e);
}

/* Answers with all rows. A worker may say that it cannot. */
static void explain_answer(struct explain *e)
{
	const char *error = NULL;
	json_t *row;
	size_t i;

	json_array_foreach (e->rows, i, row)
		if (!error)
			error = json_string_value(json_object_get(row, "error"));
	if (error) {
		answer_refused(e->r, "%.200s", error);
	} else {
		explain_add_lines(e->m->config, e->rows);
		answer_found(e->r, json_incref(e->rows), json_incref(e->missing));
	}
	explain_free(e);
}

static void explain_decided(void *arg, json_t *rows, json_t *missing)
{
	struct explain *e = arg;

	json_array_extend(e->rows, rows);
	json_array_extend(e->missing, missing);
	json_decref(rows);
	json_decref(missing);
	explain_answer(e);
}

/* Asks with that many bytes. worker: its index, or QUERY_ANY. */
static int explain_ask(struct explain *e, unsigned role, int worker, size_t size, query_done done)
{
	return query_start_packet(&e->m->queries, role, worker, LIFELINE_EXPLAIN, &e->head,
		sizeof(e->head) + size, done, e);
}

/* Takes the row with the block out of rows. Its size, and *slot; 0: there is none. */
static size_t explain_take_block(struct explain *e, json_t *rows, unsigned *slot)
{
	for (size_t i = json_array_size(rows); i-- > 0;) {
		const json_t *row = json_array_get(rows, i);
		const char *hex = json_string_value(json_object_get(row, "block"));
		size_t size = 0;

		if (!hex)
			continue;
		*slot = (unsigned)json_integer_value(json_object_get(row, "slot")) % SLOT_COUNT;
		if (sodium_hex2bin(e->bytes, sizeof(e->bytes), hex, strlen(hex), NULL, &size, NULL))
			size = 0;
		json_array_remove(rows, i);
		return size;
	}
	return 0;
}

static void explain_read(void *arg, json_t *rows, json_t *missing)
{
	struct explain *e = arg;
	unsigned slot = 0;

	size_t size = explain_take_block(e, rows, &slot);
	e->rows = rows;
	e->missing = missing;
	if (!size) {
		explain_answer(e);
		return;
	}
	int error = explain_ask(
		e, PEER_SIP, e->m->supervisor.slots.worker[slot], size, explain_decided);
	if (error == 0)
		return;
	query_refuse(e->r, error);
	explain_free(e);
}

/* Takes the arguments. False: the request has been refused. */
static bool explain_take(struct explain *e, json_t *arguments, size_t *size)
{
	static const char *const words[] = {"from", "transport", "to"};
	const char *hex = json_string_value(json_object_get(arguments, "message"));

	if (!hex || strlen(hex) > 2 * EXPLAIN_MESSAGE_MAX ||
		sodium_hex2bin(e->bytes, sizeof(e->bytes), hex, strlen(hex), NULL, size, NULL) ||
		!*size) {
		answer_refused(e->r, "a \"message\" is needed: 1 to %d bytes in hexadecimal digits",
			EXPLAIN_MESSAGE_MAX);
		return false;
	}
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *value = json_string_value(json_object_get(arguments, words[i]));

		if (value &&
			query_argument_add(e->head.words, sizeof(e->head.words), words[i], value)) {
			answer_refused(e->r, "%s cannot be that", words[i]);
			return false;
		}
	}
	return true;
}

void command_explain(struct master *m, struct request *r, json_t *arguments)
{
	struct explain *e = calloc(1, sizeof(*e));
	size_t size = 0;

	if (!e) {
		query_refuse(r, -ENOMEM);
		return;
	}
	e->m = m;
	e->r = r;
	if (!explain_take(e, arguments, &size)) {
		explain_free(e);
		return;
	}
	int error = explain_ask(e, PEER_TRANSPORT, QUERY_ANY, size, explain_read);
	if (error == 0)
		return;
	query_refuse(r, error);
	explain_free(e);
}
