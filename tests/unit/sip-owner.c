/* sip-owner.c - whose a request may say that it is: credentials are good for their owner alone. */
#include "sip-authorize.h"

TestSuite(owner, .init = set_up, .fini = tear_down);

Test(owner, our_own_address_stands_for_the_first_domain)
{
	const char *own = "sip:alice@192.0.2.1";
	struct ask bobs = {REGISTER, ALICE, .uri = "sip:192.0.2.1", .to = "sip:bob@192.0.2.1"};

	cr_assert_eq(
		ask((struct ask){REGISTER, .uri = "sip:192.0.2.1", .to = own, .from = own}), 401);
	bobs.nonce = nonce_of("WWW-Authenticate");
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .uri = "sip:192.0.2.1", .to = own,
			     .from = own, .nonce = bobs.nonce, .nc = "00000002"}),
		0);
	cr_assert_eq(sender.domain, 0);
	cr_assert_eq(ask(bobs), 403);
	cr_assert_eq(ask((struct ask){INVITE}), 407);
	const char *nonce = nonce_of("Proxy-Authenticate");
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .from = own, .nonce = nonce}), 0);
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .from = "sip:alice@192.0.2.1:5064",
			     .nonce = nonce, .nc = "00000002"}),
		0, "another listener");
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .from = "sip:alice@192.0.2.2", .nonce = nonce,
			     .nc = "00000003"}),
		403, "somebody else's address");
}

Test(owner, a_caller_may_be_anonymous)
{
	static const char *const nobody[] = {"sip:anonymous@anonymous.invalid",
		"sip:x@Anonymous.INVALID.", "sip:thisis@invalid"};
	char nc[9];

	cr_assert_eq(ask((struct ask){INVITE, .from = nobody[0]}), 407);
	const char *nonce = nonce_of("Proxy-Authenticate");
	for (unsigned i = 0; i < 3; i++) {
		snprintf(nc, sizeof(nc), "%08x", i + 1);
		cr_assert_eq(ask((struct ask){
				     INVITE, ALICE, .from = nobody[i], .nonce = nonce, .nc = nc}),
			0, "%s", nobody[i]);
		cr_assert(sender.anonymous && sender.authenticated && sender.name_length == 5);
	}
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .from = "sip:x@notinvalid", .nonce = nonce,
			     .nc = "00000004"}),
		403);
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .nonce = nonce, .nc = "00000005"}), 0);
	cr_assert_not(sender.anonymous);
	cr_assert_eq(ask((struct ask){INVITE, .from = nobody[0],
			     .extra = "P-Preferred-Identity: <sip:carol@other.example>\r\n"}),
		407);
	cr_assert_not_null(
		strstr(fixture_header(f, "Proxy-Authenticate", 0), "realm=\"other realm\""),
		"the domain that he prefers");
	nonce = register_nonce();
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .to = nobody[0], .nonce = nonce}), 403,
		"nobody registers so");
}

Test(owner, everybody_speaks_for_himself)
{
	const char *nonce = register_nonce();

	cr_assert_eq(
		ask((struct ask){REGISTER, ALICE, .nonce = nonce, .to = "sip:bob@example.net"}),
		403);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000002",
			     .to = "sip:alice@example.net:5099"}),
		403);
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce, .nc = "00000003",
			     .from = "sip:bob@example.net"}),
		0, "of a REGISTER the To counts");
	cr_assert_eq(ask((struct ask){INVITE, .from = "sip:bob@example.net"}), 407);
	nonce = nonce_of("Proxy-Authenticate");
	cr_assert_eq(
		ask((struct ask){INVITE, ALICE, .nonce = nonce, .from = "sip:bob@example.net"}),
		403);
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .nonce = nonce, .nc = "00000002",
			     .from = "sip:alice@elsewhere.example"}),
		403);
	cr_assert_eq(ask((struct ask){
			     INVITE, ALICE, .nonce = nonce, .nc = "00000003", .from = "tel:+1234"}),
		403);
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .nonce = nonce, .nc = "00000004",
			     .from = "sip:alic@example.net"}),
		403);
	cr_assert_eq(ask((struct ask){INVITE, ALICE, .nonce = nonce, .nc = "00000005",
			     .from = "sips:%61lice@EXAMPLE.net;x=y"}),
		0);
	cr_assert_eq(counters_page->counter[COUNTER_AUTH_NOT_OWNER], 6);
	cr_assert_eq(f->penalties, 0);
}
