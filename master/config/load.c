/* load.c - loads the config file: defaults, the options outside the sections with a title, then
 * these, then the checks. Relies on config_file.c for the syntax. */
#include "config.h"

#include "common/log.h"
#include "ipc/message.h"
#include "check.h"
#include "sections.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static const char *const role_names[ROLE_COUNT] = {
	[PEER_TRANSPORT] = "transport", [PEER_SIP] = "sip", [PEER_TLS] = "tls"};

static void set_defaults(struct reader *r)
{
	struct config *c = r->c;

	c->runtime_directory = reader_copy(r, "/run/sipward");
	c->state_directory = reader_copy(r, "/var/lib/sipward");
	c->control_group = reader_copy(r, "");
	c->control_mode = 0660;
	c->server = reader_copy(r, "");
	c->log_level = LOG_INFO;
	c->workers[PEER_TRANSPORT] = 1;
	c->workers[PEER_SIP] = 2;
	c->workers[PEER_TLS] = 1;
	c->t1_ms = 500;
	c->t2_ms = 4000;
	c->t4_ms = 5000;
	c->connect_ms = 2000;
	/* longer than the longest expiry that a domain gives by default: a phone that never pings
	 * keeps its flow until it registers again */
	c->idle_ms = 65 * 60 * 1000;
	c->message_ms = 10000;
	c->connections_max = 4096;
	c->connection_queue = 256 * 1024;
	c->message_max = MESSAGE_RAW_MAX;
	c->transactions_max = 400000;
	c->calls_max = 100000;
	c->forks_max = 16;
	c->nonce_ms = 300000;
	c->max_forwards = 70;
	c->handshake_ms = 10000;
	c->handshakes_max = 1024;
	c->handshakes_per_source = 64;
	c->trust = reader_copy(r, TRUST_PATH_DEFAULT);
}

/* "user" or "user:group" */
static bool identity_valid(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!*text || strlen(text) > 64 ||
		strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:") !=
			strlen(text))
		return false;
	return !colon || (colon != text && colon[1] && !strchr(colon + 1, ':'));
}

static void read_identity(struct reader *r, cfg_t *section, enum peer_role role)
{
	char option[32], text[65];
	const struct config_value *v;
	char *colon;

	snprintf(option, sizeof(option), "%s-user", role_names[role]);
	snprintf(text, sizeof(text), "_sipward-%s", role_names[role]);
	v = config_value(section, option);
	if (v && identity_valid(v->text))
		snprintf(text, sizeof(text), "%s", v->text);
	else if (v)
		reader_expected(r, section, option, v, "the name of a user, or USER:GROUP");
	colon = strchr(text, ':');
	if (colon)
		*colon++ = '\0';
	r->c->user[role] = reader_copy(r, text);
	r->c->group[role] = reader_copy(r, colon ? colon : "");
}

static void read_workers(struct reader *r, cfg_t *section)
{
	for (enum peer_role role = PEER_TRANSPORT; role <= PEER_TLS; role++) {
		uint32_t n = r->c->workers[role];

		/* without TLS listeners nobody misses the key worker */
		read_count(r, section, role_names[role], role == PEER_TLS ? 0 : 1,
			role == PEER_TLS ? TLS_WORKERS_MAX : ROLE_WORKERS_MAX, &n);
		r->c->workers[role] = n;
		read_identity(r, section, role);
	}
}

/* "0660": octal, never for everyone, at least the owner's. */
static void read_control(struct reader *r, cfg_t *section)
{
	const struct config_value *v = config_value(section, "mode");

	read_text(r, section, "group", 64, &r->c->control_group);
	if (!v)
		return;
	if (strspn(v->text, "01234567") == strlen(v->text) &&
		(strlen(v->text) == 3 || (strlen(v->text) == 4 && v->text[0] == '0'))) {
		unsigned long mode = strtoul(v->text, NULL, 8);

		if ((mode & ~0660ul) == 0 && (mode & 0600) == 0600) {
			r->c->control_mode = (uint32_t)mode;
			return;
		}
	}
	reader_expected(r, section, "mode", v, "0600, 0620, 0640 or 0660");
}

static void read_limits(struct reader *r, cfg_t *timers, cfg_t *limits)
{
	struct config *c = r->c;
	const struct config_value *v;

	read_duration_ms(r, timers, "t1", 100, 5 * SECOND, &c->t1_ms);
	read_duration_ms(r, timers, "t2", SECOND, 60 * SECOND, &c->t2_ms);
	read_duration_ms(r, timers, "t4", SECOND, 60 * SECOND, &c->t4_ms);
	if (c->t2_ms < c->t1_ms) {
		v = config_value(timers, "t2");
		if (!v)
			v = config_value(timers, "t1");
		reader_error(r, timers, v->line,
			"t2 must not be shorter than t1 (RFC 3261 section 17.1.2.1)");
	}
	read_duration_ms(r, limits, "connect-timeout", 100, 30 * SECOND, &c->connect_ms);
	read_duration_ms(r, limits, "idle-timeout", 10 * SECOND, 24 * HOUR, &c->idle_ms);
	read_duration_ms(r, limits, "message-timeout", 100, 5 * MINUTE, &c->message_ms);
	read_count(r, limits, "connections", 1, 1000000, &c->connections_max);
	read_size(r, limits, "connection-queue", 64 * 1024, 64 * 1024 * 1024, &c->connection_queue);
	read_size(r, limits, "message-size", 1024, MESSAGE_RAW_MAX + 1, &c->message_max);
	if (c->message_max >
		MESSAGE_RAW_MAX) /* 64KB is what people write for the largest datagram */
		c->message_max = MESSAGE_RAW_MAX;
	read_count(r, limits, "transactions", 100, 10000000, &c->transactions_max);
	read_count(r, limits, "calls", 10, 1000000, &c->calls_max);
	read_count(r, limits, "forks", 1, 64, &c->forks_max);
	read_duration_ms(r, limits, "nonce-age", 10 * SECOND, HOUR, &c->nonce_ms);
	read_count(r, limits, "max-forwards", 1, 255, &c->max_forwards);
	read_duration_ms(r, limits, "handshake-timeout", 500, MINUTE, &c->handshake_ms);
	read_count(r, limits, "handshakes", 1, 100000, &c->handshakes_max);
	read_count(r, limits, "handshakes-per-source", 1, 100000, &c->handshakes_per_source);
}

static void read_top(struct reader *r, cfg_t *root)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"}, *const jails[] = {
											"enforce",
											"log"};
	struct config *c = r->c;
	const struct config_value *v = config_value(root, "runtime-directory");
	char control[CONFIG_PATH_MAX];
	unsigned level = c->log_level, jail = 0;

	read_path(r, root, "runtime-directory", &c->runtime_directory);
	if (v && c->runtime_directory &&
		strlen(c->runtime_directory) > CONFIG_RUNTIME_DIRECTORY_MAX)
		reader_error(r, root, v->line,
			"runtime-directory: expected at most %d bytes, because sockets are made in "
			"it; \"%.100s\" has %zu",
			CONFIG_RUNTIME_DIRECTORY_MAX, c->runtime_directory,
			strlen(c->runtime_directory));
	read_path(r, root, "state-directory", &c->state_directory);
	read_word(r, root, "log-level", levels, 4, &level);
	c->log_level = (uint8_t)level;
	read_word(r, root, "jail", jails, 2, &jail);
	c->jail_log = jail == 1;
	read_bool(r, root, "require-jail", &c->jail_required);
	read_text(r, root, "server", 128, &c->server);
	read_workers(r, cfg_getsec(root, "workers"));
	read_control(r, cfg_getsec(root, "control"));
	read_limits(r, cfg_getsec(root, "timers"), cfg_getsec(root, "limits"));
	read_bool(r, cfg_getsec(root, "tls"), "tickets", &c->tickets);
	read_path(r, cfg_getsec(root, "tls"), "trust", &c->trust);
	snprintf(control, sizeof(control), "%s/control.sock",
		c->runtime_directory ? c->runtime_directory : "");
	c->control_path = reader_copy(r, control);
}

/* The folder that holds the file, absolute. */
static int folder_of(const char *path, char buffer[PATH_MAX])
{
	char *slash;

	if (!realpath(path, buffer))
		return -errno;
	slash = strrchr(buffer, '/');
	slash[slash == buffer] = '\0'; /* "/" keeps its slash */
	return 0;
}

int config_load(const char *path, struct config **out, struct config_errors *errors)
{
	char folder[PATH_MAX];
	struct reader r = {.errors = errors, .folder = folder};
	cfg_t *root;
	int error;

	errors->count = errors->dropped = 0;
	error = config_file_parse(path, &root, errors);
	if (error)
		return error;
	error = folder_of(path, folder);
	r.c = calloc(1, sizeof(*r.c));
	if (error || !r.c) {
		if (error)
			config_error_add(errors, path, 0, "cannot be found: %s", strerror(-error));
		free(r.c);
		cfg_free(root);
		return error ? error : -ENOMEM;
	}
	r.c->path = reader_copy(&r, path);
	if (r.c->path) {
		set_defaults(&r);
		read_top(&r, root);
		config_sections_read(&r, root);
		if (!r.no_memory)
			config_check(&r);
	}
	cfg_free(root);
	if (r.no_memory || errors->count) {
		config_free(r.c);
		return r.no_memory ? -ENOMEM : -EINVAL;
	}
	*out = r.c;
	return 0;
}

void config_forget_users(struct config *c)
{
	for (size_t i = 0; i < c->domain_count; i++)
		userfile_free(&c->domains[i].users);
}

static void free_sections(struct config *c)
{
	for (size_t i = 0; i < c->zone_count; i++) {
		free(c->zones[i].name);
		free(c->zones[i].sources);
	}
	for (size_t i = 0; i < c->listener_count; i++) {
		free(c->listeners[i].name);
		free(c->listeners[i].advertise_host);
		free(c->listeners[i].client_ca);
		for (size_t n = 0; n < c->listeners[i].origin_count; n++)
			free(c->listeners[i].origins[n]);
		free(c->listeners[i].origins);
	}
	for (size_t i = 0; i < c->certificate_count; i++) {
		struct config_certificate *k = &c->certificates[i];

		for (size_t n = 0; n < k->name_count; n++)
			free(k->names[n]);
		free(k->names);
		free(k->name);
		free(k->chain);
		free(k->key);
	}
	for (size_t i = 0; i < c->domain_count; i++) {
		free(c->domains[i].name);
		free(c->domains[i].realm);
		free(c->domains[i].users_path);
	}
	for (size_t i = 0; i < c->trunk_count; i++) {
		for (size_t n = 0; n < c->trunks[i].target_count; n++)
			free(c->trunks[i].targets[n].uri);
		free(c->trunks[i].targets);
		free(c->trunks[i].tls_name);
		free(c->trunks[i].name);
	}
	for (size_t i = 0; i < c->route_count; i++) {
		free(c->routes[i].name);
		free(c->routes[i].number);
	}
	free(c->zones);
	free(c->listeners);
	free(c->certificates);
	free(c->domains);
	free(c->trunks);
	free(c->routes);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	config_forget_users(c);
	free_sections(c);
	for (size_t i = 0; i < c->warning_count; i++)
		free(c->warnings[i]);
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		free(c->user[i]);
		free(c->group[i]);
	}
	free(c->path);
	free(c->runtime_directory);
	free(c->state_directory);
	free(c->control_path);
	free(c->control_group);
	free(c->server);
	free(c->trust);
	free(c);
}

int config_check_main(const char *path)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	struct config *c = NULL;
	int error;

	if (!errors)
		return EXIT_FAILURE;
	error = config_load(path, &c, errors);
	if (error) {
		config_errors_print(errors, stderr);
		if (errors->count == 0)
			fprintf(stderr, "%s: %s\n", path, strerror(-error));
		free(errors);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < c->warning_count; i++)
		printf("%s\n", c->warnings[i]);
	printf("%s: ok\n", path);
	config_free(c);
	free(errors);
	return EXIT_SUCCESS;
}
