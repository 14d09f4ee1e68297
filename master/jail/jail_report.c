/* jail_report.c - see jail_report.h. Workers are less trusted than the master: what they say of
 * their jails is checked, and a violation is the kernel's word, not theirs. */
#include "jail_report.h"

#include "common/counters.h"
#include "common/log.h"
#include "master/workers/worker_slot.h"
#include "master/config/config.h"
#include "worker/jail.h"

#include <errno.h>
#include <unistd.h>

static void jail_report_violation(void *arg, const struct violation *v)
{
	struct worker_slot *w = arg;
	char text[VIOLATION_TEXT_MAX];
	uint64_t left_out;

	count(JAIL_VIOLATIONS);
	if (log_limit_pass(&w->violation_limit, loop_now(w->supervisor->loop), VIOLATION_RATE_MAX,
		    LOG_LIMIT_SECOND, &left_out)) {
		violation_text(v, text);
		log_error("jail-violation", "peer=%s-%u pid=%d %s%s", role_name(w->role), w->index,
			(int)w->pid, text, w->notifier.go_on ? " allowed=log" : "");
	}
	if (!w->notifier.go_on)
		worker_kill(w, KILLED_VIOLATION);
}

bool jail_report_step(struct worker_slot *w, const struct lifeline_step *step)
{
	struct supervisor *s = w->supervisor;
	int error = -step->error;

	if (step->step == 0 || step->step >= JAIL_STEP_COUNT || step->error > 0 ||
		step->error < -4095)
		return false;
	w->step_error[step->step] = (int16_t)error;
	if (error == 0)
		return true;
	if (!(s->steps_missing[w->role] & 1u << step->step)) {
		s->steps_missing[w->role] |= 1u << step->step;
		log_warn("jail-step-missing", "role=%s step=%s error=\"%s\"", role_name(w->role),
			jail_step_name(step->step), error_text(step->error));
	}
	if (s->jail_required && !s->stopping) {
		log_error("jail-incomplete",
			"peer=%s-%u step=%s hint=\"start as root, or say require-jail = no in the "
			"config\"",
			role_name(w->role), w->index, jail_step_name(step->step));
		s->refused = true;
	}
	return true;
}

bool jail_report_notifier(struct worker_slot *w, int fd)
{
	/* One, when the jail closes: a worker that has been taken over since has none to offer. */
	if (w->state != WORKER_STARTING || w->notifier.fd >= 0) {
		close(fd);
		return false;
	}
	int error = notifier_open(&w->notifier, w->supervisor->loop, fd, w->supervisor->jail_log,
		jail_report_violation, w);
	if (error < 0)
		log_error("jail-notifier", "peer=%s-%u error=\"%s\"", role_name(w->role), w->index,
			error_text(error));
	return error != -EINVAL;
}

/* ---- what holds ---- */

bool jail_lacks(const struct worker_slot *w, unsigned step)
{
	return worker_lives(w) && w->step_error[step] > 0;
}

const char *jail_mode(const struct worker_slot *w)
{
	if (!worker_lives(w) || w->step_error[JAIL_SECCOMP] < 0)
		return "";
	if (jail_lacks(w, JAIL_SECCOMP))
		return "none";
	return w->notifier.fd >= 0 && w->notifier.go_on ? "log" : "enforce";
}

void jail_apply(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].notifier.fd >= 0)
			s->worker[i].notifier.go_on = s->jail_log;
}

void jail_refuse_changes(const struct supervisor *s, const struct config *now,
	const struct config *then, struct config_errors *errors)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *w = &s->worker[i];

		if (then->jail_log && !now->jail_log && w->notifier.fd < 0 &&
			strcmp(jail_mode(w), "enforce") == 0)
			config_error_add(errors, then->path, 0,
				"jail = log cannot hold for %s-%u, whose filter of system calls "
				"asks nobody: restart sipward",
				role_name(w->role), w->index);
		for (unsigned step = 1; step < JAIL_STEP_COUNT; step++)
			if (then->jail_required && !now->jail_required && jail_lacks(w, step))
				config_error_add(errors, then->path, 0,
					"require-jail = yes does not hold for %s-%u, whose jail "
					"lacks the step %s: restart sipward as root",
					role_name(w->role), w->index, jail_step_name(step));
	}
}
