/* call_listing.c - see call_listing.h. Nothing here is on the way of a message: it runs when an
 * operator asks. */
#include "call_listing.h"

#include "call_record_state.h"
#include "exchange.h"
#include "invite.h"
#include "ipc/query_argument.h"
#include "worker-sip/json.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/user_gone.h"

/* ---- a call, whatever it is ---- */

/* Early dialogs stand among the calls, and are their INVITE's. */
static struct call *call_view_standing(struct call *call)
{
	while (call && !call->answered)
		call = call->next;
	return call;
}

bool call_view_next(struct call_view *v)
{
	bool first = !v->call && !v->invite;

	if (first || v->call)
		v->call = call_view_standing(first ? v->sip->call_list : v->call->next);
	if (v->call) {
		v->record = v->call->record;
		return true;
	}
	v->invite = v->invite ? invite_next(v->invite) : v->sip->invite_list;
	v->record = v->invite ? invite_record(v->invite) : NULL;
	return v->invite != NULL;
}

/* The branch that got the INVITE last. NULL: none did. */
static const struct fork_branch *call_view_branch(const struct call_view *v)
{
	const struct fork *f = v->invite ? invite_fork(v->invite) : NULL;

	for (unsigned i = f ? f->next : 0; i > 0; i--)
		if (fork_branch_at(f, i - 1)->sent)
			return fork_branch_at(f, i - 1);
	return NULL;
}

static const struct message *call_view_request(const struct call_view *v)
{
	return &invite_fork(v->invite)->request->message;
}

struct str call_view_id(const struct call_view *v)
{
	const struct message *m;

	if (v->call)
		return v->call->a->call_id;
	m = call_view_request(v);
	return message_str(m, m->call_id);
}

struct str call_view_callee_id(const struct call_view *v)
{
	const struct fork_branch *b = call_view_branch(v);

	if (v->call)
		return v->call->b->call_id;
	return b ? (struct str){b->call_id, sizeof(b->call_id)} : STR_EMPTY;
}

struct str call_view_state(const struct call_view *v)
{
	return !v->call ? S("early") : v->call->ending ? S("ending") : S("established");
}

/* When its INVITE came. */
static uint64_t call_view_began(const struct call_view *v)
{
	if (v->record)
		return v->record->began;
	return v->call ? v->call->started : loop_now(v->sip->loop);
}

uint64_t call_view_age(const struct call_view *v)
{
	return loop_now(v->sip->loop) - call_view_began(v);
}

static unsigned call_view_zone(const struct call_view *v)
{
	return v->call ? v->call->a->zone : invite_fork(v->invite)->zone;
}

static unsigned call_view_callee_zone(const struct call_view *v)
{
	const struct fork_branch *b = call_view_branch(v);

	return v->call ? v->call->b->zone : b ? b->zone : NONE_INDEX;
}

static struct str call_view_trunk(const struct call_view *v)
{
	const struct call_target *t = call_record_callee(v->record);

	return t ? t->trunk : STR_EMPTY;
}

static struct str call_view_text(const struct call_view *v, enum call_text text)
{
	return v->record ? v->record->text[text] : STR_EMPTY;
}

/* ---- which are meant ---- */

/* Whether a user's name and domain are those of user, who may come without a domain. */
static bool call_user_is(struct str name, struct str domain, struct str user)
{
	size_t at = str_find(user, '@');

	if (!name.n || !str_equal(name, (struct str){user.p, at}))
		return false;
	return at == user.n || str_equal_nocase(domain, str_from(user, at + 1));
}

/* The user of ours who is called, whatever was dialled: *domain is n == 0 where it is none. */
static struct str call_view_called(const struct call_view *v, struct str *domain)
{
	struct str called = call_view_text(v, CALL_TEXT_CALLED);
	size_t at = str_find(called, '@');

	*domain = at < called.n ? str_from(called, at + 1) : STR_EMPTY;
	return (struct str){called.p, at};
}

bool call_view_is_of_user(const struct call_view *v, struct str user)
{
	struct str domain, called = call_view_called(v, &domain);
	struct uri_parts uri;

	if (call_user_is(
		    call_view_text(v, CALL_TEXT_USER), call_view_text(v, CALL_TEXT_DOMAIN), user) ||
		call_user_is(called, domain, user))
		return true;
	/* what was dialled is somebody's here where no trunk was asked */
	return v->record && !call_view_trunk(v).n &&
	       uri_parse(call_view_text(v, CALL_TEXT_REQUEST_URI), &uri) == 0 &&
	       call_user_is(uri.user, uri.host, user);
}

bool call_view_lacks_user(const struct call_view *v)
{
	struct str domain, called = call_view_called(v, &domain);

	if (user_is_gone(
		    v->sip, call_view_text(v, CALL_TEXT_USER), call_view_text(v, CALL_TEXT_DOMAIN)))
		return true;
	return domain.n && user_is_gone(v->sip, called, domain);
}

static bool call_view_fits(const struct call_view *v, const char *arguments)
{
	struct str user = query_argument(arguments, "user"),
		   trunk = query_argument(arguments, "trunk"),
		   zone = query_argument(arguments, "zone");
	uint64_t older = query_argument_number(arguments, "older", 0);

	return (!user.p || call_view_is_of_user(v, user)) &&
	       (!trunk.p || str_equal(call_view_trunk(v), trunk)) &&
	       (!zone.p ||
		       str_equal(settings_zone_name(v->sip->settings, call_view_zone(v)), zone) ||
		       str_equal(settings_zone_name(v->sip->settings, call_view_callee_zone(v)),
			       zone)) &&
	       call_view_age(v) / 1000 >= older;
}

/* ---- the list ---- */

static void call_write_endpoint(struct writer *w, const char *name, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_SIZE];

	write_json_field(w, name, e ? (struct str){text, endpoint_text(e, text)} : STR_EMPTY);
}

/* From and To: the URIs of the INVITE, where its record has them. */
static void call_write_parties(struct writer *w, const struct call_view *v)
{
	struct str from = call_view_text(v, CALL_TEXT_FROM), to = call_view_text(v, CALL_TEXT_TO);

	write_json_field(w, "from", from.n || !v->call ? from : v->call->a->remote);
	write_json_field(w, "to", to.n || !v->call ? to : v->call->a->local);
}

/* What tells most comes first: a terminal may have no room for the rest. */
static void call_write(struct writer *w, const struct call_view *v)
{
	const struct fork_branch *b = call_view_branch(v);
	uint64_t since = v->call ? v->call->answered : call_view_began(v);

	write_literal(w, "{");
	write_json_field(w, "call-id", call_view_id(v));
	write_json_field(w, "state", call_view_state(v));
	write_json_number(w, "seconds", (loop_now(v->sip->loop) - since) / 1000);
	call_write_parties(w, v);
	write_json_field(w, "trunk", call_view_trunk(v));
	write_json_field(w, "user", call_view_text(v, CALL_TEXT_USER));
	write_json_field(w, "domain", call_view_text(v, CALL_TEXT_DOMAIN));
	call_write_endpoint(
		w, "caller", v->call ? &v->call->a->flow.peer : &call_view_request(v)->flow.peer);
	call_write_endpoint(w, "callee",
		v->call ? &v->call->b->flow.peer
		: b     ? &b->flow.peer
			: NULL);
	write_json_field(w, "zone", settings_zone_name(v->sip->settings, call_view_zone(v)));
	write_json_field(
		w, "callee-zone", settings_zone_name(v->sip->settings, call_view_callee_zone(v)));
	write_json_number(w, "slot", v->call ? v->call->a->slot : invite_fork(v->invite)->slot);
	write_json_number(w, "worker", v->sip->index);
	write_json_end(w);
}

void call_list(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	struct call_view v = {.sip = sip};
	uint64_t limit = query_argument_number(arguments, "limit", QUERY_LISTED), matched = 0;
	bool counted = query_argument(arguments, "count").p != NULL;

	while (call_view_next(&v)) {
		char buffer[8192];
		struct writer w = WRITER(buffer);

		if (!call_view_fits(&v, arguments))
			continue;
		matched++;
		if (counted || (limit && matched > limit))
			continue;
		call_write(&w, &v);
		if (!w.full)
			line(arg, writer_text(&w));
	}
	json_number_line("matched", matched, line, arg);
}

/* ---- the end of one ---- */

void call_view_end(struct call_view *v, struct str reason)
{
	struct str value = call_record_reason_value(reason);

	/* the record keeps what is noted first */
	call_record_ends(v->record, CALL_ENDER_OPERATOR, CALL_END_ENDED, value);
	count(CALLS_OPERATOR);
	if (v->call)
		call_end(v->call, true, true, reason);
	else
		invite_end(v->invite, 487, reason, reason);
}

/* The first call with that Call-ID on a leg. */
static bool call_view_find(struct call_view *v, struct sip *sip, struct str id)
{
	*v = (struct call_view){.sip = sip};
	while (id.n && call_view_next(v))
		if (str_equal(call_view_id(v), id) || str_equal(call_view_callee_id(v), id))
			return true;
	return false;
}

void call_end_by_operator(
	struct sip *sip, struct str id, void (*line)(void *arg, struct str json), void *arg)
{
	struct call_view v;
	uint64_t ended = 0;

	while (call_view_find(&v, sip, id)) {
		call_view_end(&v, S(CALL_OPERATOR_REASON));
		ended++;
	}
	json_number_line("ended", ended, line, arg);
}
