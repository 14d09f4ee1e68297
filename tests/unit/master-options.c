/* the table of options (ipc/options.def): its defaults are values that the file may have, and each
 * worker finds in its settings what the table says that it receives. */
#include "master/config/load.h"
#include "master/config/options.h"
#include "master/config/settings_builder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char path[] = "/tmp/sipward-options-XXXXXX";
static struct config_errors errors;

#define LISTENER "zone z { trust = no }\nlistener l { bind = \"udp:127.0.0.1:5060\" zone = z }\n"

static struct config *load(const char *text)
{
	struct config *c = NULL;
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fputs(LISTENER, f);
	fclose(f);
	cr_assert_eq(config_load(path, &c, &errors), 0, "%s", errors.text[0]);
	return c;
}

static void setup(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
}

TestSuite(options, .init = setup, .fini = teardown);

/* The default of every option outside of sections with a title, as text of a config file. */
#define PRESET_DEFAULT(value) value
#define PRESET_NEEDED(example) NULL
#define PRESET_NOTHING NULL
static const struct {
	const char *section, *name, *preset;
} rows[] = {
#define OPTION(section, name, kind, preset, field, receivers, help)                                \
	{#section, name, PRESET_##preset},
#define OWN_OPTION(section, name, values, preset, form, help) {#section, name, PRESET_##preset},
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "ipc/options.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Compares a field, each kind in its way. */
#define SAME_NUMBER(x, y) ((x) == (y))
#define SAME_STRING(x, y) (strcmp((x), (y)) == 0)
#define SAME_DURATION(least, most) SAME_NUMBER
#define SAME_SECONDS_OR_OFF(least, most) SAME_NUMBER
#define SAME_COUNT_OR_OFF(least, most) SAME_NUMBER
#define SAME_COUNT(least, most) SAME_NUMBER
#define SAME_SIZE(least, most) SAME_NUMBER
#define SAME_BOOL SAME_NUMBER
#define SAME_WORD(words) SAME_NUMBER
/* NULL where there is none */
#define SAME_PATH(x, y) ((x) == (y) || ((x) && (y) && SAME_STRING(x, y)))
#define SAME_TEXT(most) SAME_STRING

Test(options, defaults_can_be_written_down)
{
	struct config *unset = load(""), *set;
	char text[8192] = "", *at = text, *end = text + sizeof(text);

	for (size_t i = 0; i < ROWS; i++) {
		bool root = strcmp(rows[i].section, "root") == 0;

		if (!root && (i == 0 || strcmp(rows[i].section, rows[i - 1].section) != 0))
			at += snprintf(at, (size_t)(end - at), "%s {\n", rows[i].section);
		if (rows[i].preset)
			at += snprintf(at, (size_t)(end - at), "%s = \"%s\"\n", rows[i].name,
				rows[i].preset);
		if (!root && (i + 1 == ROWS || strcmp(rows[i].section, rows[i + 1].section) != 0))
			at += snprintf(at, (size_t)(end - at), "}\n");
	}
	set = load(text);
#define OPTION(section, name, kind, preset, field, receivers, help)                                \
	cr_expect(SAME_##kind(unset->field, set->field), "%s %s", #section, name);
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "ipc/options.def"
	for (unsigned role = PEER_TRANSPORT; role <= PEER_TLS; role++) {
		cr_expect_eq(unset->workers[role], set->workers[role]);
		cr_expect_str_eq(unset->user[role], set->user[role]);
	}
	cr_expect_eq(unset->control_mode, set->control_mode);
	config_free(unset);
	config_free(set);
}

#define EMPTY_NUMBER(x) ((x) == 0)
#define EMPTY_STRING(x) ((x).length == 0)
#define EMPTY_DURATION(least, most) EMPTY_NUMBER
#define EMPTY_SECONDS_OR_OFF(least, most) EMPTY_NUMBER
#define EMPTY_COUNT_OR_OFF(least, most) EMPTY_NUMBER
#define EMPTY_COUNT(least, most) EMPTY_NUMBER
#define EMPTY_SIZE(least, most) EMPTY_NUMBER
#define EMPTY_BOOL EMPTY_NUMBER
#define EMPTY_WORD(words) EMPTY_NUMBER
#define EMPTY_PATH EMPTY_STRING
#define EMPTY_TEXT(most) EMPTY_STRING
#define RECEIVED_BY_TRANSPORT(role) ((role) == PEER_TRANSPORT)
#define RECEIVED_BY_SIP(role) ((role) == PEER_SIP)
#define RECEIVED_BY_TRANSPORT_SIP(role) ((role) != PEER_TLS)

Test(options, workers_get_what_the_table_says)
{
	struct config *c = load("server = edge tls { tickets = yes }\n"
				"limits { subscription-expires-least = 60s "
				"subscriptions-in-all = 9 }\n");

	for (unsigned role = PEER_TRANSPORT; role <= PEER_TLS; role++) {
		const struct settings *s;
		int fd = -1;

		cr_assert_eq(settings_build(c, (enum peer_role)role, 1, &fd), 0);
		s = mmap(NULL, (size_t)lseek(fd, 0, SEEK_END), PROT_READ, MAP_PRIVATE, fd, 0);
		cr_assert_neq((const void *)s, MAP_FAILED);
#define OPTION(section, name, kind, preset, field, receivers, help)                                \
	SETTINGS_FOR_##receivers(                                                                  \
		cr_expect(RECEIVED_BY_##receivers(role) != EMPTY_##kind(s->field),                 \
			"%s %s in the settings of role %u", #section, name, role));
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "ipc/options.def"
		cr_expect(role != PEER_SIP || s->calls_max == c->calls_max);
		cr_expect(role != PEER_TRANSPORT || s->message_max == c->message_max);
		munmap((void *)(uintptr_t)s, s->size);
		close(fd);
	}
	config_free(c);
}

/* Each row is refused by its name, and nothing else is. */
Test(options, what_cannot_change_while_running_is_refused)
{
	struct config *now = load(""), *then = load("runtime-directory = \"/run/other\"\n"
						    "state-directory = \"/var/lib/other\"\n"
						    "workers { ipc = pairs }\n"
						    "control { group = other }\n"
						    "web { bind = \"tcp:127.0.0.1:9060\" }\n"
						    "log-level = debug\n"
						    "limits { calls = 12 }\n");
	static struct config_errors refused;
	const char *const names[] = {
#define FIXED_OPTION(section, name, kind, preset, field, receivers, help) name,
#include "ipc/options.def"
	};

	options_refuse_changes(now, now, &refused);
	cr_expect_eq(refused.count, 0);
	options_refuse_changes(now, then, &refused);
	cr_assert_eq(refused.count, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < refused.count; i++)
		cr_expect_not_null(strstr(refused.text[i], names[i]), "%s", refused.text[i]);
	cr_expect_not_null(strstr(refused.text[2],
		"option \"ipc\" of workers cannot change from \"zeromq\" to \"pairs\""));
	config_free(now);
	config_free(then);
}
