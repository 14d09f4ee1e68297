/* master-config.h - a config file in a folder of its own, for the tests of what is read from it. */
#ifndef SIPWARD_TESTS_UNIT_MASTER_CONFIG_H
#define SIPWARD_TESTS_UNIT_MASTER_CONFIG_H

#include "master/config/load.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
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

static inline void put_file(const char *name, const char *text)
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

static inline void setup(void)
{
	own_folder_make(folder);
	snprintf(path, sizeof(path), "%s/sipward.conf", folder);
	put_file("users", USERS);
}

static inline void teardown(void)
{
	config_free(c);
	c = NULL;
	own_folder_remove(folder);
}

static inline void load(const char *text)
{
	put_file("sipward.conf", text);
	config_free(c);
	c = NULL;
	cr_assert_eq(config_load(path, &c, &errors), 0, "%s",
		errors.count ? errors.text[0] : "no error told");
	cr_assert_eq(errors.count, 0);
}

/* text is refused, and an error with that line says all of what (parts separated by '|'). */
static inline void refused(const char *text, int line, const char *what)
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

#define CERTIFICATES                                                                               \
	"certificate m { chain = m.pem key = m.key names = { \"sip.example.net\", "                \
	"\"*.Example.org\" } } certificate n { chain = m.pem key = m.key }\n"
#define TLS SANE CERTIFICATES

static inline void put_certificates(void)
{
	put_file("m.pem", "x");
	put_file("m.key", "x");
}

static inline bool warned(const char *text)
{
	for (size_t i = 0; i < c->warning_count; i++)
		if (strstr(c->warnings[i], text))
			return true;
	return false;
}

#endif
