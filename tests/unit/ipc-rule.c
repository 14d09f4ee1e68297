/* ipc-rule.c - rules about numbers and headers as they are written, and what is wrong with them. */
#include "ipc/names.h"
#include "ipc/rule.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static void made(const char *rule, const char *text, const char *wanted)
{
	struct pattern_matcher *matcher;
	struct str group[PATTERN_GROUPS];
	struct rule_fault fault;
	struct rule r;
	char buffer[64];

	cr_assert_eq(rule_read(&r, str_of(rule), &fault), 0, "%s: %s", rule, fault.text);
	cr_assert_eq(pattern_matcher_new(&matcher), 0);
	cr_assert_eq(pattern_match_groups(r.pattern, matcher, str_of(text), group), 1, "%s", rule);
	long n = rule_expand(&r, group, buffer, sizeof(buffer));
	cr_expect(str_equal((struct str){buffer, (size_t)n}, str_of(wanted)), "%s: %.*s", rule,
		(int)n, buffer);
	cr_expect_eq(rule_expand(&r, group, buffer, (size_t)n - 1), -ENOBUFS);
	rule_clear(&r);
	pattern_matcher_free(matcher);
}

Test(rule, puts_groups_into_a_replacement)
{
	made("request-uri user ^0(\\d+)$ +49$1", "0301234", "+49301234");
	made("from user '^(\\d)(\\d)' \"$2$1 $0 $$\"", "12", "21 12 $");
	made("TO Display (x)?(.)  '<$1$2>'", "y", "<y>");
}

static void header(const char *text, unsigned kind, const char *name, const char *value)
{
	struct rule_fault fault;
	struct rule r;

	cr_assert_eq(rule_read(&r, str_of(text), &fault), 0, "%s: %s", text, fault.text);
	cr_expect_eq(r.kind, kind, "%s", text);
	cr_expect(str_equal(r.name, str_of(name)), "%s", text);
	cr_expect(str_equal(r.value, str_of(value)), "%s", text);
	rule_clear(&r);
}

Test(rule, names_a_header)
{
	header("header set X-Customer '4711 a'", RULE_SET, "X-Customer", "4711 a");
	header("header  add\tX-A b", RULE_ADD, "X-A", "b");
	header("header remove s", RULE_REMOVE, "s", "");
	header("header set P-Asserted-Identity '\"A\" <sip:+49@x.example>'", RULE_SET,
		"P-Asserted-Identity", "\"A\" <sip:+49@x.example>");
}

static void wrong(const char *text, const char *said)
{
	struct rule_fault fault;
	struct rule r;

	cr_assert_eq(rule_read(&r, str_of(text), &fault), -EINVAL, "%s", text);
	cr_expect(strstr(fault.text, said), "%s: %s", text, fault.text);
}

Test(rule, says_what_it_is_for)
{
	static const struct {
		const char *text;
		unsigned where;
	} rows[] = {
		{"header remove X-A", RULE_IN_REQUEST},
		{"from user a b", RULE_IN_REQUEST},
		{"in request from user a b", RULE_IN_REQUEST},
		{"in response header remove X-A", RULE_IN_RESPONSE},
		{" IN  Dialog\theader set X-A b", RULE_IN_DIALOG},
		{"in request,dialog,response header add X-A b",
			RULE_IN_REQUEST | RULE_IN_DIALOG | RULE_IN_RESPONSE},
		{"out response header remove Server", RULE_OUT_RESPONSE},
		{"out dialog,response header remove X-A", RULE_OUT_DIALOG | RULE_OUT_RESPONSE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rule_fault fault;
		struct rule r;

		cr_assert_eq(rule_read(&r, str_of(rows[i].text), &fault), 0, "%s: %s", rows[i].text,
			fault.text);
		cr_expect_eq(r.where, rows[i].where, "%s", rows[i].text);
		rule_clear(&r);
	}
}

Test(rule, says_what_is_wrong)
{
	wrong("in", "\"request\", \"dialog\" or");
	wrong("in answer header remove X-A", "\"request\", \"dialog\" or");
	wrong("in response, header remove X-A", "\"request\", \"dialog\" or");
	wrong("in ,response header remove X-A", "\"request\", \"dialog\" or");
	wrong("out request header remove X-A", "\"dialog\" or \"response\"");
	wrong("out header remove X-A", "\"dialog\" or \"response\"");
	wrong("in dialog from user a b", "numbers and names stay");
	wrong("in request,response from user a b", "numbers and names stay");
	wrong("in response", "\"set\", \"add\" or \"remove\"");
	wrong("in response header remove RSeq", "RSeq is not for rules");
	wrong("out dialog header set Contact <sip:a@b>", "Contact is not for rules");
	wrong("", "1 to");
	wrong("request-uri host a b", "request-uri user");
	wrong("request-uri", "request-uri user");
	wrong("from user ^0", "PATTERN REPLACEMENT");
	wrong("from user a b c", "more words");
	wrong("from user 'a b", "quote");
	wrong("from user 'a'b c", "quote");
	wrong("from user '' c", "regular expression");
	wrong("from user ( c", "offset 1");
	wrong("from user a $1", "0 groups");
	wrong("from user (a) $2", "1 groups");
	wrong("from user a b$", "$$");
	wrong("from user a $x", "$$");
	wrong("from user a 'b\rc'", "control");
	wrong("from display a \xff", "UTF-8");
	wrong("header", "header");
	wrong("header change X-A b", "header set NAME VALUE");
	wrong("header set X-A", "header set NAME VALUE");
	wrong("header remove X-A b", "header remove NAME");
	wrong("header set X:A b", "name of a header");
	wrong("header set X-A 'a\r\nVia: b'", "control");
	wrong("header set X-A ''", "1 to");
	wrong("header set X-A \xff", "UTF-8");
	wrong("header set P-Asserted-Identity 4711", "addresses");
}

Test(rule, keeps_off_what_is_ours)
{
	static const char *const ours[] = {"Via", "v", "From", "To", "Call-ID", "i", "CSeq",
		"Contact", "m", "Max-Forwards", "Content-Length", "l", "Content-Type", "Route",
		"Record-Route", "Require", "Supported", "Authorization", "Proxy-Authorization",
		"WWW-Authenticate", "Replaces", "RAck", "Event", "Refer-To", "Path", "Warning"};
	static const char *const free[] = {"Subject", "User-Agent", "P-Asserted-Identity",
		"Diversion", "Privacy", "X-Whatever", "P-Charging-Vector", "Alert-Info"};
	char text[128];

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		snprintf(text, sizeof(text), "header remove %s", ours[i]);
		wrong(text, "not for rules");
		cr_expect_not(rule_may_change(header_of(str_of(ours[i]))));
	}
	for (size_t i = 0; i < sizeof(free) / sizeof(*free); i++)
		cr_expect(rule_may_change(header_of(str_of(free[i]))), "%s", free[i]);
}
