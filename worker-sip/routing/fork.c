/* fork.c - RFC 3261 section 16, once for all methods (fork.h): the target set, and the best answer.
 * Relies on: fork_branch.c for the way to one target. */
#include "fork_parts.h"

#include "asserted_identity.h"
#include "later_rules.h"

#include "common/log.h"
#include "ipc/token.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/message/splice.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of the Reason lines that pass with a CANCEL, at most: more than anyone has a reason for. */
#define FORK_REASONS_MAX 4096

static const struct server_user fork_server;

/* ---- life ---- */

/* Notes who has sent the request, if there is a zone that would be told. -ENOMEM. */
static int fork_note_sender(struct fork *f, const struct incoming *in)
{
	char name[ASSERTED_IDENTITY_MAX];
	struct writer w = WRITER(name);

	asserted_identity_write(&w, in, &f->anonymous);
	if (!w.n)
		return 0;
	f->asserted = strndup(name, w.n);
	return f->asserted ? 0 : -ENOMEM;
}

int fork_new(const struct incoming *in, const struct target *targets, unsigned count, size_t size,
	size_t branch_size, const struct fork_user *user, struct fork **out)
{
	/* The branches stand behind the request: they live as long as it does. */
	struct fork *f = calloc(1, size + count * branch_size);
	struct target *copies = fork_copy_targets(&in->sip->scratch, targets, count);

	if (!f || !copies) {
		free(f);
		free(copies);
		return -ENOMEM;
	}
	*f = (struct fork){.sip = in->sip,
		.user = user,
		.server = in->transaction,
		.request = held_message_hold(transaction_request(in->transaction)),
		.targets = copies,
		.branches = (char *)f + size,
		.branch_size = branch_size,
		.own = count,
		.count = count,
		.zone = in->zone,
		.id = random_u64(),
		.slot = in->slot,
		.invite = in->message->method == METHOD_INVITE};
	if (fork_note_sender(f, in)) {
		held_message_drop(f->request);
		free(copies);
		free(f);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < count; i++) {
		fork_branch_init(f, fork_branch_at(f, i), &copies[i], i);
	}
	transaction_serve(in->transaction, &fork_server, f);
	*out = f;
	return 0;
}

void fork_trim(struct fork *f)
{
	held_message_drop(f->request);
	held_message_drop(f->best);
	free(f->targets);
	fork_more_trim(f);
	free(f->asserted);
	f->request = f->best = NULL;
	f->asserted = NULL;
	f->targets = NULL;
	for (unsigned i = 0; i < f->count; i++)
		fork_branch_at(f, i)->target = NULL;
}

/* Frees f when nothing points to it any more. */
static void fork_check(struct fork *f)
{
	if (f->server || f->transactions)
		return;
	for (unsigned i = 0; i < f->count; i++)
		fork_branch_end(fork_branch_at(f, i));
	if (f->user->released)
		f->user->released(f);
	held_message_drop(f->request);
	held_message_drop(f->best);
	free(f->targets);
	free(f->asserted);
	fork_more_free(f);
	free(f);
}

void fork_drop(struct fork *f)
{
	f->transactions--;
	fork_check(f);
}

void fork_settle(struct fork *f)
{
	f->answered = f->stopped = true;
	if (f->user->settled)
		f->user->settled(f);
}

/* ---- the way back ---- */

void fork_tag(const struct fork *f, char tag[TOKEN_LENGTH])
{
	token_mint(&f->sip->keys.minting, TOKEN_TAG, f->slot, f->id, tag);
}

/* Writes m, which came from a zone, as the answer to the request. */
static int fork_write_answer(struct fork *f, const struct message *m, unsigned from_zone,
	unsigned status, struct str contact_user, struct str to_tag, struct wire **out)
{
	struct splice s = {.sip = f->sip,
		.slot = f->slot,
		.in = m,
		.from_zone = from_zone,
		.to_zone = f->zone,
		.contact_user = contact_user,
		.redirects = status >= 300 && status < 400,
		.rewrite = later_rules_of_response(f->sip, m, from_zone, f->zone)};

	if (f->request->message.method == METHOD_SUBSCRIBE)
		s.expires_most = f->sip->settings->subscription_expires;

	return splice_response(&s, &f->request->message, status, to_tag, out);
}

int fork_pass(
	struct fork_branch *b, const struct message *m, struct str contact_user, struct str to_tag)
{
	struct fork *f = b->fork;
	struct wire *bytes;
	int error = fork_write_answer(f, m, b->zone, 0, contact_user, to_tag, &bytes);

	if (error)
		return error;
	error = transaction_answer(f->server, m->status, bytes);
	wire_drop(bytes);
	return error;
}

static void fork_refuse_with(struct fork *f, unsigned status, struct str headers)
{
	f->failure = status;
	fork_settle(f);
	if (f->server)
		answer(f->sip, f->server, status, headers);
	fork_trim(f);
}

void fork_refuse(struct fork *f, unsigned status)
{
	fork_refuse_with(f, status, STR_EMPTY);
}

/* Whether a failure says nothing without its headers. */
static bool fork_challenges(unsigned status)
{
	return status == 401 || status == 407;
}

/* The status that goes back for the best failure. */
static unsigned fork_final_status(const struct fork *f)
{
	unsigned status = f->best_status ? f->best_status : 480;

	/* 503 says "send me nothing more", which is for the failed peer to say and not for us
	 * (section 16.7). */
	if (status == 503)
		return 500;
	/* A redirection would tell where the other side lives; its user may know better. */
	if (status < 400)
		return f->unfollowed ? f->unfollowed : f->passes && f->best ? status : 480;
	/* No 408 of our own for other requests than INVITE: it would come too late for anyone (RFC
	 * 4320 section 4.2). */
	if (status == 408 && !f->best && !f->invite)
		return 480;
	/* A challenge does not pass from the access side, and without it 401 and 407 say
	 * nothing. */
	if (fork_challenges(status) && !settings_zone(f->sip->settings, f->best_zone)->trust)
		return 403;
	return status;
}

/* The best failure goes back. One that is too long for whom it is for has our own in its place;
 * only a challenge waits until the request comes again (transaction_bound). */
static void fork_finish(struct fork *f)
{
	unsigned status = fork_final_status(f);
	struct wire *bytes;
	char tag[TOKEN_LENGTH];

	f->stopped = true;
	if (f->answered || !f->server)
		return;
	/* Nobody has said more than that he takes no call, and others may not: the limit is why. */
	if (f->full && f->best_status == 503) {
		fork_refuse_with(f, 503, S(LIMIT_TRUNK_HEADERS));
	} else if (!f->best) {
		fork_refuse(f, status);
	} else if (fork_write_answer(f, &f->best->message, f->best_zone, status, STR_EMPTY,
			   transaction_tag(f->server, tag), &bytes)) {
		fork_refuse(f, 500);
	} else if (bytes->size > transaction_answer_max(f->server) && !fork_challenges(status)) {
		wire_drop(bytes);
		fork_refuse(f, status);
	} else {
		f->failure = status;
		fork_settle(f);
		transaction_answer(f->server, status, bytes);
		wire_drop(bytes);
		fork_trim(f);
	}
}

/* ---- the target set ---- */

static bool fork_pending(const struct fork *f)
{
	for (unsigned i = 0; i < f->next; i++) {
		const struct fork_branch *b = fork_branch_at(f, i);

		if (b->sent && !b->done)
			return true;
	}
	return false;
}

/* Whether target i is of the group that target first begins. */
static bool fork_same_group(const struct fork *f, unsigned first, unsigned i)
{
	const struct target *a = fork_branch_at(f, first)->target;
	const struct target *b = fork_branch_at(f, i)->target;

	return a->trunk == NONE_INDEX && b->trunk == NONE_INDEX && a->q == b->q &&
	       a->hop == b->hop && a->turn == b->turn;
}

/* Has the next target be one that is not known to be down, where there is one: what was known when
 * the request came may have changed. */
static void fork_prefer_alive(struct fork *f)
{
	struct fork_branch *next = fork_branch_at(f, f->next), found;
	unsigned i = f->next;

	while (i < f->count && target_attempt_is_down(&fork_branch_at(f, i)->attempt))
		i++;
	if (i == f->next || i == f->count)
		return;
	found = *fork_branch_at(f, i);
	for (; i > f->next; i--) /* those between keep their order */
		fork_branch_retarget(fork_branch_at(f, i), fork_branch_at(f, i - 1));
	fork_branch_retarget(next, &found);
}

/* Whether the phone of a branch has answered by another of its flows: then that was its answer, and
 * it is not asked twice (RFC 5626 section 7), unless for another of its users. */
static bool fork_has_heard_phone(const struct fork *f, const struct fork_branch *b)
{
	uint64_t instance = b->target->instance;

	for (unsigned i = 0; instance && i < f->next; i++) {
		const struct fork_branch *other = fork_branch_at(f, i);

		if (other != b && other->heard && other->hop == b->hop &&
			other->target->instance == instance)
			return true;
	}
	return false;
}

/* Sends to the target of a branch. False where that cannot be, or may not. */
static bool fork_try(struct fork *f, struct fork_branch *b, bool first)
{
	bool goes;

	if (b->skipped || fork_has_heard_phone(f, b)) {
		b->done = true;
		return false;
	}
	if (!first && f->user->permits && !f->user->permits(b)) {
		f->full = true;
		if (!f->best_status)
			f->best_status = 503;
		b->done = true;
		return false;
	}
	goes = fork_branch_send(b, false);
	if (fork_log_wanted(b))
		fork_log_tried(b, goes);
	if (f->user->tried)
		f->user->tried(b, goes);
	if (goes)
		return true;
	b->done = true;
	if (!f->best_status)
		f->best_status = 503;
	return false;
}

/* Sends to the next group of targets that takes the request. False where none is left. */
static bool fork_send_group(struct fork *f)
{
	while (!f->stopped && !f->answered && f->next < f->count) {
		unsigned first = f->next, sent = 0;

		if (first)
			fork_prefer_alive(f);
		do {
			struct fork_branch *b = fork_branch_at(f, f->next++);

			sent += fork_try(f, b, first == 0);
		} while (f->next < f->count && fork_same_group(f, first, f->next));
		if (sent)
			return true;
	}
	return false;
}

/* Whether further targets have been found, where none is left. */
static bool fork_finds_more(struct fork *f)
{
	if (f->answered || !f->server || !f->user->exhausted || !f->user->exhausted(f))
		return false;
	f->stopped = false; /* what stopped it was for the targets before */
	return true;
}

/* Sends to the next group of targets where one is left and no branch is pending; else the best
 * failure goes back. */
static void fork_next_group(struct fork *f)
{
	do {
		if (fork_send_group(f))
			return;
		if (fork_pending(f))
			return;
	} while (fork_finds_more(f));
	fork_finish(f);
}

void fork_start(struct fork *f)
{
	fork_hold(f);
	fork_next_group(f);
	fork_drop(f);
}

/* The caller's reasons as the receiver of a branch gets them. */
static struct str fork_reasons(
	const struct fork_branch *b, const struct message *cancel, struct writer *w)
{
	const struct fork *f = b->fork;

	splice_write_header(w,
		&(struct splice){.sip = f->sip,
			.in = cancel,
			.from_zone = f->zone,
			.to_zone = b->zone,
			.to = &b->flow},
		HEADER_REASON);
	return writer_text(w);
}

/* reason: header lines of our own, where the caller has said nothing. */
static void fork_cancel_branches(struct fork *f, const struct fork_branch *except,
	struct str reason, const struct message *cancel)
{
	char buffer[FORK_REASONS_MAX];

	f->stopped = true;
	for (unsigned i = 0; i < f->count && f->invite; i++) {
		struct fork_branch *b = fork_branch_at(f, i);

		loop_unset(f->sip->loop, &b->timer);
		if (b == except || !b->client || b->done || b->cancelled)
			continue;
		b->cancelled = true;
		struct writer w = WRITER(buffer);

		transaction_cancel(b->client, cancel ? fork_reasons(b, cancel, &w) : reason);
	}
}

void fork_cancel(struct fork *f, const struct fork_branch *except, struct str reason)
{
	fork_cancel_branches(f, except, reason, NULL);
}

void fork_cancel_as(struct fork *f, const struct message *cancel)
{
	fork_cancel_branches(f, NULL, STR_EMPTY, cancel);
}

/* ---- failures ---- */

/* Which of two failures is the better answer (section 16.7): the one of lower rank. */
static unsigned fork_rank(unsigned status)
{
	if (status >= 600)
		return 0;
	unsigned rank = (status / 100) * 10;
	/* Within 4xx those that tell the caller what to do differently come first; a time-out, an
	 * absent phone or what was given up says least. */
	if (status == 401 || status == 407 || status == 415 || status == 420 || status == 484)
		return rank;
	if (status == 503)
		return 99;
	if (status == 408 || status == 480 || status == 487)
		return rank + 2;
	return rank + 1;
}

/* Whether no other target is tried after this failure: a 6xx is for all of them, and a trunk's own
 * answer is final; only what says "not I" goes on to its next target. */
static bool fork_is_final(const struct fork_branch *b, unsigned status, const struct message *m)
{
	if (b->trunk == NONE_INDEX)
		return status >= 600;
	if (!m) /* it could not be reached, or nobody knows what it said */
		return status != 503 && status != 408 && status != 502;
	return !target_attempt_fails_over(&b->attempt, status);
}

/* Whether a redirection has been followed: where it leads is asked at once, whatever else rings. */
static bool fork_follows(struct fork_branch *b, const struct message *m)
{
	struct fork *f = b->fork;

	if (!m || m->status >= 400 || f->stopped || !f->server || !f->user->redirected ||
		!f->user->redirected(b, m))
		return false;
	if (!fork_send_group(f) && !fork_pending(f))
		fork_next_group(f);
	return true;
}

void fork_branch_failed(struct fork_branch *b, unsigned status, const struct message *m)
{
	struct fork *f = b->fork;

	if (b->done)
		return;
	fork_branch_done(b);
	/* 430: the server next to the phone has lost the flow (RFC 5626 section 11.5) */
	b->heard = m ? m->status != 430 : b->provisional;
	if (fork_log_wanted(b))
		fork_log_failed(b, status, m != NULL);
	if (f->user->failed)
		f->user->failed(b, status, m);
	if (f->answered)
		return;
	if (fork_follows(b, m))
		return;
	if (!f->best_status || fork_rank(status) < fork_rank(f->best_status)) {
		held_message_drop(f->best);
		f->best = m ? held_message_new(m) : NULL;
		f->best_status = status;
		f->best_zone = b->zone;
	}
	if (fork_is_final(b, status, m)) {
		if (status >= 600)
			fork_cancel(f, b, STR_EMPTY);
		f->stopped = true;
	}
	if (!fork_pending(f))
		fork_next_group(f);
}

/* ---- the server transaction ---- */

static void fork_on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	struct fork *f = user;

	(void)t;
	if (!f->answered && f->user->cancelled)
		f->user->cancelled(f, cancel);
}

/* The sender cannot be told; nobody shall ring for it. */
static void fork_on_server_failed(void *user, struct transaction *t, int error)
{
	struct fork *f = user;

	(void)t;
	(void)error;
	fork_settle(f);
	fork_cancel(f, NULL, STR_EMPTY);
	fork_trim(f);
}

static void fork_on_server_gone(void *user, struct transaction *t)
{
	struct fork *f = user;

	(void)t;
	f->server = NULL;
	fork_check(f);
}

static const struct server_user fork_server = {.cancelled = fork_on_cancelled,
	.failed = fork_on_server_failed,
	.gone = fork_on_server_gone};
