/* master-credentials.c - what a trunk's server may ask for: the file, and the rows made of it. */
#include "master-config.h"

#include "master/config/check.h"

#include "master/config/users_builder.h"

#include <sys/mman.h>

TestSuite(credentials, .init = setup, .fini = teardown);

#define WITH(options)                                                                              \
	ZONES LISTENERS DOMAIN "trunk pbx { zone = core target = \"sip:127.0.0.1:5080\" " options  \
			       " }\n" ROUTES
#define BOTH WITH("username = acme credentials = trunk.users")
#define LINES                                                                                      \
	"acme:carrier:MD5:" MD5_A "\nacme:carrier:SHA-256:" SHA_A "\nacme:other realm:MD5:" MD5_A  \
	"\nsomebody:else:MD5:" MD5_A "\n"

static const struct user_row *row_of(const struct users *u, const char *realm)
{
	char key[USER_NAME_MAX];
	size_t n = users_trunk_key(trunk_id(S("pbx")), str_of(realm), key);

	return users_find(u, USERS_OF_TRUNKS, (struct str){key, n});
}

Test(credentials, each_realm_of_the_user_is_a_row)
{
	struct stat st;
	int fd = -1;

	put_file("trunk.users", LINES);
	load(BOTH);
	cr_assert_eq(users_build(c, &fd), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	const struct users *u = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	cr_assert_neq(u, MAP_FAILED);
	cr_assert_eq(users_check(u, (size_t)st.st_size), 0);
	const struct user_row *row = row_of(u, "carrier");
	cr_assert_not_null(row);
	cr_assert_eq(row->algorithms, DIGEST_MD5 | DIGEST_SHA256);
	cr_assert_eq(memcmp(row->ha1_sha256, SHA_A, 64), 0);
	cr_assert_eq(row_of(u, "other realm")->algorithms, DIGEST_MD5);
	cr_assert_null(row_of(u, "else"));
	/* they are no users of ours */
	cr_assert_null(users_find(u, 0, S("acme")));
	cr_assert_eq(u->count, 3);
	cr_assert_eq(u->of_trunks, 2);
	munmap((void *)u, (size_t)st.st_size);
	close(fd);
	config_forget_users(c);
	cr_assert_eq(c->trunks[0].credentials.count, 0);
	cr_assert_eq(config_load_users(c, &errors), 0);
	cr_assert_eq(c->trunks[0].credentials.count, 4);
}

Test(credentials, what_is_wrong_with_them_is_said)
{
	char realm[TRUNK_REALM_MAX + 2], line[512];

	refused(WITH("username = acme"), 4, "trunk \"pbx\"|username goes with credentials");
	refused(WITH("credentials = trunk.users"), 4, "credentials goes with username");
	refused(WITH("outbound = yes"), 4, "trunk \"pbx\"|outbound goes with register");
	refused(BOTH, 4, "trunk.users\" cannot be read: No such file");
	put_file("trunk.users", "somebody:else:MD5:" MD5_A "\n");
	refused(BOTH, 4, "has no line of \"acme\"");
	put_file("trunk.users", LINES);
	snprintf(line, sizeof(line), "%s/trunk.users", folder);
	cr_assert_eq(chmod(line, 0644), 0);
	refused(BOTH, 4, "everyone on this machine can read or write|must be 0640");
	memset(realm, 'r', sizeof(realm) - 1);
	realm[sizeof(realm) - 1] = '\0';
	snprintf(line, sizeof(line), "acme:%s:MD5:" MD5_A "\n", realm);
	put_file("trunk.users", line);
	cr_assert_neq(config_load(path, &c, &errors), 0);
	cr_assert_not_null(strstr(errors.text[0], "trunk.users:1: trunk \"pbx\": the realm"));
}

#define TRUNK_OF(lines)                                                                            \
	ZONES LISTENERS DOMAIN "trunk pbx { zone = core target = \"sip:127.0.0.1:5080\"\n" lines   \
			       " }\n" ROUTES

/* Each by the line of its option, and what follows from a mistake is not told beside it. */
Test(credentials, mistakes_are_told_once_and_by_their_lines)
{
	refused(TRUNK_OF("username = acme\ncredentials = trunk.users"), 6, "cannot be read");
	cr_assert_eq(errors.count, 1);
	refused(TRUNK_OF("register = 120s\noutbound = yes\ncredentials = trunk.users"), 5,
		"register goes with username");
	cr_assert_eq(errors.count, 1);
	put_file("trunk.users", LINES);
	refused(TRUNK_OF("username = acme\ncredentials = trunk.users\nregister = 1s\n"
			 "outbound = yes\nmatch = registration"),
		7, "register: expected");
	cr_assert_eq(errors.count, 1);
	refused(TRUNK_OF("username = acme\ncredentials = trunk.users\noutbound = yes"), 7,
		"outbound goes with register");
	refused(TRUNK_OF("username = acme\ncredentials = trunk.users\nregister = off\n"
			 "match = registration"),
		8, "match = registration goes with register");
}

Test(credentials, match_by_registration_needs_one)
{
	refused(WITH("match = registration"), 4,
		"match = registration goes with register, which is missing");
	refused(WITH("match = maybe"), 4, "match|registration");
}

/* What systemd has for the service (systemd.exec(5), CREDENTIALS_DIRECTORY). */
Test(credentials, systemd_has_them)
{
	char said[512];

	put_file("carrier", LINES);
	cr_assert_eq(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	load(WITH("username = acme credentials = \"credential:carrier\""));
	snprintf(said, sizeof(said), "%s/carrier", folder);
	cr_assert_str_eq(c->trunks[0].credentials_path, said);
	cr_assert_eq(c->trunks[0].credentials.count, 4);
	refused(WITH("username = acme credentials = \"credential:nothing\""), 4,
		"/nothing\" cannot be read: No such file");
	refused(WITH("username = acme credentials = \"credential:../carrier\""), 4,
		"credentials|credential:NAME");
	refused(WITH("username = acme credentials = \"credential:\""), 4, "credential:NAME");
	cr_assert_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	refused(WITH("username = acme credentials = \"credential:carrier\""), 4,
		"/run/credentials/sipward.service/carrier\" cannot be read");
}
