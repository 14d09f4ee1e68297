/* waiting_answer.c - answers that wait for the store (waiting_answer.h). Relies on transaction.h
 * and answer(). */
#include "waiting_answer.h"

#include "common/list.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>
#include <stdlib.h>

#define RETRY_FULL "Retry-After: 60\r\n"

struct waiting_answer {
	struct waiting_answer *next, **link;
	struct sip *sip;
	struct transaction *t; /* NULL: it ended before */
	size_t n;
	char headers[];
};

struct waiting_answer *waiting_answer_new(
	struct waiting_answer **list, struct sip *sip, struct transaction *t, struct str headers)
{
	struct waiting_answer *a = malloc(sizeof(*a) + headers.n);

	if (!a)
		return NULL;
	*a = (struct waiting_answer){.sip = sip, .t = t, .n = headers.n};
	memcpy(a->headers, headers.p, headers.n);
	list_insert(list, a);
	return a;
}

void waiting_answer_free(struct waiting_answer *a)
{
	list_remove(a);
	free(a);
}

static void waiting_answer_on_gone(void *user, struct transaction *t)
{
	struct waiting_answer *a = user;

	(void)t;
	a->t = NULL;
}

void waiting_answer_serve(struct waiting_answer *a)
{
	static const struct server_user user = {.gone = waiting_answer_on_gone};

	transaction_serve(a->t, &user, a);
}

void waiting_answers_drop(struct waiting_answer **list)
{
	while (*list) {
		struct waiting_answer *a = *list;

		if (a->t)
			transaction_detach(a->t);
		waiting_answer_free(a);
	}
}

void waiting_answer_stored(void *arg, int error)
{
	struct waiting_answer *a = arg;

	if (error)
		count(REGISTER_FAILED);
	else
		count(REGISTER_OK);
	if (a->t) {
		transaction_detach(a->t);
		if (error == -ENOSPC)
			answer(a->sip, a->t, 503, S(RETRY_FULL));
		else
			answer(a->sip, a->t, error ? 500 : 200,
				error ? STR_EMPTY : (struct str){a->headers, a->n});
	}
	waiting_answer_free(a);
}
