/* star_code.c - see star_code.h. */
#include "star_code.h"

#include "ipc/forwards.h"
#include "worker-sip/routing/route_uri.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of what is dialled, at most; what is longer is no code. */
#define STAR_CODE_MAX 300

/* An INVITE that waits for the master. */
struct star_code {
	struct star_code *next;
	struct sip *sip;
	struct transaction *transaction; /* NULL: it is gone */
	uint32_t id;
	bool clears;
};
_Static_assert(sizeof(((struct lifeline_forward_order *)0)->user) > USER_NAME_MAX &&
		       sizeof(((struct lifeline_forward_order *)0)->to) > FORWARD_TO_MAX,
	"an order has room for both");

/* What was dialled. */
struct star_order {
	enum forward_when when;
	struct str to, seconds; /* to.n == 0: no longer */
};

/* ---- what was dialled ---- */

static struct text star_code_text(const struct domain_settings *d, enum forward_when when)
{
	switch (when) {
	case FORWARD_ALWAYS: return d->code_always;
	case FORWARD_BUSY: return d->code_busy;
	case FORWARD_NO_ANSWER: return d->code_no_answer;
	default: return d->code_away;
	}
}

static bool star_begins(struct str text, struct str with)
{
	return text.n >= with.n && str_equal((struct str){text.p, with.n}, with);
}

/* "#21#" or "##21#" of the code "*21". */
static bool star_code_clears(struct str dialled, struct str code)
{
	struct str digits = str_from(code, 1);
	size_t hashes = star_begins(dialled, S("##")) ? 2 : 1;

	if (dialled.n != hashes + digits.n + 1 || dialled.p[0] != '#' ||
		dialled.p[dialled.n - 1] != '#')
		return false;
	return str_equal((struct str){dialled.p + hashes, digits.n}, digits);
}

static bool star_code_reads(struct str dialled, struct str code, struct star_order *out)
{
	struct str rest;

	if (!code.n)
		return false;
	out->to = out->seconds = STR_EMPTY;
	if (star_code_clears(dialled, code))
		return true;
	if (!star_begins(dialled, code) || dialled.n < code.n + 2 || dialled.p[code.n] != '*')
		return false;
	rest = str_from(dialled, code.n + 1);
	if (rest.p[rest.n - 1] == '#')
		rest.n--;
	out->to = (struct str){rest.p, str_find(rest, '*')};
	if (out->to.n < rest.n)
		out->seconds = str_from(rest, out->to.n + 1);
	return out->to.n != 0;
}

static bool star_code_find(const struct incoming *in, struct str dialled, struct star_order *out)
{
	const struct settings *s = in->sip->settings;
	const struct domain_settings *d = settings_domain(s, in->sender.domain);

	for (unsigned i = 0; i < FORWARD_WHENS; i++) {
		out->when = i;
		if (star_code_reads(dialled, settings_str(s, star_code_text(d, i)), out))
			return true;
	}
	return false;
}

/* Fills in the order for the master. False: nothing can be forwarded so. */
static bool star_code_order(const struct incoming *in, const struct star_order *dialled,
	struct lifeline_forward_order *out)
{
	const struct settings *s = in->sip->settings;
	struct str domain = settings_str(s, settings_domain(s, in->sender.domain)->name);
	uint64_t seconds = FORWARD_SECONDS_USUAL;

	*out = (struct lifeline_forward_order){.when = (uint8_t)dialled->when};
	if (str_copy((struct str){in->sender.name, in->sender.name_length}, out->user,
		    sizeof(out->user)) ||
		str_copy(domain, out->domain, sizeof(out->domain)))
		return false;
	if (!dialled->to.n)
		return true;
	if (dialled->seconds.n && str_number(dialled->seconds, FORWARD_SECONDS_MOST, &seconds))
		return false;
	if (seconds < FORWARD_SECONDS_LEAST ||
		(dialled->seconds.n && dialled->when != FORWARD_NO_ANSWER))
		return false;
	out->seconds = dialled->when == FORWARD_NO_ANSWER ? (uint16_t)seconds : 0;
	return forward_uri(dialled->to, domain, out->to) > 0 &&
	       !forward_is_own(str_of(out->to), str_of(out->user), domain);
}

/* ---- the INVITE that waits ---- */

static void star_code_remove(struct sip *sip, struct star_code *c)
{
	struct star_code **link = &sip->star_codes;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	free(c);
}

static void star_code_on_gone(void *user, struct transaction *t)
{
	struct star_code *c = user;

	(void)t;
	c->transaction = NULL;
}

/* A CANCEL changes nothing: the order stands, and its answer ends the INVITE. */
static const struct server_user star_code_server = {.gone = star_code_on_gone};

static bool star_code_tell(struct sip *sip, const struct lifeline_forward_order *order)
{
	if (sip->forward_hook)
		return sip->forward_hook(sip->send_arg, order);
	return worker_send(&sip->worker, LIFELINE_FORWARD_ORDER, order, sizeof(*order), NULL, 0) ==
	       0;
}

static bool star_code_send(struct incoming *in, const struct lifeline_forward_order *order)
{
	struct sip *sip = in->sip;
	struct star_code *c;
	unsigned waiting = 0;

	for (c = sip->star_codes; c; c = c->next)
		waiting++;
	c = waiting < STAR_CODES_WAITING ? calloc(1, sizeof(*c)) : NULL;
	if (!c || !star_code_tell(sip, order)) {
		free(c);
		return false;
	}
	c->sip = sip;
	c->transaction = in->transaction;
	c->id = order->id;
	c->clears = !order->to[0];
	c->next = sip->star_codes;
	sip->star_codes = c;
	transaction_serve(in->transaction, &star_code_server, c);
	return true;
}

/* Whether the sender is one of ours, whose domain has codes. */
static bool star_code_may_be(const struct incoming *in)
{
	const struct settings *s = in->sip->settings;

	if (!in->sender.authenticated || in->sender.domain >= s->domains.count)
		return false;
	for (unsigned i = 0; i < FORWARD_WHENS; i++)
		if (star_code_text(settings_domain(s, in->sender.domain), i).length)
			return true;
	return false;
}

bool star_code_request(struct incoming *in)
{
	struct lifeline_forward_order order;
	struct star_order dialled;
	char buffer[STAR_CODE_MAX];

	if (!star_code_may_be(in))
		return false;
	const struct uri_parts uri = route_uri(in);
	long n = uri_unescape(uri.user, buffer, sizeof(buffer));
	if (n < 2 || (buffer[0] != '*' && buffer[0] != '#') ||
		!star_code_find(in, (struct str){buffer, (size_t)n}, &dialled))
		return false;
	if (in->explanation) {
		explanation_say(in->explanation, "forward", STR_EMPTY, 0,
			"a code of this user's domain: %s would be %s",
			forward_when_name(dialled.when), dialled.to.n ? "set" : "cleared");
		explanation_answer(in->explanation, 480, STR_EMPTY);
		return true;
	}
	if (!star_code_order(in, &dialled, &order)) {
		count(STAR_CODES_REFUSED);
		incoming_answer(in, 484, STR_EMPTY);
		return true;
	}
	if (!incoming_begin(in))
		return true;
	order.id = ++in->sip->star_code_id;
	if (!star_code_send(in, &order)) {
		count(STAR_CODES_REFUSED);
		incoming_answer(in, 503, S("Retry-After: 2\r\n"));
	}
	return true;
}

static void star_code_answer(struct star_code *c, int error)
{
	struct sip *sip = c->sip;

	if (error == -EAGAIN)
		answer(sip, c->transaction, 503, S("Retry-After: 2\r\n"));
	else if (error)
		answer_reason(sip, c->transaction, 403, S("Forward Is Refused"), STR_EMPTY);
	else
		answer_reason(sip, c->transaction, 480,
			c->clears ? S("Forward Is Cleared") : S("Forward Is Set"), STR_EMPTY);
}

void star_code_done(struct sip *sip, const struct lifeline_forward_done *done)
{
	struct star_code *c = sip->star_codes;

	while (c && c->id != done->id)
		c = c->next;
	if (!c)
		return;
	if (done->error)
		count(STAR_CODES_REFUSED);
	else
		count(STAR_CODES);
	if (c->transaction) {
		star_code_answer(c, done->error);
		transaction_detach(c->transaction);
	}
	star_code_remove(sip, c);
}
