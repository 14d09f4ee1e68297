/* forward_commands.c - where calls to users go on (master/forwards.h). */
#include "master/config/user_commands.h"
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/master.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static const char *forward_argument(json_t *arguments, const char *name)
{
	return json_string_value(json_object_get(arguments, name));
}

/* ---- list ---- */

/* Whether a row is of the user that is asked for: NAME, or NAME@DOMAIN; NULL: of any. */
static bool forward_is_asked(const char *asked, const char *user, const char *domain)
{
	size_t n = strlen(user);

	return !asked || strcmp(asked, user) == 0 ||
	       (strncmp(asked, user, n) == 0 && asked[n] == '@' &&
		       strcasecmp(asked + n + 1, domain) == 0);
}

static void forward_add_row(json_t *rows, const char *user, const char *domain,
	enum forward_when when, const char *to, unsigned seconds, const char *by)
{
	json_array_append_new(
		rows, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "user", user, "domain", domain,
			      "when", forward_when_name(when), "to", to, "seconds",
			      (json_int_t)(when == FORWARD_NO_ANSWER ? seconds : 0), "set-by", by));
}

static bool forward_is_set(
	const struct master *m, const char *user, const char *domain, enum forward_when when)
{
	for (size_t i = 0; i < m->forwards.count; i++) {
		const struct forward_set *f = &m->forwards.row[i];

		if (f->when == when && strcmp(f->user, user) == 0 &&
			strcasecmp(f->domain, domain) == 0)
			return true;
	}
	return false;
}

/* What the config says of a user, where nothing else is set. */
static void forward_add_config(const struct master *m, json_t *rows, const struct config_forward *c)
{
	const char *to[FORWARD_WHENS] = {[FORWARD_ALWAYS] = c->always,
		[FORWARD_BUSY] = c->busy,
		[FORWARD_NO_ANSWER] = c->no_answer,
		[FORWARD_AWAY] = c->away};
	char uri[FORWARD_TO_MAX + 1];

	for (unsigned k = 0; k < FORWARD_WHENS; k++)
		if (*to[k] && !forward_is_set(m, c->user, c->domain, k) &&
			forward_uri(str_of(to[k]), str_of(c->domain), uri) > 0)
			forward_add_row(
				rows, c->user, c->domain, k, uri, c->no_answer_ms / 1000, "config");
}

void command_forward_list(struct master *m, struct request *r, json_t *arguments)
{
	const char *asked = forward_argument(arguments, "user");
	json_t *rows = json_array();

	for (size_t i = 0; i < m->forwards.count; i++) {
		const struct forward_set *f = &m->forwards.row[i];

		if (forward_is_asked(asked, f->user, f->domain))
			forward_add_row(rows, f->user, f->domain, f->when, f->to, f->seconds,
				f->by_user ? "user" : "operator");
	}
	for (size_t i = 0; i < m->config->forward_count; i++) {
		const struct config_forward *c = &m->config->forwards[i];

		if (forward_is_asked(asked, c->user, c->domain))
			forward_add_config(m, rows, c);
	}
	answer_rows(r, rows);
}

/* ---- set and clear ---- */

/* The argument WHEN. False: it is none, and has been refused. */
static bool forward_when_argument(struct request *r, json_t *arguments, uint8_t *when)
{
	const char *text = forward_argument(arguments, "when");

	*when = (uint8_t)(text ? forward_when_of(str_of(text)) : FORWARD_WHENS);
	if (!text || *when < FORWARD_WHENS)
		return true;
	answer_refused(r, "expected always, busy, no-answer or away, found \"%.32s\"", text);
	return false;
}

/* The argument SECONDS. False: it is none, and has been refused. */
static bool forward_seconds_argument(struct request *r, json_t *arguments, struct forward_set *row)
{
	const char *text = forward_argument(arguments, "seconds");
	bool timed = row->when == FORWARD_NO_ANSWER;
	unsigned long seconds = text ? 0 : FORWARD_SECONDS_USUAL;
	char *end = NULL;

	if (text)
		seconds = strtoul(text, &end, 10);
	row->seconds = timed ? (uint16_t)(seconds <= FORWARD_SECONDS_MOST ? seconds : 0) : 0;
	if ((!text || (timed && end != text && !*end)) &&
		(!timed || row->seconds >= FORWARD_SECONDS_LEAST))
		return true;
	answer_refused(r,
		timed ? "expected %d to %d seconds" : "only no-answer has seconds, %d to %d",
		FORWARD_SECONDS_LEAST, FORWARD_SECONDS_MOST);
	return false;
}

void command_forward_set(struct master *m, struct request *r, json_t *arguments)
{
	const char *to = forward_argument(arguments, "to");
	struct forward_set row = {.by_user = false};
	const struct config_domain *d = user_argument(m, r, arguments, row.user);

	if (!d || !forward_when_argument(r, arguments, &row.when))
		return;
	if (!to || row.when == FORWARD_WHENS ||
		str_copy(str_of(d->name), row.domain, sizeof(row.domain)) ||
		forward_uri(str_of(to), str_of(d->name), row.to) < 0) {
		answer_refused(r,
			"expected always, busy, no-answer or away, and a user or a number, or a "
			"URI of sip or tel");
		return;
	}
	if (forward_is_own(str_of(row.to), str_of(row.user), str_of(row.domain))) {
		answer_refused(r, "\"%s\" is this user himself: his calls would go round", row.to);
		return;
	}
	if (!forward_seconds_argument(r, arguments, &row))
		return;
	int error = forwards_set(m, &row);
	if (error == -ENOENT)
		answer_refused(r, "there is no such user");
	else if (error == -ENOSPC)
		answer_refused(r, "at most %d forwards are possible", FORWARDS_MAX);
	else if (error)
		answer_refused(r, "nothing was changed: %s", strerror(-error));
	else
		request_answer(r,
			json_pack("{s:b, s:{s:s, s:s, s:s, s:s, s:I}}", "ok", 1, "object", "user",
				row.user, "domain", row.domain, "when", forward_when_name(row.when),
				"to", row.to, "seconds", (json_int_t)row.seconds));
}

void command_forward_clear(struct master *m, struct request *r, json_t *arguments)
{
	char user[USER_NAME_MAX + 1];
	const struct config_domain *d = user_argument(m, r, arguments, user);
	uint8_t when;

	if (!d || !forward_when_argument(r, arguments, &when))
		return;
	int cleared = forwards_clear(m, user, d->name, when);
	if (cleared < 0)
		answer_refused(r, "nothing was changed: %s", strerror(-cleared));
	else if (!cleared)
		answer_refused(r, "nothing is set for this user; what the config says stays");
	else
		request_answer(r, json_pack("{s:b, s:{s:s, s:s, s:I}}", "ok", 1, "object", "user",
					  user, "domain", d->name, "cleared", (json_int_t)cleared));
}
