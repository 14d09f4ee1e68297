/* leg_request_splice: the mapped parts of a request, one by one. */
#include "sip-fixture.h"
#include "worker-sip/message/leg_request.h"

static struct fixture *f;
static char contact[TOKEN_LENGTH + 1], tag[TOKEN_LENGTH + 1];
static struct flow core;

static void set_up(void)
{
	f = fixture_new();
	token_mint(&f->sip.keys.minting, TOKEN_CONTACT, 3, 77, contact);
	token_mint(&f->sip.keys.minting, TOKEN_TAG, 3, 78, tag);
	core = fixture_flow(f, CORE_UDP, "10.0.0.9:5060", 0);
}

static void tear_down(void)
{
	fixture_free(f);
}

TestSuite(leg_request_splice, .init = set_up, .fini = tear_down);

/* A request of that method with these headers, from the access zone to the trunk's. */
static struct leg_request request(const char *method, const char *headers, bool in_dialog)
{
	static char text[32768];
	static struct flow access;

	access = fixture_flow(f, ACCESS_UDP, "198.51.100.7:5060", 0);
	snprintf(text, sizeof(text),
		"%s sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: "
		"<sip:alice@example.net>;tag=1\r\nTo: <sip:bob@example.net>%s\r\nCall-ID: "
		"c\r\nCSeq: 7 %s\r\n%s\r\n",
		method, in_dialog ? ";tag=2" : "", method, headers);
	return (struct leg_request){.sip = &f->sip,
		.message = fixture_message(f, text, &access),
		.from_zone = ZONE_ACCESS,
		.to_zone = ZONE_CORE,
		.slot = 3,
		.in_dialog = in_dialog,
		.id = 99,
		.to = &core,
		.request_uri = S("sip:bob@10.0.0.9"),
		.call_id = S("other"),
		.cseq = 1,
		.from = in_dialog ? S("<sip:a@x>;tag=3") : STR_NONE,
		.to_value = in_dialog ? S("<sip:b@x>;tag=4") : STR_NONE};
}

static struct splice splice;
static int of(struct leg_request r)
{
	return leg_request_splice(&r, &splice);
}

static const char *text_of(struct str s)
{
	static char buffer[4096];

	snprintf(buffer, sizeof(buffer), "%.*s", STR(s));
	return buffer;
}

Test(leg_request_splice, referred_by_gets_our_address_on_the_other_leg)
{
	static const bool in_dialog[] = {false, true};
	static const char *const methods[] = {"INVITE", "MESSAGE", "REFER"};
	char header[256], want[256];

	snprintf(header, sizeof(header), "Referred-By: <sip:%s@192.0.2.1:5060>;p=q\r\n", contact);
	snprintf(want, sizeof(want), "<sip:%s@10.0.0.1:5062>;p=q", contact);
	for (unsigned i = 0; i < 6; i++) {
		cr_assert_eq(of(request(methods[i % 3], header, in_dialog[i / 3])), 0);
		cr_assert_str_eq(text_of(splice.referred_by), want, "%s", methods[i % 3]);
	}
}

Test(leg_request_splice, refer_to_names_no_dialog_of_the_senders_leg)
{
	char header[512];

	snprintf(header, sizeof(header),
		"Refer-To: "
		"<sip:bob@198.51.100.9?Replaces=secret%%3Bto-tag%%3D%s%%3Bfrom-tag%%3Dhers"
		"%%3Bearly-only>\r\n",
		tag);
	cr_assert_eq(of(request("REFER", header, false)), 0);
	cr_assert(splice.refer_to.n);
	cr_assert_null(strstr(text_of(splice.refer_to), "secret"));
	cr_assert_null(strstr(text_of(splice.refer_to), "hers"));
	cr_assert_not_null(strstr(text_of(splice.refer_to), "%3Bearly-only>"));
	cr_assert_null(strstr(text_of(splice.refer_to), "198.51.100.9"));
}

Test(leg_request_splice, a_dialog_that_is_not_ours_does_not_pass)
{
	f->sip.dialogs = NULL; /* nothing is looked up for a tag that is no token */
	cr_assert_eq(of(request("INVITE",
			     "Replaces: c;to-tag=1;from-tag=2\r\nTarget-Dialog: "
			     "c;local-tag=1;remote-tag=2\r\n",
			     false)),
		0);
	cr_assert_eq(splice.replaces.n, 0);
	cr_assert_eq(splice.target_dialog.n, 0);
}

Test(leg_request_splice, replaces_that_is_mapped_already_stays)
{
	struct leg_request r = request("INVITE", "Replaces: c;to-tag=1;from-tag=2\r\n", false);

	r.replaces = S("d;to-tag=5;from-tag=6");
	cr_assert_eq(of(r), 0);
	cr_assert_str_eq(text_of(splice.replaces), "d;to-tag=5;from-tag=6");
}

Test(leg_request_splice, rack_names_the_invite_of_the_other_leg)
{
	struct leg_request r = request("PRACK", "RAck: 12 7 INVITE\r\n", true);

	r.invite = (struct cseq_pair){7, 3};
	cr_assert_eq(of(r), 0);
	cr_assert_str_eq(text_of(splice.rack), "12 3 INVITE");
	/* it could name an INVITE that was not meant */
	r.invite = (struct cseq_pair){8, 3};
	cr_assert_eq(of(r), -ESRCH);
	r = request("INFO", "RAck: 12 7 INVITE\r\n", true);
	r.invite = (struct cseq_pair){8, 3};
	cr_assert_eq(of(r), 0);
	cr_assert_eq(splice.rack.n, 0);
}

Test(leg_request_splice, event_id_is_the_number_that_the_refer_came_with)
{
	struct leg_request r = request("NOTIFY", "Event: refer;id=9\r\n", true);

	r.refer = (struct cseq_pair){21, 9};
	cr_assert_eq(of(r), 0);
	cr_assert_str_eq(text_of(splice.event_id), "21");
	r.refer = (struct cseq_pair){21, 8};
	cr_assert_eq(of(r), 0);
	cr_assert_eq(splice.event_id.n, 0);
}

Test(leg_request_splice, contact_where_the_other_leg_needs_one)
{
	static const struct {
		const char *method, *headers;
		bool in_dialog, contact;
	} rows[] = {{"INVITE", "", false, true}, {"MESSAGE", "", false, false},
		{"REFER", "", false, false}, {"PUBLISH", "Contact: <sip:a@h>\r\n", false, true},
		{"REFER", "", true, true}, {"UPDATE", "", true, true},
		{"INFO", "Contact: <sip:a@h>\r\n", true, false}, {"BYE", "", true, false}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(of(request(rows[i].method, rows[i].headers, rows[i].in_dialog)), 0);
		cr_assert_eq(splice.contact_user.n != 0, rows[i].contact, "%s %u", rows[i].method,
			rows[i].in_dialog);
	}
}

Test(leg_request_splice, parties_are_ours_outside_a_dialog_and_the_dialogs_within)
{
	uint8_t slot;
	uint64_t id;
	struct str own;

	cr_assert_eq(of(request("INVITE", "", false)), 0);
	struct address from;
	struct str rest = splice.from;
	cr_assert_eq(address_next(&rest, &from), 0);
	cr_assert(param_find(from.params, S("tag"), &own));
	cr_assert_eq(token_prove(&f->sip.keys.minting, TOKEN_TAG, own, &slot, &id), 0);
	cr_assert_eq(id, 99);
	cr_assert_str_eq(text_of(splice.to_value), "<sip:bob@example.net>");
	cr_assert_eq(of(request("INFO", "", true)), 0);
	cr_assert_str_eq(text_of(splice.from), "<sip:a@x>;tag=3");
	cr_assert_str_eq(text_of(splice.to_value), "<sip:b@x>;tag=4");
}

Test(leg_request_splice, what_is_too_long_once_mapped_does_not_pass)
{
	static char header[16384];
	int n = snprintf(header, sizeof(header), "Refer-To: <sip:bob@h>;p=");

	memset(header + n, 'a', 5000);
	snprintf(header + n + 5000, sizeof(header) - (size_t)n - 5000,
		"\r\nReferred-By: <sip:c@h>\r\n");
	cr_assert_eq(of(request("REFER", header, false)), 0);
	cr_assert_eq(splice.refer_to.n, 0);
	cr_assert_str_eq(text_of(splice.referred_by), "<sip:c@h>");
}
