/* quarantine_commands.c - what workers died of, for operators. */
#include "death_cause.h"
#include "common/date.h"
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/master.h"
#include "quarantine.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *poison_row(const struct poison *p)
{
	char print[FINGERPRINT_TEXT_SIZE], date[DATE_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "fingerprint",
		fingerprint_text(&p->print, print), "time", date_text(p->time / 1000, date), "kind",
		evidence_kind_name(p->print.kind), "worker", p->worker, "reason", p->reason, "size",
		(int)p->print.size, "deaths", (int)p->deaths, "refused",
		fingerprint_refusable(&p->print) ? "yes" : "no");
}

void command_quarantine_list(struct master *m, struct request *r, json_t *arguments)
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
		answer_refused(r,
			"expected a fingerprint: %d to %d hexadecimal digits in lower case",
			QUARANTINE_PREFIX_MIN, FINGERPRINT_TEXT_SIZE - 1);
	else if (error == -ENOTUNIQ)
		answer_refused(r, "several fingerprints begin like this");
	else if (error < 0)
		answer_refused(r, "nothing with this fingerprint is in quarantine");
	return error == 0;
}

void command_quarantine_show(struct master *m, struct request *r, json_t *arguments)
{
	static unsigned char bytes[EVIDENCE_MAX];
	static char base64[sodium_base64_ENCODED_LEN(EVIDENCE_MAX, sodium_base64_VARIANT_ORIGINAL)];
	char *text = NULL;
	size_t i, size, length;

	if (!poison_argument(m, r, arguments, &i))
		return;
	int error = quarantine_read(m->quarantine, i, bytes, &size);
	if (error < 0) {
		answer_refused(r, "its bytes cannot be read: %s", strerror(-error));
		return;
	}
	FILE *f = open_memstream(&text, &length);
	if (f) {
		quarantine_print(bytes, size, f);
		fputc('\n', f);
	}
	if (!f || fclose(f) != 0)
		answer_refused(r, "out of memory");
	else
		request_answer(r,
			json_pack("{s:b, s:o, s:s, s:s}", "ok", 1, "object",
				poison_row(quarantine_at(m->quarantine, i)), "text", text, "base64",
				sodium_bin2base64(base64, sizeof(base64), bytes, size,
					sodium_base64_VARIANT_ORIGINAL)));
	free(text);
}

void command_quarantine_clear(struct master *m, struct request *r, json_t *arguments)
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
		answer_refused(r, "they are refused no longer, but a file could not be removed: %s",
			strerror(-error));
	else
		request_answer(
			r, json_pack("{s:b, s:{s:s, s:i}}", "ok", 1, "object", "result", "cleared",
				   "removed", (int)(before - quarantine_count(m->quarantine))));
}
