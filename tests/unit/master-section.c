/* the sections with a title: what they mean together, and what is refused. */
#include "master-config.h"

#include "ipc/rule.h"

TestSuite(config, .init = setup, .fini = teardown);

Test(config, references)
{
	refused(ZONES "listener x { bind = \"udp:127.0.0.1:1\" zone = acess }", 2,
		"zone: there is no zone \"acess\": did you mean \"access\"?");
	refused(SANE "route x { from = { nowhere } action = refuse }", 6,
		"from: there is no zone \"nowhere\"");
	refused(SANE "route x { from = access to-domain = example.nte action = registered }", 6,
		"to-domain|did you mean \"example.net\"?");
	refused(SANE "route x { from = access action = trunk trunk = { pxb } }", 6,
		"there is no trunk \"pxb\": did you mean \"pbx\"?");
	refused(SANE "route x { from = access action = trunk }", 6, "trunk is missing");
	refused(SANE "route x { from = access action = refuse trunk = pbx }", 6,
		"only action = \"trunk\" has trunks");
	refused(SANE "route x { from = access action = registered status = 404 }", 6,
		"only action = \"refuse\"");
	refused(SANE "route x { from = access action = refuse\nredirect = pass }", 7,
		"redirect: action = \"refuse\" leads to nobody");
	refused(SANE "route x { from = access action = refuse status = 302 }", 6,
		"status: expected a number from 400 to 699");
	refused(SANE "route x { action = refuse }", 6, "from is missing");
	refused(SANE "route x { from = access events = \"a b\" action = refuse }", 6,
		"events: expected the name of an event package");
	refused(SANE "route x { from = access }", 6, "action is missing");
	refused(SANE "route x { from = access number = \"^(0\" action = refuse }", 6,
		"number: expected a regular expression|\"^(0\"|missing closing parenthesis, at "
		"offset 3");
	refused(SANE "route x { from = access number = \"^[0-9]****$\" action = refuse }", 6,
		"quantifier does not follow a repeatable item, at offset 7, before \"***$\"");
	refused(SANE "route x { from = access number = \"[0-9\" action = refuse }", 6,
		"number: expected a regular expression|\"[0-9\"|at offset 4");
	load(SANE "route x { from = access number = \"^\\\\d{3,5}\\\\s?\\\\w$\" action = refuse }");
	refused(ZONES LISTENERS "route x { from = access action = registered }", 3,
		"needs a domain");
	refused(SANE "trunk x { zone = nowhere target = \"sip:127.0.0.1\" }", 6,
		"there is no zone \"nowhere\"");
	refused(SANE "listener t { bind = \"tls:127.0.0.1:6000\" zone = access certificate = c }",
		6, "certificate: there is no certificate \"c\", nor any other");
}

#define FORWARD(options) SANE "forward \"bob@Example.NET\" { " options " }"

Test(config, forwards)
{
	load(FORWARD("busy = carol no-answer = \"+4930123\" no-answer-after = 12s"));
	cr_assert_eq(c->forward_count, 1);
	cr_expect_str_eq(c->forwards[0].user, "bob");
	cr_expect_str_eq(c->forwards[0].domain, "example.net");
	cr_expect_str_eq(c->forwards[0].busy, "carol");
	cr_expect_str_eq(c->forwards[0].no_answer, "+4930123");
	cr_expect_eq(c->forwards[0].no_answer_ms, 12000);
	cr_expect_str_eq(c->forwards[0].always, "");
	cr_expect(warned(":6: warning: forward \"bob@Example.NET\": there is no such user"));
	load(SANE "forward \"alice@example.net\" { busy = carol }");
	cr_expect(!warned("there is no such user"));
	refused(FORWARD(""), 6, "expected always, busy, no-answer or away");
	refused(FORWARD("busy = \"http://example.net/\""), 6,
		"busy: expected a user or a number, or a URI");
	refused(FORWARD("away = carol no-answer-after = 1s"), 6, "no-answer-after: expected");
	refused(SANE "forward bob { busy = carol }", 6, "expected NAME@DOMAIN");
	refused(SANE "forward \"bob@example.org\" { busy = carol }", 6,
		"expected NAME@DOMAIN with a domain of this config");
	refused(FORWARD("busy = bob"), 6, "busy: \"bob\" is this user himself");
	refused(FORWARD("away = \"sip:bob@example.net\""), 6, "is this user himself");
	refused(FORWARD("busy = \"sip:\""), 6, "busy: expected a user or a number");
	refused(FORWARD("busy = carol no-answer-after = 12s"), 6,
		"no-answer-after goes with no-answer, which is missing");
	refused(FORWARD("busy = carol") "\nforward \"bob@example.net\" { away = carol }", 7,
		"the forwards of this user stand at line 6 already");
}

Test(config, codes_of_a_domain)
{
#define CODES(codes) ZONES LISTENERS "domain example.net { users = users " codes " }"
	load(CODES("code-always = \"*21\" code-busy = \"*67\""));
	cr_expect_str_eq(c->domains[0].code_always, "*21");
	cr_expect_str_eq(c->domains[0].code_away, "");
	refused(CODES("code-always = \"21\""), 3, "code-always: expected a star and digits");
	refused(CODES("code-busy = \"*\""), 3, "code-busy: expected a star and digits");
	refused(CODES("code-busy = \"*6a\""), 3, "code-busy: expected a star and digits");
	refused(CODES("code-always = \"*21\" code-away = \"*21\""), 3,
		"code-away: it is code-always already");
}

Test(config, redirect_of_a_route)
{
	load(SANE "route x { from = access action = registered redirect = pass }");
	cr_expect_eq(c->routes[2].redirect, REDIRECT_PASS);
	cr_expect_eq(c->routes[0].redirect, REDIRECT_AUTO);
	refused(SANE "route x { from = access action = registered redirect = maybe }", 6,
		"redirect: expected|follow");
}

Test(config, times_of_subscriptions)
{
	load(SANE "limits { subscription-expires = 1h subscription-expires-least = 60s }");
	load(SANE "limits { subscription-expires = off subscription-expires-least = 1h }");
	refused(SANE "limits { subscription-expires = 10m\nsubscription-expires-least = 11m }", 7,
		"subscription-expires-least must not be longer than subscription-expires|600s");
	refused(SANE "limits { subscription-expires-least = 2h }", 6, "subscription-expires-least");
	refused(SANE "limits {\nsubscription-expires = 31d }", 7, "subscription-expires");
}

/* Minutes are of numbers, and there is nothing to end without a limit. */
Test(config, minutes_of_a_list)
{
	load(SANE "numbers x { from = access permit = '^00' minutes-per-day-per-user = 30 "
		  "minutes-per-day = 600 minutes-end-calls = yes }");
	refused(SANE "numbers x { from = access block = '^00' minutes-per-day = 600 }", 6,
		"minutes-per-day: expected permit");
	refused(SANE "numbers x { from = access permit = '^00' minutes-end-calls = yes }", 6,
		"minutes-end-calls: expected minutes-per-day");
	refused(SANE "numbers x { from = access permit = '^00'\nminutes-per-day = 0 }", 7,
		"minutes-per-day");
}

/* Networks that a zone does not hear. */
Test(config, denied_sources)
{
	load(SANE "zone x { trust = no deny = { \"203.0.113.0/24\", \"2001:db8::/32\" } }");
	cr_expect_eq(c->zones[c->zone_count - 1].deny_count, 2);
	cr_expect(!warned("denies every address"));
	load(SANE "zone x { trust = no deny = \"0.0.0.0/0\" }");
	cr_expect(warned(":6: warning: zone \"x\" denies every address there is"));
	load(SANE "zone x { trust = yes sources = \"192.0.2.0/24\" deny = \"192.0.2.9\" }");
	refused(SANE "zone x { trust = no\ndeny = { \"203.0.113.0/33\" } }", 7,
		"deny|203.0.113.0/33");
	refused(SANE "zone x { trust = no\ndeny = { \"evil.example\" } }", 7, "deny|evil.example");
	refused(SANE "zone x { trust = yes sources = \"192.0.2.7\"\ndeny = { \"198.51.100.7\",\n"
		     "\"192.0.2.0/24\" } }",
		8, "zone \"x\": deny: \"192.0.2.0/24\" holds all of \"192.0.2.7\"|take one");
}

Test(config, listeners)
{
	refused(ZONES, 0, "there is no listener");
	refused(SANE "listener x { bind = \"udp:127.0.0.1:5060\" zone = access }", 6,
		"bind: the port is taken by listener \"udp\" (UDP 127.0.0.1:5060, line 2)");
	refused(SANE "listener x { bind = \"udp:0.0.0.0:5062\" zone = access advertise = h }", 6,
		"taken by listener \"core\"");
	load(SANE "listener x { bind = \"tcp:127.0.0.1:5060\" zone = access } listener y { bind = "
		  "\"udp:[::]:5060\" zone = access advertise = \"2001:db8::1\" }");
	refused(SANE "listener x { zone = access\nbind = \"udp:0.0.0.0:5070\" }", 7,
		"bind: \"udp:0.0.0.0:5070\" is every address|add advertise = \"HOST\"");
	refused(SANE "listener x { zone = access bind = \"udp:[::]:5070\" }", 6,
		"bind: \"udp:[::]:5070\" is every address|add advertise = \"HOST\"");
	refused(SANE "listener x { bind = \"udp:localhost:5070\" zone = access }", 6,
		"numeric address");
	refused(SANE "listener x { bind = \"127.0.0.1:5070\" zone = access }", 6,
		"TRANSPORT:ADDRESS:PORT");
	refused(SANE "listener x { bind = \"udp:127.0.0.1:0\" zone = access }", 6,
		"bind: expected");
	refused(SANE "listener x { bind = \"udp:127.0.0.1:70000\" zone = access }", 6,
		"bind: expected");
	refused(SANE "listener x { bind = \"tls:127.0.0.1:5061\" zone = access certificate = m "
		     "}\ncertificate m { chain = m.pem key = m.key }",
		7, "m.pem\" cannot be read");
	refused(SANE "certificate m { chain = m.pem key = m.key }", 6, "m.key\" cannot be read");
	refused(SANE "listener x { bind = \"udp:127.0.0.1:5070\" }", 6, "zone is missing");
	refused(SANE
		"listener x { bind = \"udp:127.0.0.1:5070\" zone = access advertise = \"a b\" }",
		6, "advertise: expected");
	refused(SANE "listener x { bind = \"udp:127.0.0.1:5070\" zone = access advertise = "
		     "\"0.0.0.0\" }",
		6, "advertise: expected");
}

Test(config, tls_listeners)
{
	const struct config_listener *l;

	put_certificates();
	load(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = access certificate = n }");
	l = &c->listeners[2];
	cr_expect_eq(l->transport, TRANSPORT_TLS);
	cr_expect_eq(l->certificate_count, 1);
	cr_expect_eq(l->certificates[0], 1);
	cr_expect_eq(l->client_auth, CLIENT_AUTH_NONE);
	cr_expect_null(l->client_ca);
	cr_expect_str_eq(c->certificates[0].names[1], "*.example.org");
	load(TLS "listener t { bind = \"wss:127.0.0.1:5443\" zone = access certificate = { n, m } "
		 "client-auth = required client-ca = m.pem origins = { \"https://A.example\", "
		 "\"http://b:8080\", \"None\" } }\n"
		 "listener w { bind = \"ws:127.0.0.1:5080\" zone = access }\n"
		 "tls { tickets = yes trust = m.pem } limits { handshake-timeout = 3s handshakes = "
		 "7 handshakes-per-source = 2 }");
	l = &c->listeners[2];
	cr_expect_eq(l->certificate_count, 2);
	cr_expect_eq(l->certificates[0], 1);
	cr_expect_eq(l->certificates[1], 0);
	cr_expect_eq(l->client_auth, CLIENT_AUTH_REQUIRED);
	cr_expect(strstr(l->client_ca, "/m.pem") != NULL && l->client_ca[0] == '/');
	cr_expect_eq(l->origin_count, 3);
	cr_expect_str_eq(l->origins[0], "https://a.example");
	cr_expect_str_eq(l->origins[1], "http://b:8080");
	cr_expect_str_eq(l->origins[2], ORIGIN_NONE); /* RFC 6455 section 10.2 */
	cr_expect(c->tickets);
	cr_expect_eq(c->handshake_ms, 3000);
	cr_expect_eq(c->handshakes_max, 7);
	cr_expect_eq(c->handshakes_per_source, 2);
	cr_expect(strstr(c->trust, "/m.pem") != NULL);
}

Test(config, tls_defaults)
{
	load(SANE);
	cr_expect_not(c->tickets);
	cr_expect_eq(c->handshake_ms, 10000);
	cr_expect_gt(c->handshakes_max, 0);
	cr_expect_gt(c->handshakes_per_source, 0);
	cr_expect_str_eq(c->trust, "/etc/ssl/certs/ca-certificates.crt");
	cr_expect(c->trunks[0].verify);
	cr_expect_eq(c->trunks[0].certificate, NONE_INDEX);
	cr_expect_str_eq(c->trunks[0].tls_name, "");
}

Test(config, tls_listeners_that_cannot_be)
{
	put_certificates();
	refused(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = access }", 7,
		"certificate is missing");
	refused(TLS
		"listener t { bind = \"tls:127.0.0.1:5061\" zone = access certificate = { m, o } }",
		7, "there is no certificate \"o\"");
	refused(TLS "listener t { bind = \"tcp:127.0.0.1:5061\" zone = access certificate = m }", 7,
		"certificate: only listeners on tls: and wss:");
	refused(TLS
		"listener t { bind = \"tcp:127.0.0.1:5061\" zone = access client-auth = required }",
		7, "client-auth: only listeners on tls: and wss:");
	refused(TLS "listener t { bind = \"tcp:127.0.0.1:5061\" zone = access client-ca = m.pem }",
		7, "client-ca: only listeners on tls: and wss:");
	refused(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = access certificate = m "
		    "client-auth = optional }",
		7, "client-ca is missing");
	refused(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = access certificate = m "
		    "client-auth = maybe }",
		7, "client-auth: expected none, optional or required");
	refused(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = access certificate = m "
		    "client-auth = required client-ca = q.pem }",
		7, "client-ca|q.pem\" cannot be read");
	refused(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = access certificate = m "
		    "origins = \"https://a\" }",
		7, "origins: only listeners on ws: and wss:");
	refused(TLS "listener t { bind = \"ws:127.0.0.1:5061\" zone = access origins = "
		    "\"https://a/\" }",
		7, "origins: expected the origin of a web page");
	refused(TLS "listener t { bind = \"ws:127.0.0.1:5061\" zone = access origins = null }", 7,
		"origins: expected");
	refused(TLS
		"listener t { bind = \"ws:127.0.0.1:5061\" zone = access origins = \"a.example\" }",
		7, "origins: expected");
	refused(TLS "listener t { bind = \"ws:127.0.0.1:5061\" zone = access certificate = m }", 7,
		"certificate: only");
	refused(TLS "workers { tls = 0 }", 0, "only a TLS worker holds");
	refused(TLS "tls { tickets = maybe }", 7, "tickets: expected yes or no");
	refused(TLS "limits { handshake-timeout = 2h }", 7, "handshake-timeout: expected a time");
	refused(TLS "limits { handshakes = 0 }", 7, "handshakes: expected a number");
}

Test(config, plain_websocket)
{
	load(SANE "listener w { bind = \"ws:127.0.0.1:8080\" zone = access }");
	cr_expect(!warned("ws: is not encrypted"));
	load(SANE "listener w { bind = \"ws:192.0.2.1:8080\" zone = access }");
	cr_expect(warned(":6: warning: listener \"w\": ws: is not encrypted"));
}

Test(config, tls_trunks)
{
#define TLS_CORE                                                                                   \
	TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = core certificate = m } tls { "      \
	    "trust = m.pem }\n"
	const struct config_trunk *t;

	put_certificates();
	load(TLS_CORE "trunk x { zone = core target = { \"sip:127.0.0.2;transport=tls\", "
		      "\"sips:127.0.0.3\", \"sips:127.0.0.4:7;transport=tcp\" } certificate = n "
		      "tls-name = \"Carrier.example\" }");
	t = &c->trunks[1];
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(t->targets[i].transport, TRANSPORT_TLS);
	cr_expect_eq(t->targets[0].endpoint.port, 5061);
	cr_expect_eq(t->targets[1].endpoint.port, 5061);
	cr_expect_eq(t->targets[2].endpoint.port, 7);
	cr_expect_eq(t->targets[0].listener, 2);
	cr_expect_eq(t->certificate, 1);
	cr_expect(t->verify);
	cr_expect_str_eq(t->tls_name, "carrier.example");
	load(TLS_CORE "trunk x { zone = core target = \"sips:127.0.0.2\" verify = no }");
	cr_expect_not(c->trunks[1].verify);
	cr_expect(warned("verify = no"));
	refused(TLS_CORE "trunk x { zone = core target = \"sip:127.0.0.2\" verify = no }", 8,
		"verify: only trunks with a target over TLS");
	refused(TLS_CORE "trunk x { zone = core target = \"sip:127.0.0.2\" certificate = m }", 8,
		"certificate: only trunks");
	refused(TLS_CORE "trunk x { zone = core target = \"sips:127.0.0.2\" tls-name = \"a b\" }",
		8, "tls-name: expected");
	refused(TLS_CORE "trunk x { zone = core target = \"sips:127.0.0.2;transport=udp\" }", 8,
		"target: expected transport=udp");
	refused(TLS_CORE "trunk x { zone = core target = \"sip:127.0.0.2;transport=ws\" }", 8,
		"target: expected transport=udp");
	refused(TLS "trunk x { zone = core target = \"sips:127.0.0.2\" }", 7,
		"has no TLS listener");
	refused(TLS "listener t { bind = \"tls:127.0.0.1:5061\" zone = core certificate = m } tls "
		    "{ trust = none.pem } trunk x { zone = core target = \"sips:127.0.0.2\" }",
		7, "tls trust|none.pem\" cannot be read");
}

Test(config, zones)
{
	refused("zone core { trust = yes }\n", 1, "a trusted zone must name its sources");
	refused("zone core { auth = none }\n", 1, "trust is missing");
	refused("zone core { trust = yes ban = \"1 failures in 1s for 1s\" sources = 10.0.0.1 }\n",
		1, "never banned");
	refused("zone core { trust = yes sources = 10.0.0.1 never-ban = 10.0.0.1 }\n", 1,
		"the sources of a trusted zone are never banned");
	refused("zone access { trust = no\nnever-ban = { 10.0.0.1, 10.0.0.1/24 } }\n", 2,
		"never-ban: expected an address or a network without host bits");
	refused("limits {\nemergency = { 112, \"1a\" } }\n", 2,
		"emergency: expected a number of 2 to 32 digits, as in \"112\"|found \"1a\"");
	refused("limits {\nemergency = \"110=police\" }\n", 2,
		"emergency: expected a number of 2 to 32 digits|found \"110=police\"");
	refused("limits {\nemergency = { \"110=sos.police.\", \"110=\" } }\n", 2,
		"emergency: expected|found \"110=sos.police.\"");
	refused("limits {\nscanners = { sipp, off } }\n", 2,
		"scanners: expected words of 4 to 64 bytes, or \"off\", found \"off\"");
	refused("limits {\nnever-ban = office }\n", 2,
		"never-ban: expected an address or a network without host bits");
	refused("zone core { trust = no hosts = hide }\n", 1,
		"hosts: expected rewrite, drop or pass, found \"hide\"");
	refused("zone core { trust = no hidden-names = { \"a b\" } }\n", 1,
		"hidden-names: expected a host name or a domain");
	refused("zone core { trust = no hidden-names = { \"corp.example.\" } }\n", 1,
		"hidden-names: expected a host name or a domain");
	refused("zone core { trust = no auth = basic }\n", 1,
		"auth: expected none or digest, found \"basic\"");
}

Test(config, too_many_zones)
{
	static char text[ZONES_MAX * 64];
	size_t n = 0;

	for (int i = 0; i <= ZONES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "zone z%d { trust = no }\n", i);
	refused(text, ZONES_MAX + 1, "there are 65 zone sections; at most 64 are possible");
}

static const char *many(const char *head, const char *item, unsigned count, const char *tail)
{
	static char text[65536];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", head);

	for (unsigned i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "", item);
	snprintf(text + n, sizeof(text) - n, "%s", tail);
	return text;
}

Test(config, too_many_in_a_list)
{
	refused(many("limits {\nemergency = { ", "112", EMERGENCY_MAX + 1, " } }\n"), 2,
		"emergency: at most 64 are possible");
	refused(many("zone x { trust = no\nrules = { ", "'header remove X'", RULES_MAX + 1,
			" } }\n"),
		2, "zone \"x\": rules: at most 64 are possible");
}

Test(config, targets_that_share)
{
	const struct config_target *t;

	load(SANE
		"trunk x { zone = core balance = call-id target = { \"sip:127.0.0.2;priority=2\", "
		"\"sip:127.0.0.3;weight=10;transport=udp;priority=1\", \"sip:127.0.0.4\", "
		"\"sip:127.0.0.5;priority=1\" } }");
	t = c->trunks[1].targets;
	cr_expect_eq(c->trunks[1].balance, BALANCE_CALL_ID);
	cr_expect_str_eq(t[0].uri, "sip:127.0.0.4");
	cr_expect_str_eq(t[1].uri, "sip:127.0.0.3;weight=10;transport=udp;priority=1");
	cr_expect_str_eq(t[2].uri, "sip:127.0.0.5;priority=1");
	cr_expect_str_eq(t[3].uri, "sip:127.0.0.2;priority=2");
	cr_expect_eq(t[1].weight, 10);
	cr_expect_eq(t[2].weight, 1);
	cr_expect(t[1].explicit_transport);
	static const char *const bad[] = {"weight=0", "weight=65536", "weight=", "weight",
		"weight=x", "priority=-1", "priority=65536", "priority=1.5", "priority=100000",
		"lr", "maddr=1", "transport=", "=1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[2048];

		snprintf(text, sizeof(text),
			SANE "trunk x { zone = core target = \"sip:127.0.0.2;%s\" }", bad[i]);
		refused(text, 6, "target: expected");
	}
}

Test(config, failover)
{
	const uint64_t *bits;

	load(SANE);
	bits = c->trunks[0].failover;
	for (unsigned status = 200; status < 800; status++)
		cr_expect_eq(
			failover_has(bits, status), status == 408 || status == 503, "%u", status);
	load(SANE "trunk x { zone = core target = \"sip:127.0.0.2\" failover = { \"300\", "
		  "\"500..599\", \"699\" } }");
	bits = c->trunks[1].failover;
	for (unsigned status = 200; status < 800; status++)
		cr_expect_eq(failover_has(bits, status),
			status == 300 || status / 100 == 5 || status == 699, "%u", status);
	static const char *const bad[] = {"299", "700", "5xx", "500..", "500..499", "500...501",
		"-500", " 500", "500-599", "", "500..700", "99999999999999999999"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[2048];

		snprintf(text, sizeof(text),
			SANE "trunk x { zone = core target = \"sip:127.0.0.2\" failover = { \"%s\" "
			     "} }",
			bad[i]);
		refused(text, 6, "failover: expected a status from 300 to 699");
	}
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.2\" ping = 1s }", 6, "ping");
}

Test(config, trunks)
{
	static const char *const bad[] = {"sip:pbx-.example.net", "sip:.example.net",
		"sip:pbx..net", "sip:pbx.example.1net", "sip:pbx_1.example", "sip:pbx.example:0",
		"sip:pbx.example:", "sip:pbx.example:65536", "sip:1.2.3", "sip:pbx.example:a",
		"udp:pbx.example"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[2048];

		snprintf(
			text, sizeof(text), SANE "trunk x { zone = core target = \"%s\" }", bad[i]);
		refused(text, 6, "target: expected a SIP URI");
	}
	refused(SANE "trunk x { zone = core target = \"sip:pbx.example;transport=tcp\" }", 6,
		"no TCP listener to send to|pbx.example");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1:99999\" }", 6,
		"port from 1 to 65535");
	refused(SANE "trunk x { zone = core target = \"sip:a@127.0.0.1\" }", 6,
		"without user part");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1;lr\" }", 6,
		"no other parameters than transport");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1;transport=sctp\" }", 6,
		"transport=udp, transport=tcp or transport=tls");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1;transport=tcp\" }", 6,
		"zone \"core\" has no TCP listener");
	refused(SANE "trunk x { zone = core target = \"sip:[::1]\" }", 6,
		"no UDP listener on IPv6");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1:5060\" }", 6,
		"our own listener \"udp\"");
	refused(SANE "trunk x { zone = core target = {\n\"sip:127.0.0.1\",\n\"sip:0.0.0.0\" } }", 8,
		"an address and a port");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1\" ring-timeout = 1m }", 6,
		"ring-timeout|from 3m to 1h");
	refused(SANE "trunk x { zone = core target = \"sip:\" }", 6, "target: expected");
}

static void users_refused(const char *users, int line, const char *what)
{
	char where[128];

	put_file("users", users);
	put_file("sipward.conf", SANE);
	cr_expect_eq(config_load(path, &c, &errors), -EINVAL);
	snprintf(where, sizeof(where), "%s/users:%d: ", folder, line);
	cr_expect_eq(strncmp(errors.text[0], where, strlen(where)), 0, "%s", errors.text[0]);
	cr_expect_not_null(strstr(errors.text[0], what), "%s", errors.text[0]);
}

Test(config, users_files)
{
	refused(ZONES LISTENERS "domain example.net { users = nofile }", 3,
		"users: |nofile\" cannot be read: No such file");
	users_refused(USERS "alice", 3, "name:realm:algorithm:ha1");
	users_refused(USERS "bob:example.org:MD5:" MD5_A "\n", 3,
		"user \"bob\" has realm \"example.org\"; the realm of domain \"example.net\"");
	users_refused(
		USERS "bob:example.net:MD5:" MD5_A "\n", 3, "user \"bob\" has no line for SHA-256");
	users_refused(
		"bob:example.net:SHA-256:" SHA_A "\n" USERS, 1, "user \"bob\" has no line for MD5");
}

#define GROUPS "domain example.net { users = users groups = { staff, night } }\n"
#define GROUPED ZONES LISTENERS GROUPS TRUNK ROUTES

Test(config, lists_of_numbers)
{
	load(GROUPED
		"numbers guests { from = { access, core } block = { \"^00\", \"^\\\\+\" } } "
		"numbers staff { from = access groups = { night, staff } permit = \"^0049\" }");
	cr_assert_eq(c->numbers_count, 2);
	cr_expect_eq(c->numbers[0].from, 3);
	cr_expect_eq(c->numbers[0].block_count, 2);
	cr_expect_str_eq(c->numbers[0].block[1], "^\\+");
	cr_expect_eq(c->numbers[0].group_count, 0);
	cr_expect_eq(c->numbers[1].group_count, 2);
	cr_expect_str_eq(c->numbers[1].groups[0], "night");
	cr_expect_str_eq(c->numbers[1].permit[0], "^0049");
	cr_expect_eq(c->domains[0].group_count, 2);

	refused(GROUPED "numbers x { block = \"^00\" }", 6, "numbers \"x\"|from");
	refused(GROUPED "numbers x { from = acess block = \"^00\" }", 6,
		"from: |acess|did you mean \"access\"?");
	refused(GROUPED "numbers x { from = access }", 6, "expected permit or block");
	refused(GROUPED "numbers x { from = access block = \".\" calls-per-hour-per-user = 9 }", 6,
		"calls-per-hour-per-user: expected permit");
	refused(GROUPED "numbers x { from = access block = \"(\" }", 6,
		"block: expected a regular expression, found \"(\"");
	refused(GROUPED "numbers x { from = access groups = staf block = \".\" }", 6,
		"groups: no domain has a group \"staf\": did you mean \"staff\"?");
	refused(ZONES LISTENERS "domain example.net { users = users groups = \"a b\" }", 3,
		"groups: expected names of 1 to 32 letters|found \"a b\"");
}

Test(config, numbers_of_emergency)
{
	load(SANE "limits { emergency = { 112, \"110=sos.Police\" } }");
	cr_assert_eq(c->emergency_count, 2);
	cr_expect_str_eq(c->emergency[0].number, "112");
	cr_expect_str_eq(c->emergency[0].service, "");
	cr_expect_str_eq(c->emergency[1].number, "110");
	cr_expect_str_eq(c->emergency[1].service, "sos.police");
}

Test(config, groups_of_users)
{
	put_file("users", "alice:example.net:MD5:" MD5_A ":staff\nalice:example.net:SHA-256:" SHA_A
			  ":staff\n");
	put_file("sipward.conf", SANE);
	cr_assert_eq(config_load(path, &c, &errors), -EINVAL);
	cr_expect_not_null(strstr(errors.text[0], "users:1: user \"alice\" is in group \"staff\", "
						  "which groups of domain \"example.net\" ("),
		"%s", errors.text[0]);
	load(GROUPED);
}

Test(config, names_as_targets)
{
	load(SANE "dns { servers = { 127.0.0.1:5353, \"[2001:db8::53]:53\", 192.0.2.53 } }\n"
		  "trunk x { zone = core target = { \"sip:Carrier.Example.NET.\", "
		  "\"sip:pbx:5070\", \"sip:192.0.2.1\" } }");
	const struct config_trunk *t = &c->trunks[1];

	cr_assert_str_eq(t->targets[0].name, "carrier.example.net");
	cr_assert_eq(t->targets[0].endpoint.port, 0);
	cr_assert_str_eq(t->targets[1].name, "pbx");
	cr_assert_eq(t->targets[1].endpoint.port, 5070);
	cr_assert_null(t->targets[2].name);
	cr_assert_eq(c->dns_server_count, 3);
	cr_assert_eq(c->dns_servers[0].port, 5353);
	cr_assert_eq(c->dns_servers[2].port, 53);
	refused(SANE "dns { servers = { ns.example.net } }", 6, "servers: expected numeric");
	refused(SANE "dns { servers = { 0.0.0.0 } }", 6, "servers: expected numeric");
	refused(SANE "dns { servers = { 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 } }", 6,
		"at most 4");
	refused(SANE "dns { ttl-min = 1m\nttl-max = 30s }", 7, "not be shorter than ttl-min");
}
