/* master-reload.c - what may change while everything runs, and that changed users files are
 * noticed. */
#include "common/log.h"
#include "master/config/load.h"
#include "master/reload.h"
#include "master/removed_listeners.h"
#include "master/workers/scale.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char base[64];
static struct config_errors errors;
static struct master m;

/* Addresses that no other test has, nor another process of this program, which runs its tests side
 * by side: put writes one of its own in this one's place. */
#define ADDRESS "127.77.60.1"
#define HERE "udp:" ADDRESS ":5060"
#define OTHER "udp:" ADDRESS ":5070"

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void put(const char *name, const char *text)
{
	char path[128], new[128];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	snprintf(new, sizeof(new), "%s/%s.part", base, name);
	FILE *f = fopen(new, "w");
	cr_assert_not_null(f);
	for (const char *at; (at = strstr(text, ADDRESS)); text = at + strlen(ADDRESS))
		fprintf(f, "%.*s127.77.%d.%d", (int)(at - text), text, getpid() >> 8 & 0xff,
			getpid() & 0xff);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(rename(new, path), 0);
}

/* A whole config; the arguments are what the tests change. */
static void put_config(unsigned sip, const char *bind, const char *runtime, const char *t1)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"runtime-directory = \"%s\"\nstate-directory = \"/tmp/state\"\nworkers { transport "
		"= 1 sip = %u tls = 0 }\n"
		"zone \"access\" { trust = no auth = digest }\nlistener \"udp\" { bind = \"%s\" "
		"zone = \"access\" }\n"
		"domain \"example.net\" { users = \"users\" }\nroute \"users\" { from = { "
		"\"access\" } to-domain = \"example.net\" action "
		"= \"registered\" }\n"
		"timers { t1 = \"%s\" }\n",
		runtime, sip, bind, t1);
	put("sipward.conf", text);
}

#define HALF "0123456789abcdef0123456789abcdef"
#define LINES(name) name ":example.net:MD5:" HALF "\n" name ":example.net:SHA-256:" HALF HALF "\n"
#define USER LINES("alice")

static void not_added(struct supervisor *s, unsigned role, unsigned index)
{
	(void)s, (void)role, (void)index;
}

static void setup(void)
{
	static char path[128];

	log_init("test", -1, LOG_ERROR, quiet, NULL);
	own_folder_make(base);
	put("users", USER);
	put_config(2, HERE, "/tmp/run", "500ms");
	snprintf(path, sizeof(path), "%s/sipward.conf", base);
	m = (struct master){.config_path = path};
	for (unsigned r = 0; r < ROLE_COUNT; r++)
		m.supervisor.settings[r] = -1;
	m.supervisor.users = -1;
	cr_assert_eq(loop_new(&m.loop), 0);
	struct config *c = NULL;
	cr_assert_eq(config_load(path, &c, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(reload_use(&m, c), 0);
	/* none of the workers is there */
	m.supervisor.loop = m.loop;
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
		m.supervisor.role_count[r] = m.config->workers[r];
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
		m.supervisor.program[r] = "none";
	scale_init(&m.supervisor, not_added, NULL);
	queries_init(&m.queries, m.loop, &m.supervisor);
	removed_listeners_init(&m);
	cr_assert_eq(listen_open(&m.listen, m.config->listeners, 1, 1), 0);
	cr_assert_eq(userwatch_open(&m.userwatch, m.loop, NULL, NULL), 0);
}

static void teardown(void)
{
	userwatch_close(&m.userwatch);
	loop_unset(m.loop, &m.removed.timer);
	queries_close(&m.queries);
	listen_close(&m.listen);
	config_free(m.config);
	loop_free(m.loop);
	own_folder_remove(base);
}

TestSuite(reload, .init = setup, .fini = teardown);

static void refused(const char *word)
{
	const struct config *before = m.config;
	int users = m.supervisor.users;

	cr_expect_lt(reload_config(&m, &errors), 0);
	cr_assert_geq(errors.count, 1);
	cr_expect(strstr(errors.text[0], word), "%s", errors.text[0]);
	cr_expect_eq(m.config, before, "nothing changes");
	cr_expect_eq(m.supervisor.users, users);
	cr_expect_eq(m.generation, 1);
}

Test(reload, timers_change_while_running)
{
	put_config(2, HERE, "/tmp/run", "800ms");
	cr_assert_eq(reload_config(&m, &errors), 0);
	cr_expect_eq(m.config->t1_ms, 800);
	cr_expect_eq(m.generation, 2);
}

Test(reload, what_is_tied_to_processes_and_folders_needs_a_restart)
{
	put_config(2, HERE, "/tmp/run2", "500ms");
	refused("option \"runtime-directory\"");
}

/* What a reload from the one config to the other would be refused for. */
static size_t refusals(const char *before, const char *after)
{
	struct config *now = NULL, *then = NULL;
	size_t n;

	put("sipward.conf", before);
	cr_assert_eq(config_load(m.config_path, &now, &errors), 0, "%s", errors.text[0]);
	put("sipward.conf", after);
	cr_assert_eq(config_load(m.config_path, &then, &errors), 0, "%s", errors.text[0]);
	n = reload_refusals(now, then, &errors);
	config_free(now);
	config_free(then);
	return n;
}

#define WITH(workers, section)                                                                     \
	"workers { " workers " }\n" section "zone \"access\" { trust = no }\n"                     \
	"listener \"udp\" { bind = \"" HERE "\" zone = \"access\" }\n"                             \
	"domain \"example.net\" { users = \"users\" }\n"
#define PAGE "web { bind = \"tcp:127.0.0.1:9060\" }\n"

Test(reload, workers_of_all_roles_come_and_go)
{
	cr_expect_eq(refusals(WITH("tls = 0", PAGE), WITH("tls = 3", "")), 0);
	cr_expect_eq(refusals(WITH("tls = 1 web = 0", PAGE), WITH("tls = 0", PAGE)), 0);
	cr_assert_eq(refusals(WITH("tls = 1", ""), WITH("tls = 1 tls-user = nobody", "")), 1);
	cr_expect(strstr(errors.text[0], "the user of a role"), "%s", errors.text[0]);
}

#define TWO_ZONES(listener_zone, first, second)                                                    \
	"runtime-directory = \"/tmp/run\"\nstate-directory = \"/tmp/state\"\nworkers { transport " \
	"= 1 sip = 2 tls = 0 }\n"                                                                  \
	"zone \"" first "\" { trust = no auth = digest }\nzone \"" second                          \
	"\" { trust = no auth = digest }\n"                                                        \
	"listener \"udp\" { bind = \"" HERE "\" zone = \"" listener_zone "\" }\n"                  \
	"domain \"example.net\" { users = \"users\" }\ntimers { t1 = \"500ms\" }\n"

Test(reload, zones_keep_their_places)
{
	put("sipward.conf", TWO_ZONES("access", "access", "guests"));
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	m.generation = 1;
	put("sipward.conf", TWO_ZONES("guests", "access", "guests"));
	refused("cannot move from zone");
	put("sipward.conf", TWO_ZONES("access", "visitors", "access"));
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(m.config->zone_count, 3);
	cr_expect_str_eq(m.config->zones[0].name, "access");
	cr_expect(m.config->zones[1].gone);
	cr_expect_str_eq(m.config->zones[2].name, "visitors");
	/* the file that runs, and the one before */
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	put("sipward.conf", TWO_ZONES("access", "access", "guests"));
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	cr_expect_not(m.config->zones[1].gone);
	cr_expect(m.config->zones[2].gone);
}

Test(reload, listeners_come_and_go)
{
	int first = listen_socket(&m.listen, 0, 0), second;

	put_config(2, OTHER, "/tmp/run", "500ms");
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(m.config->listener_count, 2);
	cr_expect(m.config->listeners[0].gone);
	cr_expect_eq(listen_socket(&m.listen, 0, 0), first, "calls may still need it");
	second = listen_socket(&m.listen, 0, 1);
	cr_assert_geq(second, 0);
	/* one that cannot be bound leaves nothing behind */
	m.generation = 1;
	put_config(2, "udp:192.0.2.1:5070", "/tmp/run", "500ms");
	refused("no interface has this address");
	cr_assert_eq(m.listen.listeners, 2);
	put_config(2, HERE, "/tmp/run", "500ms");
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	cr_expect_not(m.config->listeners[0].gone);
	cr_expect(m.config->listeners[1].gone);
	cr_expect_eq(listen_socket(&m.listen, 0, 0), first);
	cr_expect_eq(listen_socket(&m.listen, 0, 1), second);
	/* closed, it is opened anew when it comes back */
	listen_close_listener(&m.listen, 1);
	cr_expect_eq(listen_socket(&m.listen, 0, 1), -1);
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	cr_expect_eq(listen_socket(&m.listen, 0, 1), -1);
	put_config(2, OTHER, "/tmp/run", "500ms");
	cr_assert_eq(reload_config(&m, &errors), 0, "%s", errors.text[0]);
	cr_expect_geq(listen_socket(&m.listen, 0, 1), 0);
}

Test(reload, a_bad_file_changes_nothing)
{
	put("sipward.conf", "zone {");
	refused("sipward.conf");
	put_config(2, HERE, "/tmp/run", "500ms");
	put("users", "broken\n");
	refused("users");
}

Test(reload, bad_users_files_leave_the_old_users)
{
	int users = m.supervisor.users;

	put("users", USER "broken\n");
	cr_expect_eq(reload_users(&m, &errors), -EINVAL);
	cr_expect_eq(m.supervisor.users, users);
	put("users", USER "bob:example.net:MD5:" HALF "\n");
	cr_expect_eq(reload_users(&m, &errors), -EINVAL, "what a restart would refuse");
	put("users", USER LINES("bob"));
	cr_expect_eq(reload_users(&m, &errors), 0);
	cr_expect_eq(m.config->domains[0].users.count, 0, "no HA1 stays with the master");
}

static unsigned changes;

static void changed(void *arg)
{
	(void)arg;
	changes++;
}

Test(reload, a_changed_users_file_is_noticed_once)
{
	userwatch_close(&m.userwatch);
	cr_assert_eq(userwatch_open(&m.userwatch, m.loop, changed, NULL), 0);
	userwatch_set(&m.userwatch, m.config);
	put("other", "x");
	for (unsigned i = 0; i < 3; i++)
		loop_once(m.loop, 10);
	cr_expect_not(timer_armed(&m.userwatch.timer), "another file");
	put("users", USER);
	put("users", USER);
	for (unsigned i = 0; i < 1000 && !changes; i++)
		loop_once(m.loop, 10);
	cr_expect_eq(changes, 1);
	cr_expect_not(timer_armed(&m.userwatch.timer));
}
