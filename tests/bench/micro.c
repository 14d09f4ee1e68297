/* micro.c - the steps of a message's way, one at a time: for nanoseconds by itself, for
 *instructions that repeat under callgrind (micro.py).
 *
 *	micro NAME TIMES      prints nanoseconds each
 *	micro --list
 *
 * Only what is measured is counted: what makes ready runs outside measure_begin and measure_end.
 */
#include "micro_peer.h"

#include "ipc/message_slot.h"
#include "ipc/token.h"
#include "worker-sip/core.h"
#include "worker-sip/call/dialog_request.h"
#include "worker-sip/auth/digest.h"
#include "worker-sip/registrar/location.h"
#include "worker-sip/message/response.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/transaction/transaction.h"
#include "worker-transport/parse/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

/* Enough calls that the transactions of the first have ended (32 s) and every call that is counted
 * pays for an old one's end. */
#define CALLS_BEFORE (40000 / CALL_GAP_MS)
#define AORS 100000

static struct sip sip;
static uint64_t counted_ns, started_ns;
static bool instrumented;

/* The kernel's clock: clock_gettime is the bench's own. */
static uint64_t now_ns(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void measure_begin(void)
{
	if (!instrumented)
		CALLGRIND_START_INSTRUMENTATION; /* what came before ran ten times as fast */
	instrumented = true;
	started_ns = now_ns();
	CALLGRIND_TOGGLE_COLLECT;
}

void measure_end(void)
{
	CALLGRIND_TOGGLE_COLLECT;
	counted_ns += now_ns() - started_ns;
}

static struct message *an_invite(void)
{
	char m[TEXT_MAX];

	return worker_parsed(&sip, m, peer_invite(m, 1), TRUSTED, PHONE);
}

/* ---- one function ---- */

static void measure_parse(unsigned long times)
{
	static _Alignas(8) unsigned char buffer[MESSAGE_BLOCK_MAX];
	char m[TEXT_MAX];
	size_t size = peer_invite(m, 1);
	struct parse_error error;

	measure_begin();
	for (unsigned long i = 0; i < times; i++)
		if (parse_message(m, size, buffer, sizeof(buffer), &error))
			fail(error.reason);
	measure_end();
}

static void measure_check(unsigned long times)
{
	struct message *m = an_invite();

	measure_begin();
	for (unsigned long i = 0; i < times; i++)
		if (message_check(m, m->size))
			fail("check");
	measure_end();
}

static void measure_slot(unsigned long times)
{
	struct message *m = an_invite();
	volatile uint8_t slot;

	measure_begin();
	for (unsigned long i = 0; i < times; i++)
		slot = slot_of_message(m, &sip.keys.slot_key, sip.settings);
	measure_end();
	(void)slot;
}

static void measure_token(unsigned long times)
{
	char token[TOKEN_LENGTH];
	uint8_t slot;
	uint64_t id;

	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		token_mint(&sip.keys.minting, TOKEN_BRANCH, 7, i, token);
		if (token_prove(&sip.keys.minting, TOKEN_BRANCH, (struct str){token, sizeof(token)},
			    &slot, &id))
			fail("token");
	}
	measure_end();
}

static void measure_encode_answer(unsigned long times)
{
	struct message *m = an_invite();
	struct response r = {.status = 180};
	struct wire *w;

	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		if (response_build(&sip, m, &r, &w))
			fail("answer");
		wire_drop(w);
	}
	measure_end();
}

static void measure_encode_request(unsigned long times)
{
	struct flow flow = {.transport = TRANSPORT_UDP, .peer = endpoint_of(TRUNK)};
	struct dialog_parts parts = {.id = 1,
		.slot = 7,
		.flow = &flow,
		.call_id = S("sw0700000000000000010123456789abcdef0"),
		.local = S("\"Alice\" "
			   "<sip:alice@example.net>;tag=sw0700000000000000010123456789abcdef0"),
		.remote = S("\"Bob\" <sip:bob@example.net>;tag=b1"),
		.remote_tag = S("b1"),
		.target = S("sip:bob@" TRUNK ";transport=UDP")};
	struct dialog *d;
	struct wire *w;

	if (dialog_new(&sip, &parts, &d))
		fail("dialog");
	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		if (dialog_request_write(
			    &sip, d, S("BYE"), (uint32_t)i + 2, i, STR_EMPTY, STR_EMPTY, &w))
			fail("request");
		wire_drop(w);
	}
	measure_end();
}

static void measure_splice_request(unsigned long times)
{
	struct flow to = {.transport = TRANSPORT_UDP, .peer = endpoint_of(TRUNK)};
	struct splice s = {.sip = &sip,
		.in = an_invite(),
		.slot = 7,
		.contact_user = S("sw0700000000000000010123456789abcdef0"),
		.request_uri = S("sip:bob@" TRUNK),
		.to = &to,
		.branch = 1,
		.from = S("\"Alice\" "
			  "<sip:alice@example.net>;tag=sw0700000000000000010123456789abcdef0"),
		.to_value = S("\"Bob\" <sip:bob@example.net>"),
		.call_id = S("sw0700000000000000010123456789abcdef0"),
		.cseq = 1};
	struct wire *w;

	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		if (splice_request(&s, &w))
			fail("splice");
		wire_drop(w);
	}
	measure_end();
}

static void measure_splice_response(unsigned long times)
{
	static const char text[] =
		"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP "
		"192.0.2.1:5060;branch=z9hG4bKsw0700000000000000010123456789abcdef0\r\nFrom: "
		"\"Alice\" <sip:alice@example.net>;tag=a1\r\n"
		"To: \"Bob\" <sip:bob@example.net>;tag=b1\r\nCall-ID: call-1@192.0.2.8\r\nCSeq: 1 "
		"INVITE\r\nContact: <sip:bob@" TRUNK ">\r\nContent-Length: 0\r\n\r\n";
	struct message *request = an_invite();
	struct splice s = {.sip = &sip,
		.in = worker_parsed(&sip, text, sizeof(text) - 1, TRUSTED, TRUNK),
		.slot = 7,
		.contact_user = S("sw0700000000000000010123456789abcdef0")};
	struct wire *w;

	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		if (splice_response(&s, request, 0, S("sw0700000000000000010123456789abcdef0"), &w))
			fail("splice");
		wire_drop(w);
	}
	measure_end();
}

static void measure_digest(unsigned long times)
{
	static const char value[] =
		"Digest username=\"u000001\", realm=\"example.net\", "
		"nonce=\"0189abcdef000123456789abcdef0123456789abcdef0123456789ab\", "
		"uri=\"sip:example.net\", "
		"response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5, "
		"cnonce=\"abcdef01\", qop=auth, nc=00000001";
	struct credentials c;
	volatile bool right;

	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		if (credentials_parse(S(value), &c))
			fail("credentials");
		right = digest_verify(&c, S("REGISTER"), S("939e7578ed9e3c518a452acee763bce9"));
	}
	measure_end();
	(void)right;
}

static void measure_nonce(unsigned long times)
{
	char buffer[NONCE_LENGTH_MAX];
	uint8_t key[32] = {1};
	struct endpoint source = endpoint_of(REGISTERED);
	struct nonce_name name;

	measure_begin();
	for (unsigned long i = 0; i < times; i++) {
		size_t n = nonce_make(key, 1000000, 7, &source, buffer);

		if (nonce_check(key, (struct str){buffer, n}, 1000001, 300000, 7, &source, &name))
			fail("nonce");
	}
	measure_end();
}

/* ---- transactions ---- */

/* Made, answered, and ended by timer J; the answer's bytes are there already. */
static void measure_transaction_server(unsigned long times)
{
	char text[TEXT_MAX];
	struct transaction *t;
	struct wire *bytes = wire_new(S("SIP/2.0 200 OK\r\n\r\n").p, 20);

	if (!bytes)
		fail("memory");
	for (unsigned long i = 0; i < times; i++) {
		struct message *m = worker_parsed(
			&sip, text, peer_options(text, (unsigned)i), TRUSTED, PHONE);

		worker_forget();
		measure_begin();
		if (transactions_request(sip.transactions, m, m->slot, &t) != REQUEST_NEW ||
			transaction_answer(t, 200, bytes))
			fail("transaction");
		measure_end();
		worker_sent("SIP/2.0 200");
		worker_wait(&sip, 33000, true);
	}
}

/* Sent, answered, and ended by timer K. */
static void measure_transaction_client(unsigned long times)
{
	char text[TEXT_MAX], token[TOKEN_LENGTH];
	struct flow to = {.transport = TRANSPORT_UDP, .peer = endpoint_of(TRUNK)};

	for (unsigned long i = 0; i < times; i++) {
		struct transaction *t;

		token_mint(&sip.keys.minting, TOKEN_BRANCH, 7, i, token);
		int size = snprintf(text, sizeof(text),
			"OPTIONS sip:" TRUNK
			" SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%.*s\r\nFrom: "
			"<sip:a@192.0.2.1>;tag=a\r\nTo: <sip:b@192.0.2.9>\r\n"
			"Call-ID: c%lu\r\nCSeq: 1 OPTIONS\r\n\r\n",
			TOKEN_LENGTH, token, i);
		struct wire *bytes = wire_new(text, (size_t)size);
		size = snprintf(text, sizeof(text),
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP "
			"192.0.2.1:5060;branch=z9hG4bK%.*s\r\nFrom: <sip:a@192.0.2.1>;tag=a\r\nTo: "
			"<sip:b@192.0.2.9>;tag=b\r\n"
			"Call-ID: c%lu\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			TOKEN_LENGTH, token, i);
		struct message *m = worker_parsed(&sip, text, (size_t)size, TRUSTED, TRUNK);
		worker_forget();
		measure_begin();
		if (!bytes ||
			transaction_send(sip.transactions, METHOD_OPTIONS, i, 7, &to, bytes, NULL,
				NULL, &t) ||
			transactions_response(sip.transactions, m, i))
			fail("transaction");
		wire_drop(bytes);
		measure_end();
		worker_wait(&sip, 33000, true);
	}
}

/* ---- location ---- */

static size_t aor_of_user(char buffer[64], unsigned i)
{
	return (size_t)snprintf(buffer, 64, "sip:u%06u@" REALM, i);
}

static void seen(void *arg, const struct binding *b)
{
	(void)b;
	++*(unsigned long *)arg;
}

static struct binding binding_of(char contact[64], unsigned i, uint32_t cseq)
{
	size_t n = (size_t)snprintf(contact, 64, "sip:u%06u@" REGISTERED, i);

	return (struct binding){.flow = {.transport = TRANSPORT_UDP,
					.listener = ACCESS,
					.peer = endpoint_of(REGISTERED)},
		.expires_at = UINT64_MAX / 2 + cseq,
		.cseq = cseq,
		.q = 1000,
		.contact = {contact, n},
		.call_id = S("1@198.51.100.7"),
		.user_agent = S("loadgen/1.0")};
}

static void put_all(void)
{
	char aor[64], contact[64];

	for (unsigned i = 0; i < AORS; i++) {
		struct binding b = binding_of(contact, i, 1);

		if (location_put(sip.location, (struct str){aor, aor_of_user(aor, i)}, &b, 1, NULL,
			    NULL))
			fail("put");
		if (i % 1000 == 999)
			worker_wait(&sip, 0, false);
	}
}

static void measure_location(unsigned long times)
{
	char aor[64];
	unsigned long found = 0;

	put_all();
	for (unsigned long i = 0; i < times; i++) {
		size_t n = aor_of_user(aor, (unsigned)(i * 7919 % AORS));

		measure_begin();
		location_lookup(sip.location, (struct str){aor, n}, seen, &found);
		measure_end();
		worker_wait(&sip, 0, false);
	}
	if (found != times)
		fail("not registered");
}

static void measure_refresh(unsigned long times)
{
	char aor[64], contact[64];

	put_all();
	for (unsigned long i = 0; i < times; i++) {
		unsigned user = (unsigned)(i * 7919 % AORS);
		size_t n = aor_of_user(aor, user);
		struct binding b = binding_of(contact, user, (uint32_t)i + 2);

		measure_begin();
		if (location_refresh(sip.location, (struct str){aor, n}, &b, 1))
			fail("refresh");
		measure_end();
	}
}

/* ---- whole steps of the SIP worker ---- */

/* One request to the gateway itself, answered, and the ends of earlier ones. */
static void measure_options(unsigned long times)
{
	char m[TEXT_MAX];

	for (unsigned long i = 0; i < CALLS_BEFORE + times; i++) {
		worker_forget();
		worker_give(
			&sip, m, peer_options(m, (unsigned)i), TRUSTED, PHONE, i >= CALLS_BEFORE);
		worker_sent("SIP/2.0 200");
		worker_wait(&sip, CALL_GAP_MS, i >= CALLS_BEFORE);
	}
}

static void measure_challenge(unsigned long times)
{
	char m[TEXT_MAX];

	for (unsigned long i = 0; i < CALLS_BEFORE + times; i++) {
		peer_challenged(&sip, (unsigned)(i % USERS), 1, m, i >= CALLS_BEFORE);
		worker_wait(&sip, CALL_GAP_MS, i >= CALLS_BEFORE);
	}
}

/* Refreshes, `group` of them to a commit. */
static void measure_register(unsigned long times)
{
	static char text[TEXT_MAX];

	for (unsigned long i = 0; i < 2 * USERS + times; i++) {
		bool counted = i >= 2 * USERS;
		size_t size = peer_challenged(
			&sip, (unsigned)(i % USERS), 1 + 2 * (unsigned)(i / USERS), text, false);

		worker_forget();
		struct message *m = worker_parsed(&sip, text, size, ACCESS, REGISTERED);
		if (counted)
			measure_begin();
		core_message(&sip, m, m->slot);
		if (counted)
			measure_end();
		worker_wait(&sip, 0, counted);
		worker_sent("SIP/2.0 200");
		worker_forget();
		worker_wait(&sip, CALL_GAP_MS, counted);
	}
}

static void calls(unsigned long times, unsigned counted)
{
	for (unsigned i = 0; i < CALLS_BEFORE; i++)
		peer_call(&sip, UINT32_MAX - i, 0);
	for (unsigned long i = 0; i < times; i++)
		peer_call(&sip, (unsigned)i, counted);
}

static void measure_call(unsigned long times)
{
	calls(times, CALL_ALL);
}

static void measure_call_invite(unsigned long times)
{
	calls(times, CALL_INVITE);
}

static void measure_call_180(unsigned long times)
{
	calls(times, CALL_180);
}

static void measure_call_200(unsigned long times)
{
	calls(times, CALL_200);
}

static void measure_call_ack(unsigned long times)
{
	calls(times, CALL_ACK);
}

static void measure_call_bye(unsigned long times)
{
	calls(times, CALL_BYE | CALL_BYE_200);
}

static void measure_call_later(unsigned long times)
{
	calls(times, CALL_LATER);
}

static const struct {
	const char *name, *what;
	void (*run)(unsigned long times);
} measures[] = {
	{"parse", "parse_message: an INVITE of 1 KB, as the transport worker does", measure_parse},
	{"check", "message_check of its block, as the SIP worker does", measure_check},
	{"slot", "slot_of_message of the same", measure_slot},
	{"token", "token_mint and token_prove", measure_token},
	{"encode-answer", "response_build: a local 180", measure_encode_answer},
	{"encode-request", "dialog_request_write: a BYE of our own", measure_encode_request},
	{"splice-request", "splice_request: the INVITE for the other leg", measure_splice_request},
	{"splice-response", "splice_response: a 180 for the caller", measure_splice_response},
	{"digest", "credentials_parse and digest_verify, MD5", measure_digest},
	{"nonce", "nonce_make and nonce_check", measure_nonce},
	{"transaction-server", "a server transaction: made, answered, ended by timer J",
		measure_transaction_server},
	{"transaction-client", "a client transaction: sent, answered, ended by timer K",
		measure_transaction_client},
	{"location", "location_lookup among 100,000, a read transaction each", measure_location},
	{"refresh", "location_refresh of the same: under the write lock, in place",
		measure_refresh},
	{"options", "the SIP worker: OPTIONS to the gateway, its answer and its end",
		measure_options},
	{"challenge", "the SIP worker: REGISTER without credentials, its 401 and its end",
		measure_challenge},
	{"register",
		"the SIP worker: REGISTER with digest, the binding refreshed, its 200 and its end",
		measure_register},
	{"call", "the SIP worker: a whole call, and the end of its transactions", measure_call},
	{"call-invite", "  of it the INVITE", measure_call_invite},
	{"call-180", "  the 180", measure_call_180},
	{"call-200", "  the 200", measure_call_200},
	{"call-ack", "  the ACK", measure_call_ack},
	{"call-bye", "  BYE and its 200", measure_call_bye},
	{"call-later", "  the ends of its transactions, 5 to 32 s later", measure_call_later},
};

int main(int count, char **word)
{
	unsigned long times = count == 3 ? strtoul(word[2], NULL, 10) : 0;

	if (count == 2 && !strcmp(word[1], "--list")) {
		for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
			printf("%s\t%s\n", measures[i].name, measures[i].what);
		return 0;
	}
	for (size_t i = 0; times && i < sizeof(measures) / sizeof(measures[0]); i++)
		if (!strcmp(word[1], measures[i].name)) {
			worker_start(&sip);
			measures[i].run(times);
			printf("%.0f\n", (double)counted_ns / (double)times);
			return 0;
		}
	fprintf(stderr, "usage: micro NAME TIMES, or micro --list\n");
	return 2;
}
