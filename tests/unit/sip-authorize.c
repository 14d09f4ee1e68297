/* sip-authorize.c - challenges, right and wrong answers to them, and what a stranger learns from
 * either. */
#include "sip-authorize.h"

#include "worker-sip/core.h"

TestSuite(authorize, .init = set_up, .fini = tear_down);

Test(authorize, strongest_challenge_first)
{
	cr_assert_eq(ask((struct ask){REGISTER}), 401);
	cr_assert_eq(fixture_headers(f, "WWW-Authenticate"), 2);
	const char *first = fixture_header(f, "WWW-Authenticate", 0);
	cr_assert(strstr(first, "Digest realm=\"example.net\", nonce=\"") == first &&
		  strstr(first, "algorithm=SHA-256") && strstr(first, "qop=\"auth\"") &&
		  !strstr(first, "stale"));
	cr_assert(strstr(fixture_header(f, "WWW-Authenticate", 1), "algorithm=MD5"));
	cr_assert_eq(ask((struct ask){INVITE}), 407);
	cr_assert_eq(fixture_headers(f, "Proxy-Authenticate"), 2);
	cr_assert_eq(ask((struct ask){.method = "OPTIONS", .uri = "sip:192.0.2.1:5060"}), 401,
		"to the gateway itself");
	cr_assert_eq(ask((struct ask){.method = "OPTIONS", .uri = "sip:example.net"}), 401);
	cr_assert_eq(ask((struct ask){.method = "OPTIONS", .uri = "sip:elsewhere.example"}), 407);
	cr_assert_eq(ask((struct ask){REGISTER, .to = "sip:carol@other.example"}), 401);
	cr_assert(strstr(fixture_header(f, "WWW-Authenticate", 0), "realm=\"other realm\"") &&
		  fixture_headers(f, "WWW-Authenticate") == 1);
	cr_assert_eq(ask((struct ask){INVITE, .from = "sip:x@elsewhere.example"}), 407);
	cr_assert(strstr(fixture_header(f, "Proxy-Authenticate", 0), "realm=\"example.net\""),
		"the first domain");
}

Test(authorize, the_right_digest)
{
	const char *nonce = register_nonce();

	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce}), 0);
	cr_assert(sender.authenticated && !sender.trusted && sender.domain == 0 &&
		  sender.name_length == 5 && !strcmp(sender.name, "alice"));
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .algorithm = "SHA-256",
			     .nc = "00000002"}),
		0);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .algorithm = "MD5",
			     .nc = "00000003", .peer = "198.51.100.7:49152"}),
		0, "another port of the same address");
	cr_assert_eq(ask((struct ask){INVITE}), 407);
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .nonce = nonce_of("Proxy-Authenticate"),
			     .algorithm = "SHA-256"}),
		0);
	cr_assert_eq(ask((struct ask){REGISTER, .to = "sip:carol@other.example"}), 401);
	cr_assert_eq(ask((struct ask){REGISTER, .to = "sip:carol@other.example", .user = "carol",
			     .password = "christmas", .realm = "other realm",
			     .nonce = nonce_of("WWW-Authenticate")}),
		0);
	cr_assert_eq(sender.domain, 1);
	cr_assert_eq(f->penalties, 0);
}

/* A request as core_message gets it; the status that came back, and how many transactions there are
 * then. */
static unsigned stranger(const char *method, const char *uri, unsigned listener, const char *more,
	uint64_t *transactions)
{
	static char text[2048];
	struct flow flow = fixture_flow(f, listener, "198.51.100.7:5060", 0);

	snprintf(text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKs%u\r\nFrom: "
		"<sip:alice@example.net>;tag=1\r\nTo: <sip:alice@example.net>\r\nCall-ID: "
		"s\r\nCSeq: 1 %s\r\n%s\r\n",
		method, uri, f->branch, method, more);
	struct message *m = (struct message *)(uintptr_t)fixture_message(f, text, &flow);
	m->max_forwards = strstr(text, "Max-Forwards: 0") ? 0 : 70;
	f->answers = 0;
	core_message(&f->sip, m, 0);
	*transactions = counters_page->counter[COUNTER_TRANSACTIONS_SERVER];
	return f->answers ? fixture_status(f) : 0;
}

Test(authorize, nothing_is_kept_of_a_stranger_who_registers_or_asks)
{
	uint64_t kept;

	cr_assert_eq(stranger("REGISTER", "sip:example.net", ACCESS_UDP, "", &kept), 401);
	cr_assert_eq(kept, 0);
	char *tag = strdup(fixture_header(f, "To", 0));
	char *nonce = strdup(nonce_of("WWW-Authenticate"));
	cr_assert_not_null(strstr(tag, ";tag="));
	cr_assert_eq(stranger("REGISTER", "sip:example.net", ACCESS_UDP, "", &kept), 401,
		"a retransmission is challenged again");
	cr_assert_str_eq(
		fixture_header(f, "To", 0), tag, "with the same tag (RFC 3261 section 8.2.7)");
	cr_assert_str_neq(nonce_of("WWW-Authenticate"), nonce);
	cr_assert_eq(stranger("OPTIONS", "sip:bob@example.net", ACCESS_UDP, "", &kept), 407);
	cr_assert_eq(kept, 0);
	cr_assert_eq(stranger("MESSAGE", "sip:bob@example.net", ACCESS_UDP, "Max-Forwards: 0\r\n",
			     &kept),
		483, "nothing is challenged that has come to its end");
	cr_assert_eq(stranger("INVITE", "sip:bob@example.net", ACCESS_UDP, "", &kept), 407);
	cr_assert_eq(stranger("REGISTER", "sip:example.net", ACCESS_UDP,
			     "Authorization: Digest username=\"alice\", realm=\"else\", "
			     "nonce=\"0\", uri=\"sip:example.net\", "
			     "response=\"0123456789abcdef0123456789abcdef\"\r\n",
			     &kept),
		401);
	cr_assert_eq(kept, 0);
	f->branch++;
	cr_assert_eq(stranger("REGISTER", "sip:example.net", ACCESS_TCP, "", &kept), 401);
	cr_assert_eq(kept, 0);
	cr_assert_eq(stranger("INVITE", "sip:bob@example.net", ACCESS_TCP, "", &kept), 407);
	cr_assert_eq(kept, 1, "nobody forges the source of a stream");
	f->image.s.transactions_max = 1;
	f->branch++;
	cr_assert_eq(stranger("REGISTER", "sip:other.example", ACCESS_UDP, "", &kept), 503,
		"who cannot be served is told so before it is challenged");
	free(tag);
	free(nonce);
}

Test(authorize, sha_512_256_where_the_domain_has_it)
{
	const char *nonce = register_nonce();
	const struct ask dora = {REGISTER, .user = "dora", .password = "explorer",
		.from = "sip:dora@example.net", .to = "sip:dora@example.net",
		.algorithm = "SHA-512-256"};
	struct ask one = dora;

	fixture_user(f, 0, "dora", "explorer", DIGEST_ALL);
	one.nonce = nonce;
	cr_assert_eq(ask(one), 401, "it was not offered");
	f->image.domain[0].algorithms = DIGEST_ALL;
	nonce = register_nonce();
	cr_assert_eq(fixture_headers(f, "WWW-Authenticate"), 3);
	cr_assert(strstr(fixture_header(f, "WWW-Authenticate", 0), "algorithm=SHA-512-256,"),
		"the strongest first");
	one = dora;
	one.nonce = nonce;
	cr_assert_eq(ask(one), 0);
	one.password = "wrong";
	one.nc = "00000002";
	cr_assert_eq(ask(one), 401);
	cr_assert_eq(f->penalties, 1);
	f->image.domain[0].algorithms = DIGEST_SHA512_256 | DIGEST_MD5;
	f->image.domain[0].md5_alone = 1;
	cr_assert_eq(ask((struct ask){REGISTER}), 401);
	some_time(60000);
	cr_assert_not(offers_both(), "older clients get in here, too");
}

Test(authorize, a_wrong_digest_counts_against_its_source)
{
	const char *nonce = register_nonce();

	cr_assert_eq(
		ask((struct ask){REGISTER, .user = "alice", .password = "guess", .nonce = nonce}),
		401);
	cr_assert_not(is_stale("WWW-Authenticate"));
	cr_assert_eq(f->penalties, 1);
	struct endpoint source = fixture_endpoint("198.51.100.7:5060");
	cr_assert(endpoint_equal(&f->penalty.source, &source) && f->penalty.listener == ACCESS_UDP);
	char *first = strdup(f->answer);
	cr_assert_eq(
		ask((struct ask){REGISTER, .user = "nobody", .password = "guess", .nonce = nonce,
			.from = "sip:nobody@example.net", .to = "sip:nobody@example.net"}),
		401);
	cr_assert_eq(f->penalties, 2);
	cr_assert_eq(strlen(f->answer) - 2 * strlen("nobody"), strlen(first) - 2 * strlen("alice"),
		"an unknown user looks the same");
	free(first);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce}), 0,
		"a failure uses up no count");
}

Test(authorize, a_user_without_the_algorithm_gets_the_same_challenges)
{
	struct ask bob = {REGISTER, .from = "sip:bob@example.net", .to = "sip:bob@example.net",
		.user = "bob", .password = "builder"};

	bob.nonce = register_nonce();
	cr_assert_eq(ask(bob), 0);
	bob.algorithm = "SHA-256";
	bob.nc = "00000002";
	cr_assert_eq(ask(bob), 401);
	cr_assert_eq(fixture_headers(f, "WWW-Authenticate"), 2);
}

Test(authorize, a_count_is_good_once)
{
	const char *nonce = register_nonce();

	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "0000000a"}), 0);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "0000000a"}), 401);
	cr_assert(is_stale("WWW-Authenticate"));
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000009"}), 0);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "0000000b"}), 0);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000000"}), 401);
	cr_assert_eq(f->penalties, 0);
	/* a new life does not know which counts were used */
	replay_free(f->sip.replay);
	f->sip.replay = NULL;
	virtual_clock_advance(f->sip.loop, 1);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "0000000c"}), 401);
	cr_assert(is_stale("WWW-Authenticate"));
}

Test(authorize, a_nonce_that_is_not_for_this_is_stale_and_no_failure)
{
	const char *nonce = register_nonce();
	char forged[256], old[NONCE_LENGTH_MAX + 1] = "";
	struct endpoint source = fixture_endpoint("198.51.100.7:5060");

	snprintf(forged, sizeof(forged), "%s", nonce);
	forged[5] ^= 1;
	nonce_make(f->sip.keys.nonce_key, fixture_now() - 300001, 0, &source, old);
	struct ask row[] = {
		{REGISTER, ALICE, .nonce = nonce, .slot = 4},
		{REGISTER, ALICE, .nonce = nonce, .peer = "198.51.100.8:5060"},
		{REGISTER, ALICE, .nonce = forged},
		{REGISTER, ALICE, .nonce = old},
		{REGISTER, ALICE, .nonce = "made up"},
		{REGISTER, .user = "alice", .password = "wrong", .nonce = old},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		cr_expect_eq(ask(row[i]), 401, "%zu", i);
		cr_expect(is_stale("WWW-Authenticate"), "%zu", i);
	}
	cr_assert_eq(f->penalties, 0);
}

Test(authorize, credentials_that_do_not_count)
{
	const char *nonce = register_nonce();
	struct ask row[] = {
		{REGISTER, ALICE, .nonce = nonce, .qop = ""},
		{REGISTER, ALICE, .nonce = nonce, .qop = "auth-int"},
		{REGISTER, ALICE, .nonce = nonce, .algorithm = "MD5-sess"},
		{REGISTER, ALICE, .nonce = nonce, .realm = "another.example"},
		{REGISTER, ALICE, .nonce = nonce, .wrong_header = true},
		{REGISTER, ALICE, .nonce = nonce, .nc = "1"},
		{REGISTER, .user = "", .password = "", .nonce = nonce},
		{REGISTER, .extra = "Authorization: Basic YTpi\r\nAuthorization: "
				    "Digest\r\nAuthorization: Digest username=\"alice\"\r\n"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		cr_expect_eq(ask(row[i]), 401, "%zu", i);
		cr_expect_not(is_stale("WWW-Authenticate"), "%zu", i);
	}
	cr_assert_eq(f->penalties, 0);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce,
			     .extra = "Authorization: Digest username=\"x\", realm=\"another\", "
				      "nonce=\"1\", uri=\"sip:x\", "
				      "response=\"0123456789abcdef0123456789abcdef\"\r\n"}),
		0, "others' credentials stand beside ours");
	f->image.domain[0].algorithms = DIGEST_SHA256;
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000002"}), 401,
		"MD5 was not offered");
}

/* Asks with credentials of the form of RFC 2069, or with auth-int. */
static unsigned ask_by(const char *nonce, struct str qop, const char *body, const char *nc)
{
	char ha1[65], response[65], extra[1024];
	const struct digest_parts parts = {.algorithm = DIGEST_MD5,
		.ha1 = {ha1,
			digest_ha1(DIGEST_MD5, S("alice"), S("example.net"), S("wonderland"), ha1)},
		.nonce = str_of(nonce),
		.nc = str_of(nc),
		.cnonce = S("c0"),
		.qop = qop,
		.method = S("REGISTER"),
		.uri = S("sip:example.net"),
		.body = str_of(body)};

	digest_response(&parts, response);
	int n = snprintf(extra, sizeof(extra),
		"Authorization: Digest username=\"alice\", realm=\"example.net\", nonce=\"%s\", "
		"uri=\"sip:example.net\", response=\"%s\"",
		nonce, response);
	if (qop.n)
		n += snprintf(extra + n, sizeof(extra) - (size_t)n,
			", qop=%.*s, nc=%s, cnonce=\"c0\"", STR(qop), nc);
	snprintf(extra + n, sizeof(extra) - (size_t)n, "\r\n");
	return ask((struct ask){REGISTER, .extra = extra});
}

Test(authorize, without_qop_a_nonce_is_good_once)
{
	f->image.domain[0].without_qop = 1;
	const char *nonce = register_nonce();

	cr_assert_eq(ask_by(nonce, STR_EMPTY, "", ""), 0);
	cr_assert_eq(ask_by(nonce, STR_EMPTY, "", ""), 401);
	cr_assert(is_stale("WWW-Authenticate"));
	cr_assert_eq(ask_by(nonce_of("WWW-Authenticate"), STR_EMPTY, "", ""), 0);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce}), 401,
		"and the first count of others is the same");
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000002"}), 0);
	f->image.domain[0].without_qop = 0;
	cr_assert_eq(ask_by(register_nonce(), STR_EMPTY, "", ""), 401);
	cr_assert_eq(f->penalties, 0);
}

Test(authorize, auth_int_where_it_is_offered)
{
	const struct str auth_int = S("auth-int");
	const char *nonce = register_nonce();

	cr_assert_eq(ask_by(nonce, auth_int, "", "00000001"), 401);
	f->image.domain[0].auth_int = 1;
	nonce = register_nonce();
	cr_assert_not_null(
		strstr(fixture_header(f, "WWW-Authenticate", 0), "qop=\"auth,auth-int\""));
	cr_assert_eq(ask_by(nonce, auth_int, "", "00000001"), 0, "it has no body");
	cr_assert_eq(ask_by(nonce, auth_int, "", "00000001"), 401, "the count holds");
	cr_assert(is_stale("WWW-Authenticate"));
	cr_assert_eq(f->penalties, 0);
	cr_assert_eq(ask_by(nonce, auth_int, "another body", "00000002"), 401);
	cr_assert_eq(f->penalties, 1);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000003"}), 0,
		"auth is as good");
	cr_assert_eq(ask_by(nonce, S("other"), "", "00000004"), 401);
}

Test(authorize, what_stands_in_the_other_header_is_not_counted)
{
	const uint64_t *malformed = &counters_page->counter[COUNTER_AUTH_MALFORMED];

	cr_assert_eq(
		ask((struct ask){REGISTER, .extra = "Proxy-Authorization: Digest x\r\n"}), 401);
	cr_assert_eq(ask((struct ask){INVITE, .extra = "Authorization: Digest x\r\n"}), 407);
	cr_assert_eq(*malformed, 0);
	cr_assert_eq(ask((struct ask){REGISTER, .extra = "Authorization: Digest x\r\n"}), 401);
	cr_assert_eq(*malformed, 1);
	cr_assert_eq(ask((struct ask){INVITE, .extra = "Proxy-Authorization: Digest x\r\n"}), 407);
	cr_assert_eq(*malformed, 2);
}

Test(authorize, the_uri_must_be_the_one_that_is_asked)
{
	const char *nonce = register_nonce();

	cr_assert_eq(ask((struct ask){
			     REGISTER, ALICE, .nonce = nonce, .digest_uri = "sip:other.example"}),
		400);
	static const char *const elsewhere[] = {"sips:example.net", "sip:example.net:5061",
		"sip:alice@example.net", "tel:+1", "sip:net.example"};
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
		cr_expect_eq(ask((struct ask){
				     REGISTER, ALICE, .nonce = nonce, .digest_uri = elsewhere[i]}),
			400, "%s", elsewhere[i]);
	cr_assert_eq(
		ask((struct ask){REGISTER, ALICE, .nonce = nonce, .digest_uri = "sip:EXAMPLE.net"}),
		0);
	cr_assert_eq(f->penalties, 0);
}

/* The lines of the log since the last look. */
static char log_text[4096];

static void keep_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level;
	snprintf(log_text + strlen(log_text), sizeof(log_text) - strlen(log_text), "%.*s\n",
		(int)length, line);
}

Test(authorize, a_client_that_errs_is_challenged_and_the_log_says_why)
{
	const char *nonce = register_nonce();
#define THEIRS                                                                                     \
	"Digest username=\"x\", realm=\"another\", nonce=\"1\", uri=\"sip:x\", response=\"0\""
	const struct {
		struct ask ask;
		const char *reason;
	} row[] = {
		{{REGISTER, ALICE, .nonce = nonce, .qop = ""}, "no qop"},
		{{REGISTER, ALICE, .nonce = nonce, .qop = "auth-int"}, "a qop other than auth"},
		{{REGISTER, ALICE, .nonce = nonce, .algorithm = "MD5-sess"},
			"an algorithm that was not offered"},
		{{REGISTER, ALICE, .nonce = nonce, .realm = "elsewhere"}, "another realm"},
		{{REGISTER, ALICE, .nonce = nonce, .wrong_header = true},
			"Proxy-Authorization instead of Authorization"},
		{{INVITE, ALICE, .nonce = nonce, .wrong_header = true},
			"Authorization instead of Proxy-Authorization"},
		{{REGISTER, ALICE, .nonce = nonce, .nc = "1"},
			"an nc that is not eight lower-case hex digits"},
		{{REGISTER, .user = "", .password = "", .nonce = nonce},
			"a username that cannot be one"},
		{{REGISTER, .extra = "Authorization: " THEIRS ", " THEIRS "\r\n"},
			"several credentials in one header"},
		{{REGISTER, .extra = "Authorization: Basic YTpi\r\n"},
			"another scheme than Digest"},
		{{REGISTER, .extra = "Authorization: x\r\n"}, "another scheme than Digest"},
		{{REGISTER, ALICE, .nonce = nonce, .digest_uri = "sip:example.net:5060"},
			"a uri that is not spelled as the Request-URI"},
		{{REGISTER, ALICE, .nonce = nonce, .digest_uri = "sip:example.net;transport=udp"},
			"a uri that is not spelled as the Request-URI"},
		{{REGISTER, ALICE, .nonce = nonce, .digest_uri = "<sip:example.net>"},
			"a uri that is not spelled as the Request-URI"},
		{{INVITE, ALICE, .nonce = nonce, .digest_uri = "sip:%62ob@EXAMPLE.net;user=phone"},
			"a uri that is not spelled as the Request-URI"},
		{{INVITE, ALICE, .nonce = nonce, .uri = "sip:+49-301@example.net",
			 .digest_uri = "sip:%2B49301@example.net"},
			"a uri that is not spelled as the Request-URI"},
		{{INVITE, ALICE, .nonce = nonce, .uri = "sip:+49(30)1;npdi@example.net",
			 .digest_uri = "tel:+49301"},
			"a uri that is not spelled as the Request-URI"},
	};
	char wanted[160];

	log_init("test", -1, LOG_WARN, keep_line, NULL);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		log_text[0] = 0;
		fixture_pass(f, 1);
		cr_expect_eq(ask(row[i].ask), row[i].ask.method[0] == 'R' ? 401 : 407, "%zu", i);
		snprintf(wanted, sizeof(wanted), "reason=\"%s\"", row[i].reason);
		cr_expect(strstr(log_text, "credentials-bad") && strstr(log_text, wanted) &&
				  strstr(log_text, "source=198.51.100.7:5060") &&
				  strstr(log_text, "user=alice"),
			"%zu: %s", i, log_text);
		cr_expect_null(strstr(log_text, "auth-failed"), "nobody is banned for it");
	}
	cr_assert_eq(f->penalties, 0);
	log_text[0] = 0;
	cr_assert_eq(ask((struct ask){REGISTER}), 401);
	cr_assert_str_eq(log_text, "", "who brings none errs in nothing");
	cr_assert_eq(
		ask((struct ask){REGISTER, ALICE, .nonce = nonce, .extra = "Authorization: x\r\n"}),
		0);
	cr_assert_str_eq(log_text, "", "nor does who brings ours as well");
}

Test(authorize, lines_about_bad_credentials_are_bounded)
{
	const char *nonce = register_nonce(), *at = log_text;
	unsigned n = 0;

	log_init("test", -1, LOG_WARN, keep_line, NULL);
	log_text[0] = 0;
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .qop = ""}), 401);
	fixture_pass(f, 1);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .qop = ""}), 401);
	while ((at = strstr(at, "credentials-bad"))) {
		at++;
		n++;
	}
	cr_assert_eq(n, 2, "%s", log_text);
	cr_assert_not_null(strstr(log_text, "left_out=99"));
}

Test(authorize, trusted_zones_and_those_that_ask_nobody)
{
	cr_assert_eq(ask((struct ask){INVITE, .listener = CORE_UDP, .peer = "10.0.0.9:5060"}), 0);
	cr_assert(sender.trusted && !sender.authenticated && sender.domain == NONE_INDEX &&
		  sender.name_length == 0);
	cr_assert_eq(ask((struct ask){INVITE, .listener = OPEN_UDP}), 0);
	cr_assert(!sender.trusted && !sender.authenticated);
	f->image.s.domains.count = 0;
	cr_assert_eq(ask((struct ask){INVITE}), 403, "nobody to authenticate as");
}

static char logged[4][LOG_LINE_MAX + 1];
static unsigned lines;
static void sink(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	(void)level;
	snprintf(logged[lines++ % 4], sizeof(logged[0]), "%.*s", (int)length, line);
}

Test(authorize, one_fixed_line_for_each_failure)
{
	const char *nonce = register_nonce();

	log_init("sip", 0, LOG_INFO, sink, NULL);
	cr_assert_eq(
		ask((struct ask){REGISTER, .user = "alice", .password = "guess", .nonce = nonce}),
		401);
	cr_assert(strstr(logged[0], " auth-failed source=198.51.100.7 zone=access user=alice "
				    "domain=example.net reason=wrong-digest"),
		"%s", logged[0]);
	cr_assert_eq(
		ask((struct ask){REGISTER, .user = "x y", .password = "guess", .nonce = nonce}),
		401);
	cr_assert(strstr(logged[1], " auth-failed source=198.51.100.7 zone=access user=\"x y\" "
				    "domain=example.net reason=unknown-user"),
		"%s", logged[1]);
	cr_assert_eq(ask((struct ask){REGISTER, .peer = "[2001:db8::1]:5060"}), 401);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .to = "sip:bob@example.net",
			     .nonce = nonce_of("WWW-Authenticate"), .peer = "[2001:db8::1]:5060"}),
		403);
	cr_assert(strstr(logged[2], " auth-failed source=2001:db8::1 zone=access user=alice "
				    "domain=example.net reason=not-owner"),
		"%s", logged[2]);
	cr_assert_eq(lines, 4, "and the 403 itself");
	for (unsigned i = 0; i < lines; i++)
		cr_assert_null(strstr(logged[i], nonce));
}
