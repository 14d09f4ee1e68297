/* sip-challenge.c - challenges of other servers, and what answers them. */
#include "worker-sip/auth/challenge.h"
#include "worker-sip/auth/digest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static void set_up(void)
{
	cr_assert_eq(digest_init(), 0);
}
TestSuite(challenge, .init = set_up);

static char text[2048];

static struct str answer_to(const char *value, const char *user, const char *password,
	const char *method, const char *uri, const char *cnonce)
{
	struct writer w = WRITER(text);
	struct challenge c;
	char ha1[65];

	cr_assert_eq(challenge_parse(str_of(value), &c), 0, "%s", value);
	size_t n = digest_ha1(c.algorithm, str_of(user), c.realm, str_of(password), ha1);
	challenge_answer(&w, &c, str_of(user), (struct str){ha1, n}, str_of(method), str_of(uri), 1,
		str_of(cnonce));
	cr_assert_not(w.full);
	return writer_text(&w);
}

static void has(struct str answer, const char *part)
{
	cr_assert_not_null(
		memmem(answer.p, answer.n, part, strlen(part)), "%.*s", (int)answer.n, answer.p);
}

static void lacks(struct str answer, const char *part)
{
	cr_assert_null(
		memmem(answer.p, answer.n, part, strlen(part)), "%.*s", (int)answer.n, answer.p);
}

#define RFC_7616(algorithm)                                                                        \
	"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" algorithm     \
	", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                               \
	"opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

Test(challenge, examples_of_rfc_7616)
{
	static const char *const example[][2] = {
		{RFC_7616("MD5"), "response=\"8ca523f5e9506fed4657c9700eebdbec\", algorithm=MD5"},
		{RFC_7616("SHA-256"),
			"response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c"
			"1\", algorithm=SHA-256"}};

	for (size_t i = 0; i < 2; i++) {
		struct str answer = answer_to(example[i][0], "Mufasa", "Circle of Life", "GET",
			"/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");

		has(answer, example[i][1]);
		has(answer, "qop=auth, nc=00000001");
		has(answer, "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"");
	}
}

Test(challenge, example_of_rfc_2617)
{
	struct str answer = answer_to("Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
				      "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
				      "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		"Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b");

	has(answer, "response=\"6629fae49393a05397450978507c4ef1\"");
}

/* The example of RFC 2069 section 2.4, with the response of its erratum 749. */
Test(challenge, without_qop_the_form_is_that_of_rfc_2069)
{
	struct str answer = answer_to("Digest realm=\"testrealm@host.com\", "
				      "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
				      "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		"Mufasa", "CircleOfLife", "GET", "/dir/index.html", "0a4f113b");

	has(answer, "response=\"1949323746fe6a43ef61f9606e7febea\"");
	lacks(answer, "cnonce");
	lacks(answer, "nc=");
}

#define BASE "Digest realm=\"r\", nonce=\"n\""

Test(challenge, forms)
{
	static const struct {
		const char *value;
		int error;
		bool qop, stale;
	} form[] = {
		{BASE, 0, false, false},
		{"digest  nonce=\"n\",realm=\"\"", 0, false, false},
		{BASE ", qop=\"auth\", stale=TRUE", 0, true, true},
		{BASE ", stale=\"false\", domain=\"sip:a\", charset=UTF-8", 0, false, false},
		{BASE ", qop=\"auth-int\"", -ENOTSUP, false, false},
		{BASE ", algorithm=MD5-sess", -ENOTSUP, false, false},
		{BASE ", algorithm=SHA-512", -ENOTSUP, false, false},
		{BASE ", algorithm=sha-512-256", 0, false, false},
		{"Basic realm=\"r\"", -EINVAL, false, false},
		{"Digester realm=\"r\", nonce=\"n\"", -EINVAL, false, false},
		{"Digest", -EINVAL, false, false},
		{"Digest realm=\"r\"", -EINVAL, false, false},
		{"Digest nonce=\"n\"", -EINVAL, false, false},
		{"Digest realm=\"r\", nonce=\"\"", -EINVAL, false, false},
		{BASE ", nonce=\"m\"", -EINVAL, false, false},
		{BASE ", Digest realm=\"s\"", -EINVAL, false, false},
		{"Digest realm=\"a\\\"b\", nonce=\"n\"", -EINVAL, false, false},
		{"Digest realm=\"r\", nonce=\"a\\b\"", -EINVAL, false, false},
	};

	for (size_t i = 0; i < sizeof(form) / sizeof(*form); i++) {
		struct challenge c;

		cr_assert_eq(challenge_parse(str_of(form[i].value), &c), form[i].error, "%s",
			form[i].value);
		if (form[i].error)
			continue;
		cr_assert_eq(c.qop, form[i].qop, "%s", form[i].value);
		cr_assert_eq(c.stale, form[i].stale, "%s", form[i].value);
	}
}

Test(challenge, each_algorithm_is_answered_with_its_own)
{
	static const char *const name[] = {"MD5", "SHA-256", "SHA-512-256"};

	for (unsigned i = 0; i < 3; i++) {
		char value[128], answer[512], ha1[65];
		struct writer w = WRITER(answer);
		struct challenge c;
		struct credentials back;

		snprintf(value, sizeof(value), BASE ", algorithm=%s, qop=\"auth\"", name[i]);
		cr_assert_eq(challenge_parse(str_of(value), &c), 0);
		struct str right = {ha1, digest_ha1(c.algorithm, S("u"), S("r"), S("p"), ha1)};
		challenge_answer(
			&w, &c, S("u"), right, S("INVITE"), S("sip:example.net"), 1, S("c"));
		cr_assert_eq(credentials_parse(writer_text(&w), &back), 0);
		cr_assert(str_equal(back.algorithm_name, str_of(name[i])));
		cr_assert(digest_verify(&back, S("INVITE"), right), "%s", name[i]);
	}
}

Test(challenge, an_answer_that_does_not_fit_is_none)
{
	char small[64];
	struct writer w = WRITER(small);
	struct challenge c;

	cr_assert_eq(challenge_parse(S(BASE), &c), 0);
	challenge_answer(&w, &c, S("u"), S("0123456789abcdef0123456789abcdef"), S("INVITE"),
		S("sip:example.net"), 1, S("c"));
	cr_assert(w.full);
}
