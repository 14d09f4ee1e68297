/* the config file: what it means, and what is refused and how that is said. */
#include "master-config.h"

#include <criterion/redirect.h>
#include <sodium.h>

TestSuite(config, .init = setup, .fini = teardown);

Test(config, demo_and_packaged_files)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char hex[65], text[65536], whole[96];
	FILE *f;

	cr_assert_eq(config_load("deploy/demo.conf", &c, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(c->zone_count, 2);
	cr_assert_eq(c->listener_count, 3);
	cr_assert_eq(c->domains[0].users.count, 4);
	crypto_hash_sha256(hash, (const unsigned char *)"alice:example.net:demo", 22);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	cr_assert_str_eq(c->domains[0].users.entries[0].ha1, hex);
	cr_assert_eq(c->domains[0].users.entries[0].algorithm, DIGEST_SHA256);

	f = fopen("deploy/sipward.conf", "r");
	cr_assert_not_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	load(text);
	snprintf(whole, sizeof(whole), "%s/users", folder);
	cr_assert_str_eq(c->domains[0].users_path, whole);
}

Test(config, defaults_are_safe)
{
	char whole[96];

	load(SANE);
	cr_assert_str_eq(c->runtime_directory, "/run/sipward");
	cr_assert_str_eq(c->state_directory, "/var/lib/sipward");
	cr_assert_str_eq(c->control_path, "/run/sipward/control.sock");
	cr_assert_eq(c->control_mode, 0660);
	cr_assert_str_eq(c->user[PEER_SIP], "_sipward-sip");
	cr_assert_str_eq(c->group[PEER_SIP], "");
	cr_assert_str_eq(c->server, "");
	cr_assert_eq(c->zones[0].auth, ZONE_AUTH_DIGEST);
	cr_assert_eq(c->zones[0].rate, 50);
	cr_assert_eq(c->zones[0].rate_window_ms, 1000);
	cr_assert_eq(c->zones[0].ban_failures, 10);
	cr_assert_eq(c->zones[0].ban_ms, 900000);
	cr_assert_eq(c->zones[0].nat_expires, 0);
	cr_assert_eq(c->zones[1].auth, ZONE_AUTH_NONE);
	cr_assert_eq(c->zones[1].rate, 0);
	cr_assert_eq(c->zones[1].ban_failures, 0);
	cr_assert_eq(c->t1_ms, 500);
	cr_assert_eq(c->message_max, 65535);
	cr_assert_eq(c->max_forwards, 70);
	cr_assert_eq(c->domains[0].algorithms, DIGEST_MD5 | DIGEST_SHA256);
	cr_assert_eq(c->domains[0].expires_min, 60);
	cr_assert_eq(c->domains[0].expires_default, 3600);
	cr_assert_str_eq(c->domains[0].realm, "example.net");
	snprintf(whole, sizeof(whole), "%s/users", folder);
	cr_assert_str_eq(c->domains[0].users_path, whole, "relative to the config file");
	cr_assert_eq(c->trunks[0].answer_ms, 4000);
	cr_assert_eq(c->trunks[0].ring_ms, 180000);
	cr_assert_eq(c->trunks[0].targets[0].listener, 1);
	cr_assert_eq(c->routes[0].from, 3);
	cr_assert_eq(c->routes[1].to_domain, NONE_INDEX);
	cr_assert_eq(c->routes[1].trunk_count, 1);
}

Test(config, options_are_understood)
{
	load("workers { transport = 3 sip = 4 tls = 0 sip-user = \"nobody:nogroup\" }\n"
	     "control { group = ops mode = 0640 }\n"
	     "log-level = debug server = \"edge 1\" runtime-directory = run state-directory = "
	     "/srv/state\n"
	     "timers { t1 = 250ms t2 = 2s t4 = 5s } limits { message-size = 64KB idle-timeout = 2m "
	     "connection-queue = 1MB calls = 77 nonce-age = 1m }\n"
	     "zone a { trust = no auth = none rate = \"7/10s per source\" ban = \"1 failure in 1m "
	     "for 1h\" nat-expires = 5m connections-per-source = off sources = { 10.0.0.0/8, "
	     "\"2001:db8::/32\" } }\n"
	     "zone b { trust = yes auth = digest rate = \"off\" ban = off sources = 10.0.0.1 }\n"
	     "listener one { bind = \"udp:0.0.0.0:5060\" zone = a advertise = "
	     "\"Sip.Example.NET:5070\" }\n"
	     "listener two { bind = \"tcp:[::1]:5060\" zone = b advertise = \"2001:db8::7\" }\n"
	     "listener three { bind = \"TCP:10.0.0.2:5060\" zone = b advertise = "
	     "\"203.0.113.7:5099\" }\n"
	     "domain Example.NET { users = users realm = \"example.net\" algorithms = MD5 expires "
	     "= \"30s..2h\" expires-default = 10m bindings-max = 3 }\n"
	     "trunk t { zone = b target = { \"sip:10.0.0.1;transport=tcp\", "
	     "\"sip:[::1]:5090;transport=TCP\" } answer-timeout = 1500ms ring-timeout = 4m }\n"
	     "route r { from = a number = \"^\\\\+?[0-9]+$\" action = trunk trunk = { t, t } }\n"
	     "route s { from = { b } action = refuse status = 404 } # the rest\n");
	cr_assert_eq(c->workers[PEER_TRANSPORT], 3);
	cr_assert_eq(c->workers[PEER_TLS], 0);
	cr_assert_str_eq(c->user[PEER_SIP], "nobody");
	cr_assert_str_eq(c->group[PEER_SIP], "nogroup");
	cr_assert_str_eq(c->control_group, "ops");
	cr_assert_eq(c->control_mode, 0640);
	cr_assert_eq(c->log_level, 3);
	cr_assert_eq(strncmp(c->runtime_directory, folder, strlen(folder)), 0);
	cr_assert_str_eq(c->state_directory, "/srv/state");
	cr_assert_eq(c->t1_ms, 250);
	cr_assert_eq(c->message_max, 65535);
	cr_assert_eq(c->idle_ms, 120000);
	cr_assert_eq(c->connection_queue, 1048576);
	cr_assert_eq(c->calls_max, 77);
	cr_assert_eq(c->zones[0].rate, 7);
	cr_assert_eq(c->zones[0].rate_window_ms, 10000);
	cr_assert_eq(c->zones[0].ban_failures, 1);
	cr_assert_eq(c->zones[0].ban_window_ms, 60000);
	cr_assert_eq(c->zones[0].ban_ms, 3600000);
	cr_assert_eq(c->zones[0].nat_expires, 300);
	cr_assert_eq(c->zones[0].connections_per_source, 0);
	cr_assert_eq(c->zones[0].source_count, 2);
	cr_assert_eq(c->zones[1].auth, ZONE_AUTH_DIGEST);
	cr_assert_str_eq(c->listeners[0].advertise_host, "sip.example.net");
	cr_assert_eq(c->listeners[0].advertise_port, 5070);
	cr_assert_str_eq(c->listeners[1].advertise_host, "[2001:db8::7]");
	cr_assert_eq(c->listeners[1].advertise_port, 0);
	cr_assert_str_eq(c->listeners[2].advertise_host, "203.0.113.7");
	cr_assert_eq(c->listeners[2].advertise_port, 5099);
	cr_assert_str_eq(c->domains[0].name, "example.net");
	cr_assert_eq(c->domains[0].algorithms, DIGEST_MD5);
	cr_assert_eq(c->domains[0].expires_min, 30);
	cr_assert_eq(c->domains[0].expires_max, 7200);
	cr_assert_eq(c->domains[0].expires_default, 600);
	cr_assert_eq(c->domains[0].bindings_max, 3);
	cr_assert_eq(c->trunks[0].targets[0].endpoint.port, 5060);
	cr_assert_eq(c->trunks[0].targets[0].transport, TRANSPORT_TCP);
	cr_assert(c->trunks[0].targets[0].explicit_transport);
	cr_assert_eq(c->trunks[0].targets[0].listener, 2);
	cr_assert_eq(c->trunks[0].targets[1].listener, 1);
	cr_assert_eq(c->trunks[0].answer_ms, 1500);
	cr_assert_eq(c->trunks[0].ring_ms, 240000);
	cr_assert_str_eq(c->routes[0].number, "^\\+?[0-9]+$");
	cr_assert_eq(c->routes[1].action, ROUTE_REFUSE);
	cr_assert_eq(c->routes[1].status, 404);
}

Test(config, warns_of_trust)
{
	bool open = false;

	load("zone access { trust = no\nauth = none }\nzone core { trust = yes sources = { "
	     "127.0.0.1 } }\n" LISTENERS);
	for (size_t i = 0; i < c->warning_count; i++) {
		/* it names its sources */
		cr_expect_null(strstr(c->warnings[i], "is trusted"), "%s", c->warnings[i]);
		open |= strstr(c->warnings[i],
				":1: warning: zone \"access\" is untrusted and has auth = none") !=
		        NULL;
	}
	cr_assert(open);
	load("zone access { trust = no }\nlistener udp { bind = \"udp:192.0.2.1:5060\" zone = "
	     "access }" DOMAIN "route r { from = access action = registered }");
	cr_assert_eq(c->warning_count, 0, "%s", c->warnings[0]);
}

static void warned_at(const char *text, int line, const char *what)
{
	char where[160];
	bool found = false;

	load(text);
	snprintf(where, sizeof(where), "%s:%d: ", path, line);
	for (size_t i = 0; i < c->warning_count; i++)
		found |= strncmp(c->warnings[i], where, strlen(where)) == 0 &&
		         strstr(c->warnings[i], what);
	cr_expect(found, "expected %s...%s, first of %zu: %s", where, what, c->warning_count,
		c->warning_count ? c->warnings[0] : "");
}

Test(config, warns_of_what_has_no_effect)
{
#define NEVER "can never match: route \"out\" (line 5) takes all"
	load(SANE);
	cr_assert_eq(c->warning_count, 0, "%s", c->warnings[0]);
	warned_at(SANE "route x { from = access number = \"^1\" action = refuse }", 6, NEVER);
	warned_at(
		SANE "route x { from = access to-domain = example.net action = refuse }", 6, NEVER);
	warned_at(SANE "route x { from = access action = registered }", 6, NEVER);
	warned_at(SANE "route x { from = core number = \".*\" action = refuse }\n"
		       "route y { from = { access, core } number = \"^1\" action = refuse }",
		7, "route \"y\" can never match: route \"x\" (line 6)");
	/* of another zone, of one more, and without a number where all numbers are taken */
	load(SANE "route x { from = core action = refuse }");
	cr_assert_eq(c->warning_count, 0, "%s", c->warnings[0]);
	load(ZONES LISTENERS DOMAIN TRUNK
		"route u { from = { access, core } action = registered }\n"
		"route a { from = access number = \".*\" action = trunk trunk = pbx }\n"
		"route b { from = access action = refuse }\n"
		"route c { from = { access, core } action = refuse }");
	cr_assert_eq(c->warning_count, 0, "%s", c->warnings[0]);
	warned_at(SANE "trunk y { zone = core target = \"sip:127.0.0.1:5081\" }", 6,
		"trunk \"y\" is not used");
	put_file("empty", "");
	warned_at(SANE "domain other.example { users = empty }", 6,
		"domain \"other.example\": nobody can call its users");
	put_certificates();
	warned_at(SANE "certificate m { chain = m.pem key = m.key }", 6,
		"certificate \"m\" is not used");
}

/* One error, of that line. */
static void refused_alone(const char *text, int line, const char *what)
{
	refused(text, line, what);
	cr_expect_eq(errors.count, 1, "%s", errors.count > 1 ? errors.text[1] : "");
}

Test(config, consequences_are_not_errors)
{
	refused_alone(
		SANE "route x { from = access action = trnk trunk = pbx }", 6, "action: expected");
	refused_alone(SANE "route x { from = access action = refuze status = 404 }", 6,
		"action: expected");
	refused_alone(ZONES DOMAIN TRUNK ROUTES
		"listener udp { bind = \"udp:127.0.0.1:5060\" "
		"zone = access } listener core { bind = \"udp:127.0.0.1\" zone = core }",
		5, "bind: expected");
	refused_alone(ZONES LISTENERS TRUNK ROUTES
		"domain example.net { users = users expires = 60 expires-default = 2h }",
		5, "expires: expected");
	refused_alone(ZONES LISTENERS TRUNK ROUTES
		"domain example.net { users = users realm = \"a:b\" }",
		5, "realm: expected");
	refused_alone(SANE "timers { t1 = 5s t2 = 10 }", 6, "t2: expected");
}

Test(config, syntax_errors)
{
	refused(SANE "zone x { trust = no\n\n", 6, "brace that opens here is never closed");
	refused(SANE "\nserver = \"x\n\n", 7, "quote that opens here is never closed");
	refused(ZONES "server = \"x\nlog-level = \"info\"\njail = \"log\"\n", 2,
		"quote that opens here is never closed in this line");
	cr_expect_eq(errors.count, 1, "and nothing that follows from it");
	refused(SANE "server = \u201cx\u201d", 6, "\u201c is a typographic quote");
	refused(SANE "server = \u00abx\u00bb", 6, "\u00ab is a typographic quote");
	refused(SANE "server\u00a0= x", 6, "no-break space");
	load(SANE "server = \"a \u201cb\u201d c\" # \u201cd\u201d");
	refused(SANE "route x { action = refuse\nfrom = [\"access\"] }", 7,
		"a list stands in braces, not in brackets, as in { \"a\", \"b\" }");
	load("\ufeff" SANE);
	refused("\ufeff" SANE "server = \"x", 6, "quote that opens here");
	refused(SANE "cert m { chain = x }", 6,
		"unknown section \"cert\" in the config: did you mean \"certificate\"?");
	refused(SANE "trnuk \"x\" { }", 6,
		"unknown section \"trnuk\" in the config: did you mean \"trunk\"?");
	refused(SANE "/* x\n", 6, "comment that opens here is never closed");
	refused(SANE "zone x { trust no }", 6,
		"missing equal sign|'trust'|near: zone x { trust no }");
	refused(SANE "}", 6, "unexpected closing brace");
	refused(SANE "zone { trust = no }", 6, "missing title");
	refused(SANE "\"\" = 1", 6, "cannot be parsed");
}

Test(config, unknown_names)
{
	refused(SANE "# one\n# two /* \n/* three\n */ sevrer = x", 9,
		"unknown option \"sevrer\"|did you mean \"server\"?");
	refused("zone access { trsut = no }\n", 1,
		"unknown option \"trsut\" in zone \"access\"|did you mean \"trust\"?");
	refused(SANE "\nlistner x { bind = y { z = { 1, 2 } } } # }\n", 7,
		"\"listner\"|did you mean \"listener\"?");
	refused(SANE "banana = { 1, 2 }\n", 6, "unknown option \"banana\" in the config");
	refused(SANE "worker { a = 1 }\nlimits { foo = 1s\nbar = '}' }\n", 6, "\"worker\"");
	cr_expect_eq(errors.count, 3, "all are told at once: %zu", errors.count);
	refused(SANE "\"quoted\" = 1\n", 6, "unknown option \"quoted\"");
}

Test(config, repeated_names)
{
	refused(SANE "zone core { trust = no }\n", 6, "there is a zone \"core\" already in line 1");
	refused(SANE "route Users { from = access action = refuse }\n", 6,
		"there is a route \"Users\" already in line 5");
	refused(SANE "zone x { trust = no\n trust = no }\n", 7,
		"\"trust\" in zone \"x\" is set already in line 6");
	refused(SANE "server = x\nserver = y", 7,
		"\"server\" in the config is set already in line 6");
	refused(SANE "zone x { trust = no sources = { 10.0.0.1 }\n sources = { 10.0.0.2 } }\n", 7,
		"\"sources\"|already in line 6");
}

Test(config, units_and_ranges)
{
	refused(SANE "timers { t1 = 500 }", 6,
		"timers: t1: expected a time with its unit|found \"500\"");
	refused(SANE "timers { t1 = 500KB }", 6, "t1: expected a time");
	refused(SANE "timers { t1 = 1ms }", 6, "from 100ms to 5s");
	refused(SANE "timers { t1 = 5s }", 6, "t2 must not be shorter than t1");
	refused(SANE "limits { message-size = 64 }", 6,
		"message-size: expected a size with its unit|1KB to 64KB");
	refused(SANE "limits { message-size = 65KB }", 6, "message-size");
	refused(SANE "limits { subscriptions-in-all = 0 }", 6,
		"expected \"off\" or a number from 1 to 10000000 without a unit, found \"0\"");
	refused(SANE "limits { subscription-expires = 1s }", 6,
		"expected \"off\" or a time with its unit (s, m, h, d) from 1m to 30d");
	refused(SANE "limits { calls = 10s }", 6, "calls: expected a number from 10 to 1000000");
	refused(SANE "limits { calls = 99999999999999999999 }", 6, "calls");
	refused(SANE "workers { sip = 0 }", 6, "workers: sip: expected a number from 1 to 32");
	refused(SANE "workers { sip-user = \"a b\" }", 6, "sip-user|\"a b\"");
	refused(SANE "control { mode = 0666 }", 6, "mode: expected 0600");
	refused(SANE "log-level = loud", 6, "expected error, warn, info or debug, found \"loud\"");
	refused(SANE "runtime-directory = "
		     "\"/a/path/that/is/much/too/long/for/a/unix/socket/address/to/fit/into\"",
		6, "runtime-directory: expected at most 64 bytes");
	refused("zone a { trust = maybe }\n", 1, "trust: expected yes or no, found \"maybe\"");
	refused("zone a { trust = no rate = \"50/s\" }\n", 1,
		"rate: expected off or a rate such as \"50/s per source\"");
	refused("zone a { trust = no ban = \"10 failures in 60 for 15m\" }\n", 1, "ban: expected");
	refused("zone a { trust = no nat-expires = 10s }\n", 1, "nat-expires|from 30s to 1d");
	refused("zone a { trust = no sources = { 10.0.0.1/8 } }\n", 1,
		"sources: expected an address or a network|\"10.0.0.1/8\"");
	refused(ZONES "domain d.example {\n users = users\n expires = \"3600s..60s\" }", 4,
		"expires: expected a range");
	refused(ZONES "domain d.example { users = users expires-default = 5s }", 2,
		"expires-default|from 1m to 1h");
	refused(ZONES "domain d.example { users = users algorithms = { SHA-512 } }", 2,
		"algorithms: expected \"SHA-512-256\", \"SHA-256\" or \"MD5\"");
	refused(ZONES "domain \"bad domain\" { users = users }", 2, "host name");
	refused("zone \"a b\" { trust = no }\n", 1, "expected a name of 1 to 64 letters");
}

Test(config, errors_are_bounded)
{
	char text[4096] = "";
	size_t n = 0;

	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "unknown%d = 1\n", i);
	refused(text, 1, "unknown0");
	cr_assert_eq(errors.count, CONFIG_ERRORS_MAX);
	cr_assert_gt(errors.dropped, 0);
}

Test(config, missing_file)
{
	struct config *none = NULL;

	cr_assert_eq(config_load("/nonexistent/sipward.conf", &none, &errors), -ENOENT);
	cr_assert_eq(errors.count, 1);
	cr_assert_str_eq(errors.text[0],
		"/nonexistent/sipward.conf: cannot be read: No such file or directory");
}

/* ---- images ---- */
