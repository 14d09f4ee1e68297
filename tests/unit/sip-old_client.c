/* sip-old_client.c - who is offered MD5 alone, because a client gives up where it has a choice. */
#include "sip-authorize.h"

#include "common/hash.h"
#include "worker-sip/auth/old_client.h"

TestSuite(old_client, .init = set_up, .fini = tear_down);

Test(old_client, who_comes_again_without_credentials_is_offered_md5_alone)
{
	f->image.domain[0].md5_alone = 1;
	cr_assert(offers_both());
	some_time(1999);
	cr_assert(offers_both(), "the first answer may be on its way yet (4*T1)");
	some_time(1);
	cr_assert_not(offers_both());
	cr_assert(strstr(fixture_header(f, "WWW-Authenticate", 0), "algorithm=MD5"));
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce_of("WWW-Authenticate")}), 0);
	cr_assert_eq(ask((struct ask){INVITE}), 407);
	cr_assert_eq(fixture_headers(f, "Proxy-Authenticate"), 1, "whatever it asks for");
	cr_assert_eq(ask((struct ask){INVITE, .peer = "198.51.100.8:5060"}), 407);
	cr_assert_eq(fixture_headers(f, "Proxy-Authenticate"), 2, "another source");
	cr_assert_eq(ask((struct ask){INVITE, .from = "sip:bob@example.net"}), 407);
	cr_assert_eq(fixture_headers(f, "Proxy-Authenticate"), 2, "another user");
	cr_assert_eq(counted(COUNTER_AUTH_MD5_ALONE), 2);
	some_time(OLD_CLIENT_MS);
	cr_assert(offers_both(), "for a day");
	some_time(OLD_CLIENT_AGAIN_MS + 1);
	cr_assert(offers_both(), "it has not come again, but anew");
	some_time(OLD_CLIENT_AGAIN_MS);
	cr_assert_not(offers_both());
	f->image.domain[0].md5_alone = 0;
	cr_assert(offers_both());
}

Test(old_client, who_knows_better_is_offered_both)
{
	f->image.domain[0].md5_alone = 1;
	for (unsigned i = 0; i < 3; i++) { /* a phone that never shows them at first */
		cr_assert(offers_both());
		cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = register_nonce(),
				     .algorithm = i == 1 ? "MD5" : "SHA-256"}),
			0);
		some_time(60000);
	}
	cr_assert(offers_both());
	cr_assert_eq(ask((struct ask){REGISTER, .user = "alice", .password = "wrong",
			     .nonce = nonce_of("WWW-Authenticate"), .algorithm = "SHA-256"}),
		401);
	some_time(60000);
	cr_assert(offers_both(), "a wrong password is no lack of an algorithm");
	some_time(60000);
	cr_assert_not(offers_both());
	cr_assert_eq(ask((struct ask){REGISTER, ALICE, .nonce = nonce_of("WWW-Authenticate"),
			     .algorithm = "SHA-256"}),
		0);
	cr_assert(offers_both(), "it has shown that it can");
}

Test(old_client, md5_is_never_offered_where_it_is_not_permitted)
{
	f->image.domain[0].md5_alone = 1;
	f->image.domain[0].algorithms = DIGEST_SHA256;
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(ask((struct ask){REGISTER}), 401);
		cr_assert(strstr(fixture_header(f, "WWW-Authenticate", 0), "SHA-256"));
		some_time(60000);
	}
	cr_assert_eq(counted(COUNTER_AUTH_MD5_ALONE), 0);
}

Test(old_client, what_another_worker_has_found_out)
{
	bool found;

	f->image.domain[0].md5_alone = 1;
	cr_assert(offers_both());
	some_time(60000);
	cr_assert_not(offers_both());
	const struct message *m = (const void *)f->block;
	cr_assert(old_client_challenged(&f->sip, m, &found) && !found);
	struct record_old_client told = {.client = 7, .until = loop_now(f->sip.loop)};
	old_client_told(&f->sip, &told);
	told.until += 2 * (uint64_t)OLD_CLIENT_MS;
	old_client_told(&f->sip, &told); /* no other would say so */
	told.client = 0;
	old_client_told(&f->sip, &told);
	cr_assert(old_client_is(&f->sip, m));
}

/* Workers look at the clock once in each turn, so that another's may be ahead of ours. */
Test(old_client, what_another_worker_has_found_out_just_now)
{
	const struct hash_key *key = &f->sip.keys.slot_key;

	f->image.domain[0].md5_alone = 1;
	cr_assert(offers_both());
	const struct message *m = (const void *)f->block;
	const uint64_t part[] = {
		hash_bytes(key, m->flow.peer.address, sizeof(m->flow.peer.address)),
		hash_str(key, S("alice")), hash_str(key, S("example.net"))};
	const struct record_old_client told = {.client = hash_bytes(key, part, sizeof(part)),
		.until = loop_now(f->sip.loop) + OLD_CLIENT_MS + 5};
	old_client_told(&f->sip, &told);
	cr_assert_not(offers_both());
}
