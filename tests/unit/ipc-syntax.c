/* ipc-syntax.c - the grammar of header values: addresses, parameters, lists, via-parms. URIs have
 * their own tests. */
#include "ipc/syntax.h"

#include <criterion/criterion.h>
#include <errno.h>

#define EQ(s, z) cr_assert(str_equal((s), str_of(z)), "got '%.*s', expected '%s'", STR(s), z)
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

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

	static const char *const bad[] = {"<sip:a@b> <sip:c@d>", "<sip:a@b", "\"a <sip:a@b>",
		"\"a\"", "\"a\\", "< sip:a@b>", "<sip:a@b >", "sip:a@b?c=d", "a, b <sip:a@b>",
		"<sip:a@b>;", "<sip:a@b>;x=", "<sip:a@b>;x=\"y", "<sip:a@b>;x y",
		"<sip:a@b>;x=[::1", "<sip:a@b>;x=a:b", "a@b <sip:a@b>", "*"};
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
	cr_assert(list_has(S("timer, 100REL"), S("100rel")));
	cr_assert_not(list_has(S("timer, 100relx"), S("100rel")));
}

/* Empty elements are skipped, wherever they stand. */
Test(syntax, lists_with_empty_elements)
{
	static const char *const lists[] = {
		",a,b", "a,b,", "a,,b", " , a , ,\r\n , b ,, ", ",,a,,b,,", "a,b"};
	struct str rest, item, name, value;
	struct address address;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		rest = str_of(lists[i]);
		cr_assert_eq(list_next(&rest, &item), 0, "%s", lists[i]);
		cr_assert(str_equal(item, S("a")));
		cr_assert_eq(list_next(&rest, &item), 0, "%s", lists[i]);
		cr_assert(str_equal(item, S("b")));
		cr_assert_eq(list_next(&rest, &item), -ENOENT, "%s", lists[i]);
		cr_assert_eq(list_has_empty(str_of(lists[i])), i != 5, "%s", lists[i]);
	}
	rest = S(", ,");
	cr_assert_eq(list_next(&rest, &item), -ENOENT);
	rest = S(",<sip:a@b>,, \"x,,y\" <sip:c@d>;p=\",,\",");
	cr_assert_eq(address_next(&rest, &address), 0);
	cr_assert_eq(address_next(&rest, &address), 0);
	cr_assert(str_equal(address.whole, S("\"x,,y\" <sip:c@d>;p=\",,\"")));
	cr_assert_eq(address_next(&rest, &address), -ENOENT);
	rest = S("a=b,,c=\"d,,e\",");
	cr_assert_eq(auth_param_next(&rest, &name, &value), 0);
	cr_assert_eq(auth_param_next(&rest, &name, &value), 0);
	cr_assert(str_equal(value, S("d,,e")));
	cr_assert_eq(auth_param_next(&rest, &name, &value), -ENOENT);
	/* commas in quoted strings and brackets separate nothing */
	cr_assert_not(list_has_empty(S("\"a,,\\\",b\", <x,,y>;p=\",\"")));
	cr_assert_not(list_has_empty(STR_EMPTY));
	cr_assert_not(list_has_empty(S("\"a,,")));
	cr_assert(list_has_empty(S("<a>,\"b\" , ")));
	bool closed;
	rest = S(" <x,y> ,,\"z,\",");
	cr_assert(list_element_next(&rest, &item, &closed) && closed);
	cr_assert(str_equal(item, S("<x,y>")));
	cr_assert(list_element_next(&rest, &item, &closed) && closed);
	cr_assert(str_equal(item, S("\"z,\"")));
	cr_assert_not(list_element_next(&rest, &item, &closed));
	const struct str unclosed[] = {S("<b, c"), S("\"a, b"), S("\"b\\\", c")};
	for (size_t i = 0; i < COUNT(unclosed); i++) {
		rest = unclosed[i];
		cr_assert(list_element_next(&rest, &item, &closed) && !closed);
		cr_assert_eq(rest.n, 0);
	}
	rest = S("\"<a\", <x\">;p=\"\\\"\"");
	cr_assert(list_element_next(&rest, &item, &closed) && closed);
	cr_assert(list_element_next(&rest, &item, &closed) && closed);
	/* a way back has none */
	struct via via;
	rest = S("SIP/2.0/UDP a,");
	cr_assert_eq(via_next(&rest, &via), -EINVAL);
	rest = S(",SIP/2.0/UDP a");
	cr_assert_eq(via_next(&rest, &via), -EINVAL);
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
	static const char *const bad[] = {"a", "a=", "=b", "a=\"b", "a=b c=d", "a=b\"c\""};
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
