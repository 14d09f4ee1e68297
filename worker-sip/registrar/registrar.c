/* registrar.c - REGISTER (registrar.h): RFC 3261 section 10.3, step by step, all or nothing.
 *
 * The bindings of the address of record are copied out of the store, changed as the request says,
 * and put back as a whole; the answer goes out when the store has taken them. The slot's owner is
 * the only writer of the record, so nothing can come between. Relies on location.c (records),
 * contact.c (what is asked), reachable.c (ends of stream flows), transaction.h and answer().
 */
#include "registrar.h"

#include "ipc/slot.h"
#include "common/clock.h"
#include "common/list.h"
#include "contact.h"
#include "flow_bindings.h"
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
#define RETRY_FULL "Retry-After: 60\r\n"

struct registrar {
	struct sip *sip;
	struct reachable *reachable;
	struct answering *answering; /* whose write the store has not reported yet */
	char strings[STRINGS_MAX];   /* of the request at hand */
	char headers[ANSWER_MAX];
};

/* A request whose bindings are on their way into the store. */
struct answering {
	struct answering *next, **link;
	struct registrar *registrar;
	struct transaction *t; /* NULL: it ended before */
	size_t n;
	char headers[];
};

/* One request at work. */
struct request {
	struct registrar *r;
	struct transaction *t;
	const struct message *m;
	const struct zone_settings *zone;
	const struct domain_settings *domain;
	uint64_t now_ms;
	struct str aor, path, call_id, user_agent;
	uint32_t expires_min, expires_max;
	struct writer strings;
	unsigned count, changed;
	bool repeated;
	bool fresh[2 * BINDINGS_MAX]; /* written by this request */
	/* from here on not cleared: count says how much is valid */
	struct binding binding[2 * BINDINGS_MAX];
	char buffer[AOR_MAX];
};

/* A copy that outlives the read transaction. */
static struct str keep(struct request *q, struct str s)
{
	struct str out = {q->strings.p + q->strings.n, s.n};

	write_str(&q->strings, s);
	return q->strings.full ? STR_NONE : out;
}

/* The same of what came in a message: folds become spaces. */
static struct str keep_unfolded(struct request *q, struct str s)
{
	struct str out = keep(q, s);

	for (char *c = q->strings.p + q->strings.n - out.n; c < q->strings.p + q->strings.n; c++)
		if (*c == '\r' || *c == '\n' || *c == '\t')
			*c = ' ';
	return out;
}

/* ---- answers ---- */

static void refuse(struct request *q, enum counter reason, unsigned status, struct str phrase,
	struct str headers)
{
	counter_add(reason, 1);
	answer_reason(q->r->sip, q->t, status, phrase, headers);
}

/* "Sun, 22 Nov 2026 18:00:00 GMT" (RFC 3261 section 20.17). By hand: gmtime_r looks for time zone
 * files, and the jail has none. Days to dates: the civil calendar in eras of 400 years, years
 * starting in March. */
static void write_date(struct writer *w, uint64_t seconds)
{
	static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	uint64_t day = seconds / 86400, z = day + 719468, era_day = z % 146097;
	uint64_t era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	uint64_t year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100),
		 from_march = (5 * year_day + 2) / 153;
	uint64_t month = from_march < 10 ? from_march + 3 : from_march - 9,
		 second = seconds % 86400;
	uint64_t year = era_year + z / 146097 * 400 + (month <= 2);
	uint64_t part[] = {year_day - (153 * from_march + 2) / 5 + 1, second / 3600,
		second / 60 % 60, second % 60};
	char two[4][2];

	for (unsigned i = 0; i < 4; i++) {
		two[i][0] = (char)('0' + part[i] / 10 % 10);
		two[i][1] = (char)('0' + part[i] % 10);
	}
	write_literal(w, "Date: ");
	write_bytes(w, days[day % 7], 3);
	write_literal(w, ", ");
	write_bytes(w, two[0], 2);
	write_literal(w, " ");
	write_bytes(w, months[month - 1], 3);
	write_literal(w, " ");
	write_number(w, year);
	for (unsigned i = 1; i < 4; i++) {
		write_str(w, i == 1 ? S(" ") : S(":"));
		write_bytes(w, two[i], 2);
	}
	write_literal(w, " GMT\r\n");
}

static void write_q(struct writer *w, uint16_t q)
{
	char digits[] = {
		'0', '.', (char)('0' + q / 100), (char)('0' + q / 10 % 10), (char)('0' + q % 10)};
	size_t n = sizeof(digits);

	while (n > 3 && digits[n - 1] == '0')
		n--;
	write_literal(w, ";q=");
	write_bytes(w, digits, n);
}

static void write_contact(struct writer *w, const struct binding *b, uint64_t now)
{
	write_literal(w, "Contact: <");
	write_str(w, b->contact);
	write_literal(w, ">;expires=");
	write_number(w, b->expires_at > now ? (b->expires_at - now + 999) / 1000 : 0);
	if (b->q != 1000)
		write_q(w, b->q);
	if (b->instance.n) {
		write_literal(w, ";+sip.instance=\"");
		write_str(w, b->instance);
		write_literal(w, "\"");
	}
	if (b->reg_id) {
		write_literal(w, ";reg-id=");
		write_number(w, b->reg_id);
	}
	write_literal(w, "\r\n");
}

/* The headers of a 200: all current bindings. */
static struct str write_bindings(struct request *q)
{
	struct writer w = WRITER(q->r->headers);

	for (unsigned i = 0; i < q->count; i++)
		write_contact(&w, &q->binding[i], q->now_ms);
	if (q->path.n) {
		write_literal(&w, "Supported: path\r\nPath: ");
		write_str(&w, q->path);
		write_literal(&w, "\r\n");
	}
	write_date(&w, q->now_ms / 1000);
	return w.full ? STR_EMPTY : writer_text(&w);
}

static void answering_free(struct answering *a)
{
	list_remove(a);
	free(a);
}

static void answering_gone(void *user, struct transaction *t)
{
	struct answering *a = user;

	(void)t;
	a->t = NULL;
}

static const struct server_user answering_user = {.gone = answering_gone};

/* The store has taken the bindings, or has not. */
static void stored(void *arg, int error)
{
	struct answering *a = arg;
	struct sip *sip = a->registrar->sip;

	if (error)
		count(REGISTER_FAILED);
	else
		count(REGISTER_OK);
	if (a->t) {
		transaction_detach(a->t);
		if (error == -ENOSPC)
			answer(sip, a->t, 503, S(RETRY_FULL));
		else
			answer(sip, a->t, error ? 500 : 200,
				error ? STR_EMPTY : (struct str){a->headers, a->n});
	}
	answering_free(a);
}

/* Connections that bindings written by this request came by: they are watched for their end. */
static void watch(struct request *q)
{
	for (unsigned i = 0; i < q->count; i++)
		if (q->fresh[i])
			reachable_add(q->r->reachable, q->aor, &q->binding[i].flow,
				slot_of_aor(q->aor, &q->r->sip->keys.slot_key));
}

static void store(struct request *q)
{
	struct registrar *r = q->r;
	struct str headers = write_bindings(q);

	if (location_refresh(r->sip->location, q->aor, q->binding, q->count) == 0) {
		watch(q);
		count(REGISTER_OK);
		answer(r->sip, q->t, 200, headers);
		return;
	}
	struct answering *a = malloc(sizeof(*a) + headers.n);
	if (!a) {
		refuse(q, COUNTER_REGISTER_FAILED, 500, STR_EMPTY, STR_EMPTY);
		return;
	}
	*a = (struct answering){.registrar = r, .t = q->t, .n = headers.n};
	memcpy(a->headers, headers.p, headers.n);
	list_insert(&r->answering, a);
	int error = location_put(r->sip->location, q->aor, q->binding, q->count, stored, a);
	if (error) {
		answering_free(a);
		refuse(q, COUNTER_REGISTER_FAILED, error == -EAGAIN ? 503 : 500, STR_EMPTY,
			error == -EAGAIN ? S("Retry-After: 5\r\n") : STR_EMPTY);
		return;
	}
	transaction_serve(q->t, &answering_user, a);
	watch(q);
}

/* ---- what is asked ---- */

/* Option tags in Require that we do not keep (step 2). False: answered 420. */
static bool check_require(struct request *q)
{
	char buffer[1024];
	struct writer w = WRITER(buffer);

	for (const struct message_header *h = message_first(q->m, HEADER_REQUIRE); h;
		h = message_next(q->m, h)) {
		struct str rest = message_header_value(q->m, h), tag;

		while (!list_next(&rest, &tag)) {
			if (str_equal_nocase(tag, S("path")) || !is_token(tag))
				continue;
			write_str(&w, w.n ? S(", ") : S("Unsupported: "));
			write_str(&w, tag);
		}
	}
	if (w.n == 0 && !w.full)
		return true;
	write_literal(&w, "\r\n");
	refuse(q, COUNTER_REGISTER_EXTENSION, 420, STR_EMPTY, w.full ? STR_EMPTY : writer_text(&w));
	return false;
}

static bool supports_path(const struct message *m)
{
	static const enum header where[] = {HEADER_SUPPORTED, HEADER_REQUIRE};

	for (unsigned i = 0; i < 2; i++)
		for (const struct message_header *h = message_first(m, where[i]); h;
			h = message_next(m, h))
			if (list_has(message_header_value(m, h), S("path")))
				return true;
	return false;
}

/* All Path values as one list (RFC 3327 section 5.3). False: answered. */
static bool read_path(struct request *q)
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
	if (!supports_path(q->m)) {
		refuse(q, COUNTER_REGISTER_EXTENSION, 421, STR_EMPTY, S("Require: path\r\n"));
		return false;
	}
	for (; h; h = message_next(q->m, h)) {
		struct str rest = message_header_value(q->m, h);
		struct address a;
		int error;

		while (!(error = address_next(&rest, &a))) {
			write_str(&w, w.n ? S(", ") : STR_EMPTY);
			write_str(&w, a.whole);
		}
		if (error != -ENOENT) {
			refuse(q, COUNTER_REGISTER_BAD, 400, S("Bad Path"), STR_EMPTY);
			return false;
		}
	}
	if (w.full) {
		refuse(q, COUNTER_REGISTER_BAD, 400, S("Path Too Long"), STR_EMPTY);
		return false;
	}
	q->path = keep_unfolded(q, writer_text(&w));
	return true;
}

/* Steps 3 to 5: whose bindings. False: answered. */
static bool find_user(struct request *q, unsigned domain)
{
	struct uri_parts to = uri_of(q->m, &q->m->to);
	char user[USER_NAME_MAX];
	long n = to.scheme == URI_SIP || to.scheme == URI_SIPS
	                 ? uri_unescape(to.user, user, sizeof(user))
	                 : -EINVAL;
	long length = aor_of(&to, q->buffer);
	/* the key of the record must be the address that its slot was found by, and that a call to
	 * the user will look for: the domain by its name, not by an address of ours */
	struct str name = settings_str(q->r->sip->settings, q->domain->name),
		   aor = {q->buffer, length > 0 ? (size_t)length : 0};

	if (n <= 0 || length <= 0 || aor.n <= name.n ||
		!str_equal(str_from(aor, aor.n - name.n), name) ||
		aor.p[aor.n - name.n - 1] != '@' || !q->r->sip->users ||
		!users_find(q->r->sip->users, domain, (struct str){user, (size_t)n})) {
		refuse(q, COUNTER_REGISTER_UNKNOWN_USER, 404, STR_EMPTY, STR_EMPTY);
		return false;
	}
	q->aor = aor;
	return true;
}

/* The bounds of expiry: the domain's, and the zone's where that is shorter. */
static void find_bounds(struct request *q)
{
	q->expires_min = q->domain->expires_min;
	q->expires_max = q->domain->expires_max;
	if (q->zone->nat_expires && q->zone->nat_expires < q->expires_max)
		q->expires_max = q->zone->nat_expires;
	if (q->expires_min > q->expires_max)
		q->expires_min = q->expires_max;
}

static void load_one(void *arg, const struct binding *b)
{
	struct request *q = arg;
	struct binding *to = &q->binding[q->count++];

	*to = *b;
	to->contact = keep(q, b->contact);
	to->call_id = keep(q, b->call_id);
	to->path = keep(q, b->path);
	to->instance = keep(q, b->instance);
	to->user_agent = keep(q, b->user_agent);
}

/* ---- changing the bindings ---- */

static void remove_at(struct request *q, unsigned i)
{
	q->count--;
	memmove(&q->binding[i], &q->binding[i + 1], (q->count - i) * sizeof(q->binding[0]));
	memmove(&q->fresh[i], &q->fresh[i + 1], (q->count - i) * sizeof(q->fresh[0]));
	q->changed++;
}

/* The binding that c names, or q->count: by instance and reg-id, else by URI. */
static unsigned find_binding(const struct request *q, const struct contact *c)
{
	for (unsigned i = 0; i < q->count && c->reg_id; i++)
		if (q->binding[i].reg_id == c->reg_id &&
			str_equal(q->binding[i].instance, c->instance))
			return i;
	for (unsigned i = 0; i < q->count; i++) {
		struct uri_parts stored_uri;

		if (str_equal(q->binding[i].contact, c->uri.whole))
			return i;
		if (uri_parse(q->binding[i].contact, &stored_uri) == 0 &&
			uri_equal(&stored_uri, &c->uri))
			return i;
	}
	return q->count;
}

enum order { ORDER_NEWER, ORDER_REPEATED, ORDER_OLDER };

/* Step 7: of one Call-ID, only a higher CSeq may change a binding. */
static enum order order_of(const struct request *q, unsigned i)
{
	if (q->fresh[i] || !str_equal(q->binding[i].call_id, q->call_id) ||
		q->m->cseq > q->binding[i].cseq)
		return ORDER_NEWER;
	return q->m->cseq == q->binding[i].cseq ? ORDER_REPEATED : ORDER_OLDER;
}

static void out_of_order(struct request *q)
{
	refuse(q, COUNTER_REGISTER_OUT_OF_ORDER, 500, S("Out Of Order"), STR_EMPTY);
}

/* Contact: *. False: answered. */
static bool remove_all(struct request *q)
{
	for (unsigned i = 0; i < q->count; i++)
		if (order_of(q, i) != ORDER_NEWER) {
			out_of_order(q);
			return false;
		}
	q->changed = q->count;
	q->count = 0;
	return true;
}

static bool too_brief(struct request *q)
{
	char buffer[64];
	struct writer w = WRITER(buffer);

	write_literal(&w, "Min-Expires: ");
	write_number(&w, q->expires_min);
	write_literal(&w, "\r\n");
	refuse(q, COUNTER_REGISTER_BRIEF, 423, STR_EMPTY, writer_text(&w));
	return false;
}

/* One Contact. False: answered, nothing of the request may stay. */
static bool change(struct request *q, const struct contact *c)
{
	unsigned i = find_binding(q, c);
	uint32_t expires = c->timed ? c->expires : q->domain->expires_default;
	enum order order = i < q->count ? order_of(q, i) : ORDER_NEWER;

	if (order == ORDER_REPEATED && expires) {
		q->repeated = true; /* in the store already */
		return true;
	}
	if (order != ORDER_NEWER) {
		out_of_order(q);
		return false;
	}
	if (expires == 0) {
		if (i < q->count)
			remove_at(q, i);
		return true;
	}
	if (expires < q->expires_min)
		return too_brief(q);
	if (expires > q->expires_max)
		expires = q->expires_max;
	if (i == q->count && q->count++ == 2 * BINDINGS_MAX - 1) {
		q->count--;
		refuse(q, COUNTER_REGISTER_TOO_MANY, 403, S("Too Many Contacts"), STR_EMPTY);
		return false;
	}
	q->binding[i] = (struct binding){.flow = q->m->flow,
		.expires_at = q->now_ms + (uint64_t)expires * 1000,
		.cseq = q->m->cseq,
		.reg_id = c->reg_id,
		.q = c->q,
		.contact = c->uri.whole,
		.call_id = q->call_id,
		.path = q->path,
		.instance = c->instance,
		.user_agent = q->user_agent};
	q->fresh[i] = true;
	q->changed++;
	return true;
}

static bool change_all(struct request *q, const struct contact *contacts, unsigned n)
{
	unsigned outbound = 0;

	for (unsigned i = 0; i < n; i++)
		if (contacts[i].reg_id && !(contacts[i].timed && contacts[i].expires == 0))
			outbound++;
	if (outbound > 1) { /* RFC 5626 section 6 */
		refuse(q, COUNTER_REGISTER_BAD, 400, S("Several reg-id"), STR_EMPTY);
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		if (!change(q, &contacts[i]))
			return false;
	unsigned limit = q->domain->bindings_max && q->domain->bindings_max < BINDINGS_MAX
	                         ? q->domain->bindings_max
	                         : BINDINGS_MAX;
	/* a record that was larger before the limit was lowered may shrink and be refreshed */
	bool grew = false;
	for (unsigned i = 0; i < q->count; i++)
		grew = grew || (q->fresh[i] && i >= limit);
	if (q->count > BINDINGS_MAX || grew) {
		refuse(q, COUNTER_REGISTER_TOO_MANY, 403, S("Too Many Contacts"), STR_EMPTY);
		return false;
	}
	return true;
}

static struct str user_agent_of(const struct message *m)
{
	struct str s = message_value(m, HEADER_USER_AGENT);

	for (size_t i = 0; i < s.n; i++)
		if (i == BINDING_USER_AGENT_MAX || (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return (struct str){s.p, i};
	return s;
}

/* Steps 6 and 7: the Contacts. False: answered. */
static bool apply(struct request *q)
{
	const struct message *m = q->m;
	struct contact contacts[CONTACTS_MAX];
	const struct message_header *first = message_first(m, HEADER_CONTACT);
	bool several = first && message_next(m, first), star = false;

	for (const struct message_header *h = first; h; h = message_next(m, h))
		star = star || str_equal(message_header_value(m, h), S("*"));
	if (star) {
		if (several || m->expires != 0) {
			refuse(q, COUNTER_REGISTER_BAD, 400, S("Bad Contact"), STR_EMPTY);
			return false;
		}
		return remove_all(q);
	}
	int n = contacts_read(m, contacts, CONTACTS_MAX);
	if (n == -E2BIG) {
		refuse(q, COUNTER_REGISTER_TOO_MANY, 403, S("Too Many Contacts"), STR_EMPTY);
		return false;
	}
	if (n < 0) {
		refuse(q, COUNTER_REGISTER_BAD, 400, S("Bad Contact"), STR_EMPTY);
		return false;
	}
	if (n == 0)
		count(REGISTER_FETCH);
	return change_all(q, contacts, (unsigned)n);
}

void registrar_request(struct registrar *r, const struct incoming *in, unsigned domain)
{
	const struct settings *s = r->sip->settings;
	const struct message *m = in->message;
	static struct request q; /* wire.h */

	memset(&q, 0, offsetof(struct request, binding));
	q.r = r;
	q.t = in->transaction;
	q.m = m;
	q.now_ms = clock_realtime_ms();
	q.strings = WRITER(r->strings);
	q.zone = settings_zone(s, in->zone);
	q.domain = settings_domain(s, domain);
	q.call_id = message_str(m, m->call_id);
	q.user_agent = user_agent_of(m);
	find_bounds(&q);
	if (!check_require(&q) || !find_user(&q, domain))
		return;
	if (q.call_id.n > BINDING_CALL_ID_MAX) {
		refuse(&q, COUNTER_REGISTER_BAD, 400, S("Call-ID Too Long"), STR_EMPTY);
		return;
	}
	int found = location_lookup(r->sip->location, q.aor, load_one, &q);
	if (found < 0 && found != -EBADMSG) { /* a damaged record is one without bindings: the
		                                 phones come again */
		refuse(&q, COUNTER_REGISTER_FAILED, 500, STR_EMPTY, STR_EMPTY);
		return;
	}
	if (!read_path(&q) || !apply(&q))
		return;
	/* what an earlier request changed and is not stored yet may still be lost: nobody is told
	 * of it before */
	if (q.changed || location_pending(r->sip->location, q.aor)) {
		store(&q);
		return;
	}
	if (q.repeated)
		count(REGISTER_REPEATED);
	count(REGISTER_OK);
	answer(r->sip, q.t, 200, write_bindings(&q));
}

/* ---- flows and slots ---- */

void registrar_flow_closed(struct registrar *r, uint64_t flow, uint8_t slot)
{
	reachable_closed(r->reachable, flow, slot);
}

void registrar_transport_gone(struct registrar *r, uint8_t worker, uint32_t incarnation)
{
	reachable_worker_gone(r->reachable, worker, incarnation);
}

static bool mine(void *arg, struct str aor)
{
	const struct sip *sip = ((struct registrar *)arg)->sip;

	return sip->slots.worker[slot_of_aor(aor, &sip->keys.slot_key)] == sip->index;
}

/* A binding in the store, found while tending it: an earlier life, or another worker, may have been
 * the one that was told of its flow's end. */
static void seen(void *arg, struct str aor, const struct binding *b)
{
	struct registrar *r = arg;

	if (b->flow.id && b->flow.listener < r->sip->settings->listeners.count)
		reachable_add(
			r->reachable, aor, &b->flow, slot_of_aor(aor, &r->sip->keys.slot_key));
}

void registrar_slots_changed(struct registrar *r)
{
	location_tend(r->sip->location, mine, seen, r);
}

int registrar_new(struct registrar **out, struct sip *sip)
{
	struct registrar *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->sip = sip;
	int error = reachable_new(&r->reachable, sip);
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
	while (r->answering) {
		if (r->answering->t)
			transaction_detach(r->answering->t);
		answering_free(r->answering);
	}
	location_tend(r->sip->location, NULL, NULL, NULL);
	reachable_free(r->reachable);
	free(r);
}
