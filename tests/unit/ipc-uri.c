/* ipc-uri.c - URIs and hosts: their grammar, their parts, when two of them are equal (RFC 3261
 * section 19.1, RFC 3966, RFC 5118), and canonical addresses of record. */
#include "ipc/message.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define EQ(s, z) cr_assert(str_equal((s), str_of(z)), "got '%.*s', expected '%s'", STR(s), z)
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct uri_parts uri(const char *text)
{
	struct uri_parts u;

	cr_assert_eq(uri_parse(str_of(text), &u), 0, "%s", text);
	return u;
}

Test(uri, parts)
{
	struct uri_parts u = uri(
		"sip:alice:secret@example.com:5070;transport=tcp;lr?Subject=a%20b&To=x");

	cr_assert_eq(u.scheme, URI_SIP);
	EQ(u.user, "alice");
	EQ(u.password, "secret");
	EQ(u.host, "example.com");
	cr_assert_eq(u.port, 5070);
	EQ(u.params, "transport=tcp;lr");
	EQ(u.headers, "Subject=a%20b&To=x");
	u = uri("SIPS:[2001:db8::1]");
	cr_assert_eq(u.scheme, URI_SIPS);
	EQ(u.host, "[2001:db8::1]");
	cr_assert_eq(u.user.n, 0);
	cr_assert_eq(u.port, 0);
	u = uri("tel:+1(201)555-0123;ext=5");
	cr_assert_eq(u.scheme, URI_TEL);
	EQ(u.user, "+1(201)555-0123");
	EQ(u.params, "ext=5");
	uri("tel:*#7042;phone-context=example.com");
	u = uri("urn:service:sos");
	cr_assert_eq(u.scheme, URI_OTHER);
	EQ(u.whole, "urn:service:sos");
	u = uri("sip:+1;ext=5@gw");
	EQ(u.user, "+1;ext=5");
	uri("sip:a@my_host.local");
	uri("sip:a@3f4a5b6c7d8e");
	uri("sip:a@b.");
	uri("x:%00");
	u = uri("sip:alice%00evil:%00@b;x=%00?y=%00");
	EQ(u.user, "alice%00evil");
	EQ(u.password, "%00");
	EQ(u.params, "x=%00");
	EQ(u.headers, "y=%00");
	uri("sip:a:@b");
}

Test(uri, refused)
{
	static const char *const bad[] = {
		"",
		"sip",
		"sip:",
		":a",
		"1sip:a",
		"sip:@b",
		"sip:a@",
		"sip:a@b@c",
		"sip:a b@c",
		"sip:a@b c",
		"sip:a@b:",
		"sip:a@b:0",
		"sip:a@b:65536",
		"sip:a@b:5060x",
		"sip:a@b;",
		"sip:a@b;;x",
		"sip:a@b;x=",
		"sip:a@b;=x",
		"sip:a@b?",
		"sip:a@b?x",
		"sip:a@b?x=y&",
		"sip:a@b?=y",
		"sip:a%@b",
		"sip:a%4@b",
		"sip:a%zz@b",
		"sip:a%0@b",
		"sip:a@[::1",
		"sip:a@::1",
		"sip:a@[::g]",
		"sip:a@[]",
		"sip:a@[1.2.3.4]",
		"sip:a@[1:2:3:4:5:6:7:8:9]",
		"sip:a@[1::2::3]",
		"sip:a@-b",
		"sip:a@b-",
		"sip:a@b..c",
		"sip:a@.b",
		"sip:a@1.2.3",
		"sip:a@1.2.3.256",
		"sip:a@1.2.3.4.",
		"sip:a@1.2.3.4.5",
		"sip:a@b\"",
		"sip:<a@b",
		"sip:a@b>",
		"sip:a\x80@b",
		"sip:a\x01@b",
		"tel:",
		"tel:+",
		"tel:-",
		"tel:+a",
		"tel:1;",
		"tel:1 2",
		"x:",
		"x:a b",
		"x:<",
		"sip:a\r\n@b",
		"sips:a@b#c",
		"sip:a@[fe80::1%25eth0]",
		"sip:a@[::12345]",
		"sip:a@[:1::]",
		"sip:a@[1::2:]",
		"sip:a@[:::1]",
	};
	struct uri_parts u;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_assert_neq(uri_parse(str_of(bad[i]), &u), 0, "'%s'", bad[i]);
}

Test(uri, hosts)
{
	static const char *const good[] = {"a", "a.b", "a.b.", "a-b", "127.0.0.1", "[::]", "[::1]",
		"[1::]", "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7::]", "[::ffff:1.2.3.4]",
		"[1:2:3:4:5:6:1.2.3.4]", "[2001:db8:::192.0.2.1]", "[::2:3:4:5:6:7:8]", "1a", "a1",
		"x_y"};
	static const char *const bad[] = {"", ".", "a..b", "-a", "a-", "a b", "1", "1.2",
		"256.1.1.1", "1.2.3.4.", "[", "[]", "[:]", "[:::]", "[1]", "[1:2:3:4:5:6:7]",
		"[1:2:3:4:5:6:7:8::]", "[1:2:3:4:5:6:7:1.2.3.4]", "[::1.2.3]", "[::1.2.3.4:1]",
		"[::1]x", "::1", "[1:::2]", "[1:2:3:4:5:6:7:8:]"};

	for (size_t i = 0; i < COUNT(good); i++)
		cr_assert(is_host(str_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		cr_assert_not(is_host(str_of(bad[i])), "%s", bad[i]);
	char label[70], name[300];
	memset(label, 'a', sizeof(label));
	cr_assert(is_host((struct str){label, 63}));
	cr_assert_not(is_host((struct str){label, 64}));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 ? '.' : 'a';
	cr_assert(is_host((struct str){name, 255}));
	cr_assert_not(is_host((struct str){name, 257}));
	cr_assert(is_ipv6(S("2001:db8::9:255")));
	cr_assert_not(is_ipv6(S("[::1]")));
	cr_assert_not(is_ipv6(S("a")));
}

static void aor(const char *text, const char *expected)
{
	struct uri_parts u = uri(text);
	char buffer[AOR_MAX];
	long n = aor_of(&u, buffer);

	if (!expected) {
		cr_assert_eq(n, -EINVAL, "%s", text);
		return;
	}
	cr_assert_eq(n, (long)strlen(expected), "%s", text);
	cr_assert_str_eq(buffer, expected);
}

Test(uri, address_of_record)
{
	aor("sip:Alice@Example.COM", "sip:Alice@example.com");
	aor("sips:%41lice:pw@EXAMPLE.com:5061;transport=tcp?x=y", "sip:Alice@example.com");
	aor("sip:a@b:5060", "sip:a@b");
	aor("sip:a@b:5061", "sip:a@b:5061");
	aor("sips:a@b:5060", "sip:a@b:5060");
	aor("sip:a@b.", "sip:a@b");
	aor("sip:a@[2001:DB8::1]", "sip:a@[2001:db8::1]");
	aor("sip:b", NULL);
	aor("tel:+1", NULL);
	aor("sip:a%0d%0ab@c", NULL);
	aor("sip:alice%00evil@example.net", NULL);
	aor("sip:alice%00@example.net", NULL);
	aor("sip:%00@example.net", NULL);
	aor("sip:alice@example.net;x=%00", "sip:alice@example.net");
	char text[AOR_MAX + 20] = "sip:", buffer[AOR_MAX];
	memset(text + 4, 'a', AOR_MAX);
	strcpy(text + AOR_MAX, "@b");
	struct uri_parts u = uri(text);
	cr_assert_eq(aor_of(&u, buffer), -ENOBUFS);
}

Test(uri, unescape)
{
	char buffer[4];

	cr_assert_eq(uri_unescape(S("a%42c"), buffer, 4), 3);
	cr_assert_eq(memcmp(buffer, "aBc", 3), 0);
	cr_assert_eq(uri_unescape(S("abcd"), buffer, 4), 4);
	cr_assert_eq(uri_unescape(S("abcde"), buffer, 4), -ENOBUFS);
	cr_assert_eq(uri_unescape(S("%4"), buffer, 4), -EINVAL);
	cr_assert_eq(uri_unescape(S("%"), buffer, 4), -EINVAL);
	cr_assert_eq(uri_unescape(S("%00"), buffer, 4), -EINVAL);
	cr_assert_eq(uri_unescape(S("a%00b"), buffer, 4), -EINVAL);
	cr_assert_eq(uri_unescape(((struct str){"a\0b", 3}), buffer, 4), -EINVAL);
}

/* The examples of RFC 3261 section 19.1.4. */
Test(uri, equality)
{
	static const char *const same[][2] = {
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
			"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
			"sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
		{"urn:a", "urn:a"},
		{"sip:%00@b", "sip:%00@b"},
		/* RFC 3966 section 4 */
		{"tel:+1-201-555-0123", "tel:+12015550123"},
		{"tel:+1(201)555.0123", "TEL:+1-2015550123-"},
		{"tel:7042;phone-context=Example.com", "tel:70-42;phone-context=example.com"},
		{"tel:863-1234;phone-context=+1-914-555", "tel:8631234;Phone-Context=+1914555"},
		{"tel:+1;ext=1-2;isub=a%41", "tel:+1;isub=aa;EXT=12"},
		{"tel:aF*#", "tel:Af-*#"},
	};
	static const char *const other[][2] = {
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
		{"sip:a@b", "sips:a@b"},
		{"sip:a@b", "sip:a:p@b"},
		{"sip:a%40@b", "sip:a%41@b"},
		{"sip:a%3B@b", "sip:a;@b"},
		{"sip:%00@b", "sip:%00%00@b"},
		{"sip:alice%00evil@b", "sip:alice@b"},
		{"tel:+12015550123", "tel:12015550123"},
		{"tel:+1", "tel:+12"},
		{"tel:+1;ext=1", "tel:+1"},
		{"tel:+1;ext=1", "tel:+1;ext=2"},
		{"tel:+1;x", "tel:+1;x=1"},
		{"tel:1;phone-context=a-b.example", "tel:1;phone-context=ab.example"},
		{"tel:+1", "sip:+1@b"},
	};

	for (size_t i = 0; i < COUNT(same); i++) {
		struct uri_parts a = uri(same[i][0]), b = uri(same[i][1]);

		cr_assert(uri_equal(&a, &b) && uri_equal(&b, &a), "%s", same[i][0]);
	}
	for (size_t i = 0; i < COUNT(other); i++) {
		struct uri_parts a = uri(other[i][0]), b = uri(other[i][1]);

		cr_assert(!uri_equal(&a, &b) && !uri_equal(&b, &a), "%s", other[i][0]);
	}
}

/* A parameter in one of two URIs only makes them differ where it is one of five (RFC 3261
 * section 19.1.4). */
Test(uri, parameters_that_must_match)
{
	static const struct {
		const char *param;
		bool same;
	} row[] = {{"transport=tcp", false}, {"user=phone", false}, {"ttl=1", false},
		{"method=INVITE", false}, {"maddr=192.0.2.1", false}, {"lr", true}, {"x", true},
		{"USER=phone", false}, {"u%73er=phone", false}, {"transports=tcp", true}};
	struct uri_parts plain = uri("sip:a@b");

	for (size_t i = 0; i < COUNT(row); i++) {
		char text[64];
		snprintf(text, sizeof(text), "sip:a@b;%s", row[i].param);
		struct uri_parts with = uri(text);
		cr_assert_eq(uri_equal(&plain, &with), row[i].same, "%s", text);
		cr_assert_eq(uri_equal(&with, &plain), row[i].same, "%s", text);
		cr_assert(uri_equal(&with, &with), "%s", text);
	}
}

Test(uri, parameters_and_headers_have_a_limit)
{
	struct uri_parts u;
	char params[1024] = "sip:a@b", headers[1024] = "sip:a@b?h=";

	for (unsigned i = 0; i < PARAMS_MAX; i++)
		strcat(params, ";p");
	for (unsigned i = 1; i < PARAMS_MAX; i++)
		strcat(headers, "&h=");
	cr_assert_eq(uri_parse(str_of(params), &u), 0);
	cr_assert_eq(uri_parse(str_of(headers), &u), 0);
	strcat(params, ";p");
	strcat(headers, "&h=");
	cr_assert_eq(uri_parse(str_of(params), &u), -E2BIG);
	cr_assert_eq(uri_parse(str_of(headers), &u), -E2BIG);
}

/* A refused URI leaves its reader's parts alone. */
Test(uri, nothing_is_written_where_it_is_refused)
{
	struct uri_parts u = {.port = 77};

	cr_assert_eq(uri_parse(S("sip:a@b:99999"), &u), -EINVAL);
	cr_assert_eq(u.port, 77);
	cr_assert_eq(u.user.n, 0);
}

/* The length counts, not what follows it: texts stand in a message. */
Test(uri, ends_where_its_text_ends)
{
	char *exact = malloc(7);

	cr_assert_not_null(exact);
	memcpy(exact, "sip:a@b", 7);
	for (size_t n = 0; n <= 7; n++) {
		struct uri_parts u;
		int error = uri_parse((struct str){exact, n}, &u);

		/* "sip:a" names a host */
		cr_assert_eq(error == 0, n == 7 || n == 5, "%zu", n);
	}
	free(exact);
}

Test(uri, parts_of_a_message_s_uri)
{
	static const char text[] = "sip:alice:pw@h:5070;x=1?y=2";
	union {
		struct message m;
		char bytes[sizeof(struct message) + sizeof(text)];
	} block;
	memset(&block, 0, sizeof(block));
	memcpy(block.bytes + sizeof(struct message), text, sizeof(text));
	struct uri spans = {.whole = {0, sizeof(text) - 1},
		.user = {4, 5},
		.host = {13, 1},
		.params = {20, 3},
		.headers = {24, 3},
		.port = 5070,
		.scheme = URI_SIP};
	struct uri_parts u = uri_of(&block.m, &spans), parsed = uri(text);

	EQ(u.user, "alice");
	EQ(u.password, "pw"); /* which the block does not name */
	EQ(u.host, "h");
	EQ(u.params, "x=1");
	EQ(u.headers, "y=2");
	cr_assert(uri_equal(&u, &parsed));
}

Test(uri, a_port_is_taken_whole)
{
	static const struct {
		const char *text;
		uint16_t port;
		const char *rest;
	} row[] = {{"5060", 5060, ""}, {"65535;x", 65535, ";x"}, {"1 ", 1, " "},
		{"00005060", 5060, ""}};
	static const char *const bad[] = {
		"", "x", "0", "65536", "-1", " 1", "99999999999999999999"};
	struct str rest;
	uint16_t port = 7;

	for (size_t i = 0; i < COUNT(row); i++) {
		rest = str_of(row[i].text);
		cr_assert_eq(port_take(&rest, &port), 0, "%s", row[i].text);
		cr_assert_eq(port, row[i].port);
		EQ(rest, row[i].rest);
	}
	port = 7;
	for (size_t i = 0; i < COUNT(bad); i++) {
		rest = str_of(bad[i]);
		cr_assert_eq(port_take(&rest, &port), -EINVAL, "%s", bad[i]);
		EQ(rest, bad[i]);
		cr_assert_eq(port, 7);
	}
}

Test(uri, a_contact_may_say_more)
{
	static const struct {
		const char *text, *user, *host;
	} good[] = {
		{"sip:*21#@10.0.0.1", "*21#", "10.0.0.1"},
		{"sip:#@a", "#", "a"},
		{"sips:##%41#@a:5061;x", "##%41#", "a"},
		{"sip:a#b:secret@a", "a#b", "a"},
		{"sip:a@b:0", "a", "b"},
		{"sip:a@[::1]:000;transport=tcp", "a", "[::1]"},
		{"sip:a@b:0?x=y", "a", "b"},
		{"sip:b:0", "", "b"},
		{"tel:*#;phone-context=b", "*#", ""},
	};
	static const char *const bad[] = {"sip:a@b#c", "sip:#", "sip:a@b:", "sip:a@b:0x",
		"sip:a@b:00 ", "sip:a#%4@b", "sip:a:#@b", "sip:a@b:65536", "sip:a@b;x=#", "sip:@b",
		"sip:a#@"};
	struct uri_parts u;

	for (size_t i = 0; i < COUNT(good); i++) {
		cr_assert_eq(uri_parse_contact(str_of(good[i].text), &u), 0, "%s", good[i].text);
		EQ(u.user, good[i].user);
		EQ(u.host, good[i].host);
		if (u.scheme != URI_TEL)
			cr_assert_eq(
				uri_parse(str_of(good[i].text), &u), -EINVAL, "%s", good[i].text);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		cr_assert_eq(uri_parse_contact(str_of(bad[i]), &u), -EINVAL, "%s", bad[i]);
	cr_assert_eq(uri_parse_contact(S("sip:a@b:5061"), &u), 0);
	cr_assert_eq(u.port, 5061);
	cr_assert_eq(uri_parse_contact(S("sip:a@b:05060"), &u), 0, "a zero before a port is none");
	cr_assert_eq(u.port, 5060);
}
