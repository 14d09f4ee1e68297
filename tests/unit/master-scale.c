/* master-scale.c - workers that come and go, with real processes that do no work. */
#include "master-supervisor.h"

#include "master/certificates/certificates.h"

#include <sys/resource.h>
#include <sys/stat.h>

static void scale(unsigned transport, unsigned sip)
{
	scale_to(&s, (const unsigned[ROLE_COUNT]){
			     [PEER_TRANSPORT] = transport, [PEER_SIP] = sip, [PEER_TLS] = 1});
}

TestSuite(scale, .init = setup, .fini = teardown, .timeout = 60);

Test(scale, what_gauges_told_ends_with_the_worker)
{
	struct worker_slot *w = worker_find(&s, PEER_TRANSPORT, 1);

	supervise_start(&s);
	UNTIL(ready() == 5);
	w->page->counter[COUNTER_BANS] = 3;
	w->page->counter[COUNTER_DROP_BANNED] = 7;
	scale(1, 2);
	UNTIL(w->retired);
	cr_expect_eq(w->page->counter[COUNTER_BANS], 0);
	cr_expect_eq(w->page->counter[COUNTER_DROP_BANNED], 7, "what it counted stays");
}

/* SIP workers send by its sockets until they have taken the settings. */
Test(scale, a_transport_worker_that_goes_keeps_its_sockets_for_a_while)
{
	struct worker_slot *w = worker_find(&s, PEER_TRANSPORT, 1);

	supervise_start(&s);
	UNTIL(ready() == 5);
	uint64_t before = loop_now(loop);
	scale(1, 2);
	cr_expect_not(listen_is_suspended(&no_listeners, 1));
	UNTIL(listen_is_suspended(&no_listeners, 1));
	cr_expect_geq(loop_now(loop) - before, SCALE_CLOSE_MS);
	UNTIL(w->retired);
	/* one that dies meanwhile has none, either */
	scale(2, 2);
	UNTIL(ready() == 5);
	cr_expect_not(listen_is_suspended(&no_listeners, 1));
	scale(1, 2);
	kill(w->pid, SIGKILL);
	UNTIL(w->retired);
	cr_expect(listen_is_suspended(&no_listeners, 1));
}

Test(scale, one_that_has_left_is_not_asked)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	scale(1, 2);
	UNTIL(worker_find(&s, PEER_TRANSPORT, 1)->retired);
	ask(PEER_TRANSPORT, "");
	cr_expect_eq(json_array_size(rows), 1);
	cr_expect_eq(json_array_size(missing), 0);
}

Test(scale, one_that_is_never_ready_and_goes_is_not_waited_for)
{
	link_program(PEER_TLS, "sipward-broken");
	supervise_start(&s);
	UNTIL(ready() == 4);
	link_program(PEER_SIP, "sipward-broken");
	scale(2, 3);
	link_program(PEER_TLS, "sipward-tls");
	UNTIL(ready() == 5 && worker_find(&s, PEER_SIP, 2)->deaths);
	cr_expect_eq(ups, 0);
	scale(2, 2);
	UNTIL(ups == 1);
	cr_expect(worker_find(&s, PEER_SIP, 2)->retired);
}

Test(scale, one_that_there_are_no_fds_for_comes_with_the_next_reload)
{
	struct rlimit fds, none;

	supervise_start(&s);
	UNTIL(ready() == 5);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &fds), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = fds.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	scale(2, 3);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &fds), 0);
	cr_expect_null(worker_find(&s, PEER_SIP, 2));
	scale(2, 3);
	UNTIL(ready() == 6);
}

/* So it is taken back, and has no sockets: its next life has them. */
Test(scale, one_that_is_taken_back_without_sockets_begins_anew)
{
	struct config_listener row = {.name = "udp", .transport = TRANSPORT_UDP};
	struct worker_slot *w = worker_find(&s, PEER_TRANSPORT, 1);
	struct rlimit fds, none;

	cr_assert_eq(endpoint_parse(S("127.123.45.67:5060"), &row.bind), 0);
	cr_assert_eq(listen_open(&no_listeners, &row, 1, 2), 0);
	s.leave_ms = PATIENCE_MS;
	supervise_start(&s);
	UNTIL(ready() == 5);
	w->page->counter[COUNTER_STREAMS] = 1;
	scale(1, 2);
	UNTIL(listen_is_suspended(&no_listeners, 1));
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &fds), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = fds.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	scale(2, 2);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &fds), 0);
	UNTIL(w->starts == 2 && ready() == 5);
	cr_expect_geq(listen_socket(&no_listeners, 1, 0), 0);
	listen_close(&no_listeners);
}

static void scale_tls(unsigned tls)
{
	scale_to(&s, (const unsigned[ROLE_COUNT]){
			     [PEER_TRANSPORT] = 2, [PEER_SIP] = 2, [PEER_TLS] = tls});
}

Test(scale, tls_workers_come_and_go)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	scale_tls(3);
	UNTIL(ready() == 7);
	scale_tls(1);
	UNTIL(worker_find(&s, PEER_TLS, 1)->retired && worker_find(&s, PEER_TLS, 2)->retired);
	cr_expect_eq(worker_find(&s, PEER_TLS, 0)->deaths, 0);
	scale_tls(0);
	UNTIL(worker_find(&s, PEER_TLS, 0)->retired);
	scale_tls(1);
	UNTIL(ready() == 5);
}

/* A certificate is in force. */
static void certify(void)
{
	struct certificate_set *set = calloc(1, sizeof(*set));

	cr_assert_not_null(set);
	set->count = 1;
	set->entry[0].names = strdup("");
	set->entry[0].chain = strdup("");
	set->entry[0].key = -1;
	cr_assert_eq(certificates_new(&s.certificates, &s), 0);
	certificates_start(s.certificates, set);
}

/* What it was asked for and has not signed somebody has to sign. */
Test(scale, a_tls_worker_that_goes_waits_for_another_one)
{
	struct worker_slot *last = worker_find(&s, PEER_TLS, 0), *next;

	certify();
	supervise_start(&s);
	UNTIL(ready() == 5);
	scale_tls(2);
	UNTIL(ready() == 6);
	next = worker_find(&s, PEER_TLS, 1);
	link_program(PEER_TLS, "sipward-broken");
	kill(last->pid, SIGKILL);
	UNTIL(last->deaths >= 2);
	scale_tls(1);
	cr_expect(next->leaving);
	uint64_t since = loop_now(loop);
	UNTIL(loop_now(loop) - since > 3 * SCALE_LOOK_MS);
	cr_expect_eq(next->state, WORKER_READY);
	link_program(PEER_TLS, "sipward-tls");
	UNTIL(next->retired && last->state == WORKER_READY);
}

static void setup_zeromq(void)
{
	carrier = CARRIER_ZEROMQ;
	setup();
}

TestSuite(scale_zeromq, .init = setup_zeromq, .fini = teardown, .timeout = 60);

/* Something stands in the way of what it needs. */
Test(scale_zeromq, one_that_cannot_be_made_is_made_later)
{
	char obstacle[128];

	supervise_start(&s);
	UNTIL(ready() == 5);
	snprintf(obstacle, sizeof(obstacle), "%s/run/mesh/sip-2.sock", base);
	cr_assert_eq(mkdir(obstacle, 0700), 0);
	scale(2, 3);
	cr_assert_not_null(worker_find(&s, PEER_SIP, 2));
	cr_expect_eq(worker_find(&s, PEER_SIP, 2)->state, WORKER_DOWN);
	/* and those that come meanwhile do not need it */
	scale(3, 4);
	UNTIL(ready() == 7);
	cr_assert_eq(rmdir(obstacle), 0);
	UNTIL(ready() == 8);
}
