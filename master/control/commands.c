/* commands.c - what the control commands do.
 *
 * An answer is {"ok": true} with one of: "object" (flat), "rows" (array of flat objects) and, where
 * workers were asked, "missing", or "text"; or {"ok": false, "error": ...} and perhaps "errors".
 * Requests come from local operators, and are checked all the same.
 */
#include "ipc/commands.h"
#include "master/workers/account.h"
#include "master/workers/death_cause.h"
#include "control.h"
#include "metrics.h"
#include "master/workers/quarantine.h"
#include "master/reload.h"
#include "master/jail/verify.h"
#include "master/workers/slots.h"

#include "worker/jail.h"
#include "common/clock.h"
#include "common/log.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void refuse(struct request *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void refuse(struct request *r, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", text);
	request_answer(r, answer ? answer : json_pack("{s:b, s:s}", "ok", 0, "error", "not text"));
}

static void refuse_all(struct request *r, const char *text, const struct config_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(
			list, json_string(errors->text[i])
				      ?: json_string("an error whose text is not UTF-8"));
	request_answer(r, json_pack("{s:b, s:s, s:o}", "ok", 0, "error", text, "errors", list));
}

static void answer_rows(struct request *r, json_t *rows)
{
	request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}

static uint64_t page_counter(const struct worker_slot *w, enum counter c)
{
	return __atomic_load_n(&w->page->counter[c], __ATOMIC_RELAXED);
}

/* ---- status, workers ---- */

/* "main until 2027-03-01" ..., after what is wrong with them. */
static json_t *certificates_text(const struct master *m)
{
	const struct certificate_set *set = certificates_committed(m->certificates);
	json_t *list = json_array();

	json_array_append_new(list, json_string(certificates_state(m->certificates)));
	for (size_t i = 0; set && i < set->count; i++) {
		char text[160], date[METRICS_DATE_SIZE];

		snprintf(text, sizeof(text), "%s until %s", set->entry[i].name,
			metrics_date(set->entry[i].not_after, date));
		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* Steps that some role's workers could not take. */
static json_t *missing_steps(const struct supervisor *s)
{
	json_t *list = json_array();
	uint32_t missing = 0;

	for (unsigned r = 0; r < ROLE_COUNT; r++)
		missing |= s->steps_missing[r];
	for (int i = 1; i < JAIL_STEP_COUNT; i++)
		if (missing & 1u << i)
			json_array_append_new(list, json_string(jail_step_name((enum jail_step)i)));
	return list;
}

static void run_status(struct master *m, struct request *r, json_t *arguments)
{
	const struct supervisor *s = &m->supervisor;
	unsigned ready = 0;
	json_t *listeners = json_array();

	(void)arguments;
	for (unsigned i = 0; i < s->count; i++)
		ready += s->worker[i].state == WORKER_READY;
	for (size_t i = 0; i < m->config->listener_count; i++) {
		char text[ENDPOINT_TEXT_SIZE + 8], bound[ENDPOINT_TEXT_SIZE];

		endpoint_text(&m->config->listeners[i].bind, bound);
		snprintf(text, sizeof(text), "%s:%s",
			transport_name(m->config->listeners[i].transport), bound);
		for (char *c = text; *c && *c != ':'; c++)
			*c = (char)tolower((unsigned char)*c);
		json_array_append_new(listeners, json_string(text));
	}
	json_t *object = json_pack("{s:s, s:s, s:i, s:I, s:I, s:i, s:i, s:I, s:I, s:o}", "state",
		s->stopping         ? "stopping"
		: ready == s->count ? "running"
				    : "degraded",
		"version", SIPWARD_VERSION, "pid", (int)getpid(), "uptime_s",
		(json_int_t)((loop_now(m->loop) - m->started) / 1000), "generation",
		(json_int_t)m->generation, "workers", (int)s->count, "workers_ready", (int)ready,
		"worker_deaths", (json_int_t)counters_page->counter[COUNTER_WORKER_DEATHS],
		"slot_epoch", (json_int_t)s->slots.epoch, "listeners", listeners);
	json_object_set_new(object, "ipc", json_string(carrier_name(s->carrier)));
	json_object_set_new(object, "jail", json_string(m->config->jail_log ? "log" : "enforce"));
	json_object_set_new(object, "jail_missing", missing_steps(s));
	json_object_set_new(
		object, "quarantined", json_integer((json_int_t)quarantine_count(m->quarantine)));
	json_object_set_new(object, "certificates", certificates_text(m));
	/* All gauges, summed over the workers. */
	for (int c = 0; c < COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		if (!counter_rows[c].gauge)
			continue;
		for (unsigned i = 0; i < s->count; i++)
			sum += page_counter(&s->worker[i], c);
		json_object_set_new(object, counter_rows[c].name, json_integer((json_int_t)sum));
	}
	request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "object", object));
}

/* The jail's steps that this life could not take. */
static json_t *jail_text(const struct worker_slot *w)
{
	char text[256] = "";
	size_t n = 0;
	bool reported = false;

	for (int i = 1; i < JAIL_STEP_COUNT && n < sizeof(text); i++) {
		reported |= w->step_error[i] >= 0;
		if (w->step_error[i] > 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%sno %s", n ? ", " : "",
				jail_step_name(i));
	}
	return json_string(!reported ? "" : n ? text : "closed");
}

static void run_workers(struct master *m, struct request *r, json_t *arguments)
{
	const struct supervisor *s = &m->supervisor;
	json_t *rows = json_array();

	(void)arguments;
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *w = &s->worker[i];
		char name[32];

		snprintf(name, sizeof(name), "%s-%u", role_name(w->role), w->index);
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:i, s:s, s:o}",
				"worker", name, "state", worker_state_name(w->state), "pid",
				(int)w->pid, "incarnation", (int)w->incarnation, "uptime_s",
				(json_int_t)(w->state == WORKER_DOWN
						     ? 0
						     : (loop_now(m->loop) - w->started) / 1000),
				"starts", (json_int_t)w->starts, "deaths", (json_int_t)w->deaths,
				"hangs", (json_int_t)w->hangs, "slots",
				w->role == PEER_SIP ? (int)slots_owned(&s->slots, w->index) : 0,
				"last_end", w->last_end, "jail", jail_text(w)));
	}
	answer_rows(r, rows);
}

/* ---- calls, registrations ---- */

static void collected(void *arg, json_t *rows, json_t *missing)
{
	request_answer(
		arg, json_pack("{s:b, s:o, s:o}", "ok", 1, "rows", rows, "missing", missing));
}

static void ask(struct master *m, struct request *r, bool one, uint16_t what, const char *argument)
{
	int error = query_start(&m->queries, PEER_SIP, one, what, argument, collected, r);

	if (error == -EAGAIN)
		refuse(r, "too many questions are under way");
	else if (error < 0)
		refuse(r, "%s", strerror(-error));
}

static void run_calls(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	ask(m, r, false, QUERY_CALLS, "");
}

static void run_registrations(struct master *m, struct request *r, json_t *arguments)
{
	const char *aor = json_string_value(json_object_get(arguments, "aor"));

	if (aor && strlen(aor) >= sizeof(((struct lifeline_query *)0)->argument)) {
		refuse(r, "the address of record is too long");
		return;
	}
	/* They all read the same store. */
	ask(m, r, true, QUERY_REGISTRATIONS, aor ? aor : "");
}

/* ---- domains, users ---- */

static json_t *algorithm_list(uint8_t algorithms)
{
	json_t *list = json_array();

	for (uint8_t bit = 1; bit; bit = (uint8_t)(bit << 1))
		if ((algorithms & bit) && digest_algorithm_name(bit))
			json_array_append_new(list, json_string(digest_algorithm_name(bit)));
	return list;
}

static void run_domains(struct master *m, struct request *r, json_t *arguments)
{
	json_t *rows = json_array();

	(void)arguments;
	for (size_t i = 0; i < m->config->domain_count; i++) {
		const struct config_domain *d = &m->config->domains[i];

		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:o, s:s}", "domain", d->name, "realm",
				      d->realm, "algorithms", algorithm_list(d->algorithms),
				      "users", d->users_path));
	}
	answer_rows(r, rows);
}

/* The domain and user part of "NAME@DOMAIN", or NULL after having refused. */
static const struct config_domain *user_argument(
	struct master *m, struct request *r, json_t *arguments, char user[USER_NAME_MAX + 1])
{
	const char *name = json_string_value(json_object_get(arguments, "name@domain"));
	const char *at = name ? strrchr(name, '@') : NULL;

	if (!at) {
		refuse(r, "expected NAME@DOMAIN");
		return NULL;
	}
	if (str_copy((struct str){name, (size_t)(at - name)}, user, USER_NAME_MAX + 1) < 0 ||
		!userfile_name_valid(str_of(user))) {
		refuse(r, "this cannot be a user's name");
		return NULL;
	}
	for (size_t i = 0; i < m->config->domain_count; i++)
		if (strcasecmp(m->config->domains[i].name, at + 1) == 0)
			return &m->config->domains[i];
	refuse(r, "no domain \"%.200s\" is configured", at + 1);
	return NULL;
}

static bool ha1_entry(
	const struct config_domain *d, const char *user, json_t *row, struct userfile_entry *out)
{
	const char *algorithm = json_string_value(json_object_get(row, "algorithm")),
		   *ha1 = json_string_value(json_object_get(row, "ha1"));

	*out = (struct userfile_entry){.line = 0};
	out->algorithm = algorithm ? digest_algorithm_of(str_of(algorithm)) : 0;
	if (!out->algorithm || !ha1 || strlen(ha1) != digest_ha1_length(out->algorithm) ||
		strspn(ha1, "0123456789abcdef") != strlen(ha1))
		return false;
	return str_copy(str_of(user), out->name, sizeof(out->name)) == 0 &&
	       str_copy(str_of(d->realm), out->realm, sizeof(out->realm)) == 0 &&
	       str_copy(str_of(ha1), out->ha1, sizeof(out->ha1)) == 0;
}

/* After a change of a users file. */
static void use_users(struct master *m, struct request *r, json_t *object)
{
	static struct config_errors errors;

	if (reload_users(m, &errors) < 0) {
		json_decref(object);
		refuse_all(r, "the file was changed, but the users files are not taken into use",
			&errors);
		return;
	}
	request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "object", object));
}

static void run_user_add(struct master *m, struct request *r, json_t *arguments)
{
	char user[USER_NAME_MAX + 1];
	const struct config_domain *d = user_argument(m, r, arguments, user);
	json_t *rows = json_object_get(arguments, "ha1");
	struct userfile_entry entry[2];
	size_t n = json_array_size(rows), replaced = 0;
	int error = 0;

	if (!d)
		return;
	if (n < 1 || n > sizeof(entry) / sizeof(entry[0])) {
		refuse(r, "expected \"ha1\": one or two of {\"algorithm\", \"ha1\"} (use "
			  "sipwardctl, which makes them)");
		return;
	}
	for (size_t i = 0; i < n && error == 0; i++)
		if (!ha1_entry(d, user, json_array_get(rows, i), &entry[i]))
			error = -EINVAL;
	if (error == 0)
		error = userfile_put(d->users_path, entry, n, &replaced);
	explicit_bzero(entry, sizeof(entry));
	if (error == -EINVAL)
		refuse(r, "the HA1s are not as they should be");
	else if (error < 0)
		refuse(r, "%s: %s", d->users_path, strerror(-error));
	else
		use_users(m, r,
			json_pack("{s:s, s:s, s:s}", "user", user, "domain", d->name, "result",
				replaced ? "changed" : "added"));
}

static void run_user_remove(struct master *m, struct request *r, json_t *arguments)
{
	char user[USER_NAME_MAX + 1];
	const struct config_domain *d = user_argument(m, r, arguments, user);
	size_t removed = 0;

	if (!d)
		return;
	int error = userfile_remove(d->users_path, user, d->realm, &removed);
	if (error == -ENOENT)
		refuse(r, "there is no such user");
	else if (error < 0)
		refuse(r, "%s: %s", d->users_path, strerror(-error));
	else
		use_users(m, r,
			json_pack("{s:s, s:s, s:s}", "user", user, "domain", d->name, "result",
				"removed"));
}

static bool list_users(json_t *rows, const struct config_domain *d, struct config_errors *errors)
{
	struct userfile file;
	int error = userfile_load(d->users_path, &file, errors);

	if (error < 0) {
		if (error != -EINVAL)
			config_error_add(errors, d->users_path, 0, "%s", strerror(-error));
		return false;
	}
	for (size_t i = 0; i < file.count; i++) {
		const struct userfile_entry *e = &file.entries[i];

		if (strcmp(e->realm, d->realm) == 0)
			json_array_append_new(rows,
				json_pack("{s:s, s:s, s:s}", "user", e->name, "domain", d->name,
					"algorithm", digest_algorithm_name(e->algorithm)));
	}
	userfile_free(&file);
	return true;
}

static void run_user_list(struct master *m, struct request *r, json_t *arguments)
{
	static struct config_errors errors;
	const char *domain = json_string_value(json_object_get(arguments, "domain"));
	json_t *rows = json_array();
	bool found = false, good = true;

	errors = (struct config_errors){.count = 0};
	for (size_t i = 0; i < m->config->domain_count; i++) {
		const struct config_domain *d = &m->config->domains[i];

		if (domain && strcasecmp(domain, d->name) != 0)
			continue;
		found = true;
		good = list_users(rows, d, &errors) && good;
	}
	if (found && good) {
		answer_rows(r, rows);
		return;
	}
	json_decref(rows);
	if (!good)
		refuse_all(r, "the users files cannot be read", &errors);
	else
		refuse(r, "no such domain is configured");
}

/* ---- sandbox ---- */

static void verified(void *arg, json_t *rows, unsigned bad)
{
	if (bad)
		request_answer(arg, json_pack("{s:b, s:o, s:s}", "ok", 0, "rows", rows, "error",
					    "the jails do not hold: read what stands in capital "
					    "letters, and who differs"));
	else
		request_answer(arg, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}

static void run_sandbox_verify(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	int error = verify_start(m, verified, r);
	if (error == -EBUSY)
		refuse(r, "a verification is under way");
	else if (error < 0)
		refuse(r, "%s", strerror(-error));
}

/* ---- quarantine ---- */

static json_t *poison_row(const struct poison *p)
{
	char print[FINGERPRINT_TEXT_SIZE], date[METRICS_DATE_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "fingerprint",
		fingerprint_text(&p->print, print), "time", metrics_date(p->time / 1000, date),
		"kind", evidence_kind_name(p->print.kind), "worker", p->worker, "reason", p->reason,
		"size", (int)p->print.size, "deaths", (int)p->deaths, "refused",
		fingerprint_refusable(&p->print) ? "yes" : "no");
}

static void run_quarantine_list(struct master *m, struct request *r, json_t *arguments)
{
	json_t *rows = json_array();

	(void)arguments;
	for (size_t i = 0; i < quarantine_count(m->quarantine); i++)
		json_array_append_new(rows, poison_row(quarantine_at(m->quarantine, i)));
	answer_rows(r, rows);
}

/* The one that the argument names. False after having refused. */
static bool poison_argument(struct master *m, struct request *r, json_t *arguments, size_t *i)
{
	const char *digits = json_string_value(json_object_get(arguments, "fingerprint"));
	int error = digits ? quarantine_find(m->quarantine, digits, i) : -EINVAL;

	if (error == -EINVAL)
		refuse(r, "expected a fingerprint: %d to %d hexadecimal digits in lower case",
			QUARANTINE_PREFIX_MIN, FINGERPRINT_TEXT_SIZE - 1);
	else if (error == -ENOTUNIQ)
		refuse(r, "several fingerprints begin like this");
	else if (error < 0)
		refuse(r, "nothing with this fingerprint is in quarantine");
	return error == 0;
}

static void run_quarantine_show(struct master *m, struct request *r, json_t *arguments)
{
	static unsigned char bytes[EVIDENCE_MAX];
	static char base64[sodium_base64_ENCODED_LEN(EVIDENCE_MAX, sodium_base64_VARIANT_ORIGINAL)];
	char *text = NULL;
	size_t i, size, length;

	if (!poison_argument(m, r, arguments, &i))
		return;
	int error = quarantine_read(m->quarantine, i, bytes, &size);
	if (error < 0) {
		refuse(r, "its bytes cannot be read: %s", strerror(-error));
		return;
	}
	FILE *f = open_memstream(&text, &length);
	if (f) {
		quarantine_print(bytes, size, f);
		fputc('\n', f);
	}
	if (!f || fclose(f) != 0)
		refuse(r, "out of memory");
	else
		request_answer(r,
			json_pack("{s:b, s:o, s:s, s:s}", "ok", 1, "object",
				poison_row(quarantine_at(m->quarantine, i)), "text", text, "base64",
				sodium_bin2base64(base64, sizeof(base64), bytes, size,
					sodium_base64_VARIANT_ORIGINAL)));
	free(text);
}

static void run_quarantine_clear(struct master *m, struct request *r, json_t *arguments)
{
	size_t before = quarantine_count(m->quarantine), i;
	int error;

	if (json_object_get(arguments, "fingerprint")) {
		if (!poison_argument(m, r, arguments, &i))
			return;
		error = quarantine_remove(m->quarantine, i);
	} else {
		error = quarantine_clear(m->quarantine);
	}
	death_cause_tell_all(&m->supervisor);
	if (error < 0)
		refuse(r, "they are refused no longer, but a file could not be removed: %s",
			strerror(-error));
	else
		request_answer(
			r, json_pack("{s:b, s:{s:s, s:i}}", "ok", 1, "object", "result", "cleared",
				   "removed", (int)(before - quarantine_count(m->quarantine))));
}

/* ---- reload, counters, metrics, help ---- */

static void answer_reloaded(struct master *m, struct request *r)
{
	request_answer(r, json_pack("{s:b, s:{s:s, s:I}}", "ok", 1, "object", "result", "reloaded",
				  "generation", (json_int_t)m->generation));
}

static void reload_ended(void *arg, int error, struct config_errors *errors)
{
	struct master *m = arg;

	if (error < 0)
		refuse_all(m->reloading, "nothing was changed", errors);
	else
		answer_reloaded(m, m->reloading);
}

static void run_reload(struct master *m, struct request *r, json_t *arguments)
{
	static struct config_errors errors;
	int error = reload_begin(m, reload_ended, m, &errors);

	(void)arguments;
	if (error == 1)
		m->reloading = r;
	else if (error < 0)
		refuse_all(r, "nothing was changed", &errors);
	else
		answer_reloaded(m, r);
}

/* ---- certificates ---- */

static void add_certificates(json_t *rows, const struct certificate_set *set, const char *state)
{
	for (size_t i = 0; set && i < set->count; i++) {
		const struct certificate_entry *e = &set->entry[i];
		char expires[METRICS_DATE_SIZE];

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:I, s:s, s:I, s:s}", "certificate", e->name, "state",
				state, "generation", (json_int_t)set->generation, "expires",
				metrics_date(e->not_after, expires), "days_left",
				(json_int_t)(e->not_after
						     ? (e->not_after - clock_realtime_s()) / 86400
						     : 0),
				"names", e->names));
	}
}

static void run_cert_list(struct master *m, struct request *r, json_t *arguments)
{
	const char *state = certificates_state(m->certificates);
	json_t *rows = json_array();
	char word[16];

	(void)arguments;
	/* what is wrong is for status to say, once */
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(state, ":"), state);
	add_certificates(rows, certificates_committed(m->certificates), word);
	add_certificates(rows, certificates_staged(m->certificates), "staged");
	answer_rows(r, rows);
}

static void staging_ended(void *arg, int error, const char *text)
{
	struct master *m = arg;

	if (error < 0)
		refuse(m->staging, "nothing was staged: %s", text);
	else
		request_answer(m->staging,
			json_pack("{s:b, s:{s:s, s:I}}", "ok", 1, "object", "result", "staged",
				"generation",
				(json_int_t)certificates_staged(m->certificates)->generation));
}

static void run_cert_stage(struct master *m, struct request *r, json_t *arguments)
{
	static struct config_errors errors;
	struct certificate_set *set;
	int error;

	(void)arguments;
	errors = (struct config_errors){.count = 0};
	if (!certificates_configured(m->config)) {
		refuse(r, "no certificate is configured");
		return;
	}
	error = certificate_set_read(m->config, &set, &errors);
	if (error < 0) {
		refuse_all(r, "nothing was staged", &errors);
		return;
	}
	error = certificates_stage(m->certificates, set, staging_ended, m);
	if (error < 0)
		refuse(r, "certificates are being checked already: try again");
	else
		m->staging = r;
}

static void run_cert_commit(struct master *m, struct request *r, json_t *arguments)
{
	int error = certificates_commit(m->certificates);

	(void)arguments;
	if (error == -EBUSY)
		refuse(r, "they are still being checked");
	else if (error < 0)
		refuse(r, "nothing is staged");
	else
		request_answer(r,
			json_pack("{s:b, s:{s:s, s:I}}", "ok", 1, "object", "result", "in force",
				"generation",
				(json_int_t)certificates_committed(m->certificates)->generation));
}

static void run_cert_abort(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	if (certificates_abort(m->certificates) < 0)
		refuse(r, "nothing is staged");
	else
		request_answer(
			r, json_pack("{s:b, s:{s:s}}", "ok", 1, "object", "result", "forgotten"));
}

static void run_counters(struct master *m, struct request *r, json_t *arguments)
{
	bool all = json_object_get(arguments, "all") != NULL;

	answer_rows(r, metrics_rows(&m->supervisor, all));
}

static void run_metrics(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	json_t *text = metrics_text(&m->supervisor, certificates_committed(m->certificates));
	if (!text)
		refuse(r, "out of memory");
	else
		request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "text", text));
}

static void run_help(struct master *m, struct request *r, json_t *arguments)
{
	json_t *rows = json_array();

	(void)m;
	(void)arguments;
	for (int i = 0; i < COMMAND_COUNT; i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s}", "command", command_rows[i].name, "arguments",
				command_rows[i].arguments, "help", command_rows[i].help));
	answer_rows(r, rows);
}

static void (*const run[COMMAND_COUNT])(struct master *m, struct request *r, json_t *arguments) = {
#define COMMAND(id, name, arguments, writes, help) run_##id,
#include "ipc/commands.def"
#undef COMMAND
};

static void dispatch(void *arg, struct request *r, json_t *message)
{
	struct master *m = arg;
	const char *name = json_string_value(json_object_get(message, "command"));
	json_t *arguments = json_object_get(message, "arguments");
	int row = name ? command_find(name) : -1;

	if (row < 0) {
		const char *names[COMMAND_COUNT];

		for (int i = 0; i < COMMAND_COUNT; i++)
			names[i] = command_rows[i].name;
		const char *near = name ? config_nearest(name, names, COMMAND_COUNT) : NULL;
		count(CONTROL_BAD);
		if (near)
			refuse(r, "unknown command \"%.64s\": did you mean \"%s\"?", name, near);
		else
			refuse(r, "unknown command: \"help\" lists them");
		return;
	}
	if (arguments && !json_is_object(arguments)) {
		count(CONTROL_BAD);
		refuse(r, "\"arguments\" is an object");
		return;
	}
	if (m->supervisor.stopping && command_rows[row].writes) {
		refuse(r, "sipward is stopping");
		return;
	}
	if (command_rows[row].writes)
		log_info("control-command", "command=\"%s\" uid=%d pid=%d", command_rows[row].name,
			(int)request_uid(r), (int)request_pid(r));
	run[row](m, r, arguments);
}

int commands_open(struct master *m)
{
	gid_t group = (gid_t)-1;

	if (*m->config->control_group && account_group(m->config->control_group, &group) < 0) {
		log_error("control-group-missing",
			"group=%s hint=\"make it with: groupadd --system %s\"",
			m->config->control_group, m->config->control_group);
		return -ENOENT;
	}
	return control_open(&m->control, m->loop, m->config->control_path, m->config->control_mode,
		group, dispatch, m);
}
