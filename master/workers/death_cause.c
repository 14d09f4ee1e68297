/* death_cause.c - whether a worker died of what it had in hand, and what follows: it is kept, and
 * all workers are told to refuse it.
 *
 * A fault, an abort, an exit, a system call outside the filter and a hang that uses the processor
 * are taken for the doing of what was in hand. A SIGKILL that the master did not send is not: it
 * comes from an operator or from a system without memory, and says nothing of the message; nor does
 * one of a process that stands still. A worker may have written anything into its page: all it
 * gains is that these bytes are refused.
 */
#include "death_cause.h"

#include "common/clock.h"
#include "common/log.h"
#include "quarantine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

/* Why the end speaks against what was in hand. False: it does not. */
static bool death_cause_reason(
	const struct worker_slot *w, int status, char buffer[QUARANTINE_REASON_SIZE])
{
	if (WIFEXITED(status)) {
		snprintf(buffer, QUARANTINE_REASON_SIZE, "exit-%d", WEXITSTATUS(status));
		return WEXITSTATUS(status) != 0;
	}
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (WTERMSIG(status) == faults[i]) {
			snprintf(buffer, QUARANTINE_REASON_SIZE, "%s",
				sigabbrev_np(faults[i]) ?: "fault");
			return true;
		}
	if (!w->killed)
		return false;
	if (strcmp(w->killed, KILLED_HANGS) != 0 && strcmp(w->killed, KILLED_VIOLATION) != 0)
		return false;
	snprintf(buffer, QUARANTINE_REASON_SIZE, "%s", w->killed);
	return true;
}

void death_cause_tell(struct worker_slot *w)
{
	static struct lifeline_quarantine body;

	if (!w->supervisor->quarantine || !role_has(w->role, ROLE_MESSAGES))
		return;
	quarantine_list(w->supervisor->quarantine, &body);
	worker_tell(w, LIFELINE_QUARANTINE, &body, sizeof(body), -1);
}

void death_cause_tell_all(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (worker_lives(&s->worker[i]))
			death_cause_tell(&s->worker[i]);
}

static void death_cause_keep(struct worker_slot *w, enum evidence_kind kind,
	const unsigned char *bytes, size_t size, const char *reason)
{
	struct supervisor *s = w->supervisor;
	char name[QUARANTINE_WORKER_SIZE], text[FINGERPRINT_TEXT_SIZE];
	const struct poison *p = NULL;

	snprintf(name, sizeof(name), "%s-%u", role_name(w->role), w->index);
	int error = quarantine_keep(
		s->quarantine, kind, bytes, size, name, reason, (int64_t)clock_realtime_ms(), &p);
	if (!p)
		return;
	log_error("message-quarantined",
		"peer=%s reason=%s fingerprint=%s kind=%s size=%zu deaths=%u kept=%s "
		"hint=\"sipwardctl quarantine show %.8s\"",
		name, reason, fingerprint_text(&p->print, text), evidence_kind_name(kind), size,
		p->deaths, error == 0 ? "yes" : "no", text);
	death_cause_tell_all(s);
}

void death_cause_record(struct worker_slot *w, int status)
{
	static unsigned char buffer[EVIDENCE_MAX];
	char reason[QUARANTINE_REASON_SIZE];
	enum evidence_kind kind;
	size_t size;

	if (w->supervisor->quarantine && role_has(w->role, ROLE_MESSAGES) &&
		death_cause_reason(w, status, reason)) {
		int error = evidence_read(&w->page->work, &kind, buffer, &size);

		if (error == -ENOENT)
			error = evidence_read(&w->page->stream, &kind, buffer, &size);
		if (error == 0)
			death_cause_keep(w, kind, buffer, size, reason);
		else if (error == -EBADMSG)
			log_warn("hand-unreadable", "peer=%s-%u", role_name(w->role), w->index);
	}
	/* Its successor begins with empty hands. */
	evidence_drop(&w->page->work);
	evidence_drop(&w->page->stream);
}
