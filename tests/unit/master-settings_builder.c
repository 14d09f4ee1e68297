/* the images that workers get of a config. */
#include "master-config.h"
#include "master/config/settings_builder.h"
#include "master/config/users_builder.h"

#include <fcntl.h>
#include <sys/mman.h>

TestSuite(images, .init = setup, .fini = teardown);

Test(images, tls_settings_reach_the_workers)
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

Test(images, each_role_gets_its_slice)
{
	const struct settings *s;
	size_t size;
	int fd = -1;

	load(SANE "state-directory = /srv/secret-place\nserver = edge\n"
		  "zone third { trust = no hidden-names = { Corp.Example, b } }");
	cr_assert_eq(settings_build(c, PEER_SIP, 7, &fd), 0);
	cr_assert_eq(
		fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	cr_assert_eq(write(fd, "x", 1), -1);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	cr_assert_eq(s->generation, 7);
	cr_assert_eq(s->zones.count, 3);
	cr_assert_eq(settings_zone(s, 2)->hidden_names.count, 2);
	cr_assert(str_equal(settings_str(s, *SETTINGS_ROW(s, struct text,
						    settings_zone(s, 2)->hidden_names, 0)),
		S("corp.example")));
	cr_assert_eq(s->workers[PEER_SIP], 2);
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
	cr_assert(str_equal(settings_str(s, s->server), S("edge")));
	close(fd);

	cr_assert_eq(settings_build(c, PEER_TRANSPORT, 7, &fd), 0);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	cr_assert_eq(s->listeners.count, 2);
	cr_assert_eq(s->trunks.count + s->routes.count + s->domains.count, 0);
	/* it answers what no SIP worker gets to see, and by the same name */
	cr_assert(str_equal(settings_str(s, s->server), S("edge")));
	/* it finds the slot of a REGISTER by the domain that our own address stands for */
	cr_assert(str_equal(
		settings_str(s, *settings_domain_name(s, s->first_domain)), S("example.net")));
	cr_assert(!image_has(s, size, "pbx") && !image_has(s, size, "secret-place") &&
		  !image_has(s, size, "corp.example"));
	close(fd);

	cr_assert_eq(settings_build(c, PEER_TLS, 7, &fd), 0);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	cr_assert_eq(s->listeners.count + s->zones.count, 0);
	close(fd);
}

Test(images, users_image)
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

Test(images, groups_and_lists_of_numbers)
{
	const struct number_list_settings *list;
	const struct settings *s;
	const struct users *u;
	size_t size;
	int fd = -1;

	put_file("users", "alice:example.net:MD5:" MD5_A
			  ":night,staff\nalice:example.net:SHA-256:" SHA_A ":night,staff\n");
	load(ZONES LISTENERS
		"domain example.net { users = users groups = { staff, night } }\n" TRUNK ROUTES
		"numbers x { from = core groups = staff permit = \"^0049\" block = \"^00\" }");
	cr_assert_eq(users_build(c, &fd), 0);
	u = map(fd, &size);
	close(fd);
	const struct user_row *row = users_find(u, 0, S("alice"));
	cr_assert_not_null(row);
	cr_assert_eq(row->group[0], group_id(S("night")));
	cr_assert_eq(row->group[1], group_id(S("staff")));
	cr_assert_eq(row->group[2], 0);
	cr_assert_eq(settings_build(c, PEER_SIP, 1, &fd), 0);
	s = map(fd, &size);
	close(fd);
	cr_assert_eq(s->number_lists.count, 1);
	list = settings_array(s, s->number_lists);
	cr_assert(str_equal(settings_str(s, list->name), S("x")));
	cr_assert_eq(list->from, 2);
	cr_assert_eq(list->groups.count, 1);
	const struct group_settings *group = settings_array(s, list->groups);
	cr_assert_eq(group->id, group_id(S("staff")));
	cr_assert(str_equal(
		settings_str(s, *(const struct text *)settings_array(s, list->block)), S("^00")));
	cr_assert_eq(settings_build(c, PEER_TRANSPORT, 1, &fd), 0);
	s = map(fd, &size);
	close(fd);
	cr_assert_eq(s->number_lists.count, 0);
}

Test(images, large_users_file)
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

/* By which transports others than its sources may be heard in a zone. */
static uint64_t strangers_of(const char *options)
{
	char text[2048];
	const struct settings *s;
	size_t size;
	int fd = -1;

	put_file("trunk.users", "acme:carrier:MD5:" MD5_A "\n");
	snprintf(text, sizeof(text),
		TLS "listener u { bind = \"tls:127.0.0.1:5062\" zone = core certificate = m }\n"
		    "trunk x { zone = core username = acme credentials = trunk.users %s }",
		options);
	load(text);
	cr_assert_eq(settings_build(c, PEER_TRANSPORT, 1, &fd), 0);
	s = map(fd, &size);
	cr_assert_eq(settings_check(s, size), 0);
	uint64_t bits = settings_zone(s, settings_trunk(s, 0)->zone)->strangers;
	for (unsigned i = 0; i < s->zones.count; i++)
		cr_assert(i == settings_trunk(s, 0)->zone || !settings_zone(s, i)->strangers);
	close(fd);
	return bits;
}

Test(images, strangers_are_heard_where_a_trunk_is_matched_by_registration)
{
	const uint64_t tls = UINT64_C(1) << TRANSPORT_TLS,
		       all = tls | UINT64_C(1) << TRANSPORT_UDP | UINT64_C(1) << TRANSPORT_TCP;

	put_certificates();
	cr_assert_eq(strangers_of("target = \"sips:127.0.0.2\" register = 60s"), 0);
	cr_assert_eq(strangers_of("target = \"sips:127.0.0.2\" register = 60s "
				  "match = registration"),
		tls);
	cr_assert_eq(strangers_of("target = { \"sips:127.0.0.2\", \"sip:127.0.0.3\" } "
				  "register = 60s match = registration"),
		all);
}
