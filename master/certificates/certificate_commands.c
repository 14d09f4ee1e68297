/* certificate_commands.c - certificates in force and staged. */
#include "certificates.h"

#include "common/clock.h"
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/master.h"

#include <errno.h>
#include <stdio.h>

static void certificate_add_rows(json_t *rows, const struct certificate_set *set, const char *state)
{
	for (size_t i = 0; set && i < set->count; i++) {
		const struct certificate_entry *e = &set->entry[i];
		char expires[DATE_TEXT_SIZE];

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:I, s:s, s:I, s:s}", "certificate", e->name, "state",
				state, "generation", (json_int_t)set->generation, "expires",
				certificate_expiry_text(e, expires), "days_left",
				(json_int_t)(e->not_after
						     ? (e->not_after - clock_realtime_s()) / 86400
						     : 0),
				"names", e->names));
	}
}

void command_cert_list(struct master *m, struct request *r, json_t *arguments)
{
	const char *state = certificates_state(m->certificates);
	json_t *rows = json_array();
	char word[16];

	(void)arguments;
	/* what is wrong is for status to say, once */
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(state, ":"), state);
	certificate_add_rows(rows, certificates_committed(m->certificates), word);
	certificate_add_rows(rows, certificates_staged(m->certificates), "staged");
	answer_rows(r, rows);
}

static void certificate_staged(void *arg, int error, int line, const char *text)
{
	struct master *m = arg;

	if (error < 0 && line)
		answer_refused(
			m->staging, "nothing was staged: %s:%d: %s", m->config->path, line, text);
	else if (error < 0)
		answer_refused(m->staging, "nothing was staged: %s", text);
	else
		request_answer(m->staging,
			json_pack("{s:b, s:{s:s, s:I}}", "ok", 1, "object", "result", "staged",
				"generation",
				(json_int_t)certificates_staged(m->certificates)->generation));
}

void command_cert_stage(struct master *m, struct request *r, json_t *arguments)
{
	static struct config_errors errors;
	struct certificate_set *set;
	int error;

	(void)arguments;
	errors = (struct config_errors){.sources = &m->config->sources};
	if (!certificates_configured(m->config)) {
		answer_refused(r, "no certificate is configured");
		return;
	}
	error = certificate_set_read(m->config, &set, &errors);
	if (error < 0) {
		answer_errors(r, "nothing was staged", &errors);
		return;
	}
	error = certificates_stage(m->certificates, set, certificate_staged, m);
	if (error < 0)
		answer_refused(r, "certificates are being checked already: try again");
	else
		m->staging = r;
}

void command_cert_commit(struct master *m, struct request *r, json_t *arguments)
{
	int error = certificates_commit(m->certificates);

	(void)arguments;
	if (error == -EBUSY)
		answer_refused(r, "they are still being checked");
	else if (error < 0)
		answer_refused(r, "nothing is staged");
	else
		request_answer(r,
			json_pack("{s:b, s:{s:s, s:I}}", "ok", 1, "object", "result", "in force",
				"generation",
				(json_int_t)certificates_committed(m->certificates)->generation));
}

void command_cert_abort(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	if (certificates_abort(m->certificates) < 0)
		answer_refused(r, "nothing is staged");
	else
		request_answer(
			r, json_pack("{s:b, s:{s:s}}", "ok", 1, "object", "result", "forgotten"));
}
