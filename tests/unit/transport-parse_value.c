/* transport-parse_value.c - values of known headers, one by one, into the typed fields of the
 * block: what is noted as a fault, and that the first one stays. */
#include "transport-value.h"

Test(value, via_fills_the_fields_of_the_first)
{
	begin(true);
	value(HEADER_VIA, "SIP/2.0/TLS h.example:5071;rport;branch=z9hG4bKx, SIP/2.0/UDP other");
	value_again(HEADER_VIA, "SIP/2.0/UDP third;branch=y", true);
	cr_assert(!parser.failed);
	cr_assert_eq(message.via_count, 3);
	EQ(message.via_host, "h.example");
	EQ(message.via_branch, "z9hG4bKx");
	EQ(message.via_params, ";rport;branch=z9hG4bKx");
	cr_assert_eq(message.via_port, 5071);
	cr_assert_eq(message.via_transport, TRANSPORT_TLS);
	cr_assert(message.rport);
	begin(true);
	value(HEADER_VIA, "SIP/2.0/UDP h;rport=7");
	cr_assert(!message.rport, "it has a value");
}

Test(value, via_that_cannot_be_read_still_says_where_to_answer)
{
	begin(true);
	value(HEADER_VIA, "SIP/2.0/UDP h.example:5070;branch=;x");
	cr_assert(parser.failed);
	cr_assert_eq(parser.error.status, 400);
	cr_assert_str_eq(parser.error.reason, "Malformed Via");
	EQ(message.via_host, "h.example");
	cr_assert_eq(message.via_port, 5070);
	cr_assert_eq(message.via_count, 1);
	/* one of another version, too */
	begin(true);
	value(HEADER_VIA, "SIP/3.0/UDP h.example");
	cr_assert_eq(parser.error.counter, COUNTER_PARSE_VERSION);
	EQ(message.via_host, "h.example");
}

Test(value, the_first_fault_stays)
{
	begin(true);
	value(HEADER_MAX_FORWARDS, "x");
	value(HEADER_CSEQ, "y");
	cr_assert_str_eq(parser.error.reason, "Malformed Max-Forwards");
	cr_assert_eq(parser.error.counter, COUNTER_PARSE_VALUE);
}

Test(value, what_may_stand_once)
{
	static const uint8_t once[] = {HEADER_FROM, HEADER_TO, HEADER_CALL_ID, HEADER_CSEQ,
		HEADER_MAX_FORWARDS, HEADER_CONTENT_TYPE, HEADER_EXPIRES, HEADER_REFER_TO,
		HEADER_REFERRED_BY, HEADER_REPLACES, HEADER_RACK, HEADER_EVENT,
		HEADER_SESSION_EXPIRES};
	static const uint8_t often[] = {HEADER_VIA, HEADER_CONTACT, HEADER_ROUTE, HEADER_REQUIRE,
		HEADER_AUTHORIZATION, HEADER_WARNING, HEADER_SUPPORTED};

	for (size_t i = 0; i < sizeof(once); i++) {
		begin(true);
		value_again(once[i], "<sip:a@b>", true);
		cr_assert_eq(
			parser.error.counter, COUNTER_PARSE_DUPLICATE, "%s", header_name(once[i]));
		cr_assert_eq(parser.error.status, 400);
	}
	for (size_t i = 0; i < sizeof(often); i++) {
		begin(true);
		value_again(often[i], "x", true);
		cr_assert_neq(
			parser.error.counter, COUNTER_PARSE_DUPLICATE, "%s", header_name(often[i]));
	}
}

Test(value, parties)
{
	begin(true);
	value(HEADER_FROM, "\"A, B\" <sip:a;x@h:5070;p=1>;x=\"tag=no\";TAG=t1");
	cr_assert(!parser.failed);
	EQ(message.from.whole, "sip:a;x@h:5070;p=1");
	EQ(message.from.user, "a;x");
	EQ(message.from.params, "p=1");
	EQ(message.from_tag, "t1");
	cr_assert_eq(message.from.port, 5070);
	value(HEADER_TO, "sip:b@h;tag=t2");
	EQ(message.to.whole, "sip:b@h"); /* RFC 3261 section 20: the parameter is the header's */
	EQ(message.to_tag, "t2");
}

Test(value, cseq_of_a_request_and_of_a_response)
{
	begin(false);
	value(HEADER_CSEQ, "314159 \t INVITE");
	cr_assert_eq(message.cseq, 314159);
	cr_assert_eq(message.method, METHOD_INVITE);
	begin(false);
	value(HEADER_CSEQ, "1 invite");
	cr_assert_eq(message.method, METHOD_UNKNOWN, "methods are told apart by case");
	begin(true);
	memcpy(text, "INVITE sip:x", 12);
	message.method_name = (struct span){0, 6};
	value(HEADER_CSEQ, "1 INVITE");
	cr_assert(!parser.failed);
	value(HEADER_CSEQ, "1 ACK");
	cr_assert_str_eq(parser.error.reason, "CSeq of Another Method");
}

Test(value, contacts_are_counted_and_star_stands_alone)
{
	begin(true);
	message.method = METHOD_REGISTER;
	value(HEADER_CONTACT, "<sip:a@b>;q=0.5, \"C, D\" <sip:c@d>");
	value_again(HEADER_CONTACT, "sip:e@f;expires=5", true);
	cr_assert(!parser.failed);
	cr_assert_eq(message.contact_count, 3);
	EQ(message.contact.whole, "sip:a@b");
	value_again(HEADER_CONTACT, "*", true);
	cr_assert(parser.failed);
	begin(true);
	message.method = METHOD_INVITE;
	value(HEADER_CONTACT, "*"); /* RFC 3261 section 10.2.2: of REGISTER only */
	cr_assert(parser.failed);
	begin(false);
	message.method = METHOD_REGISTER;
	value(HEADER_CONTACT, "*");
	cr_assert(parser.failed);
}

Test(value, the_contact_is_the_one_that_requests_can_be_sent_to)
{
	begin(true);
	message.method = METHOD_INVITE;
	value(HEADER_CONTACT, "<tel:+1234>, <mailto:a@b>");
	value_again(HEADER_CONTACT, "<sips:*55#@h:0>, <tel:+5>", true);
	cr_assert(!parser.failed);
	EQ(message.contact.whole, "sips:*55#@h:0");
	EQ(message.contact.user, "*55#");
	EQ(message.contact.host, "h");
	cr_assert_eq(message.contact.port, 0);
	cr_assert_eq(message.contact_count, 4);
	cr_assert_eq(parser.sip_contacts, 1);
	begin(true);
	message.method = METHOD_INVITE;
	value(HEADER_CONTACT, "<tel:+1234>, <mailto:a@b>");
	EQ(message.contact.whole, "tel:+1234");
	cr_assert_eq(parser.sip_contacts, 0);
}

Test(value, numbers)
{
	static const struct {
		uint8_t id;
		const char *value;
		bool good;
	} row[] = {{HEADER_MAX_FORWARDS, "0", true}, {HEADER_MAX_FORWARDS, "255", true},
		{HEADER_MAX_FORWARDS, "256", false}, {HEADER_MAX_FORWARDS, "", false},
		{HEADER_MAX_FORWARDS, "7x", false}, {HEADER_CONTENT_LENGTH, "65535", true},
		{HEADER_CONTENT_LENGTH, "65536", false}, {HEADER_RACK, "1 2 INVITE", true},
		{HEADER_RACK, "4294967295 1 INVITE", true},
		{HEADER_RACK, "4294967296 1 INVITE", false}, {HEADER_RACK, "1  INVITE", false},
		{HEADER_RACK, "1 2 ", false}, {HEADER_RACK, "1 2 a b", false},
		{HEADER_RSEQ, "1", true}, {HEADER_RSEQ, "", false}, {HEADER_MIN_SE, "90;x", true},
		{HEADER_MIN_SE, "90;;", false},
		{HEADER_SESSION_EXPIRES, "90 ;refresher=uas", true}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		begin(true);
		value(row[i].id, row[i].value);
		cr_assert_eq(!parser.failed, row[i].good, "%s: %s", header_name(row[i].id),
			row[i].value);
	}
}

Test(value, expires_that_is_no_number_is_an_hour)
{
	static const struct {
		const char *value;
		int64_t expires;
	} row[] = {{"0", 0}, {"3601", 3601}, {"4294967295", UINT32_MAX}, {"4294967296", UINT32_MAX},
		{"soon", 3600}, {"", 3600}, {"-1", 3600}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		begin(true);
		value(HEADER_EXPIRES, row[i].value);
		cr_assert(!parser.failed);
		cr_assert_eq(message.expires, row[i].expires, "%s", row[i].value);
	}
}

/* The same length may be said twice. */
Test(value, lengths)
{
	begin(true);
	value(HEADER_CONTENT_LENGTH, "7");
	value_again(HEADER_CONTENT_LENGTH, "007", true);
	cr_assert(!parser.failed);
	cr_assert_eq(parser.content_length, 7);
	value_again(HEADER_CONTENT_LENGTH, "8", true);
	cr_assert_eq(parser.error.counter, COUNTER_PARSE_DUPLICATE);
	cr_assert_str_eq(parser.error.reason, "More Than One Content-Length");
}

/* A fault in what is spared is not the message's, and leaves nothing in the block. */
Test(value, what_is_spared)
{
	static const struct {
		uint8_t id;
		const char *value;
	} row[] = {{HEADER_CONTACT, "<sip:a@b>, <sip:"}, {HEADER_CONTACT, "*"},
		{HEADER_CONTENT_TYPE, "a/b;;"}, {HEADER_MAX_FORWARDS, "x"}, {HEADER_ALLOW, "a b"},
		{HEADER_DATE, "soon"}, {HEADER_WARNING, "399 a \"b"}};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		begin(true);
		const struct message before = message;
		const void *const then = &before, *const now = &message;

		parser.spared = true;
		value(row[i].id, row[i].value);
		cr_assert(parser.left_out, "%s", header_name(row[i].id));
		cr_assert(!parser.failed);
		cr_assert(!memcmp(then, now, sizeof(message)), "%s", header_name(row[i].id));
	}
}

/* RFC 3261 section 20.17: rfc1123-date, GMT only. */
Test(value, dates)
{
	static const char *const bad[] = {"", "Sat, 13 Nov 2010 23:29:00",
		"Sat, 13 Nov 2010 23:29:00 UTC", "Sat, 3 Nov 2010 23:29:00 GMT",
		"Sat 13 Nov 2010 23:29:00 GMT ", "Sat, 13 Nov 10 23:29:00 GMT",
		"Sat, 13 Nov 2010 23:29:00 GMT."};

	begin(true);
	value(HEADER_DATE, "Sat, 13 Nov 2010 23:29:00 GMT");
	cr_assert(!parser.failed);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(true);
		value(HEADER_DATE, bad[i]);
		cr_assert(parser.failed, "%s", bad[i]);
	}
}

Test(value, vias_have_a_limit)
{
	begin(true);
	for (unsigned k = 0; k < PARSE_VIAS_MAX; k++)
		value(HEADER_VIA, "SIP/2.0/UDP h;branch=1");
	cr_assert(!parser.failed);
	value(HEADER_VIA, "SIP/2.0/UDP h;branch=1");
	cr_assert_str_eq(parser.error.reason, "Too Many Via");
}

Test(value, missing_is_said_by_name)
{
	cr_assert_str_eq(parse_missing_reason(HEADER_CALL_ID), "Missing Call-ID");
}
