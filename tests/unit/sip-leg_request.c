/* The headers that pass from one leg to the other, what is mapped on the way, and what never
 * passes: a header that told one side's addresses, dialogs or secrets to the other would undo the
 * whole gateway. */
#include "sip-scene.h"

TestSuite(leg_request, .init = worker_set_up_with_bob, .fini = worker_tear_down);

static struct flow core(void)
{
	return flow_of(CORE_UDP, "10.0.0.9:5060", 0);
}

/* The INVITE that bob gets of one with these header lines. */
static struct sent *invite_with(const struct flow *by, const char *more)
{
	static unsigned call;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "leg-%u", ++call);
	ask(.by = by, .method = "INVITE", .more = more, .call_id = call_id);
	return take_request("INVITE");
}

Test(leg_request, unknown_headers_pass_as_they_are)
{
	struct sent *out = invite_with(
		NULL, "X-Colour:  blue ,\n\tgreen\nSubject: hi\nOrganization: o/1\n");

	cr_assert(raw_has(out, "\r\nX-Colour:  blue ,\r\n\tgreen\r\nSubject: hi\r\n"));
	cr_assert(raw_has(out, "\r\nOrganization: o/1\r\n"));
}

Test(leg_request, hops_of_one_side_do_not_pass)
{
	struct sent *out = invite_with(NULL,
		"Via: SIP/2.0/TCP inner.example;branch=z9hG4bKinner\n"
		"Route: <sip:192.0.2.1:5064;lr>\nRecord-Route: <sip:inner.example;lr>\n"
		"Timestamp: 54\nPath: <sip:inner.example;lr>\nIn-Reply-To: other-call@inner\n"
		"Security-Client: tls\n");

	cr_assert_eq(out->message->via_count, 1);
	cr_assert(!raw_has(out, "inner"));
	cr_assert(!raw_has(out, "198.51.100.1:5060"), "the caller's address");
	cr_assert_null(message_first(out->message, HEADER_TIMESTAMP));
	cr_assert_null(message_first(out->message, HEADER_ROUTE));
	cr_assert_null(message_first(out->message, HEADER_SECURITY_CLIENT));
}

Test(leg_request, identities_pass_from_where_they_are_trusted)
{
	static const char headers[] =
		"P-Asserted-Identity: <sip:boss@example.net>\nP-Preferred-Identity: <sip:b@x>\n"
		"Remote-Party-ID: <sip:boss@example.net>\nDiversion: <sip:d@example.net>\n"
		"History-Info: <sip:h@example.net>;index=1\nP-Charging-Vector: icid-value=1\n";
	struct flow trusted = core();
	struct sent *out = invite_with(NULL, headers);

	cr_assert(!raw_has(out, "boss") && !raw_has(out, "P-"));
	cr_assert(!raw_has(out, "Diversion") && !raw_has(out, "History-Info"));
	out = invite_with(&trusted, headers);
	cr_assert(raw_has(out, "\r\nP-Asserted-Identity: <sip:boss@example.net>\r\n"));
	cr_assert(raw_has(out, "\r\nDiversion: ") && raw_has(out, "\r\nP-Charging-Vector: "));
}

/* RFC 4412 section 11.1: calls that go first are for those who may make them, and no phone has been
 * asked whether it may. */
Test(leg_request, priority_passes_from_where_it_is_trusted)
{
	struct flow trusted = core();
	struct sent *out = invite_with(NULL, "Resource-Priority: ets.0\n");

	cr_assert(!raw_has(out, "ets.0"));
	out = invite_with(&trusted, "Resource-Priority: ets.0\n");
	cr_assert(raw_has(out, "\r\nResource-Priority: ets.0\r\n"));
}

Test(leg_request, private_identity_does_not_leave_the_trusted)
{
	struct flow trusted = core();
	struct sent *out = invite_with(
		&trusted, "P-Asserted-Identity: <sip:boss@example.net>\nPrivacy: user;id\n");

	cr_assert(!raw_has(out, "boss")); /* RFC 3325 section 7 */
}

Test(leg_request, credentials_for_us_do_not_pass)
{
	struct sent *out = invite_with(NULL,
		"Proxy-Authorization: Digest username=\"alice\", realm=\"example.net\", "
		"nonce=\"n\", uri=\"sip:x\", response=\"0\"\n"
		"Authorization: Digest username=\"a\", realm=\"other realm\", nonce=\"n\", "
		"uri=\"sip:x\", response=\"1\"\n"
		"Authorization: Digest username=\"a\", realm=\"elsewhere\", nonce=\"n\", "
		"uri=\"sip:x\", response=\"2\"\n");

	/* the callee could crack a password of ours */
	cr_assert_null(message_first(out->message, HEADER_PROXY_AUTHORIZATION));
	cr_assert(!raw_has(out, "other realm"));
	cr_assert(has(value_of(out->message, HEADER_AUTHORIZATION), "elsewhere"));
}

/* The ways to write a realm of ours (RFC 3261 section 25.1), and those that others may read so. */
static const char *const our_realms[] = {
	"Digest realm=\"example.net\", nonce=\"n\"",
	"Digest realm=\"example\\.net\", nonce=\"n\"",
	"Digest realm=\"\\e\\x\\a\\m\\p\\l\\e\\.\\n\\e\\t\", nonce=\"n\"",
	"Digest realm=\"EXAMPLE.Net\", nonce=\"n\"",
	"Digest REALM=\"example.net\", nonce=\"n\"",
	"Digest realm = \"example.net\" , nonce=\"n\"",
	"Digest\trealm\t=\n\t\"example.net\", nonce=\"n\"",
	"Digest realm=example.net, nonce=\"n\"",
	"Digest realm=\" example.net \", nonce=\"n\"",
	"Digest realm=\"example.net\\ \", nonce=\"n\"",
	"Digest nonce=\"n\", realm=\"else.example\", realm=\"example.net\"",
	"Digest realm=\"example.net\", realm=\"else.example\", nonce=\"n\"",
	"Digest nonce=\"\\\", realm=example.net, x=\\\"\", realm=\"x\"",
	"Digest realm=\"other realm\", nonce=\"n\"",
	"Digest realm=\"other  realm\", nonce=\"n\"",
	"Digest realm=\"other\n \trealm\", nonce=\"n\"",
	"Digest realm=\"other\\ realm\", nonce=\"n\"",
	"Basic realm=\"x\", Digest realm=\"example.net\", nonce=\"n\"",
	"Bearer abc, realm=\"example.net\"",
};
static const char *const other_realms[] = {
	"Digest realm=\"example.net.example\", nonce=\"n\"",
	"Digest realm=\"example.ne\", nonce=\"n\"",
	"Digest realm=\"sub.example.net\", nonce=\"n\"",
	"Digest realm=\"example\\\\.net\", nonce=\"n\"",
	"Digest realm=\"otherrealm\", nonce=\"n\"",
	"Digest realm=\"\", nonce=\"example.net\"",
	"Digest username=\"example.net\", realm=\"x\", nonce=\"n\"",
};

static struct sent *message_with(const struct flow *by, const char *more)
{
	static unsigned count;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "message-%u", ++count);
	ask(.by = by, .method = "MESSAGE", .more = more, .call_id = call_id);
	return take_request("MESSAGE");
}

Test(leg_request, realms_are_compared_as_the_grammar_does)
{
	static const char *const names[] = {
		"Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate"};
	struct flow trusted = core();
	char line[256];

	for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		for (unsigned i = 0; i < sizeof(our_realms) / sizeof(our_realms[0]); i++) {
			snprintf(line, sizeof(line), "%s: %s\n", names[k], our_realms[i]);
			cr_expect(!raw_has(message_with(&trusted, line), names[k]), "%s", line);
		}
		for (unsigned i = 0; i < sizeof(other_realms) / sizeof(other_realms[0]); i++) {
			snprintf(line, sizeof(line), "%s: %s\n", names[k], other_realms[i]);
			cr_expect(raw_has(message_with(&trusted, line), names[k]), "%s", line);
		}
	}
}

Test(leg_request, option_tags_go_by_the_table)
{
	struct sent *out = invite_with(
		NULL, "Supported: 100rel, outbound, gruu, timer\nRequire: 100rel\n");

	cr_assert(str_equal(value_of(out->message, HEADER_SUPPORTED), S("100rel, timer")));
	cr_assert(str_equal(value_of(out->message, HEADER_REQUIRE), S("100rel")));
	ask(.method = "INVITE", .call_id = "r2", .more = "Require: outbound\n");
	cr_assert(str_equal(
		value_of(take_response(420)->message, HEADER_UNSUPPORTED), S("outbound")));
	/* a back-to-back user agent keeps nothing of Proxy-Require (RFC 3261 section 20.29) */
	ask(.method = "INVITE", .call_id = "r3", .more = "Proxy-Require: 100rel\n");
	cr_assert(
		str_equal(value_of(take_response(420)->message, HEADER_UNSUPPORTED), S("100rel")));
	quiet();
}

Test(leg_request, parties_keep_their_names_and_lose_hosts_of_one_side)
{
	struct flow trusted = core();

	ask(.by = &trusted, .method = "INVITE", .from = "\"Boss\" <sip:100@10.0.0.9:5062>;x=1");
	struct sent *out = take_request("INVITE");
	struct str from = value_of(out->message, HEADER_FROM);
	cr_assert(has(from, "\"Boss\" <sip:100@192.0.2.1>;x=1;tag="), "%.*s", STR(from));
	cr_assert(!raw_has(out, "10.0.0.9"));
}

Test(leg_request, warnings_of_the_other_side_have_a_pseudonym)
{
	struct sent *out = invite_with(NULL, "");

	respond(out, 488, .tag = "b",
		.more = "Warning: 304 198.51.100.11:5060 \"Media type not available\"\n");
	take_request("ACK");
	struct str warning = value_of(take_response(488)->message, HEADER_WARNING);
	cr_assert(has(warning, "304 ") && has(warning, "\"Media type not available\""));
	cr_assert(!has(warning, "198.51.100.11"));
}

/* ---- what names a dialog ---- */

Test(leg_request, referred_by_is_mapped_in_the_first_invite)
{
	struct call_scene c = call_answered();
	char more[256];

	/* bob refers carol to alice by what he knows of her: our Contact. Carol says who sent her.
	 */
	snprintf(more, sizeof(more), "Referred-By: <%.*s>\n",
		STR(message_str(c.out->message, c.out->message->contact.whole)));
	ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = "referred",
		.more = more);
	struct sent *out = take_request("INVITE");
	struct str value = value_of(out->message, HEADER_REFERRED_BY);
	cr_assert(!has(value, "192.0.2.1:5064"), "our address of the other zone: %.*s", STR(value));
	cr_assert(has(value, "10.0.0.1:5062"), "%.*s", STR(value));
}

Test(leg_request, refer_to_our_contact_becomes_our_contact_there)
{
	struct call_scene c = call_answered();
	char more[256];

	snprintf(more, sizeof(more), "Refer-To: <sip:5551000@example.net>\nReferred-By: <%.*s>\n",
		STR(message_str(c.answered->message, c.answered->message->contact.whole)));
	caller_asks(c.answered, "REFER", 90, .more = more);
	struct sent *refer = take_request("REFER");
	cr_assert(str_equal(
		value_of(refer->message, HEADER_REFER_TO), S("<sip:5551000@example.net>")));
	cr_assert(message_first(refer->message, HEADER_REFERRED_BY));
	cr_assert(has(value_of(refer->message, HEADER_CONTACT), "192.0.2.1:5064"));
	respond(refer, 202);
	take_response(202);
	/* the subscription's id is the REFER's CSeq, which is another on this leg (RFC 3515) */
	char notify[128], id[16];
	snprintf(notify, sizeof(notify),
		"Event: refer;id=%u\nSubscription-State: active;expires=60\n",
		refer->message->cseq);
	callee_asks(c.out, "b", "NOTIFY", 7, .more = notify, .body = "SIP/2.0 100 Trying");
	struct sent *told = take_request("NOTIFY");
	snprintf(id, sizeof(id), ";id=%u", 90u);
	cr_assert(has(value_of(told->message, HEADER_EVENT), id), "%.*s",
		STR(value_of(told->message, HEADER_EVENT)));
}

Test(leg_request, replaces_names_the_dialog_of_the_far_leg)
{
	struct call_scene c = call_answered();
	char more[512];

	/* Carol takes over from alice: what she knows is alice's dialog with us. The INVITE goes to
	 * bob, in the words of bob's dialog (RFC 3891). */
	snprintf(more, sizeof(more), "Replaces: call-of-alice;to-tag=%.*s;from-tag=a\n",
		STR(message_str(c.answered->message, c.answered->message->to_tag)));
	struct flow carol = flow_of(OPEN_UDP, "198.51.100.3:5060", 0);
	ask(.by = &carol, .method = "INVITE", .from = "<sip:carol@example.net>", .from_tag = "c",
		.call_id = "taking-over", .contact = "<sip:carol@198.51.100.3>", .more = more);
	struct sent *out = take_request("INVITE");
	const struct message *leg = c.out->message;
	struct str value = value_of(out->message, HEADER_REPLACES);
	char text[256];
	cr_assert(sent_to(out, "198.51.100.11:5060"));
	snprintf(text, sizeof(text), "%.*s;to-tag=b;from-tag=%.*s",
		STR(message_str(leg, leg->call_id)), STR(message_str(leg, leg->from_tag)));
	cr_assert(has(value, text), "%.*s", STR(value));
	/* within a dialog likewise */
	caller_asks(c.answered, "INVITE", 2, .more = more);
	value = value_of(take_request("INVITE")->message, HEADER_REPLACES);
	cr_assert(has(value, text), "%.*s", STR(value));
	/* only while it rings: the far leg judges that */
	more[strlen(more) - 1] = 0;
	strcat(more, ";early-only\n");
	ask(.by = &carol, .method = "INVITE", .from_tag = "c", .call_id = "taking-over-1",
		.more = more);
	value = value_of(take_request("INVITE")->message, HEADER_REPLACES);
	cr_assert(has(value, text) && has(value, ";early-only"), "%.*s", STR(value));
	/* of no dialog: 481 (RFC 3891 section 3) */
	ask(.by = &carol, .method = "INVITE", .from_tag = "c", .call_id = "taking-over-2",
		.more = "Replaces: nobody;to-tag=1;from-tag=2\n");
	take_response(481);
	quiet();
}

/* bob's call to the trunk goes on with carol: her INVITE goes by the trunk's route set, at the
 * address that its first hop's maddr says (RFC 3261 section 16.6 step 7). */
Test(leg_request, what_is_for_the_far_leg_takes_its_route_set)
{
	static const char *const names[] = {"Replaces", "Contact"};
	const char *routes = "<sip:proxy.example;maddr=10.0.0.21;lr>, <sip:10.0.0.20;lr>";
	char more[512], uri[128] = "sip:5551000@example.net";

	ask(.method = "INVITE", .uri = uri);
	respond(take_request("INVITE"), 200, .tag = "t", .contact = "<sip:gw@10.0.0.99>",
		.more = "Record-Route: <sip:10.0.0.20;lr>, "
			"<sip:proxy.example;maddr=10.0.0.21;lr>\n");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	cr_assert(sent_to(take_request("ACK"), "10.0.0.21:5060"));
	struct str contact = message_str(answered->message, answered->message->contact.whole);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(more, sizeof(more), "Replaces: call-of-alice;to-tag=%.*s;from-tag=a\n",
			STR(message_str(answered->message, answered->message->to_tag)));
		if (i)
			snprintf(uri, sizeof(uri), "%.*s", STR(contact));
		ask(.method = "INVITE", .uri = uri, .from_tag = "c", .call_id = names[i],
			.more = i ? "" : more);
		struct sent *out = take_request("INVITE");
		cr_assert(sent_to(out, "10.0.0.21:5060"), "%s", names[i]);
		cr_assert(str_equal(value_of(out->message, HEADER_ROUTE), str_of(routes)), "%s",
			names[i]);
		cr_assert(str_equal(message_str(out->message, out->message->request_uri.whole),
				  S("sip:gw@10.0.0.99")),
			"%s", names[i]);
	}
	quiet();
}

Test(leg_request, target_dialog_is_mapped_or_does_not_pass)
{
	struct call_scene c = call_answered();
	char more[512], text[256];

	snprintf(more, sizeof(more), "Target-Dialog: call-of-alice;local-tag=a;remote-tag=%.*s\n",
		STR(message_str(c.answered->message, c.answered->message->to_tag)));
	caller_asks(c.answered, "INFO", 2, .more = more);
	struct sent *info = take_request("INFO");
	const struct message *leg = c.out->message;
	snprintf(text, sizeof(text), "%.*s;local-tag=%.*s;remote-tag=b",
		STR(message_str(leg, leg->call_id)), STR(message_str(leg, leg->from_tag)));
	cr_assert(str_equal(value_of(info->message, HEADER_TARGET_DIALOG), str_of(text)));
	caller_asks(
		c.answered, "INFO", 3, .more = "Target-Dialog: other;local-tag=a;remote-tag=b\n");
	cr_assert_null(message_first(take_request("INFO")->message, HEADER_TARGET_DIALOG));
}

Test(leg_request, contact_names_us_on_each_leg)
{
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	struct sent *out = take_request("INVITE");
	cr_assert(has(value_of(out->message, HEADER_CONTACT), "@10.0.0.1:5062"));
	respond(out, 200, .tag = "t");
	struct sent *answered = take_response(200);
	cr_assert(has(value_of(answered->message, HEADER_CONTACT), "@192.0.2.1:5064"));
	cr_assert(!raw_has(answered, "10.0.0."));
}
