/* sip-digest.c - credentials, nonces, digests and the memory of used counts. */
#include "worker-sip/auth/digest.h"
#include "worker-sip/auth/replay.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static void set_up(void)
{
	cr_assert_eq(digest_init(), 0);
}
TestSuite(digest, .init = set_up);

static struct endpoint at(const char *text)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse(str_of(text), &e), 0);
	return e;
}

/* RFC 7616 section 3.9.1, both algorithms. */
#define EXAMPLE(algorithm, response)                                                               \
	"Digest username=\"Mufasa\",\r\n realm=\"http-auth@example.org\", "                        \
	"uri=\"/dir/index.html\", algorithm=" algorithm                                            \
	", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "                  \
	"cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"" response  \
	"\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

Test(digest, examples_of_rfc_7616)
{
	static const struct {
		const char *value;
		uint8_t algorithm;
	} example[] = {
		{EXAMPLE("MD5", "8ca523f5e9506fed4657c9700eebdbec"), DIGEST_MD5},
		{EXAMPLE("SHA-256",
			 "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
			DIGEST_SHA256},
	};
	for (size_t i = 0; i < 2; i++) {
		struct credentials c;
		char ha1[65];

		cr_assert_eq(credentials_parse(str_of(example[i].value), &c), 0);
		cr_assert_eq(c.algorithm, example[i].algorithm);
		struct str right = {
			ha1, digest_ha1(c.algorithm, S("Mufasa"), S("http-auth@example.org"),
				     S("Circle of Life"), ha1)};
		cr_assert(digest_verify(&c, S("GET"), right));
		cr_assert_not(digest_verify(&c, S("POST"), right));
		ha1[0] ^= 1;
		cr_assert_not(digest_verify(&c, S("GET"), right));
	}
}

/* RFC 8760 has no example; this is what any SHA-512/256 makes of it. */
Test(digest, ha1_of_each_algorithm)
{
	char ha1[65];

	cr_assert_eq(digest_ha1(DIGEST_SHA512_256, S("u"), S("r"), S("p"), ha1), 64);
	cr_assert_str_eq(ha1, "d5e8e73ba347b9adf0e47a9ace43b7082abc8d27272e387d1d9ce24425687404");
	cr_assert_eq(digest_ha1(DIGEST_MD5, S("u"), S("r"), S("p"), ha1), 32);
	cr_assert_eq(digest_ha1(DIGEST_SHA256, S("u"), S("r"), S("p"), ha1), 64);
}

Test(digest, without_qop_auth_nothing_is_right)
{
	struct credentials c;
	char ha1[65], a2[65], response[65];
	size_t n = digest_ha1(DIGEST_MD5, S("u"), S("r"), S("p"), ha1);

	/* H(HA1:nonce:H(method:uri)), right by RFC 2069; digest_ha1 joins three parts, and "sip:x"
	 * makes the third of method and URI */
	digest_ha1(DIGEST_MD5, S("REGISTER"), S("sip"), S("x"), a2);
	digest_ha1(DIGEST_MD5, (struct str){ha1, n}, S("abc"), (struct str){a2, 32}, response);
	char value[256];
	snprintf(value, sizeof(value),
		"Digest username=\"u\", realm=\"r\", nonce=\"abc\", uri=\"sip:x\", response=\"%s\"",
		response);
	cr_assert_eq(credentials_parse(str_of(value), &c), 0);
	cr_assert_not(digest_verify(&c, S("REGISTER"), (struct str){ha1, n}));
	cr_assert(digest_verify_any(&c, S("REGISTER"), S("a body"), (struct str){ha1, n}),
		"but by RFC 2069");
	cr_assert_not(digest_verify_any(&c, S("INVITE"), S("a body"), (struct str){ha1, n}));
}

Test(digest, auth_int_is_over_the_body)
{
	static const uint8_t algorithms[] = {DIGEST_MD5, DIGEST_SHA256};
	static char large[3000];

	memset(large, 'x', sizeof(large));
	for (unsigned i = 0; i < 2; i++) {
		char ha1[65], response[65], value[512];
		size_t n = digest_ha1(algorithms[i], S("u"), S("r"), S("p"), ha1);
		struct digest_parts parts = {.algorithm = algorithms[i],
			.ha1 = {ha1, n},
			.nonce = S("n"),
			.nc = S("00000001"),
			.cnonce = S("c"),
			.qop = S("auth-int"),
			.method = S("MESSAGE"),
			.uri = S("sip:x"),
			.body = {large, sizeof(large)}};
		struct credentials c;

		cr_assert_eq(digest_response(&parts, response), n);
		snprintf(value, sizeof(value),
			"Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", "
			"algorithm=%s, qop=auth-int, nc=00000001, cnonce=\"c\", response=\"%s\"",
			i ? "SHA-256" : "MD5", response);
		cr_assert_eq(credentials_parse(str_of(value), &c), 0);
		cr_assert(digest_verify_any(&c, S("MESSAGE"), parts.body, parts.ha1));
		cr_assert_not(digest_verify(&c, S("MESSAGE"), parts.ha1));
		large[2999] = 'y';
		cr_assert_not(digest_verify_any(&c, S("MESSAGE"), parts.body, parts.ha1));
		cr_assert_not(digest_verify_any(&c, S("MESSAGE"), STR_EMPTY, parts.ha1));
		large[2999] = 'x';
	}
}

Test(digest, auth_int_as_everybody_computes_it)
{
	struct digest_parts parts = {.algorithm = DIGEST_MD5,
		.ha1 = S("939e7578ed9e3c518a452acee763bce9"),
		.nonce = S("dcd98b7102dd2f0e8b11d0f600bfb0c093"),
		.nc = S("00000001"),
		.cnonce = S("0a4f113b"),
		.qop = S("auth-int"),
		.method = S("GET"),
		.uri = S("/dir/index.html"),
		.body = S("body")};
	char response[65];

	cr_assert_eq(digest_response(&parts, response), 32);
	cr_assert_str_eq(response, "f93d61f87864e6c8c6a46b339ad998de");
}

#define BASE "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\""
#define HEX32 "0123456789abcdef0123456789abcdef"

Test(digest, forms_of_credentials)
{
	static const struct {
		const char *value;
		int error;
	} row[] = {
		{BASE ", response=\"" HEX32 "\"", 0},
		{"dIGEST\t"
		 "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"" HEX32 "\"",
			0},
		{BASE ", response=\"" HEX32 "\", unknown=1", 0},
		{BASE ", response=\"" HEX32 "\", qop=auth, nc=0000000a, cnonce=\"\"", 0},
		{BASE ", algorithm=SHA-256, response=\"" HEX32 HEX32 "\"", 0},
		{BASE ", algorithm=SHA-256, response=\"" HEX32 "\"", -EINVAL},
		{BASE ", response=\"" HEX32 "0\"", -EINVAL},
		{BASE ", response=\""
		      "0123456789ABCDEF0123456789abcdef"
		      "\"",
			-EINVAL},
		{BASE, -EINVAL},
		{BASE ", response=\"" HEX32 "\", realm=\"r\"", -EINVAL},
		{BASE ", response=\"" HEX32 "\", qop=auth", -EINVAL},
		{BASE ", response=\"" HEX32 "\", qop=auth, nc=1, cnonce=\"c\"", -EINVAL},
		{BASE ", response=\"" HEX32 "\", qop=auth, nc=0000000g, cnonce=\"c\"", -EINVAL},
		{BASE ", response=\"" HEX32 "\",", 0},
		{"Basic dTpw", -EINVAL},
		{"Digestusername=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"" HEX32
		 "\"",
			-EINVAL},
		{"Digest", -EINVAL},
		{"Digest ", -EINVAL},
		{"", -EINVAL},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct credentials c;

		cr_expect_eq(credentials_parse(str_of(row[i].value), &c), row[i].error, "%s",
			row[i].value);
	}
}

Test(digest, faults_of_credentials_have_words)
{
#define WHOLE BASE ", response=\"" HEX32 "\""
	static const char *const row[][2] = {
		{WHOLE, NULL},
		{WHOLE ", " WHOLE, "several credentials in one header"},
		{WHOLE ",\r\n Digest realm=\"s\"", "several credentials in one header"},
		{WHOLE ", Basic a=b", "several credentials in one header"},
		{WHOLE ", Basic", "a parameter that cannot be read"},
		{WHOLE ", x y", "a parameter that cannot be read"},
		{WHOLE ", x=\"y", "a parameter that cannot be read"},
		{WHOLE ", username=\"v\"", "a parameter twice"},
		{"Basic YTpi", "another scheme than Digest"},
		{"Digestive a=b", "another scheme than Digest"},
		{"", "another scheme than Digest"},
		{"Digest", "no username"},
		{"Digest username=\"u\"", "no realm"},
		{"Digest username=\"u\", realm=\"r\"", "no nonce"},
		{"Digest username=\"u\", realm=\"r\", nonce=\"n\"", "no uri"},
		{BASE, "no response"},
		{BASE ", response=\"0\"",
			"a response that is not the algorithm's lower-case hex digits"},
		{BASE ", response=\"" HEX32 "\", algorithm=SHA-256",
			"a response that is not the algorithm's lower-case hex digits"},
		{WHOLE ", qop=auth, nc=00000001", "no cnonce"},
		{WHOLE ", qop=auth, cnonce=\"c\"", "no nc"},
		{WHOLE ", qop=auth, cnonce=\"c\", nc=1",
			"an nc that is not eight lower-case hex digits"},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		const char *fault = credentials_fault(str_of(row[i][0]));
		struct credentials c;

		cr_expect(row[i][1] ? fault && strcmp(fault, row[i][1]) == 0 : !fault, "%s: %s",
			row[i][0], fault ? fault : "none");
		cr_expect_eq(credentials_parse(str_of(row[i][0]), &c), fault ? -EINVAL : 0);
	}
#undef WHOLE
}

Test(digest, unknown_algorithms_are_named_none)
{
	struct credentials c;

	cr_assert_eq(credentials_parse(S(BASE ", algorithm=MD5-sess, response=\"x\""), &c), 0);
	cr_assert_eq(c.algorithm, 0);
	cr_assert_not(digest_verify(&c, S("REGISTER"), S(HEX32)));
}

Test(digest, a_nonce_is_bound_to_key_slot_address_and_time)
{
	uint8_t key[32] = {1}, other_key[32] = {2};
	char buffer[NONCE_LENGTH_MAX];
	struct endpoint source = at("198.51.100.7:5060"), port = at("198.51.100.7:49152"),
			other = at("198.51.100.8:5060"), six = at("[2001:db8::1]:5060");
	struct str nonce = {buffer, nonce_make(key, 1000000, 17, &source, buffer)};
	struct nonce_name name = {0};

	cr_assert_leq(nonce.n, NONCE_LENGTH_MAX);
	cr_assert_eq(nonce_check(key, nonce, 1000000, 300000, 17, &source, &name), 0);
	cr_assert(name.serial != 0 && name.minted_ms == 1000000);
	cr_assert_eq(nonce_check(key, nonce, 1300000, 300000, 17, &source, &name), 0);
	cr_assert_eq(nonce_check(key, nonce, 1000000, 300000, 17, &port, &name), 0,
		"the port is not bound");
	cr_assert_eq(nonce_check(key, nonce, 1300001, 300000, 17, &source, &name), -ESTALE);
	cr_assert_eq(nonce_check(key, nonce, 900000, 300000, 17, &source, &name), -ESTALE,
		"from the future");
	cr_assert_eq(nonce_check(key, nonce, 1000000, 300000, 18, &source, &name), -ESTALE);
	cr_assert_eq(nonce_check(key, nonce, 1000000, 300000, 17, &other, &name), -ESTALE);
	cr_assert_eq(nonce_check(key, nonce, 1000000, 300000, 17, &six, &name), -ESTALE);
	cr_assert_eq(nonce_check(other_key, nonce, 1000000, 300000, 17, &source, &name), -EINVAL);
	cr_assert_eq(nonce_check(key, (struct str){buffer, nonce.n - 1}, 1000000, 300000, 17,
			     &source, &name),
		-EINVAL);
	cr_assert_eq(nonce_check(key, STR_EMPTY, 1000000, 300000, 17, &source, &name), -EINVAL);
	for (size_t i = 0; i < nonce.n; i++) {
		char was = buffer[i];

		buffer[i] = was == '0' ? '1' : '0';
		cr_assert_neq(nonce_check(key, nonce, 1000000, 300000, 17, &source, &name), 0,
			"digit %zu", i);
		buffer[i] = was;
	}
}

Test(digest, two_nonces_of_one_moment_differ)
{
	uint8_t key[32] = {1};
	char a[NONCE_LENGTH_MAX], b[NONCE_LENGTH_MAX];
	struct endpoint source = at("198.51.100.7:5060");
	struct str one = {a, nonce_make(key, 5, 1, &source, a)},
		   two = {b, nonce_make(key, 5, 1, &source, b)};
	struct nonce_name first, second;

	cr_assert_eq(nonce_check(key, one, 5, 1000, 1, &source, &first), 0);
	cr_assert_eq(nonce_check(key, two, 5, 1000, 1, &source, &second), 0);
	cr_assert_neq(first.serial, second.serial);
}

Test(replay, a_count_is_accepted_once)
{
	struct replay *r;

	cr_assert_eq(replay_new(&r, 16, 100), 0);
	cr_assert_eq(replay_use(r, 1, 100, 1), 0);
	cr_assert_eq(replay_use(r, 1, 100, 1), -ESTALE);
	cr_assert_eq(replay_use(r, 1, 100, 2), 0);
	cr_assert_eq(replay_use(r, 1, 100, 5), 0);
	cr_assert_eq(replay_use(r, 1, 100, 3), 0, "over UDP one may overtake another");
	cr_assert_eq(replay_use(r, 1, 100, 3), -ESTALE);
	cr_assert_eq(replay_use(r, 1, 100, 5), -ESTALE);
	cr_assert_eq(replay_use(r, 1, 100, 0), -ESTALE);
	cr_assert_eq(replay_use(r, 1, 100, 69), 0);
	cr_assert_eq(replay_use(r, 1, 100, 6), 0, "the last of the window");
	cr_assert_eq(replay_use(r, 1, 100, 4), -ESTALE, "below the window");
	cr_assert_eq(replay_use(r, 1, 100, 1000), 0);
	cr_assert_eq(replay_use(r, 1, 100, 999), 0);
	cr_assert_eq(replay_use(r, 1, 100, 936), -ESTALE);
	cr_assert_eq(replay_use(r, 1, 100, UINT32_MAX), 0);
	replay_free(r);
}

Test(replay, what_came_before_the_start_is_not_known)
{
	struct replay *r;

	cr_assert_eq(replay_new(&r, 16, 100), 0);
	cr_assert_eq(replay_use(r, 1, 99, 2), -ESTALE);
	cr_assert_eq(replay_use(r, 1, 99, 1), -ESTALE);
	cr_assert_eq(replay_use(r, 2, 100, 1), 0);
	replay_horizon(r, 200);
	cr_assert_eq(replay_use(r, 2, 100, 2), 0, "known ones stay");
	cr_assert_eq(replay_use(r, 3, 150, 1), -ESTALE);
	replay_free(r);
}

Test(replay, what_was_forgotten_is_never_accepted_again)
{
	struct replay *r;

	cr_assert_eq(replay_new(&r, 8, 0), 0);
	for (uint64_t i = 0; i < 100; i++)
		cr_assert_eq(
			replay_use(r, i * 8, 1000 + i, 1), 0, "all in one bucket, %zu", (size_t)i);
	for (uint64_t i = 0; i < 100; i++)
		cr_assert_eq(replay_use(r, i * 8, 1000 + i, 1), -ESTALE, "%zu", (size_t)i);
	for (uint64_t i = 92; i < 100; i++)
		cr_assert_eq(replay_use(r, i * 8, 1000 + i, 2), 0, "the newest are remembered: %zu",
			(size_t)i);
	for (uint64_t i = 0; i < 92; i++)
		cr_assert_eq(replay_use(r, i * 8, 1000 + i, 2), -ESTALE, "%zu", (size_t)i);
	replay_free(r);
}
