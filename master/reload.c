/* reload.c - what may change while everything runs, and how it does.
 *
 * Everything is built before anything is replaced: a config that is refused changes nothing.
 * Accounts and directories are tied to processes and files that exist: these need a restart. Zones,
 * listeners and domains keep their places (config/places.h).
 */
#include "reload.h"

#include "cdr.h"
#include "hep.h"

#include "master/config/check.h"
#include "master/config/load.h"
#include "master/config/options.h"
#include "master/config/places.h"
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/control/web.h"
#include "master/jail/jail_report.h"
#include "removed_listeners.h"
#include "role_setup.h"
#include "master/workers/scale.h"
#include "master/workers/supervise.h"
#include "common/log_format.h"
#include "common/log.h"
#include "master/config/settings_builder.h"
#include "master/config/users_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void reload_replace(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

/* How much is logged, and in which form. */
static void reload_log(struct master *m, const struct config *config)
{
	int error = log_format_set((enum log_format)config->log_format);

	supervise_log_level(&m->supervisor, (enum log_level)config->log_level);
	if (error)
		log_warn("log-format", "format=journald error=\"%s\" used=logfmt",
			error_text(error));
}

int reload_use(struct master *m, struct config *config)
{
	int settings[ROLE_COUNT], users = -1, forwards = -1, error = 0;

	metric_labels_assign(&m->labels, config);
	for (unsigned r = 0; r < ROLE_COUNT; r++)
		settings[r] = -1;
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT && error == 0; r++)
		error = settings_build(config, r, m->generation + 1, &settings[r]);
	if (error == 0)
		error = users_build(config, &users);
	if (error == 0)
		error = forwards_build(config, &m->forwards, &forwards);
	if (error) {
		reload_replace(&users, -1);
		for (unsigned r = 0; r < ROLE_COUNT; r++)
			if (settings[r] >= 0)
				close(settings[r]);
		log_error("settings-build", "error=\"%s\"", error_text(error));
		return error;
	}
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
		reload_replace(&m->supervisor.settings[r], settings[r]);
	reload_replace(&m->supervisor.users, users);
	reload_replace(&m->supervisor.forwards, forwards);
	m->generation++;
	config_forget_users(config);
	config_free(m->config);
	m->config = config;
	reload_log(m, config);
	m->supervisor.leave_ms = config->transport_leave_ms;
	m->supervisor.jail_log = config->jail_log;
	m->supervisor.jail_required = config->jail_required;
	return 0;
}

static void reload_refuse_text(struct config_errors *errors, const struct config *then,
	const char *what, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		config_error_add(errors, then->path, 0,
			"%s cannot change from \"%s\" to \"%s\" while running: restart sipward",
			what, a, b);
}

size_t reload_refusals(
	const struct config *now, const struct config *then, struct config_errors *errors)
{
	size_t before = errors->count + errors->dropped;

	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++) {
		reload_refuse_text(errors, then, "the user of a role", now->user[r], then->user[r]);
		reload_refuse_text(
			errors, then, "the group of a role", now->group[r], then->group[r]);
	}
	options_refuse_changes(now, then, errors);
	if (now->control_mode != then->control_mode)
		config_error_add(errors, then->path, 0,
			"the control socket's mode cannot change while running: restart sipward");
	return errors->count + errors->dropped - before;
}

static void reload_log_refused(const char *event, const struct config_errors *errors)
{
	char buffer[CONFIG_ERROR_TEXT_MAX + 64];

	count(RELOADS_REFUSED);
	for (size_t i = 0; i < errors->count; i++)
		log_error(event, "error=%s",
			log_value(str_of(errors->text[i]), buffer, sizeof(buffer)));
}

void reload_log_warnings(const struct config *c)
{
	char buffer[LOG_LINE_MAX];

	for (size_t i = 0; i < c->warning_count; i++)
		log_warn("config-warning", "text=%s",
			log_value(str_of(c->warnings[i]), buffer, sizeof(buffer)));
}

/* ---- sockets of listeners that are new ---- */

/* Opens them; nobody is given one yet. */
static int reload_open_listeners(
	struct master *m, const struct config *config, struct config_errors *errors)
{
	unsigned failed;
	int error = listen_follow(
		&m->listen, config->listeners, (unsigned)config->listener_count, &failed);
	char text[ENDPOINT_TEXT_SIZE];

	if (error == 0)
		return 0;
	const struct config_listener *l = &config->listeners[failed];
	endpoint_text(&l->bind, text);
	config_error_add(errors, config->path, l->line,
		"listener \"%s\": cannot be bound to %s:%s: %s", l->name,
		transport_name(l->transport), text, listen_error_text(error));
	return error;
}

/* The config that was to follow is refused. */
static void reload_drop(struct master *m, struct config *config)
{
	listen_abort(&m->listen);
	config_free(config);
	/* TLS workers may have come to check its certificates */
	scale_to(&m->supervisor, m->config->workers);
}

/* What the first worker of a role needs. */
static int reload_set_up_roles(
	struct master *m, const struct config *config, struct config_errors *errors)
{
	int error = 0;

	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT && error == 0; r++) {
		if (!config->workers[r])
			continue;
		error = role_setup(&m->supervisor, config, r);
		if (error < 0)
			config_error_add(errors, config->path, 0,
				"workers: the program or the account of %s workers cannot be used: "
				"%s",
				role_name(r), error_text(error));
	}
	return error;
}

/* The socket of the web worker, where it has another address: *fd, or -1. 1: it has the same. */
static int reload_listen_web(
	struct master *m, const struct config *config, int *fd, struct config_errors *errors)
{
	int error;

	if (strcmp(m->config->web_bind, config->web_bind) == 0)
		return 1;
	error = web_listen(config, fd);
	if (error < 0)
		config_error_add(errors, config->path, config->line.web_bind,
			"section web: bind: \"%s\" cannot be bound: %s", config->web_bind,
			listen_error_text(error));
	return error;
}

/* What else the config names and is opened before it is taken into use; -1 where it names none. */
struct reload_files {
	int cdr, web;
	bool same_web; /* the web worker keeps its socket */
};

static void reload_close_files(const struct reload_files *files)
{
	if (files->cdr >= 0)
		close(files->cdr);
	if (files->web >= 0)
		close(files->web);
}

static int reload_open_files(struct master *m, const struct config *config,
	struct reload_files *files, struct config_errors *errors)
{
	int error;

	*files = (struct reload_files){.cdr = -1, .web = -1};
	error = cdr_open(config, &files->cdr);
	if (error < 0) {
		config_error_add(errors, m->config_path, config->line.cdr_file,
			"section cdr: file: \"%s\" cannot be opened: %s", config->cdr_file,
			strerror(-error));
		return error;
	}
	error = reload_listen_web(m, config, &files->web, errors);
	files->same_web = error == 1;
	if (error < 0)
		reload_close_files(files);
	return error < 0 ? error : 0;
}

static void reload_on_settings_taken(void *arg, json_t *rows, json_t *missing)
{
	struct master *m = arg;

	json_decref(rows);
	json_decref(missing);
	supervise_sockets(&m->supervisor);
}

/* Nothing may come by a new listener before SIP workers know of it: who answers a question that
 * follows the settings has them. */
static void reload_offer_listeners(struct master *m)
{
	if (!listen_commit(&m->listen))
		return;
	if (query_start(&m->queries, PEER_SIP, false, QUERY_NOTHING, "", reload_on_settings_taken,
		    m) < 0)
		supervise_sockets(&m->supervisor);
}

/* All that could be wrong has been found right, but for memory. */
static int reload_apply(struct master *m, struct config *config, struct config_errors *errors)
{
	struct reload_files files;
	int error = reload_open_files(m, config, &files, errors);

	if (error < 0) {
		reload_drop(m, config);
		return error;
	}
	error = reload_use(m, config);
	if (error < 0) {
		reload_close_files(&files);
		config_error_add(errors, m->config_path, 0, "could not be taken into use: %s",
			strerror(-error));
		reload_drop(m, config);
		return error;
	}
	jail_apply(&m->supervisor);
	supervise_settings(&m->supervisor);
	supervise_users(&m->supervisor);
	supervise_forwards(&m->supervisor);
	if (!files.same_web)
		supervise_web(&m->supervisor, files.web);
	scale_to(&m->supervisor, m->config->workers);
	reload_offer_listeners(m);
	removed_listeners_watch(m);
	supervise_cdr(&m->supervisor, files.cdr);
	hep_reopen(m); /* what it says is logged */
	/* Right after the settings, whose certificates are those of this generation. */
	if (m->certificates && certificates_staged(m->certificates)) {
		certificates_keep(m->certificates, m->config->handshake_ms);
		certificates_commit(m->certificates);
	}
	userwatch_set(&m->userwatch, m->config);
	count(RELOADS);
	log_info("reloaded", "generation=%llu", (unsigned long long)m->generation);
	reload_log_warnings(m->config);
	return 0;
}

static void reload_on_checked(void *arg, int error, int line, const char *text)
{
	static struct config_errors errors;
	struct master *m = arg;
	struct reload r = m->reload;

	m->reload = (struct reload){.config = NULL};
	errors = (struct config_errors){.sources = &r.config->sources};
	if (error < 0) {
		config_error_add(&errors, r.config->path, line, "%s", text);
		reload_drop(m, r.config);
	} else {
		error = reload_apply(m, r.config, &errors);
		if (error < 0)
			certificates_abort(m->certificates);
	}
	if (error < 0)
		reload_log_refused("reload-refused", &errors);
	service_manager_reload_ends(&m->service_manager);
	if (r.users_changed) {
		static struct config_errors ignored;

		reload_users(m, &ignored);
	}
	if (r.done)
		r.done(r.arg, error, &errors);
}

/* 0: there is nothing to check; 1: under way, config is held. */
static int reload_check_certificates(
	struct master *m, struct config *config, struct config_errors *errors)
{
	struct certificate_set *set;
	int error;

	if (!m->certificates ||
		(!certificates_configured(config) && !certificates_committed(m->certificates)))
		return 0;
	error = certificate_set_read(config, &set, errors);
	if (error == 0) {
		scale_tls_at_least(&m->supervisor, config->workers[PEER_TLS]);
		error = certificates_stage(m->certificates, set, reload_on_checked, m);
		if (error < 0)
			config_error_add(errors, m->config_path, 0,
				"certificates are being checked already: try again");
	}
	return error < 0 ? error : 1;
}

/* All of it, or up to where certificates are being checked: 1, and then done is called. */
static int reload_try(struct master *m, void (*done)(void *arg, int error, struct config_errors *e),
	void *arg, struct config_errors *errors)
{
	struct config *config;
	int error;

	error = config_load(m->config_path, &config, errors);
	if (error == 0) {
		jail_refuse_changes(&m->supervisor, m->config, config, errors);
		reload_refusals(m->config, config, errors);
		error = places_keep(m->config, config, errors);
		if (error == 0 && errors->count)
			error = -EINVAL;
		if (error == 0)
			error = reload_set_up_roles(m, config, errors);
		if (error == 0)
			error = reload_open_listeners(m, config, errors);
		if (error == 0)
			error = reload_check_certificates(m, config, errors);
		if (error < 0)
			reload_drop(m, config);
	}
	if (error == 1) {
		m->reload = (struct reload){.config = config, .done = done, .arg = arg};
		return 1;
	}
	if (error == 0)
		error = reload_apply(m, config, errors);
	if (error < 0)
		reload_log_refused("reload-refused", errors);
	return error;
}

int reload_begin(struct master *m, void (*done)(void *arg, int error, struct config_errors *errors),
	void *arg, struct config_errors *errors)
{
	if (m->reload.config) {
		*errors = (struct config_errors){.count = 0};
		config_error_add(
			errors, m->config_path, 0, "another reload is under way: try again");
		return -EBUSY;
	}
	service_manager_reload_begins(&m->service_manager);
	int error = reload_try(m, done, arg, errors);
	if (error != 1)
		service_manager_reload_ends(&m->service_manager);
	return error;
}

int reload_config(struct master *m, struct config_errors *errors)
{
	return reload_begin(m, NULL, NULL, errors);
}

int reload_start_certificates(struct master *m, struct config_errors *errors)
{
	struct certificate_set *set;
	int error = certificates_new(&m->certificates, &m->supervisor);

	*errors = (struct config_errors){.sources = &m->config->sources};
	if (error < 0)
		return error;
	m->supervisor.certificates = m->certificates;
	certificates_keep(m->certificates, m->config->handshake_ms);
	if (!certificates_configured(m->config))
		return 0;
	error = certificate_set_read(m->config, &set, errors);
	if (error == 0)
		certificates_start(m->certificates, set);
	return error;
}

int reload_users(struct master *m, struct config_errors *errors)
{
	struct config *c = m->config;
	int users = -1, error = config_load_users(c, errors);

	if (error == 0) {
		error = users_build(c, &users);
		if (error < 0)
			config_error_add(errors, c->path, 0,
				"the users could not be taken into use: %s", strerror(-error));
	}
	config_forget_users(c);
	if (error < 0) {
		reload_log_refused("users-refused", errors);
		return error;
	}
	reload_replace(&m->supervisor.users, users);
	supervise_users(&m->supervisor);
	m->reload.users_changed = m->reload.config != NULL;
	count(RELOADS);
	log_info("users-reloaded", "domains=%zu", c->domain_count);
	return 0;
}

/* ---- the command ---- */

static void reload_answer(struct master *m, struct request *r)
{
	request_answer(r, json_pack("{s:b, s:{s:s, s:I}}", "ok", 1, "object", "result", "reloaded",
				  "generation", (json_int_t)m->generation));
}

static void reload_answer_end(void *arg, int error, struct config_errors *errors)
{
	struct master *m = arg;

	if (error < 0)
		answer_errors(m->reloading, "nothing was changed", errors);
	else
		reload_answer(m, m->reloading);
}

void command_reload(struct master *m, struct request *r, json_t *arguments)
{
	static struct config_errors errors;
	int error = reload_begin(m, reload_answer_end, m, &errors);

	(void)arguments;
	if (error == 1)
		m->reloading = r;
	else if (error < 0)
		answer_errors(r, "nothing was changed", &errors);
	else
		reload_answer(m, r);
}
