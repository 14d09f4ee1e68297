/* master-certificates.c - generations over workers: the test holds the workers' ends of the
 * lifelines. */
#include "common/log.h"
#include "ipc/sign.h"
#include "master/config/load.h"
#include "master/certificates/certificates.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], path[160];
static struct loop *loop;
static struct supervisor s;
static struct worker_slot slot[4]; /* tls-0, tls-1, transport-0, sip-0 */
static int end[4];
static struct certificates *c;
static struct config_errors errors;
static struct lifeline_packet packet;
static char logged[8192];
static int ended = 1;
static char why[CERTIFICATES_TEXT_MAX];

enum { TLS0, TLS1, TRANSPORT, SIP };

static void keep(void *arg, enum log_level level, const char *line, size_t length)
{
	size_t n = strlen(logged);

	(void)arg, (void)level;
	if (n + length + 2 < sizeof(logged)) {
		memcpy(logged + n, line, length);
		memcpy(logged + n + length, "\n", 2);
	}
}

static void put(const char *name, const char *text)
{
	snprintf(path, sizeof(path), "%s/%s", base, name);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

#define CHAIN "-----BEGIN CERTIFICATE-----\nchain\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"

static struct certificate_set *set_of(const char *more)
{
	char text[2048], file[96];
	struct certificate_set *set = NULL;
	struct config *config;

	snprintf(text, sizeof(text),
		"zone access { trust = no }\nlistener udp { bind = \"udp:127.0.0.1:5060\" zone = "
		"access }\n"
		"certificate main { chain = main.pem key = main.key names = { \"a.example\", "
		"\"b.example\" } }\n%s",
		more);
	put("sipward.conf", text);
	snprintf(file, sizeof(file), "%s/sipward.conf", base);
	cr_assert_eq(config_load(file, &config, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(certificate_set_read(config, &set, &errors), 0, "%s", errors.text[0]);
	config_free(config);
	return set;
}

static void live(unsigned i)
{
	int pair[2];

	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	slot[i].lifeline = pair[0];
	end[i] = pair[1];
	slot[i].state = WORKER_STARTING;
	certificates_tell(c, &slot[i]);
}

static void ready(unsigned i)
{
	slot[i].state = WORKER_READY;
	certificates_ready(c, &slot[i]);
}

static void die(unsigned i)
{
	close(slot[i].lifeline);
	close(end[i]);
	slot[i].lifeline = -1;
	slot[i].state = WORKER_DOWN;
	certificates_died(c, &slot[i]);
}

static void setup(void)
{
	static const uint8_t role[] = {PEER_TLS, PEER_TLS, PEER_TRANSPORT, PEER_SIP},
			     index[] = {0, 1, 0, 0};

	cr_assert(sodium_init() >= 0);
	log_init("test", -1, LOG_INFO, keep, NULL);
	own_folder_make(base);
	put("main.pem", CHAIN);
	put("main.key", KEY);
	put("ca.pem", CHAIN);
	cr_assert_eq(loop_new(&loop), 0);
	s = (struct supervisor){.loop = loop, .worker = slot, .count = 4};
	for (unsigned i = 0; i < 4; i++) {
		slot[i] = (struct worker_slot){
			.supervisor = &s, .role = role[i], .index = index[i], .lifeline = -1};
		outbox_init(&slot[i].outbox);
		end[i] = -1;
	}
	cr_assert_eq(certificates_new(&c, &s), 0);
	s.certificates = c;
}

static void teardown(void)
{
	certificates_free(c);
	loop_free(loop);
	own_folder_remove(base);
}

TestSuite(certificates, .init = setup, .fini = teardown);

static void done(void *arg, int error, int line, const char *text)
{
	(void)line;
	cr_assert_eq(arg, &ended);
	cr_assert_eq(ended, 1, "ends once");
	ended = error;
	snprintf(why, sizeof(why), "%s", text);
}

static void stage(const char *more)
{
	ended = 1;
	cr_assert_eq(certificates_stage(c, set_of(more), done, &ended), 0);
}

static unsigned next(unsigned i)
{
	if (lifeline_receive(end[i], true, &packet) == -EAGAIN)
		return 0;
	for (unsigned k = 0; k < packet.fds; k++)
		close(packet.fd[k]);
	return packet.type;
}

/* The same where one has to come. */
static unsigned must(unsigned i)
{
	unsigned type = next(i);

	cr_assert_neq(type, 0, "nothing came");
	return type;
}

static const struct lifeline_certificates *order(void)
{
	return (const void *)packet.body;
}

static void expect_certificate(unsigned i, uint32_t generation, bool key)
{
	const struct lifeline_certificate *head = (const void *)packet.body;
	const char *rest = (const char *)(head + 1);

	cr_assert_eq(next(i), LIFELINE_CERTIFICATE);
	cr_expect_eq(head->generation, generation);
	cr_expect_eq(head->index, 0);
	cr_expect_str_eq(head->name, "main");
	cr_assert_eq(
		packet.size, sizeof(*head) + head->names_size + head->chain_size + head->key_size);
	cr_expect(str_equal((struct str){rest, head->names_size}, S("a.example b.example")));
	cr_expect(str_equal((struct str){rest + head->names_size, head->chain_size}, S(CHAIN)));
	cr_expect(
		str_equal((struct str){rest + head->names_size + head->chain_size, head->key_size},
			key ? S(KEY) : STR_EMPTY));
}

static void expect_act(unsigned i, uint32_t generation, uint16_t act)
{
	cr_assert_eq(next(i), LIFELINE_CERTIFICATES);
	cr_expect_eq(order()->generation, generation);
	cr_expect_eq(order()->act, act);
}

static void expect_edge(unsigned i, unsigned role, unsigned index)
{
	cr_assert_eq(next(i), LIFELINE_KEY_EDGE);
	cr_expect_eq(
		((const struct lifeline_edge *)(const void *)packet.body)->peer, PEER(role, index));
}

/* Answers the check that has just been read from i. */
static bool answer(unsigned i, uint32_t sequence, int error, const char *text)
{
	struct {
		struct lifeline_certificates_result r;
		char rest[512];
	} body = {.r = {.sequence = sequence, .error = error, .index = error ? 0 : 0xffff}};
	size_t size = strlen(text);
	int64_t date = 2000000000;

	memcpy(body.rest, text, size);
	if ((!error && slot[i].role == PEER_TLS && !size) || error == -EKEYEXPIRED) {
		memcpy(body.rest, &date, sizeof(date));
		memcpy(body.rest + sizeof(date), text, size);
		size += sizeof(date);
	}
	return certificates_result(c, &slot[i], &body.r, sizeof(body.r) + size);
}

static void pass(unsigned i, uint32_t generation)
{
	expect_act(i, generation, CERTIFICATES_CHECK);
	cr_assert(answer(i, order()->sequence, 0, ""));
}

/* All up, with generation 1 in force. */
static void start(void)
{
	certificates_start(c, set_of(""));
	live(TLS0);
	live(TLS1);
	live(SIP);
	live(TRANSPORT);
	for (unsigned i = 0; i < 4; i++) {
		ready(i);
		if (i != SIP)
			while (next(i))
				;
	}
}

Test(certificates, a_start_tells_all_before_go)
{
	certificates_start(c, set_of(""));
	live(TLS0);
	expect_certificate(TLS0, 1, true);
	pass(TLS0, 1);
	expect_act(TLS0, 1, CERTIFICATES_COMMIT);
	live(TRANSPORT);
	expect_edge(TLS0, PEER_TRANSPORT, 0);
	expect_edge(TRANSPORT, PEER_TLS, 0);
	expect_certificate(TRANSPORT, 1, false);
	expect_act(TRANSPORT, 1, CERTIFICATES_COMMIT);
	live(TLS1);
	expect_edge(TLS1, PEER_TRANSPORT, 0);
	expect_certificate(TLS1, 1, true);
	expect_act(TLS1, 1, CERTIFICATES_COMMIT);
	expect_edge(TRANSPORT, PEER_TLS, 1);
	live(SIP);
	for (unsigned i = 0; i < 4; i++)
		cr_expect_eq(next(i), 0);
	cr_expect_str_eq(certificates_state(c), "in force");
	cr_expect_eq(certificates_committed(c)->entry[0].not_after, 2000000000);
}

Test(certificates, a_bad_start_is_told_and_shown)
{
	certificates_start(c, set_of(""));
	live(TLS0);
	expect_certificate(TLS0, 1, true);
	expect_act(TLS0, 1, CERTIFICATES_CHECK);
	cr_assert(answer(
		TLS0, order()->sequence, -EKEYREJECTED, "certificate \"main\": does not fit"));
	cr_expect_str_eq(certificates_state(c), "refused: certificate \"main\": does not fit");
	cr_expect(strstr(logged, "certificates-refused") && strstr(logged, "tls=not-served"), "%s",
		logged);
	stage("");
	expect_act(TLS0, 1, CERTIFICATES_COMMIT);
	expect_certificate(TLS0, 2, true);
	pass(TLS0, 2);
	live(TRANSPORT);
	ready(TRANSPORT);
	while (must(TRANSPORT) != LIFELINE_CERTIFICATES || order()->act != CERTIFICATES_CHECK)
		;
	answer(TRANSPORT, order()->sequence, 0, "");
	cr_expect_eq(ended, 0);
	cr_expect_eq(certificates_commit(c), 0);
	cr_expect_str_eq(certificates_state(c), "in force");
}

Test(certificates, an_expired_one_is_served_at_a_start)
{
	certificates_start(c, set_of(""));
	live(TLS0);
	next(TLS0);
	expect_act(TLS0, 1, CERTIFICATES_CHECK);
	cr_assert(answer(TLS0, order()->sequence, -EKEYEXPIRED, "expired"));
	cr_expect_str_eq(certificates_state(c), "in force: expired");
	cr_expect(strstr(logged, "certificates-expired"));
	cr_expect_eq(
		certificates_committed(c)->entry[0].not_after, 2000000000, "its date is shown");
}

Test(certificates, staging_asks_tls_first_then_transport)
{
	start();
	stage("");
	expect_certificate(TLS0, 2, true);
	expect_certificate(TLS1, 2, true);
	expect_certificate(TRANSPORT, 2, false);
	pass(TLS0, 2);
	cr_expect_eq(next(TRANSPORT), 0, "not before all TLS workers");
	cr_expect_eq(certificates_commit(c), -EBUSY);
	pass(TLS1, 2);
	pass(TRANSPORT, 2);
	cr_expect_eq(ended, 0, "%s", why);
	cr_expect_eq(certificates_staged(c)->generation, 2);
	cr_expect_eq(certificates_committed(c)->generation, 1);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(next(i), 0, "nothing is committed yet");
	cr_assert_eq(certificates_commit(c), 0);
	for (unsigned i = 0; i < 3; i++) {
		expect_act(i, 2, CERTIFICATES_COMMIT);
		cr_expect_eq(next(i), 0);
	}
	cr_expect_eq(certificates_committed(c)->generation, 2);
	cr_expect_eq(certificates_commit(c), -ENOENT);
}

static void refused_by(unsigned i, int error, const char *text, const char *expected)
{
	expect_act(i, certificates_staged(c)->generation, CERTIFICATES_CHECK);
	cr_assert(answer(i, order()->sequence, error, text));
	cr_expect_eq(ended, error);
	cr_expect_str_eq(why, expected);
	cr_expect_null(certificates_staged(c));
	cr_expect_eq(certificates_committed(c)->generation, 1);
	cr_expect_eq(certificates_commit(c), -ENOENT);
}

Test(certificates, one_refusal_drops_all)
{
	start();
	stage("");
	for (unsigned i = 0; i < 3; i++)
		next(i);
	pass(TLS0, 2);
	refused_by(TLS1, -EKEYREJECTED, "certificate \"main\": no\x1bpe\n",
		"certificate \"main\": no?pe?");
	expect_act(TLS0, 2, CERTIFICATES_DROP);
	expect_act(TLS1, 2, CERTIFICATES_DROP);
	expect_act(TRANSPORT, 2, CERTIFICATES_DROP);
	stage("");
	for (unsigned i = 0; i < 3; i++)
		next(i);
	pass(TLS0, 3);
	pass(TLS1, 3);
	refused_by(TRANSPORT, -EBADMSG, "names", "names");
}

Test(certificates, a_second_staging_waits_or_replaces)
{
	start();
	stage("");
	cr_expect_eq(certificates_stage(c, set_of(""), done, &ended), -EBUSY);
	for (unsigned i = 0; i < 3; i++)
		next(i);
	pass(TLS0, 2);
	pass(TLS1, 2);
	pass(TRANSPORT, 2);
	stage("");
	expect_act(TLS0, 2, CERTIFICATES_DROP);
	expect_certificate(TLS0, 3, true);
}

Test(certificates, abort_forgets)
{
	start();
	cr_expect_eq(certificates_abort(c), -ENOENT);
	stage("");
	cr_expect_eq(certificates_abort(c), 0);
	cr_expect_eq(ended, -ECANCELED);
	for (unsigned i = 0; i < 3; i++)
		next(i);
	expect_act(TLS0, 2, CERTIFICATES_CHECK);
	cr_expect(answer(TLS0, order()->sequence, 0, ""), "an answer too late is no fault");
	expect_act(TLS0, 2, CERTIFICATES_DROP);
	cr_expect_null(certificates_staged(c));
}

Test(certificates, a_worker_that_dies_in_a_check_is_asked_again)
{
	start();
	stage("");
	for (unsigned i = 0; i < 3; i++)
		next(i);
	pass(TLS1, 2);
	die(TLS0);
	cr_expect_eq(next(TRANSPORT), LIFELINE_CERTIFICATES,
		"one good answer is enough when the other is gone");
	cr_assert(answer(TRANSPORT, order()->sequence, 0, ""));
	cr_expect_eq(ended, 0);
	live(TLS0);
	expect_edge(TLS0, PEER_TRANSPORT, 0);
	expect_certificate(TLS0, 1, true);
	expect_act(TLS0, 1, CERTIFICATES_CHECK);
	expect_act(TLS0, 1, CERTIFICATES_COMMIT);
	expect_certificate(TLS0, 2, true);
	cr_expect_eq(next(TLS0), 0);
	expect_edge(TRANSPORT, PEER_TLS, 0);
	certificates_abort(c);
	while (next(TLS0) || next(TLS1) || next(TRANSPORT))
		;
	die(TLS1);
	stage("");
	next(TLS0);
	next(TRANSPORT);
	die(TLS0);
	cr_expect_eq(ended, 1, "nobody could tell: wait for a successor");
	live(TLS0);
	while (must(TLS0) != LIFELINE_CERTIFICATES || order()->act != CERTIFICATES_CHECK ||
		order()->generation != 3)
		;
	cr_assert(answer(TLS0, order()->sequence, 0, ""));
	cr_expect_eq(ended, 1);
	die(TRANSPORT);
	live(TRANSPORT);
	while (next(TRANSPORT))
		cr_expect(
			packet.type != LIFELINE_CERTIFICATES || order()->act != CERTIFICATES_CHECK,
			"not before its loop runs");
	ready(TRANSPORT);
	pass(TRANSPORT, 3);
	cr_expect_eq(ended, 0);
}

Test(certificates, replaced_generations_live_on_for_a_while)
{
	start();
	certificates_keep(c, 0);
	for (unsigned g = 2; g <= GENERATIONS_MAX + 1; g++) {
		stage("");
		while (next(TLS1))
			;
		for (unsigned i = 0; i < 3; i += 2)
			while (must(i) != LIFELINE_CERTIFICATE)
				;
		pass(TLS0, g);
		/* the other one's answer to the check that was read away */
		cr_assert(answer(TLS1, order()->sequence, 0, ""));
		pass(TRANSPORT, g);
		cr_assert_eq(ended, 0);
		cr_assert_eq(certificates_commit(c), 0);
		/* as many as a worker has room for: with one to be staged, the eighth drops the
		 * first */
		expect_act(TLS0, g > GENERATIONS_MAX - 1 ? g - (GENERATIONS_MAX - 1) : g,
			g > GENERATIONS_MAX - 1 ? CERTIFICATES_DROP : CERTIFICATES_COMMIT);
	}
	/* a new life knows all of them, and may serve handshakes that began with any */
	die(TLS0);
	live(TLS0);
	expect_edge(TLS0, PEER_TRANSPORT, 0);
	for (uint32_t g = 3; g <= GENERATIONS_MAX + 1; g++) {
		expect_certificate(TLS0, g, true);
		expect_act(TLS0, g, CERTIFICATES_COMMIT);
	}
	cr_expect_eq(next(TLS0), 0);
}

Test(certificates, a_transport_worker_is_asked_when_its_loop_runs)
{
	certificates_start(c, set_of(""));
	live(TLS0);
	ready(TLS0);
	live(TRANSPORT);
	stage("");
	while (must(TLS0) != LIFELINE_CERTIFICATES || order()->act != CERTIFICATES_CHECK ||
		order()->generation != 2)
		;
	cr_assert(answer(TLS0, order()->sequence, 0, ""));
	while (next(TRANSPORT))
		cr_expect(
			packet.type != LIFELINE_CERTIFICATES || order()->act != CERTIFICATES_CHECK);
	ready(TRANSPORT);
	pass(TRANSPORT, 2);
	cr_expect_eq(ended, 0);
}

Test(certificates, authorities_and_tickets)
{
	static const char more[] = "listener t { bind = \"tls:127.0.0.1:5061\" zone = access "
				   "certificate = main client-auth = required client-ca = ca.pem "
				   "}\ntls { tickets = yes trust = ca.pem }\n";

	certificates_start(c, set_of(more));
	live(TRANSPORT);
	expect_certificate(TRANSPORT, 1, false);
	cr_assert_eq(next(TRANSPORT), LIFELINE_AUTHORITIES);
	cr_expect_eq(((const struct lifeline_authorities *)(const void *)packet.body)->listener, 1);
	expect_act(TRANSPORT, 1, CERTIFICATES_COMMIT);
	cr_expect_eq(order()->tickets, 1);
	live(TLS0);
	while (next(TLS0))
		cr_expect_neq(packet.type, LIFELINE_AUTHORITIES);
}

/* What a worker says about authorities, or with index CERTIFICATES_ALL about what is in force. */
static bool tell(unsigned i, uint32_t sequence, uint16_t index, int error, const char *text)
{
	struct {
		struct lifeline_certificates_result r;
		char rest[64];
	} body = {.r = {.sequence = sequence,
			  .error = error,
			  .index = index,
			  .authorities = index != CERTIFICATES_ALL}};

	memcpy(body.rest, text, strlen(text));
	return certificates_result(c, &slot[i], &body.r, sizeof(body.r) + strlen(text));
}

Test(certificates, what_a_worker_cannot_use_is_noted_until_the_next_commit)
{
	start();
	cr_expect_str_empty(slot[TRANSPORT].lost.text);
	cr_assert(tell(TRANSPORT, 0, CERTIFICATES_ALL, -EBADMSG, "has no use\nfor them"));
	cr_expect_str_eq(slot[TRANSPORT].lost.text, "has no use?for them");
	cr_expect_eq(slot[TRANSPORT].lost.index, CERTIFICATES_ALL);
	cr_expect_str_empty(slot[TLS0].lost.text);
	cr_assert(tell(TRANSPORT, 0, 1, -EBADMSG, "holds something else"));
	cr_expect_str_eq(slot[TRANSPORT].lost.text, "holds something else");
	cr_expect_eq(slot[TRANSPORT].lost.index, 1);
	stage("");
	for (unsigned i = 0; i < 3; i++)
		while (must(i) != LIFELINE_CERTIFICATE)
			;
	pass(TLS0, 2);
	pass(TLS1, 2);
	pass(TRANSPORT, 2);
	cr_expect_str_eq(slot[TRANSPORT].lost.text, "holds something else", "not yet");
	cr_assert_eq(certificates_commit(c), 0);
	cr_expect_str_empty(slot[TRANSPORT].lost.text);
}

Test(certificates, answers_that_make_no_sense)
{
	uint32_t sequence;

	start();
	stage("");
	for (unsigned i = 0; i < 3; i++)
		next(i);
	expect_act(TLS0, 2, CERTIFICATES_CHECK);
	sequence = order()->sequence;
	cr_expect_not(answer(TLS0, sequence, 5, ""), "a positive error");
	cr_expect_not(answer(TLS0, sequence, -5000, ""));
	cr_expect_not(
		answer(TLS0, sequence, 0, "1234567"), "dates of another number of certificates");
	cr_expect_not(answer(SIP, sequence, 0, ""), "a role that has none");
	cr_expect(answer(TLS0, sequence + 7, 0, ""), "another check");
	cr_expect(answer(TRANSPORT, sequence, 0, ""), "not asked");
	cr_expect_eq(ended, 1);
	cr_expect_not(certificates_result(NULL, &slot[TLS0],
		&(struct lifeline_certificates_result){.sequence = 1},
		sizeof(struct lifeline_certificates_result)));
}

Test(certificates, the_end_answers_who_waits)
{
	start();
	stage("");
	certificates_free(c);
	c = NULL;
	cr_expect_eq(ended, -ECANCELED);
}
