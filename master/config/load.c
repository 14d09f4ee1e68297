/* load.c - loads the config file: defaults, the options outside the sections with a title, then
 * these, then the checks. Relies on file.c for the syntax. */
#include "load.h"

#include "ipc/message.h"
#include "check.h"
#include "emergency_numbers.h"
#include "collector.h"
#include "name_servers.h"
#include "options.h"
#include "section.h"
#include "sections.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* "user" or "user:group" */
static bool load_identity_valid(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:";
	const char *colon = strchr(text, ':');
	size_t n = strlen(text);

	if (n == 0 || n > 64 || strspn(text, letters) != n)
		return false;
	return !colon || (colon != text && colon[1] && !strchr(colon + 1, ':'));
}

static void load_identity(struct reader *r, cfg_t *section, unsigned role)
{
	char option[32], text[65];
	const struct config_value *v;
	char *colon;

	snprintf(option, sizeof(option), "%s-user", role_name(role));
	snprintf(text, sizeof(text), "%s", option_default("workers", option));
	v = config_value(section, option);
	r->c->user_line[role] = v ? v->line : 0;
	if (v && load_identity_valid(v->text))
		snprintf(text, sizeof(text), "%s", v->text);
	else if (v)
		reader_expected(r, section, option, v, "the name of a user, or USER:GROUP");
	colon = strchr(text, ':');
	if (colon)
		*colon++ = '\0';
	r->c->user[role] = reader_copy(r, text);
	r->c->group[role] = reader_copy(r, colon ? colon : "");
}

static void load_workers(struct reader *r, cfg_t *section)
{
	for (unsigned role = ROLE_FIRST; role < ROLE_COUNT; role++) {
		const char *preset = option_default("workers", role_name(role));
		uint32_t n = (uint32_t)strtoul(preset, NULL, 10);

		reader_count(r, section, role_name(role), role_rows[role].least,
			role_rows[role].greatest, &n);
		r->c->workers[role] = n;
		load_identity(r, section, role);
	}
}

/* "0660": octal, never for everyone, at least the owner's. */
static bool load_mode(const char *text, uint32_t *out)
{
	size_t n = strlen(text);
	unsigned long mode;

	if (strspn(text, "01234567") != n)
		return false;
	if (n != 3 && !(n == 4 && text[0] == '0'))
		return false;
	mode = strtoul(text, NULL, 8);
	if ((mode & ~0660ul) || (mode & 0600) != 0600)
		return false;
	*out = (uint32_t)mode;
	return true;
}

static void load_control(struct reader *r, cfg_t *section)
{
	const struct config_value *v = config_value(section, "mode");

	r->c->control_mode = (uint32_t)strtoul(option_default("control", "mode"), NULL, 8);
	if (v && !load_mode(v->text, &r->c->control_mode))
		reader_expected(r, section, "mode", v, "0600, 0620, 0640 or 0660");
}

static void load_check_timers(struct reader *r, cfg_t *timers)
{
	const struct config_value *t2 = config_value(timers, "t2"),
				  *t1 = config_value(timers, "t1");

	if (r->errors->count == 0 && r->c->t2_ms < r->c->t1_ms)
		reader_error(r, timers, t2 ? t2->line : t1->line,
			"t2 must not be shorter than t1 (RFC 3261 section 17.1.2.1)");
}

static void load_check_subscriptions(struct reader *r, cfg_t *limits)
{
	const struct config_value *least = config_value(limits, "subscription-expires-least");

	if (least && r->c->subscription_expires &&
		r->c->subscription_expires_least > r->c->subscription_expires)
		reader_error(r, limits, least->line,
			"subscription-expires-least must not be longer than subscription-expires, "
			"which is %us",
			r->c->subscription_expires);
}

static void load_check_runtime_directory(struct reader *r, cfg_t *root)
{
	const struct config_value *v = config_value(root, "runtime-directory");
	const char *path = r->c->runtime_directory;

	if (v && path && strlen(path) > CONFIG_RUNTIME_DIRECTORY_MAX)
		reader_error(r, root, v->line,
			"runtime-directory: expected at most %d bytes, because sockets are made in "
			"it; \"%.100s\" has %zu",
			CONFIG_RUNTIME_DIRECTORY_MAX, path, strlen(path));
}

static void load_scanner(
	struct reader *r, cfg_t *limits, const struct config_value *v, struct str word)
{
	char text[SCANNER_WORD_MOST + 1];
	char *copy;

	if (word.n < SCANNER_WORD_LEAST || str_copy(word, text, sizeof(text)) != 0) {
		reader_expected(r, limits, "scanners", v, "words of %d to %d bytes, or \"off\"",
			SCANNER_WORD_LEAST, SCANNER_WORD_MOST);
		return;
	}
	if (r->c->scanner_count == SCANNERS_MAX) {
		reader_error(r, limits, v->line, "scanners: at most %d are possible", SCANNERS_MAX);
		return;
	}
	copy = reader_copy(r, text);
	text_lower(copy);
	if (copy)
		r->c->scanners[r->c->scanner_count++] = copy;
}

/* The words of a value, with commas between them. */
static void load_scanner_words(
	struct reader *r, cfg_t *limits, const struct config_value *v, const char *text)
{
	struct str rest = str_of(text);

	while (rest.n) {
		size_t n = str_find(rest, ',');

		load_scanner(r, limits, v, str_trim((struct str){rest.p, n}));
		rest = str_from(rest, n < rest.n ? n + 1 : n);
	}
}

static void load_scanners(struct reader *r, cfg_t *limits)
{
	size_t count = config_list_count(limits, "scanners");

	r->c->scanners = reader_array(r, SCANNERS_MAX, sizeof(*r->c->scanners));
	if (!r->c->scanners)
		return;
	if (count == 0)
		load_scanner_words(r, limits, NULL, option_default("limits", "scanners"));
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(limits, "scanners", i);

		if (count > 1 || strcmp(v->text, "off") != 0)
			load_scanner_words(r, limits, v, v->text);
	}
}

static void load_lines(struct config *c, cfg_t *root)
{
	c->line.runtime_directory = reader_line(root, "runtime-directory");
	c->line.state_directory = reader_line(root, "state-directory");
	c->line.control_group = reader_line(cfg_getsec(root, "control"), "group");
	c->line.trust = reader_line(cfg_getsec(root, "tls"), "trust");
	c->line.cdr_file = reader_line(cfg_getsec(root, "cdr"), "file");
	c->line.cdr_socket = reader_line(cfg_getsec(root, "cdr"), "socket");
	c->line.web_bind = reader_line(cfg_getsec(root, "web"), "bind");
}

static void load_root(struct reader *r, cfg_t *root)
{
	struct config *c = r->c;
	char control[CONFIG_PATH_MAX];

	options_read(r, root, "root", c);
#define SECTION(section, titles, help) options_read(r, cfg_getsec(root, #section), #section, c);
#define OPTIONS OPTIONS_OF_SINGLE
#include "ipc/options.def"
	load_lines(c, root);
	load_check_runtime_directory(r, root);
	load_workers(r, cfg_getsec(root, "workers"));
	load_control(r, cfg_getsec(root, "control"));
	emergency_read(r, cfg_getsec(root, "limits"));
	load_scanners(r, cfg_getsec(root, "limits"));
	section_prefixes(r, cfg_getsec(root, "limits"), "never-ban", NEVER_BAN_MAX, &c->never_ban,
		&c->never_ban_count);
	load_check_timers(r, cfg_getsec(root, "timers"));
	load_check_subscriptions(r, cfg_getsec(root, "limits"));
	name_servers_read(r, cfg_getsec(root, "dns"));
	collector_read(r, cfg_getsec(root, "hep"));
	/* 64KB is what people write for the largest datagram */
	if (c->message_max > MESSAGE_RAW_MAX)
		c->message_max = MESSAGE_RAW_MAX;
	snprintf(control, sizeof(control), "%s/control.sock",
		c->runtime_directory ? c->runtime_directory : "");
	c->control_path = reader_copy(r, control);
}

/* The folder that holds the file, absolute. */
static int load_folder(const char *path, char buffer[PATH_MAX])
{
	char *slash;

	if (!realpath(path, buffer))
		return -errno;
	slash = strrchr(buffer, '/');
	slash[slash == buffer] = '\0'; /* "/" keeps its slash */
	return 0;
}

/* The errors have been written with the names of their files. */
static void load_drop(struct reader *r)
{
	r->errors->sources = NULL;
	config_free(r->c);
}

int config_load(const char *path, struct config **out, struct config_errors *errors)
{
	char folder[PATH_MAX];
	struct reader r = {.errors = errors, .folder = folder};
	cfg_t *root;
	int error;

	errors->count = errors->dropped = 0;
	errors->sources = NULL;
	error = load_folder(path, folder);
	if (error) {
		config_error_add(errors, path, 0, "cannot be read: %s", strerror(-error));
		return error;
	}
	r.c = calloc(1, sizeof(*r.c));
	if (!r.c)
		return -ENOMEM;
	error = config_file_parse(path, folder, &root, &r.c->sources, errors);
	if (error) {
		load_drop(&r);
		return error;
	}
	r.c->path = reader_copy(&r, path);
	if (r.c->path) {
		load_root(&r, root);
		config_sections_read(&r, root);
		r.c->first_domain = r.c->domain_count ? 0 : NONE_INDEX;
		if (!r.no_memory)
			config_check(&r);
	}
	cfg_free(root);
	if (r.no_memory || errors->count) {
		load_drop(&r);
		return r.no_memory ? -ENOMEM : -EINVAL;
	}
	*out = r.c;
	return 0;
}
