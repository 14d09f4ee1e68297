/* the config file: what it means, what is refused and how that is said, and the images that workers
 * get. */
#include "master/config/load.h"
#include "master/config/units.h"
#include "master/config/settings_builder.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96];
static struct config_errors errors;
static struct config *c;

#define MD5_A "0123456789abcdef0123456789abcdef"
#define SHA_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define USERS "alice:example.net:MD5:" MD5_A "\nalice:example.net:SHA-256:" SHA_A "\n"

/* Parts of a sane config, to be varied one at a time. One line each: errors then have line 1 to
 * 6. */
#define ZONES "zone access { trust = no } zone core { trust = yes sources = { 127.0.0.1 } }\n"
#define LISTENERS                                                                                  \
	"listener udp { bind = \"udp:127.0.0.1:5060\" zone = access } listener core { bind = "     \
	"\"udp:127.0.0.1:5062\" zone = core }\n"
#define DOMAIN "domain example.net { users = users }\n"
#define TRUNK "trunk pbx { zone = core target = \"sip:127.0.0.1:5080\" }\n"
#define ROUTES                                                                                     \
	"route users { from = { access, core } to-domain = example.net action = registered } "     \
	"route out { from = access action = trunk trunk = pbx }\n"
#define SANE ZONES LISTENERS DOMAIN TRUNK ROUTES

static void put_file(const char *name, const char *text)
{
	char whole[128];
	FILE *f;

	snprintf(whole, sizeof(whole), "%s/%s", folder, name);
	f = fopen(whole, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(whole, 0640), 0);
}

static void setup(void)
{
	strcpy(folder, "/tmp/sipward-config-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sipward.conf", folder);
	put_file("users", USERS);
}

static void teardown(void)
{
	char command[160];

	config_free(c);
	c = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(config, .init = setup, .fini = teardown);

static void load(const char *text)
{
	put_file("sipward.conf", text);
	config_free(c);
	c = NULL;
	cr_assert_eq(config_load(path, &c, &errors), 0, "%s",
		errors.count ? errors.text[0] : "no error told");
	cr_assert_eq(errors.count, 0);
}

/* text is refused, and an error with that line says all of what (parts separated by '|'). */
static void refused(const char *text, int line, const char *what)
{
	struct config *none = NULL;
	char where[160], parts[256];
	bool found = false;

	put_file("sipward.conf", text);
	cr_expect_eq(config_load(path, &none, &errors), -EINVAL, "accepted: %s", text);
	cr_expect_null(none, "nothing is handed out");
	config_free(none);
	snprintf(where, sizeof(where), line ? "%s:%d: " : "%s: ", path, line);
	for (size_t i = 0; i < errors.count; i++) {
		bool all = strncmp(errors.text[i], where, strlen(where)) == 0;
		char *save = NULL;

		snprintf(parts, sizeof(parts), "%s", what);
		for (char *part = strtok_r(parts, "|", &save); part && all;
			part = strtok_r(NULL, "|", &save))
			all = strstr(errors.text[i], part) != NULL;
		found |= all;
	}
	cr_expect(found, "expected %s...%s, first of %zu: %s", where, what, errors.count,
		errors.count ? errors.text[0] : "");
}

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
	bool trusted = false, open = false;

	load("zone access { trust = no\nauth = none }\nzone core { trust = yes sources = { "
	     "127.0.0.1 } }\n" LISTENERS);
	for (size_t i = 0; i < c->warning_count; i++) {
		trusted |= strstr(c->warnings[i], ":3: zone \"core\" is trusted") != NULL;
		open |= strstr(c->warnings[i],
				":1: zone \"access\" is untrusted and has auth = none") != NULL;
	}
	cr_assert(trusted);
	cr_assert(open);
	load("zone access { trust = no }\nlistener udp { bind = \"udp:0.0.0.0:5060\" zone = access "
	     "}" DOMAIN);
	cr_assert_eq(c->warning_count, 0, "%s", c->warnings[0]);
}

Test(config, syntax_errors)
{
	refused(SANE "zone x { trust = no\n\n", 6, "brace that opens here is never closed");
	refused(SANE "\nserver = \"x\n\n", 7, "quote that opens here is never closed");
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
		"algorithms: expected \"SHA-256\" or \"MD5\"");
	refused(ZONES "domain \"bad domain\" { users = users }", 2, "host name");
	refused("zone \"a b\" { trust = no }\n", 1, "expected a name of 1 to 64 letters");
}

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
	refused(SANE "route x { from = access action = refuse status = 302 }", 6,
		"status: expected a number from 400 to 699");
	refused(SANE "route x { action = refuse }", 6, "from is missing");
	refused(SANE "route x { from = access }", 6, "action is missing");
	refused(SANE "route x { from = access number = \"^(0\" action = refuse }", 6,
		"number: expected a POSIX extended|\"^(0\"");
	refused(SANE "route x { from = access number = \"^[0-9]****$\" action = refuse }", 6,
		"number: expected a POSIX extended regular expression|a repetition of a "
		"repetition");
	refused(SANE "route x { from = access number = \"[0-9\" action = refuse }", 6,
		"number: expected a POSIX extended regular expression|\"[0-9\"");
	refused(ZONES LISTENERS "route x { from = access action = registered }", 3,
		"needs a domain");
	refused(SANE "trunk x { zone = nowhere target = \"sip:127.0.0.1\" }", 6,
		"there is no zone \"nowhere\"");
	refused(SANE "listener t { bind = \"tls:127.0.0.1:6000\" zone = access certificate = c }",
		6, "certificate: there is no certificate \"c\", nor any other");
}

Test(config, listeners)
{
	refused(ZONES, 0, "there is no listener");
	refused(SANE "listener x { bind = \"udp:127.0.0.1:5060\" zone = access }", 6,
		"bind: the port is taken by listener \"udp\" (UDP 127.0.0.1:5060, line 2)");
	refused(SANE "listener x { bind = \"udp:0.0.0.0:5062\" zone = access }", 6,
		"taken by listener \"core\"");
	load(SANE "listener x { bind = \"tcp:127.0.0.1:5060\" zone = access } listener y { bind = "
		  "\"udp:[::]:5060\" zone = access }");
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

#define CERTIFICATES                                                                               \
	"certificate m { chain = m.pem key = m.key names = { \"sip.example.net\", "                \
	"\"*.Example.org\" } } certificate n { chain = m.pem key = m.key }\n"
#define TLS SANE CERTIFICATES

static void put_certificates(void)
{
	put_file("m.pem", "x");
	put_file("m.key", "x");
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
		 "\"http://b:8080\" } }\n"
		 "listener w { bind = \"ws:127.0.0.1:5080\" zone = access }\n"
		 "tls { tickets = yes trust = m.pem } limits { handshake-timeout = 3s handshakes = "
		 "7 handshakes-per-source = 2 }");
	l = &c->listeners[2];
	cr_expect_eq(l->certificate_count, 2);
	cr_expect_eq(l->certificates[0], 1);
	cr_expect_eq(l->certificates[1], 0);
	cr_expect_eq(l->client_auth, CLIENT_AUTH_REQUIRED);
	cr_expect(strstr(l->client_ca, "/m.pem") != NULL && l->client_ca[0] == '/');
	cr_expect_eq(l->origin_count, 2);
	cr_expect_str_eq(l->origins[0], "https://a.example");
	cr_expect_str_eq(l->origins[1], "http://b:8080");
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

static bool warned(const char *text)
{
	for (size_t i = 0; i < c->warning_count; i++)
		if (strstr(c->warnings[i], text))
			return true;
	return false;
}

Test(config, plain_websocket)
{
	load(SANE "listener w { bind = \"ws:127.0.0.1:8080\" zone = access }");
	cr_expect(!warned("ws: is not encrypted"));
	load(SANE "listener w { bind = \"ws:192.0.2.1:8080\" zone = access }");
	cr_expect(warned(":6: listener \"w\": ws: is not encrypted"));
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

Test(config, tls_settings_reach_the_workers)
{
	const struct settings *s;
	const struct listener_settings *l;
	const struct trunk_settings *t;
	int fd;

	put_certificates();
	load(TLS "listener t { bind = \"wss:127.0.0.1:5061\" zone = core certificate = { n, m } "
		 "client-auth = optional client-ca = m.pem origins = \"https://a\" }\n"
		 "listener u { bind = \"tls:127.0.0.1:5062\" zone = core certificate = m } tls { "
		 "trust = m.pem tickets = yes }\n"
		 "trunk x { zone = core target = \"sips:127.0.0.2\" certificate = n tls-name = "
		 "carrier.example verify = no }");
	cr_assert_eq(settings_build(c, PEER_TRANSPORT, 1, &fd), 0);
	s = mmap(NULL, (size_t)lseek(fd, 0, SEEK_END), PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq(s, MAP_FAILED);
	cr_assert_eq(settings_check(s, s->size), 0);
	cr_expect_eq(s->tickets, 1);
	cr_expect_eq(s->handshake_ms, 10000);
	l = settings_listener(s, 2);
	cr_expect_eq(l->client_auth, CLIENT_AUTH_OPTIONAL);
	cr_expect_eq(l->certificates.count, 2);
	cr_expect_eq(*SETTINGS_ROW(s, uint16_t, l->certificates, 0), 1);
	cr_expect_eq(*SETTINGS_ROW(s, uint16_t, l->certificates, 1), 0);
	cr_expect(str_equal(
		settings_str(s, *SETTINGS_ROW(s, struct text, l->origins, 0)), S("https://a")));
	cr_assert_eq(s->trunks.count, 2);
	cr_expect_eq(settings_trunk(s, 0)->certificate, NONE_INDEX);
	cr_expect_eq(settings_trunk(s, 0)->verify, 1);
	t = settings_trunk(s, 1);
	cr_expect_eq(t->certificate, 1);
	cr_expect_eq(t->verify, 0);
	cr_expect(str_equal(settings_str(s, t->tls_name), S("carrier.example")));
	cr_expect_eq(s->routes.count, 0);
	close(fd);
}

Test(config, zones)
{
	refused("zone core { trust = yes }\n", 1, "a trusted zone must name its sources");
	refused("zone core { auth = none }\n", 1, "trust is missing");
	refused("zone core { trust = yes ban = \"1 failures in 1s for 1s\" sources = 10.0.0.1 }\n",
		1, "never banned");
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

Test(config, trunks)
{
	refused(SANE "trunk x { zone = core target = \"sip:pbx.example.net\" }", 6,
		"names are not resolved yet");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1:99999\" }", 6,
		"port from 1 to 65535");
	refused(SANE "trunk x { zone = core target = \"sip:a@127.0.0.1\" }", 6,
		"without user part");
	refused(SANE "trunk x { zone = core target = \"sip:127.0.0.1;lr\" }", 6,
		"no other URI parameter than transport");
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

Test(config, check_main, .init = setup, .fini = teardown)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
	put_file("sipward.conf", SANE);
	cr_assert_eq(config_check_main(path), EXIT_SUCCESS);
	put_file("sipward.conf", SANE "zone x { }");
	cr_assert_eq(config_check_main(path), EXIT_FAILURE);
}

/* ---- images ---- */

static const void *map(int fd, size_t *size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	void *p = mmap(NULL, (size_t)end, PROT_READ, MAP_SHARED, fd, 0);

	cr_assert_neq(p, MAP_FAILED);
	*size = (size_t)end;
	return p;
}

static bool image_has(const void *image, size_t size, const char *word)
{
	return memmem(image, size, word, strlen(word)) != NULL;
}

Test(config, each_role_gets_its_slice)
{
	const struct settings *s;
	size_t size;
	int fd = -1;

	load(SANE "state-directory = /srv/secret-place");
	cr_assert_eq(settings_build(c, PEER_SIP, 7, &fd), 0);
	cr_assert_eq(
		fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	cr_assert_eq(write(fd, "x", 1), -1);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	cr_assert_eq(s->generation, 7);
	cr_assert_eq(s->zones.count, 2);
	cr_assert_eq(s->sip_workers, 2);
	cr_assert(str_equal(settings_str(s, settings_zone(s, 1)->name), S("core")));
	cr_assert_eq(settings_zone(s, 1)->sources.count, 1);
	cr_assert_eq(settings_trunk(s, 0)->zone, 1);
	cr_assert_eq(SETTINGS_ROW(s, struct target_settings, settings_trunk(s, 0)->targets, 0)
			     ->endpoint.port,
		5080);
	cr_assert_eq(settings_route(s, 1)->trunks.count, 1);
	cr_assert_eq(settings_route(s, 0)->to_domain, 0);
	cr_assert_eq(settings_domain_of(s, S("Example.Net")), 0);
	cr_assert(str_equal(settings_str(s, s->state_directory), S("/srv/secret-place")));
	close(fd);

	cr_assert_eq(settings_build(c, PEER_TRANSPORT, 7, &fd), 0);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	cr_assert_eq(s->listeners.count, 2);
	cr_assert_eq(s->trunks.count + s->routes.count + s->domains.count, 0);
	cr_assert(!image_has(s, size, "example.net") && !image_has(s, size, "pbx") &&
		  !image_has(s, size, "secret-place"));
	close(fd);

	cr_assert_eq(settings_build(c, PEER_TLS, 7, &fd), 0);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	cr_assert_eq(s->listeners.count + s->zones.count, 0);
	close(fd);
}

Test(config, users_image)
{
	const struct users *u;
	const struct user_row *row;
	size_t size;
	int fd = -1;

	/* two domains share the file, each by its realm */
	put_file("users", USERS
		"alice:other:MD5:ffffffffffffffffffffffffffffffff\nbob:other:MD5:" MD5_A "\n");
	load(SANE "domain example.org { users = users realm = other algorithms = MD5 }");
	cr_assert_eq(users_build(c, &fd), 0);
	cr_assert_eq(
		fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	u = map(fd, &size);
	cr_assert_eq(users_check(u, size), 0);
	cr_assert_eq(u->count, 3);
	row = users_find(u, 0, S("alice"));
	cr_assert_not_null(row);
	cr_assert_eq(row->algorithms, DIGEST_MD5 | DIGEST_SHA256);
	cr_assert_eq(memcmp(row->ha1_sha256, SHA_A, 64), 0);
	cr_assert_eq(memcmp(row->ha1_md5, MD5_A, 32), 0);
	row = users_find(u, 1, S("alice"));
	cr_assert_not_null(row);
	cr_assert_eq(row->algorithms, DIGEST_MD5);
	cr_assert_eq(row->ha1_md5[0], 'f');
	cr_assert_null(users_find(u, 0, S("bob")));
	cr_assert_not_null(users_find(u, 1, S("bob")));
	close(fd);
	config_forget_users(c);
	cr_assert_eq(c->domains[0].users.count, 0);
}

Test(config, large_users_file)
{
	char *text = malloc(2000 * 80), name[16];
	const struct users *u;
	size_t n = 0, size;
	int fd = -1;

	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, 80, "u%04d:example.net:MD5:" MD5_A "\n", i);
	put_file("users", text);
	free(text);
	load(ZONES LISTENERS "domain example.net { users = users algorithms = MD5 }");
	cr_assert_eq(users_build(c, &fd), 0);
	u = map(fd, &size);
	cr_assert_eq(u->count, 1000);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "u%04d", i);
		cr_assert_not_null(users_find(u, 0, str_of(name)));
	}
	cr_assert_null(users_find(u, 0, S("u1000")));
	close(fd);
}

Test(units, all)
{
	uint64_t n = 1, m = 2;
	uint32_t a, b, d;
	char buffer[UNIT_TEXT_SIZE];

	cr_assert_eq(unit_duration(S("500ms"), &n), 0);
	cr_assert_eq(n, 500);
	cr_assert_eq(unit_duration(S(" 2 h "), &n), 0);
	cr_assert_eq(n, 7200000);
	cr_assert_eq(unit_duration(S("5"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("s"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("-5s"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("5S"), &n), -EINVAL);
	cr_assert_eq(unit_duration(S("5.5s"), &n), -EINVAL);
	cr_assert_eq(unit_duration(STR_EMPTY, &n), -EINVAL);
	cr_assert_eq(unit_duration(S("99999999999999999999999s"), &n), -ERANGE);
	cr_assert_eq(unit_duration(S("1000000000000d"), &n), -ERANGE);
	cr_assert_eq(n, 7200000, "written on success only");
	cr_assert_eq(unit_size(S("64KB"), &n), 0);
	cr_assert_eq(n, 65536);
	cr_assert_eq(unit_size(S("64K"), &n), -EINVAL);
	cr_assert_eq(unit_duration_range(S("60s..1h"), &n, &m), 0);
	cr_assert_eq(n, 60000);
	cr_assert_eq(m, 3600000);
	cr_assert_eq(unit_duration_range(S("60..1h"), &n, &m), -EINVAL);
	cr_assert_eq(unit_duration_range(S("60s.1h"), &n, &m), -EINVAL);
	cr_assert_eq(unit_duration_range(S(".."), &n, &m), -EINVAL);
	cr_assert_eq(unit_duration_range(S("2h..1h"), &n, &m), -EINVAL);
	cr_assert_eq(unit_rate(S("50/s per source"), &a, &b), 0);
	cr_assert(a == 50 && b == 1000);
	cr_assert_eq(unit_rate(S("50/ s per source"), &a, &b), 0);
	cr_assert_eq(unit_rate(S("50/s per sources"), &a, &b), -EINVAL);
	cr_assert_eq(unit_rate(S("50/s per source x"), &a, &b), -EINVAL);
	cr_assert_eq(unit_rate(S("0/s per source"), &a, &b), -ERANGE);
	cr_assert_eq(unit_rate(S("5/0s per source"), &a, &b), -ERANGE);
	cr_assert_eq(unit_rate(S("5/1s"), &a, &b), -EINVAL);
	cr_assert_eq(unit_ban(S("10 failures in 60s for 15m"), &a, &b, &d), 0);
	cr_assert(a == 10 && b == 60000 && d == 900000);
	cr_assert_eq(unit_ban(S("10 failures for 15m"), &a, &b, &d), -EINVAL);
	cr_assert_eq(unit_ban(S("10 failures in 60s for 15m now"), &a, &b, &d), -EINVAL);
	cr_assert_eq(unit_ban(S("10 failures in 60s for 100d"), &a, &b, &d), -ERANGE);
	cr_assert_eq(unit_count(S("10"), &n), 0);
	cr_assert_eq(unit_count(S("10 x"), &n), -EINVAL);
	cr_assert_str_eq(unit_duration_text(180000, buffer), "3m");
	cr_assert_str_eq(unit_duration_text(1500, buffer), "1500ms");
	cr_assert_str_eq(unit_duration_text(0, buffer), "0ms");
	cr_assert_str_eq(unit_size_text(65536, buffer), "64KB");
}
