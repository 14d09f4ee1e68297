/* worker_commands.c - the command "workers". */
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/jail/jail_report.h"
#include "master/master.h"
#include "slots.h"
#include "worker/jail.h"

#include <stdio.h>

/* The jail's steps that this life could not take. */
static json_t *worker_jail_text(const struct worker_slot *w)
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
	bool logs = strcmp(jail_mode(w), "log") == 0;
	if (n == 0)
		n = (size_t)snprintf(text, sizeof(text), "closed");
	if (logs && n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, ", only logs");
	return json_string(reported ? text : "");
}

void command_workers(struct master *m, struct request *r, json_t *arguments)
{
	const struct supervisor *s = &m->supervisor;
	json_t *rows = json_array();

	(void)arguments;
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *w = &s->worker[i];
		char name[32];

		if (w->retired)
			continue;
		snprintf(name, sizeof(name), "%s-%u", role_name(w->role), w->index);
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:i, s:s, s:o}",
				"worker", name, "state",
				w->leaving ? "leaving" : worker_state_name(w->state), "pid",
				(int)w->pid, "incarnation", (int)w->incarnation, "uptime_s",
				(json_int_t)(w->state == WORKER_DOWN
						     ? 0
						     : (loop_now(m->loop) - w->started) / 1000),
				"starts", (json_int_t)w->starts, "deaths", (json_int_t)w->deaths,
				"hangs", (json_int_t)w->hangs, "slots",
				w->role == PEER_SIP ? (int)slots_owned(&s->slots, w->index) : 0,
				"last_end", w->last_end, "jail", worker_jail_text(w)));
	}
	answer_rows(r, rows);
}
