/* forward_header.c - what tells the receivers of a forwarded call who has forwarded it, and why:
 * Diversion (RFC 5806), the newest first, and History-Info (RFC 7044), the newest last
 * (forwarding.h).
 *
 * They go with what the rules of the config have made of the request for a target, so that all that
 * is sent to it says the same. No host of another side stands in them: a user has his domain, and
 * a number our own host. */
#include "forwarding_state.h"

#include "worker-sip/message/privacy.h"
#include "worker-sip/message/rewrite.h"
#include "worker-sip/routing/rewriting_part.h"
#include "worker-sip/routing/telephone.h"

/* Bytes of the lines for one target, at most: without them where there are more. */
#define FORWARD_LINES_MAX 4096
/* Bytes of an index of History-Info. */
#define FORWARD_INDEX_MAX 64

/* Writes the URI of a hop. */
static void forward_write_uri(struct writer *w, const struct fork *f, const struct forward_hop *hop,
	const struct flow *to)
{
	const struct settings *s = f->sip->settings;
	const struct uri_parts uri = forward_hop_uri(f, hop);

	write_literal(w, "sip:");
	if (hop->domain != NONE_INDEX) {
		rewriting_write_user(w, (struct str){hop->name, hop->name_length},
			&(const struct user_escapes){.any = false});
		write_literal(w, "@");
		write_str(w, settings_str(s, settings_domain(s, hop->domain)->name));
		return;
	}
	if (uri.user.n) {
		telephone_write_user(w, &uri);
		write_literal(w, "@");
	}
	write_own_host(w, f->sip, to);
}

/* RFC 5806 section 4. */
static struct str forward_reason(const struct forward_hop *hop)
{
	switch (hop->cause) {
	case CALL_FORWARD_REDIRECTED: return hop->rang ? S("deflection") : S("unconditional");
	case CALL_FORWARD_ALWAYS: return S("unconditional");
	case CALL_FORWARD_BUSY: return S("user-busy");
	case CALL_FORWARD_NO_ANSWER: return S("no-answer");
	case CALL_FORWARD_AWAY: return S("unavailable");
	default: return S("unknown");
	}
}

static void forward_write_diversion(struct writer *w, const struct fork *f,
	const struct forward_hop *hop, const struct flow *to)
{
	for (; hop->from; hop = hop->from) {
		write_literal(w, "Diversion: <");
		forward_write_uri(w, f, hop->from, to);
		write_literal(w, ">;reason=");
		write_str(w, forward_reason(hop));
		write_literal(w, ";counter=1\r\n");
	}
}

/* ---- History-Info ---- */

/* The index of the last entry that passes from the sender; empty where none does. */
static struct str forward_history_last(const struct fork *f)
{
	const struct message *m = &f->request->message;
	struct str index = STR_EMPTY;

	if (!settings_zone(f->sip->settings, f->zone)->trust)
		return index;
	for (const struct message_header *h = message_first(m, HEADER_HISTORY_INFO); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), value;
		struct address a;

		while (address_next(&rest, &a) == 0)
			if (param_find(a.params, S("index"), &value) && value.n)
				index = value;
	}
	return index;
}

/* Writes the entries from the first hop to that one, and its index into index. */
static void forward_write_entries(struct writer *w, const struct fork *f,
	const struct forward_hop *hop, const struct forward_hop *next, const struct flow *to,
	struct writer *index)
{
	if (hop->from)
		forward_write_entries(w, f, hop->from, hop, to, index);
	struct str before = {index->p, index->n};

	if (hop->from)
		write_literal(index, ".1");
	else if (index->n)
		return; /* the server before us has written it */
	else
		write_literal(index, "1");
	write_literal(w, "History-Info: <");
	forward_write_uri(w, f, hop, to);
	if (next && next->status) {
		write_literal(w, "?Reason=SIP%3Bcause%3D");
		write_number(w, next->status);
	}
	write_literal(w, ">;index=");
	write_str(w, writer_text(index));
	if (hop->from) {
		write_literal(w, ";mp=");
		write_str(w, before);
	}
	write_literal(w, "\r\n");
}

static void forward_write_history(struct writer *w, const struct fork *f,
	const struct forward_hop *hop, const struct flow *to)
{
	char buffer[FORWARD_INDEX_MAX];
	struct writer index = WRITER(buffer);
	size_t before = w->n;

	/* The caller has asked that nobody reads there whom he called (RFC 7044 section 10.1). */
	if (privacy_of(&f->request->message) & PRIVACY_HISTORY)
		return;
	write_str(&index, forward_history_last(f));
	forward_write_entries(w, f, hop, NULL, to, &index);
	if (index.full)
		w->n = before;
}

/* ---- with the targets ---- */

/* Puts lines into a copy of what rules have made of the request for a target. NULL: there is no
 * room. */
static const struct rewrite *forward_rewrite(
	struct scratch *scratch, const struct rewrite *from, struct str before, struct str behind)
{
	struct writer to = {.p = scratch->rewrites,
		.n = scratch->rewrites_size,
		.size = sizeof(scratch->rewrites)};
	const struct rewrite nothing = {.size = sizeof(nothing)};
	struct rewrite *r = (void *)(to.p + to.n);
	const struct rewrite *base = from ? from : &nothing;
	struct str added = rewrite_str(base, base->added);

	write_bytes(&to, (const char *)base, base->size);
	if (to.full)
		return NULL;
	r->first = (struct rewrite_text){(uint32_t)(to.p + to.n - (char *)r), (uint32_t)before.n};
	write_str(&to, before);
	r->added = (struct rewrite_text){
		(uint32_t)(to.p + to.n - (char *)r), (uint32_t)(added.n + behind.n)};
	write_str(&to, added);
	write_str(&to, behind);
	while (to.n % 8)
		write_bytes(&to, "", 1);
	if (to.full)
		return NULL;
	r->size = (uint32_t)(to.n - scratch->rewrites_size);
	scratch->rewrites_size = to.n;
	return r;
}

static const struct rewrite *forward_rewrite_for(
	const struct fork *f, const struct forward_hop *last, const struct target *t)
{
	const struct zone_settings *z = settings_zone(f->sip->settings, t->zone);
	char diversion_buffer[FORWARD_LINES_MAX], history_buffer[FORWARD_LINES_MAX];
	struct writer diversion = WRITER(diversion_buffer), history = WRITER(history_buffer);
	unsigned how = z->identities == LEAVING_DROP ? FORWARDED_BY_NONE : z->forwarded_by;

	if (how == FORWARDED_BY_BOTH || how == FORWARDED_BY_DIVERSION)
		forward_write_diversion(&diversion, f, last, &t->flow);
	if (how == FORWARDED_BY_BOTH || how == FORWARDED_BY_HISTORY_INFO)
		forward_write_history(&history, f, last, &t->flow);
	if (diversion.full)
		diversion.n = 0;
	if (history.full)
		history.n = 0;
	if (!diversion.n && !history.n)
		return t->rewrite;
	const struct rewrite *r = forward_rewrite(
		&f->sip->scratch, t->rewrite, writer_text(&diversion), writer_text(&history));

	return r ? r : t->rewrite;
}

void forward_headers(const struct fork *f, const struct forward_hop *last, struct target *targets,
	unsigned count)
{
	const struct rewrite *before = NULL;

	for (unsigned i = 0; i < count; i++) {
		const struct rewrite *came = targets[i].rewrite;
		bool same = i && targets[i].zone == targets[i - 1].zone && came == before &&
		            targets[i].flow.listener == targets[i - 1].flow.listener;

		targets[i].rewrite = same ? targets[i - 1].rewrite
		                          : forward_rewrite_for(f, last, &targets[i]);
		before = came;
	}
}
