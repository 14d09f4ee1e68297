/* master-supervise.c - lives of workers, with real processes that do no work. */
#include "master-supervisor.h"

#include "master/workers/death_cause.h"

#include <sys/stat.h>

TestSuite(supervise, .init = setup, .fini = teardown, .timeout = 60);

Test(supervise, all_workers_start_with_what_they_need)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	ask(PEER_TRANSPORT, "");
	cr_assert_eq(json_array_size(rows), 2);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(number(i, "settings"), 1);
		cr_expect_eq(number(i, "users"), 0);
		cr_expect_eq(number(i, "keys"), 1);
		cr_expect_eq(number(i, "edges"), 2);
	}
	ask(PEER_SIP, "");
	cr_assert_eq(json_array_size(rows), 2);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(number(i, "users"), 1);
		cr_expect_eq(number(i, "sockets"), 0);
		cr_expect_eq(number(i, "edges"), 3);
	}
}

Test(supervise, a_dead_worker_is_there_again_at_once_and_its_peers_know)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	struct worker_slot *w = worker_find(&s, PEER_SIP, 1);
	uint32_t life = w->incarnation;
	pid_t pid = w->pid;
	uint64_t before = loop_now(loop);

	kill(pid, SIGKILL);
	UNTIL(dead == 1 && ready() == 5);
	cr_expect_neq(w->pid, pid);
	cr_expect_gt(w->incarnation, life);
	cr_expect_eq(w->deaths, 1);
	cr_expect_str_eq(w->last_end, "signal 9 (KILL)");
	cr_expect_lt(loop_now(loop) - before, 2000);
	ask(PEER_SIP, "");
	size_t at = number(0, "worker") == 1 ? 0 : 1;
	cr_expect_eq(number(at, "edges"), 3);
	cr_expect_eq(number(1 - at, "edges"), 4, "one more, to its new life");
	cr_expect_eq(number(1 - at, "downs"), 1);
	ask(PEER_TRANSPORT, "");
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(number(i, "edges"), 3);
		cr_expect_eq(number(i, "downs"), 1);
	}
}

Test(supervise, a_healthy_worker_is_not_throttled)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	struct worker_slot *w = worker_find(&s, PEER_TRANSPORT, 0);

	for (unsigned i = 1; i <= 20; i++) {
		kill(w->pid, SIGABRT);
		UNTIL(dead == i);
		cr_assert_neq(w->state, WORKER_DOWN, "not there again at once after death %u", i);
		UNTIL(w->state == WORKER_READY);
	}
	cr_expect_eq(w->failures, 0);
	cr_expect_eq(w->deaths, 20);
	cr_expect_eq(counters_page->counter[COUNTER_WORKER_DEATHS], 20);
}

Test(supervise, one_that_is_never_ready_is_backed_off)
{
	link_program(PEER_TLS, "sipward-broken");
	supervise_start(&s);
	struct worker_slot *w = worker_find(&s, PEER_TLS, 0);
	uint64_t before = loop_now(loop);

	UNTIL(w->deaths == 4);
	/* 100, 200 and 400 ms between them. */
	cr_expect_geq(loop_now(loop) - before, 700);
	cr_expect_eq(w->failures, 4);
	cr_expect_str_eq(w->last_end, "exit 9");
	UNTIL(ready() == 4);
	link_program(PEER_TLS, "sipward-tls");
	UNTIL(ready() == 5);
	cr_expect_eq(w->failures, 0);
}

Test(supervise, a_missing_program_is_backed_off_too)
{
	unlink(program[PEER_TLS]);
	supervise_start(&s);
	struct worker_slot *w = worker_find(&s, PEER_TLS, 0);

	UNTIL(w->deaths == 2);
	cr_expect_str_eq(w->last_end, "exit 127 (exec failed)");
}

/* ---- what was in hand ---- */

/* Ends w by signal, and waits until all are there again. */
static void end(struct worker_slot *w, int signal)
{
	unsigned before = dead;

	kill(w->pid, signal);
	UNTIL(dead == before + 1 && ready() == 5);
}

/* The number of fingerprints that each worker of role has been told last. */
static void assert_refused(unsigned role, int n)
{
	ask(role, "");
	cr_assert_eq(json_array_size(rows), 2);
	for (size_t i = 0; i < 2; i++)
		cr_expect_eq(number(i, "refused"), n, "role %u", role);
}

Test(supervise, what_a_worker_died_of_is_kept_and_refused_by_all)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	struct worker_slot *w = worker_find(&s, PEER_SIP, 1);
	unsigned char bytes[EVIDENCE_MAX];
	size_t size;

	assert_refused(PEER_TRANSPORT, 0);
	ask(PEER_SIP, "hold INVITE sip:bob");
	end(w, SIGABRT); /* a sanitizer would make an exit of a fault */
	cr_assert_eq(quarantine_count(s.quarantine), 1);
	const struct poison *p = quarantine_at(s.quarantine, 0);
	cr_expect_str_eq(p->worker, "sip-1");
	cr_expect_str_eq(p->reason, "ABRT");
	cr_expect_eq(p->print.kind, EVIDENCE_MESSAGE);
	cr_expect_eq(p->deaths, 1);
	cr_assert_eq(quarantine_read(s.quarantine, 0, bytes, &size), 0);
	cr_expect(size == 14 && memcmp(bytes, "INVITE sip:bob", 14) == 0);
	assert_refused(PEER_TRANSPORT, 1); /* those that live */
	assert_refused(PEER_SIP, 1);       /* and the successor */
	/* the other one still holds the same */
	end(worker_find(&s, PEER_SIP, 0), SIGABRT);
	cr_assert_eq(quarantine_count(s.quarantine), 1);
	cr_expect_eq(quarantine_at(s.quarantine, 0)->deaths, 2);
	cr_expect_eq(counters_page->counter[COUNTER_QUARANTINED], 1);
	/* whose successors have nothing in hand */
	end(w, SIGABRT);
	cr_expect_eq(quarantine_at(s.quarantine, 0)->deaths, 2);
	quarantine_clear(s.quarantine);
	death_cause_tell_all(&s);
	assert_refused(PEER_TRANSPORT, 0);
	assert_refused(PEER_SIP, 0);
}

Test(supervise, a_kill_from_elsewhere_speaks_against_no_message)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	struct worker_slot *w = worker_find(&s, PEER_SIP, 0);

	ask(PEER_SIP, "hold INVITE sip:bob");
	end(w, SIGKILL);
	cr_expect_eq(quarantine_count(s.quarantine), 0);
	ask(PEER_SIP, "hold INVITE sip:bob");
	end(w, SIGTERM); /* leaves in order, with status 0 */
	cr_expect_eq(quarantine_count(s.quarantine), 0);
	ask(PEER_SIP, "hold INVITE sip:bob");
	tell(w, "nonsense"); /* killed for a packet */
	UNTIL(dead == 3 && ready() == 5);
	cr_expect_eq(quarantine_count(s.quarantine), 0);
	ask(PEER_SIP, "hold INVITE sip:bob");
	tell(w, "exit");
	UNTIL(dead == 4 && ready() == 5);
	cr_assert_eq(quarantine_count(s.quarantine), 1);
	cr_expect_str_eq(quarantine_at(s.quarantine, 0)->reason, "exit-3");
}

Test(supervise, what_stands_in_a_page_is_not_believed)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	ask(PEER_SIP, "lie");
	end(worker_find(&s, PEER_SIP, 0), SIGABRT);
	cr_expect_eq(quarantine_count(s.quarantine), 0);
	cr_expect_eq(worker_find(&s, PEER_SIP, 0)->page->work.what, 0);
}

Test(supervise, a_packet_that_does_not_fit_ends_its_worker)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	struct worker_slot *w = worker_find(&s, PEER_TRANSPORT, 1);

	tell(w, "nonsense");
	UNTIL(dead == 1 && ready() == 5);
	cr_expect_eq(counters_page->counter[COUNTER_WORKER_MISBEHAVED], 1);
}

Test(supervise, answers_that_do_not_come_are_missing)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	uint64_t before = loop_now(loop);

	ask(PEER_SIP, "silent");
	cr_expect_geq(loop_now(loop) - before, QUERY_MAX_MS);
	cr_expect_eq(json_array_size(rows), 0);
	cr_expect_eq(json_array_size(missing), 2);
	ask(PEER_SIP, "garbage");
	cr_expect_eq(json_array_size(missing), 2);
	before = loop_now(loop);
	ask(PEER_SIP, "die");
	cr_expect_eq(json_array_size(missing), 2);
	cr_expect_lt(loop_now(loop) - before, QUERY_MAX_MS, "a death is an answer");
}

Test(supervise, stops_everything_in_order)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	supervise_stop(&s, false);
	UNTIL(stopped);
	for (unsigned i = 0; i < s.count; i++)
		cr_expect_eq(s.worker[i].state, WORKER_DOWN);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
	cr_expect_eq(counters_page->counter[COUNTER_WORKER_DEATHS], 0);
}

Test(supervise, one_that_does_not_leave_is_killed)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	tell(worker_find(&s, PEER_SIP, 0), "hang");
	uint64_t before = loop_now(loop);
	supervise_stop(&s, false);
	UNTIL(stopped);
	cr_expect_geq(loop_now(loop) - before, STOP_GRACE_MS);
	cr_expect_lt(loop_now(loop) - before, 2 * STOP_GRACE_MS);
}

/* The workers of these tests never answer a DRAIN, as ones that hang do not. */
Test(supervise, a_stop_does_not_wait_for_workers_that_do_not_answer)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	uint64_t before = loop_now(loop);
	drain_stop(&s, 0);
	cr_expect(drain_is_stop(&s));
	cr_expect_not(s.stopping, "they have their time");
	UNTIL(stopped);
	cr_expect_geq(loop_now(loop) - before, DRAIN_HEAR_MS);
	cr_expect_lt(loop_now(loop) - before, DRAIN_HEAR_MS + STOP_GRACE_MS);
}

Test(supervise, what_workers_tell_of_a_drain_is_checked)
{
	struct worker_slot *w;

	supervise_start(&s);
	UNTIL(ready() == 5);
	w = worker_find(&s, PEER_SIP, 0);
	drain_set(&s, true);
	cr_expect_eq(s.drain.mode, DRAIN_REFUSE);
	cr_expect(drain_take(w, &(struct lifeline_drained){.sequence = 1, .calls = 7}));
	cr_expect_eq(drain_calls(&s), 7);
	cr_expect(drain_take(w, &(struct lifeline_drained){.sequence = 9, .calls = 5}));
	cr_expect_eq(drain_calls(&s), 7, "of another order");
	cr_expect_not(
		drain_take(w, &(struct lifeline_drained){.sequence = 1, .calls = 7, .done = 1}));
	cr_expect_not(drain_take(w, &(struct lifeline_drained){.sequence = 1, .done = 2}));
	drain_set(&s, false);
	cr_expect_eq(s.drain.mode, DRAIN_OFF);
	cr_expect_eq(drain_calls(&s), 0, "the next order begins with nothing");
	drain_stop(&s, 0);
	drain_set(&s, false);
	cr_expect_eq(s.drain.mode, DRAIN_END, "a stop is not taken back");
	supervise_stop(&s, true);
	UNTIL(stopped);
}

Test(supervise, stopping_twice_is_at_once)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	tell(worker_find(&s, PEER_TRANSPORT, 0), "hang");
	uint64_t before = loop_now(loop);
	supervise_stop(&s, false);
	supervise_stop(&s, true);
	UNTIL(stopped);
	cr_expect_lt(loop_now(loop) - before, STOP_GRACE_MS / 2);
}
