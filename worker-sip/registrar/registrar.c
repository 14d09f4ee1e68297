/* registrar.c - REGISTER (registrar.h): RFC 3261 section 10.3, step by step, all or nothing.
 *
 * The bindings of the address of record are copied out of the store, changed as the request says,
 * and put back as a whole; the answer goes out when the store has taken them. The slot's owner is
 * the only writer of the record, so nothing can come between. Relies on location.c (records),
 * registration_change.c (the changes), flow_bindings.c (ends of stream flows), transaction.h and
 * answer().
 */
#include "registrar.h"

#include "ipc/address_of_record.h"
#include "ipc/slot.h"
#include "common/clock.h"
#include "flow_bindings.h"
#include "registration.h"
#include "waiting_answer.h"
#include "worker-sip/decision_log.h"
#include "worker-sip/message/date.h"
#include "worker-sip/message/response.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>
#include <stdlib.h>

/* Contacts of one request: those of a full record removed, and as many new ones. */
#define CONTACTS_MAX (2 * BINDINGS_MAX)
#define STRINGS_MAX                                                                                \
	(BINDINGS_MAX * (BINDING_CONTACT_MAX + BINDING_CALL_ID_MAX + BINDING_PATH_MAX +            \
				BINDING_INSTANCE_MAX + BINDING_USER_AGENT_MAX))
/* A 200 lists every binding, within a message. */
#define ANSWER_MAX 60000

struct registrar {
	struct sip *sip;
	struct flow_bindings *flow_bindings;
	struct recent_registers recent;
	struct waiting_answer *waiting; /* whose write the store has not reported yet */
	char strings[STRINGS_MAX];      /* of the request at hand */
	char headers[ANSWER_MAX];
	/* The request at hand: too large for the stack, and one is done with before the next. */
	struct registration registration;
};

/* A copy that outlives the read transaction. */
static struct str registration_keep(struct registration *q, struct str s)
{
	struct str out = {q->strings.p + q->strings.n, s.n};

	write_str(&q->strings, s);
	return q->strings.full ? STR_NONE : out;
}

/* Keeps a string that came in a message: its folds become spaces. */
static struct str registration_keep_unfolded(struct registration *q, struct str s)
{
	struct str out = registration_keep(q, s);

	for (char *c = q->strings.p + q->strings.n - out.n; c < q->strings.p + q->strings.n; c++)
		if (*c == '\r' || *c == '\n' || *c == '\t')
			*c = ' ';
	return out;
}

/* ---- answers ---- */

void registration_refuse(struct registration *q, enum counter reason, unsigned status,
	struct str phrase, struct str headers)
{
	counter_add(reason, 1);
	if (q->in->explanation)
		explanation_answer_reason(q->in->explanation, status, phrase, headers);
	else
		answer_reason(q->sip, q->t, status, phrase, headers);
}

/* Whether the request has written a binding, or repeats the one that did. */
static bool registration_is_of_request(const struct registration *q, const struct binding *b)
{
	return b->cseq == q->m->cseq && str_equal(b->call_id, q->call_id);
}

/* Writes the headers of a 200: the current bindings, of all Contacts or of the request's alone. */
static struct str registration_write_200(struct registration *q, bool all)
{
	struct writer w = WRITER(q->r->headers);

	for (unsigned i = 0; i < q->count; i++)
		if (all || registration_is_of_request(q, &q->binding[i]))
			write_contact(&w, &q->binding[i], q->now_ms);
	if (q->path.n) {
		write_literal(&w, "Supported: path\r\nPath: ");
		write_str(&w, q->path);
		write_literal(&w, "\r\n");
	}
	registration_write_outbound(q, &w);
	write_date(&w, q->now_ms / 1000);
	return w.full ? STR_EMPTY : writer_text(&w);
}

/* Whether a 200 with these headers is too long to go at once to a source that has not shown
 * itself. */
static bool registration_is_too_long(const struct registration *q, struct str headers)
{
	const size_t most = transaction_answer_max(q->t);
	struct response r = {.status = 200};
	struct wire *bare;

	if (most == SIZE_MAX || response_build(q->sip, q->m, &r, &bare))
		return false;
	bool too_long = bare->size + headers.n > most;
	wire_drop(bare);
	return too_long;
}

/* The headers of a 200: all current bindings. Where they would be too many bytes for a source that
 * has not shown itself, those of the request's own Contacts and none of the others; the answer to a
 * mere question waits until the request comes again (transaction_bound). */
static struct str registration_write_bindings(struct registration *q)
{
	struct str headers = registration_write_200(q, true);

	if (!message_first(q->m, HEADER_CONTACT) || !registration_is_too_long(q, headers))
		return headers;
	count(BINDINGS_NOT_TOLD);
	return registration_write_200(q, false);
}

/* Connections that bindings written by this request came by: they are watched for their end. */
static void registration_watch(struct registration *q)
{
	recent_registers_note(&q->r->recent, registration_print(q), loop_now(q->sip->loop));
	for (unsigned i = 0; i < q->count; i++)
		if (q->fresh[i])
			flow_bindings_add(
				q->r->flow_bindings, q->aor, &q->binding[i].flow, q->in->slot);
}

static void registration_store(struct registration *q)
{
	struct registrar *r = q->r;
	struct str headers = registration_write_bindings(q);

	if (location_refresh(r->sip->location, q->aor, q->binding, q->count) == 0) {
		registration_watch(q);
		count(REGISTER_OK);
		answer(r->sip, q->t, 200, headers);
		return;
	}
	struct waiting_answer *a = waiting_answer_new(&r->waiting, r->sip, q->t, headers);
	if (!a) {
		registration_refuse(q, COUNTER_REGISTER_FAILED, 500, STR_EMPTY, STR_EMPTY);
		return;
	}
	int error = location_put(
		r->sip->location, q->aor, q->binding, q->count, waiting_answer_stored, a);
	if (error) {
		waiting_answer_free(a);
		registration_refuse(q, COUNTER_REGISTER_FAILED, error == -EAGAIN ? 503 : 500,
			STR_EMPTY, error == -EAGAIN ? S("Retry-After: 5\r\n") : STR_EMPTY);
		return;
	}
	waiting_answer_serve(a);
	registration_watch(q);
}

/* ---- what is asked ---- */

/* Option tags in Require that we do not keep (step 2). False: answered 420. */
static bool registration_check_require(struct registration *q)
{
	char buffer[1024];
	struct writer w = WRITER(buffer);

	for (const struct message_header *h = message_first(q->m, HEADER_REQUIRE); h;
		h = message_next(q->m, h)) {
		struct str rest = message_header_value(q->m, h), tag;

		while (list_next(&rest, &tag) == 0) {
			if (str_equal_nocase(tag, S("path")) ||
				str_equal_nocase(tag, S("outbound")) || !is_token(tag))
				continue;
			write_str(&w, w.n ? S(", ") : S("Unsupported: "));
			write_str(&w, tag);
		}
	}
	if (w.n == 0 && !w.full)
		return true;
	write_literal(&w, "\r\n");
	registration_refuse(q, COUNTER_REGISTER_EXTENSION, 420, STR_EMPTY,
		w.full ? STR_EMPTY : writer_text(&w));
	return false;
}

/* Reads all Path values as one list (RFC 3327 section 5.3). False: the request is answered. */
static bool registration_read_path(struct registration *q)
{
	char buffer[BINDING_PATH_MAX];
	struct writer w = WRITER(buffer);
	const struct message_header *h = message_first(q->m, HEADER_PATH);

	if (!h)
		return true;
	if (!q->zone->trust) {
		count(REGISTER_PATH_IGNORED);
		return true;
	}
	if (!registration_supports(q->m, S("path"))) {
		registration_refuse(
			q, COUNTER_REGISTER_EXTENSION, 421, STR_EMPTY, S("Require: path\r\n"));
		return false;
	}
	for (; h; h = message_next(q->m, h)) {
		struct str rest = message_header_value(q->m, h);
		struct address a;
		int error;

		while ((error = address_next(&rest, &a)) == 0) {
			write_str(&w, w.n ? S(", ") : STR_EMPTY);
			write_str(&w, a.whole);
		}
		if (error != -ENOENT) {
			registration_refuse(q, COUNTER_REGISTER_BAD, 400, S("Bad Path"), STR_EMPTY);
			return false;
		}
	}
	if (w.full) {
		registration_refuse(q, COUNTER_REGISTER_BAD, 400, S("Path Too Long"), STR_EMPTY);
		return false;
	}
	q->path = registration_keep_unfolded(q, writer_text(&w));
	return true;
}

/* True where aor names the domain by its name, and not by an address of ours. The key of the record
 * must be the address that its slot was found by, and that a call to the user will look for. */
static bool registration_names_domain(struct str aor, struct str name)
{
	return aor.n > name.n && aor.p[aor.n - name.n - 1] == '@' &&
	       str_equal(str_from(aor, aor.n - name.n), name);
}

static bool registration_user_exists(
	const struct registration *q, unsigned domain, const struct uri_parts *to)
{
	const struct users *users = q->r->sip->users;
	char user[USER_NAME_MAX];
	long n = uri_unescape(to->user, user, sizeof(user));

	return n > 0 && users && users_find(users, domain, (struct str){user, (size_t)n});
}

/* Finds the user whose bindings are meant (steps 3 to 5). False: the request is answered. */
static bool registration_find_user(struct registration *q, unsigned domain)
{
	struct uri_parts to = uri_of(q->m, &q->m->to);
	struct str name = settings_str(q->r->sip->settings, q->domain->name);
	long length = address_of_record(q->r->sip->settings, &to, q->buffer);

	if (length > 0)
		q->aor = (struct str){q->buffer, (size_t)length};
	if (registration_names_domain(q->aor, name) && registration_user_exists(q, domain, &to))
		return true;
	registration_refuse(q, COUNTER_REGISTER_UNKNOWN_USER, 404, STR_EMPTY, STR_EMPTY);
	return false;
}

/* The bounds of expiry: the domain's, and the zone's where that is shorter. */
static void registration_find_bounds(struct registration *q)
{
	q->expires_min = q->domain->expires_min;
	q->expires_max = q->domain->expires_max;
	if (q->zone->nat_expires && q->zone->nat_expires < q->expires_max)
		q->expires_max = q->zone->nat_expires;
	if (q->expires_min > q->expires_max)
		q->expires_min = q->expires_max;
}

static void registration_load(void *arg, const struct binding *b)
{
	struct registration *q = arg;
	struct binding *to = &q->binding[q->count++];

	*to = *b;
	to->contact = registration_keep(q, b->contact);
	to->call_id = registration_keep(q, b->call_id);
	to->path = registration_keep(q, b->path);
	to->instance = registration_keep(q, b->instance);
	to->user_agent = registration_keep(q, b->user_agent);
}

/* ---- the request ---- */

/* Changes the bindings as the Contacts say (steps 6 and 7). False: the request is answered. */
static bool registration_apply(struct registration *q)
{
	const struct message *m = q->m;
	struct contact contacts[CONTACTS_MAX];
	const struct message_header *first = message_first(m, HEADER_CONTACT);
	bool several = first && message_next(m, first), star = false;

	for (const struct message_header *h = first; h; h = message_next(m, h))
		star = star || str_equal(message_header_value(m, h), S("*"));
	if (star) {
		if (several || m->expires != 0) {
			registration_refuse(
				q, COUNTER_REGISTER_BAD, 400, S("Bad Contact"), STR_EMPTY);
			return false;
		}
		return registration_remove_all(q);
	}
	int n = contacts_read(m, contacts, CONTACTS_MAX);
	if (n == -E2BIG) {
		registration_refuse(
			q, COUNTER_REGISTER_TOO_MANY, 403, S("Too Many Contacts"), STR_EMPTY);
		return false;
	}
	if (n < 0) {
		registration_refuse(q, COUNTER_REGISTER_BAD, 400, S("Bad Contact"), STR_EMPTY);
		return false;
	}
	if (n == 0)
		count(REGISTER_FETCH);
	if (!registration_take_outbound(q, contacts, (unsigned)n))
		return false;
	return registration_change_all(q, contacts, (unsigned)n);
}

void registrar_request(struct registrar *r, const struct incoming *in, unsigned domain)
{
	const struct settings *s = r->sip->settings;
	const struct message *m = in->message;
	struct registration *q = &r->registration;

	memset(q, 0, offsetof(struct registration, binding));
	q->r = r;
	q->sip = r->sip;
	q->recent = &r->recent;
	q->in = in;
	q->t = in->transaction;
	q->m = m;
	q->now_ms = clock_realtime_ms();
	q->strings = WRITER(r->strings);
	q->zone = settings_zone(s, in->zone);
	q->domain = settings_domain(s, domain);
	q->call_id = message_str(m, m->call_id);
	q->user_agent = binding_user_agent(m);
	registration_find_bounds(q);
	if (!registration_check_require(q) || !registration_find_user(q, domain))
		return;
	if (q->call_id.n > BINDING_CALL_ID_MAX) {
		registration_refuse(q, COUNTER_REGISTER_BAD, 400, S("Call-ID Too Long"), STR_EMPTY);
		return;
	}
	int found = location_lookup(r->sip->location, q->aor, registration_load, q);
	if (found < 0 && found != -EBADMSG) { /* a damaged record is one without bindings: the
		                                 phones come again */
		registration_refuse(q, COUNTER_REGISTER_FAILED, 500, STR_EMPTY, STR_EMPTY);
		return;
	}
	if (!registration_read_path(q) || !registration_apply(q))
		return;
	if (in->explanation) {
		explanation_bindings(in->explanation, q->aor, q->changed, q->count);
		return;
	}
	decision_bindings(in, q->aor, q->changed, q->count);
	/* what an earlier request changed and is not stored yet may still be lost: nobody is told
	 * of it before */
	if (q->changed || location_pending(r->sip->location, q->aor)) {
		registration_store(q);
		return;
	}
	if (q->repeated)
		count(REGISTER_REPEATED);
	count(REGISTER_OK);
	answer(r->sip, q->t, 200, registration_write_bindings(q));
}

/* ---- flows and slots ---- */

void registrar_flow_closed(struct registrar *r, uint64_t flow, uint8_t slot)
{
	flow_bindings_closed(r->flow_bindings, flow, slot);
}

void registrar_transport_gone(struct registrar *r, uint8_t worker, uint32_t incarnation)
{
	flow_bindings_worker_gone(r->flow_bindings, worker, incarnation);
}

static bool registrar_owns(void *arg, struct str aor)
{
	const struct sip *sip = ((struct registrar *)arg)->sip;

	return sip->slots.next[slot_of_aor(aor, &sip->keys.slot_key)] == sip->index;
}

/* Whether aor is of a domain of ours, and of nobody there. */
static bool registrar_lacks_user(const struct sip *sip, struct str aor)
{
	const struct settings *s = sip->settings;

	for (unsigned i = 0; sip->users && i < s->domains.count; i++) {
		const struct domain_settings *d = settings_domain(s, i);
		struct str name = settings_str(s, d->name);

		if (d->gone || !str_starts(aor, S("sip:")) || !registration_names_domain(aor, name))
			continue;
		return !users_find(sip->users, i, (struct str){aor.p + 4, aor.n - name.n - 5});
	}
	return false;
}

/* A binding in the store, found while tending it: its user may have been removed meanwhile, and
 * an earlier life, or another worker, may have been the one that was told of its flow's end. */
static bool registrar_seen(void *arg, struct str aor, const struct binding *b)
{
	struct registrar *r = arg;

	if (registrar_lacks_user(r->sip, aor)) {
		count(BINDINGS_USER_REMOVED);
		return false;
	}
	if (b->flow.id && b->flow.listener < r->sip->settings->listeners.count)
		flow_bindings_add(
			r->flow_bindings, aor, &b->flow, slot_of_aor(aor, &r->sip->keys.slot_key));
	return true;
}

void registrar_slots_changed(struct registrar *r)
{
	flow_bindings_slots_changed(r->flow_bindings);
	location_tend(r->sip->location, registrar_owns, registrar_seen, r);
}

int registrar_new(struct registrar **out, struct sip *sip)
{
	struct registrar *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->sip = sip;
	r->recent.since = loop_now(sip->loop);
	location_listeners(sip->location, sip->settings);
	int error = flow_bindings_new(&r->flow_bindings, sip);
	if (error) {
		free(r);
		return error;
	}
	registrar_slots_changed(r);
	*out = r;
	return 0;
}

void registrar_free(struct registrar *r)
{
	if (!r)
		return;
	/* the store calls nobody when it is closed: what waits for it ends here */
	waiting_answers_drop(&r->waiting);
	location_tend(r->sip->location, NULL, NULL, NULL);
	flow_bindings_free(r->flow_bindings);
	free(r);
}
