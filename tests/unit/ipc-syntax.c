/* ipc-syntax.c - the grammar of header values: URIs, hosts, addresses, parameters, lists,
 * via-parms, canonical addresses of record. */
#include "ipc/syntax.h"

#include <criterion/criterion.h>
#include <errno.h>

#define EQ(s, z) cr_assert(str_equal((s), str_of(z)), "got '%.*s', expected '%s'", STR(s), z)
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct uri_parts uri(const char *text)
{
	struct uri_parts u;

	cr_assert_eq(uri_parse(str_of(text), &u), 0, "%s", text);
	return u;
}

Test(syntax, uri_parts)
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

Test(syntax, uri_refused)
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

Test(syntax, hosts)
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

Test(syntax, addresses)
{
	struct str rest = S(
		" \"A, \\\"B\" <sip:a@b;x=y> ; p = \"q;,\" ;r , sip:c@d;tag=1,\r\n e f<tel:+1>");
	struct address a;

	cr_assert_eq(address_next(&rest, &a), 0);
	EQ(a.display, "\"A, \\\"B\"");
	EQ(a.uri.whole, "sip:a@b;x=y");
	EQ(a.params, "p = \"q;,\" ;r");
	EQ(a.whole, "\"A, \\\"B\" <sip:a@b;x=y> ; p = \"q;,\" ;r");
	cr_assert(a.bracketed);
	cr_assert_eq(address_next(&rest, &a), 0);
	cr_assert_not(a.bracketed);
	EQ(a.uri.whole, "sip:c@d");
	EQ(a.params, "tag=1");
	cr_assert_eq(a.display.n, 0);
	cr_assert_eq(address_next(&rest, &a), 0);
	EQ(a.display, "e f");
	EQ(a.whole, "e f<tel:+1>");
	cr_assert_eq(a.params.n, 0);
	cr_assert_eq(address_next(&rest, &a), -ENOENT);

	static const char *const bad[] = {"<sip:a@b>,", ",<sip:a@b>", "<sip:a@b> <sip:c@d>",
		"<sip:a@b", "\"a <sip:a@b>", "\"a\"", "\"a\\", "< sip:a@b>", "<sip:a@b >",
		"sip:a@b?c=d", "a, b <sip:a@b>", "<sip:a@b>;", "<sip:a@b>;x=", "<sip:a@b>;x=\"y",
		"<sip:a@b>;x y", "<sip:a@b>;x=[::1", "<sip:a@b>;x=a:b", "a@b <sip:a@b>", "*"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		rest = str_of(bad[i]);
		int error = address_next(&rest, &a);
		cr_assert(error < 0 && error != -ENOENT, "%s: %d", bad[i], error);
	}
}

Test(syntax, params)
{
	struct str rest = S("a=b; c ;d=\"x;\\\"y\";e=[::1];f=%41/:"), name, value;

	cr_assert_eq(param_next(&rest, &name, &value), 0);
	EQ(name, "a");
	EQ(value, "b");
	cr_assert_eq(param_next(&rest, &name, &value), 0);
	EQ(name, "c");
	cr_assert_null(value.p);
	cr_assert_eq(param_next(&rest, &name, &value), 0);
	EQ(value, "\"x;\\\"y\"");
	cr_assert_eq(param_next(&rest, &name, &value), 0);
	EQ(value, "[::1]");
	cr_assert_eq(param_next(&rest, &name, &value), 0);
	EQ(value, "%41/:");
	cr_assert_eq(param_next(&rest, &name, &value), -ENOENT);
	cr_assert_eq(param_next(&(struct str){"a;", 2}, &name, &value), -EINVAL);
	cr_assert_eq(param_next(&(struct str){";a", 2}, &name, &value), -EINVAL);
	cr_assert_eq(param_next(&(struct str){"a=", 2}, &name, &value), -EINVAL);
	cr_assert_eq(param_next(&STR_NONE, &name, &value), -ENOENT);
	cr_assert(param_find(S("x=1;TAG=2"), S("tag"), &value));
	EQ(value, "2");
	cr_assert(param_find(S("lr"), S("LR"), &value));
	cr_assert_not(param_find(S("lrx"), S("lr"), &value));
}

Test(syntax, lists)
{
	struct str rest = S(" a , b,\r\n c"), item;

	cr_assert_eq(list_next(&rest, &item), 0);
	EQ(item, "a");
	cr_assert_eq(list_next(&rest, &item), 0);
	EQ(item, "b");
	cr_assert_eq(list_next(&rest, &item), 0);
	EQ(item, "c");
	cr_assert_eq(list_next(&rest, &item), -ENOENT);
	cr_assert_eq(list_next(&(struct str){",a", 2}, &item), -EINVAL);
	cr_assert_eq(list_next(&(struct str){"a,", 2}, &item), -EINVAL);
	cr_assert(list_has(S("timer, 100REL"), S("100rel")));
	cr_assert_not(list_has(S("timer, 100relx"), S("100rel")));
}

Test(syntax, auth_params)
{
	struct str rest = S("username=\"a\\\",b\" , nc=00000001,qop=auth"), name, value;

	cr_assert_eq(auth_param_next(&rest, &name, &value), 0);
	EQ(name, "username");
	EQ(value, "a\\\",b");
	cr_assert_eq(auth_param_next(&rest, &name, &value), 0);
	EQ(value, "00000001");
	cr_assert_eq(auth_param_next(&rest, &name, &value), 0);
	EQ(value, "auth");
	cr_assert_eq(auth_param_next(&rest, &name, &value), -ENOENT);
	static const char *const bad[] = {
		"a", "a=", "=b", "a=\"b", "a=b c=d", "a=b,", ",a=b", "a=b\"c\""};
	for (size_t i = 0; i < COUNT(bad); i++) {
		rest = str_of(bad[i]);
		cr_assert_eq(auth_param_next(&rest, &name, &value), -EINVAL, "%s", bad[i]);
	}
	rest = S("a=\"\"");
	cr_assert_eq(auth_param_next(&rest, &name, &value), 0);
	cr_assert_eq(value.n, 0);
}

Test(syntax, vias)
{
	struct str rest = S("SIP / 2.0\r\n / UDP a.example:5060 ; rport;branch = z9hG4bKx, "
			    "SIP/2.0/TLS [::1];received=1.2.3.4;rport=5;alias");
	struct via v;

	cr_assert_eq(via_next(&rest, &v), 0);
	EQ(v.transport, "UDP");
	EQ(v.host, "a.example");
	cr_assert_eq(v.port, 5060);
	cr_assert(v.rport);
	EQ(v.branch, "z9hG4bKx");
	EQ(v.params, "; rport;branch = z9hG4bKx");
	cr_assert_eq(via_next(&rest, &v), 0);
	EQ(v.host, "[::1]");
	cr_assert_not(v.rport, "rport with a value is a sender's claim");
	cr_assert_eq(v.branch.n, 0);
	EQ(v.whole, "SIP/2.0/TLS [::1];received=1.2.3.4;rport=5;alias");
	cr_assert_eq(via_next(&rest, &v), -ENOENT);
	rest = S("SIP/7.0/UDP a");
	cr_assert_eq(via_next(&rest, &v), -EPROTONOSUPPORT);
	EQ(v.host, "a");
	rest = S("SIP/2.0/UDPa");
	cr_assert_eq(via_next(&rest, &v), -EINVAL);
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

Test(syntax, address_of_record)
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

Test(syntax, unescape)
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
Test(syntax, equality)
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

Test(syntax, front_of_a_via)
{
	struct via v;

	cr_assert_eq(via_front(S(" SIP / 2.0 / UDP [::1] : 5070 ;;x, y "), &v), 0);
	EQ(v.host, "[::1]");
	cr_assert_eq(v.port, 5070);
	EQ(v.transport, "UDP");
	EQ(v.params, ";;x, y");
	EQ(v.whole, "SIP / 2.0 / UDP [::1] : 5070 ;;x, y");
	cr_assert_eq(via_front(S("SIP/2.0/UDP a"), &v), 0);
	cr_assert_eq(v.params.n, 0);
	static const char *const bad[] = {"", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0/UDP ;a",
		"SIP/2.0 a", "SIP/2.0/UDP a:0", "SIP/2.0/UDP a:"};
	for (size_t i = 0; i < COUNT(bad); i++)
		cr_assert_eq(via_front(str_of(bad[i]), &v), -EINVAL, "%s", bad[i]);
}

Test(syntax, control_bytes)
{
#define QUOTED(text) controls_quoted((struct str){text, sizeof(text) - 1})
	cr_assert(QUOTED(""));
	cr_assert(QUOTED("a\r\n\tb"));
	cr_assert(QUOTED("\"\\\0\\\x01\\\x7f\\\"\\\0\" x \"\\\0\""));
	cr_assert_not(QUOTED("\0"));
	cr_assert_not(QUOTED("\\\0"));
	cr_assert_not(QUOTED("\"\0\""));
	cr_assert_not(QUOTED("\"\\\\\0\""));
	cr_assert_not(QUOTED("\"\\\0"));
	cr_assert_not(QUOTED("\"\" \\\0"));
	cr_assert_not(QUOTED("\x7f"));
}
