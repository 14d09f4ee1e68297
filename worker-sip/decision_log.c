/* decision_log.c - see decision_log.h. */
#include "decision_log.h"

#include "worker-sip/call/exchange.h"
#include "worker-sip/subscription/subscription.h"

/* Bytes of a value in a line: a Call-ID or a name. */
#define VALUE_MAX 160

void decision_log_authorized(const struct incoming *in)
{
	const struct settings *s = in->sip->settings;
	const struct identity *sender = &in->sender;
	const struct message *m = in->message;
	char call_id[VALUE_MAX], user[VALUE_MAX], domain[VALUE_MAX];
	bool known = sender->authenticated && sender->domain < s->domains.count;

	log_debug("request-authorized", "call-id=%s method=%s user=%s domain=%s by=%s",
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		method_name(m->method),
		log_value(known ? (struct str){sender->name, sender->name_length} : STR_EMPTY, user,
			sizeof(user)),
		log_value(known ? settings_str(s, settings_domain(s, sender->domain)->name)
				: STR_EMPTY,
			domain, sizeof(domain)),
		known             ? "credentials"
		: sender->trusted ? "its-zone"
				  : "nobody-is-asked");
}

static const char *decision_leg(const struct dialog *d)
{
	if (d->watch)
		return "watcher";
	if (d->subscription)
		return d == d->subscription->a ? "subscriber" : "notifier";
	return d->call && d == d->call->a ? "caller" : "callee";
}

void decision_log_dialog(const struct incoming *in, const struct dialog *d)
{
	const struct message *m = in->message;
	char call_id[VALUE_MAX], other[VALUE_MAX];

	log_debug("request-in-dialog", "call-id=%s method=%s cseq=%u from=%s other=%s",
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		method_name(m->method), m->cseq, decision_leg(d),
		log_value(d->other ? d->other->call_id : STR_EMPTY, other, sizeof(other)));
}

void decision_log_bindings(
	const struct incoming *in, struct str aor, unsigned changed, unsigned count)
{
	const struct message *m = in->message;
	char call_id[VALUE_MAX], name[VALUE_MAX];

	log_debug("bindings-change", "call-id=%s aor=%s changed=%u bindings=%u",
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		log_value(aor, name, sizeof(name)), changed, count);
}
