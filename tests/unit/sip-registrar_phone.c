/* sip-registrar_phone.c - phones that come back: by another port, after a restart with a low CSeq,
 * and when their user has all the bindings that he may have. */
#include "sip-register.h"

TestSuite(registrar_phone, .init = set_up, .fini = tear_down);

Test(registrar_phone, another_port_takes_the_place_of_the_old_one)
{
	char line[128];

	for (unsigned i = 0; i < 10; i++) {
		snprintf(line, sizeof(line),
			"Contact: <sip:alice@192.168.0.7:%u>\r\nUser-Agent: desk 1.0\r\n",
			5060 + i);
		char call_id[16];
		snprintf(call_id, sizeof(call_id), "boot-%u", i);
		cr_assert_eq(send_as("sip:alice@example.net", call_id, 1, line), 200);
		cr_assert_eq(fixture_headers(f, "Contact"), 1);
	}
	cr_assert_eq(counted(COUNTER_BINDINGS_PHONE_BACK), 9);
	/* another software, another host, another source, no software named: another phone */
	cr_assert_eq(reg("Contact: <sip:alice@192.168.0.7:1>\r\nUser-Agent: soft\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	cr_assert_eq(reg("Contact: <sip:alice@192.168.0.8:1>\r\nUser-Agent: soft\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 3);
	f->image.domain[0].bindings_max = 10;
	peer = "198.51.100.8:5060";
	cr_assert_eq(reg("Contact: <sip:alice@192.168.0.8:2>\r\nUser-Agent: soft\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 4);
	cr_assert_eq(reg("Contact: <sip:alice@192.168.0.8:3>\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 5);
	/* what is to go must be named */
	cr_assert_eq(
		reg("Contact: <sip:alice@192.168.0.8:9>;expires=0\r\nUser-Agent: soft\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 5);
}

static int from(const char *source, const char *call_id, unsigned number, const char *line)
{
	peer = source;
	return send_as("sip:alice@example.net", call_id, number, line);
}

/* Two phones that call themselves alike are two where the flow tells them apart; each is one
 * whatever its NAT does. */
Test(registrar_phone, two_that_are_alike)
{
#define ALIKE "Contact: <sip:alice@192.168.0.7:5060>\r\nUser-Agent: desk 1.0\r\n"
	static const char *const one = "203.0.113.7:1000", *const two = "203.0.113.7:2000",
				 *const later = "203.0.113.7:3000";

	from(one, "a", 1, ALIKE);
	from(two, "b", 1, ALIKE);
	cr_assert_eq(fixture_headers(f, "Contact"), 1, "one URI is one phone");
	f->image.domain[0].bindings_by = BINDINGS_BY_FLOW;
	cr_assert_eq(from(one, "a", 2, ALIKE), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	cr_assert_eq(from(two, "b", 2, ALIKE), 200);
	cr_assert_eq(from(one, "a", 3, ALIKE), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	/* by another port: by its Call-ID, and by another Contact as well */
	cr_assert_eq(from(later, "a", 4, ALIKE), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	cr_assert_eq(
		from(one, "a", 5, "Contact: <sip:alice@192.168.0.7:9>\r\nUser-Agent: desk 1.0\r\n"),
		200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	/* after a restart, with another Call-ID from the same port */
	cr_assert_eq(from(two, "c", 1, ALIKE), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	/* each removes its own */
	cr_assert_eq(from(two, "c", 2, "Contact: <sip:alice@192.168.0.7:5060>;expires=0\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
	cr_assert_not_null(strstr(f->answer, "192.168.0.7:9"));
	/* what has a public address is one phone's */
	from(one, "d", 1, "Contact: <sip:alice@198.51.100.77>\r\n");
	from(two, "e", 1, "Contact: <sip:alice@198.51.100.77>\r\n");
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
}

Test(registrar_phone, so_does_another_address_of_one_instance)
{
	cr_assert_eq(reg("Contact: <sip:a@h1>;+sip.instance=\"<urn:uuid:1>\"\r\n"), 200);
	peer = "203.0.113.7:5060";
	cr_assert_eq(reg("Contact: <sip:b@h2>;+sip.instance=\"<urn:uuid:1>\"\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
	cr_assert_eq(reg("Contact: <sip:b@h2:7>;+sip.instance=\"<urn:uuid:2>\"\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	/* two of one request are two, and stay so when they are refreshed */
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(reg("Contact: <sip:b@h2>;+sip.instance=\"<urn:uuid:1>\", "
				 "<sip:b@h3>;+sip.instance=\"<urn:uuid:1>\"\r\n"),
			200);
		cr_assert_eq(fixture_headers(f, "Contact"), 3);
	}
}

Test(registrar_phone, the_oldest_goes_where_the_domain_says_so)
{
	f->image.domain[0].bindings_full = BINDINGS_FULL_REPLACE;
	cr_assert_eq(
		reg("Contact: <sip:a@h1>;expires=100, <sip:a@h2>;expires=90, <sip:a@h3>\r\n"), 200);
	cr_assert_eq(reg("Contact: <sip:a@h4>\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 3);
	cr_assert_null(strstr(f->answer, "a@h2"));
	cr_assert_eq(counted(COUNTER_BINDINGS_OLDEST_REPLACED), 1);
	cr_assert_eq(reg("Contact: <sip:a@h5>, <sip:a@h6>, <sip:a@h7>, <sip:a@h8>\r\n"), 403,
		"none of one request goes for another");
	cr_assert_eq(reg("Contact: <sip:a@h5>, <sip:a@h6>, <sip:a@h7>\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 3);
	cr_assert_not_null(strstr(f->answer, "a@h5"));
}

#define RESTARTS(cseq, contact) send_as("sip:alice@example.net", "fixed", cseq, contact)

Test(registrar_phone, a_low_cseq_is_a_restart_when_nothing_older_can_be_on_its_way)
{
	fixture_pass(f, 32);
	cr_assert_eq(RESTARTS(10, "Contact: <sip:a@h1>;expires=600\r\n"), 200);
	fixture_pass(f, 31);
	cr_assert_eq(RESTARTS(2, "Contact: <sip:a@h1>;expires=700\r\n"), 500);
	cr_assert_eq(RESTARTS(10, "Contact: <sip:a@h1>;expires=700\r\n"), 200, "repeated");
	cr_assert_eq(counted(COUNTER_REGISTER_REPEATED), 1);
	fixture_pass(f, 1);
	cr_assert_eq(RESTARTS(2, "Contact: <sip:a@h1>;expires=700\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=700");
	cr_assert_eq(counted(COUNTER_REGISTER_CSEQ_RESTARTED), 1);
	cr_assert_eq(RESTARTS(1, "Contact: <sip:a@h1>;expires=600\r\n"), 500);
	fixture_pass(f, 32);
	cr_assert_eq(RESTARTS(2, "Contact: <sip:a@h1>;expires=650\r\n"), 200, "the same number");
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=650");
}
