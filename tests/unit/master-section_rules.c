/* master-section_rules.c - rules of zones, routes and trunks: what is read, and what is refused. */
#include "master-config.h"

#include "ipc/rule.h"

TestSuite(config, .init = setup, .fini = teardown);

/* A rule that is written in zone, route or trunk. */
Test(config, rules)
{
	load(SANE "route x { from = access action = refuse rules = { 'request-uri user "
		  "^0(\\d+)$ +49$1',\n'header remove Subject' } }");
	cr_assert_eq(c->route_count, 3);
	cr_expect_eq(c->routes[2].rules.count, 2);
	cr_expect_str_eq(c->routes[2].rules.rule[0].text, "request-uri user ^0(\\d+)$ +49$1");
	cr_expect_eq(c->routes[2].rules.rule[1].line, 7);
	refused(SANE "route x { from = access action = refuse\nrules = { 'header set Via x' } }", 7,
		"rules: \"header set Via x\"|Via is not for rules");
	refused(SANE "zone x { trust = no\n\nrules = { 'from user ^0 $1' } }", 8,
		"zone \"x\": rules: |$1");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1:5070\"\nrules = { \"from "
		     "user\" } }",
		7, "expected \"from user PATTERN REPLACEMENT\"");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1:5070\"\nrules = { 'header "
		     "set X-A \"a\001b\"' } }",
		7, "control character");
}

/* A text of that many pieces of text, as the rules of one trunk. */
static char *rules_of(const char *text, unsigned count)
{
	static char config[65536];
	size_t n = (size_t)snprintf(config, sizeof(config), "%s%s", SANE,
		"trunk x { zone = core target = \"sip:127.0.0.1:5070\"\nrules = { ");

	for (unsigned i = 0; i < count; i++)
		n += (size_t)snprintf(config + n, sizeof(config) - n, "%s'%s'%s", i ? ",\n" : "",
			text, i + 1 < count ? "" : " } }");
	return config;
}

/* What follows a request has rules of zones alone, and a zone's have half of the room. */
Test(config, rules_for_what_follows)
{
	static char text[4096];
	char value[RULE_PART_MAX + 1] = "";
	size_t n = 0;

	load(SANE "zone x { trust = no rules = { 'in response header remove Server', "
		  "'out dialog,response header set X-A b' } }");
	refused(SANE
		"trunk x { zone = core target = \"sip:127.0.0.1:5070\"\nrules = { 'in response "
		"header remove Server' } }",
		7, "trunk \"x\": rules: |zones alone|\"out\"");
	refused(SANE "route x { from = access action = refuse\nrules = { 'out dialog header remove "
		     "X-A' } }",
		7, "route \"x\": rules: |zones alone");
	refused(SANE "zone x { trust = no\nrules = { 'in dialog to user a b' } }", 7,
		"zone \"x\": rules: |numbers and names stay");
	memset(value, 'v', RULE_PART_MAX);
	n = (size_t)snprintf(text, sizeof(text), "%szone x { trust = no rules = { ", SANE);
	for (unsigned i = 0; i < 4; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"%s'in response header set X-%u %s'", i ? ",\n" : "", i, value);
	snprintf(text + n, sizeof(text) - n, " } }");
	refused(text, 9, "rules: |responses|2048");
}

/* What such rules add or remove never fits into a request (RULES_ADDED_MAX, RULES_REMOVED_MAX). */
Test(config, rules_that_never_fit)
{
	char text[600];
	int n = snprintf(text, sizeof(text), "header add X-A %0500d", 0);

	/* 4096 bytes are 8 lines of 507 bytes */
	cr_assert_lt(n, (int)sizeof(text));
	load(rules_of(text, 8));
	refused(rules_of(text, 9), 15, "rules: |4096");
	/* what a rule sets takes the place of what was set before */
	memcpy(text, "header set", 10);
	load(rules_of(text, 9));
	/* 1024 bytes are 15 names of 64 bytes, with two before each */
	snprintf(text, sizeof(text), "header remove X%063d", 0);
	load(rules_of(text, 15));
	refused(rules_of(text, 16), 22, "rules: |1024");
}
