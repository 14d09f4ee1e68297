/* preflight.c - see preflight.h. */
#include "preflight.h"

#include "common/log.h"
#include "listen.h"
#include "master/certificates/trial.h"
#include "spawn.h"
#include "state.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- accounts and programs ---- */

static void preflight_account(
	struct config *c, unsigned role, struct account *out, struct config_errors *errors)
{
	const char *user = c->user[role], *group = c->group[role], *name = role_name(role);
	const struct passwd *p = getpwnam(user);
	const struct group *g = *group ? getgrnam(group) : NULL;
	int line = c->user_line[role];

	if (!p)
		config_error_add(errors, c->path, line,
			"workers: %s-user: there is no user \"%s\": make it with useradd --system "
			"--no-create-home --shell /usr/sbin/nologin %s",
			name, user, user);
	else if (*group && !g)
		config_error_add(errors, c->path, line,
			"workers: %s-user: there is no group \"%s\": make it with groupadd "
			"--system "
			"%s",
			name, group, group);
	else if (p->pw_uid == 0 || (g ? g->gr_gid : p->pw_gid) == 0)
		config_error_add(errors, c->path, line,
			"workers: %s-user: workers never run as root: expected an account without "
			"privileges, found \"%s\"",
			name, user);
	else
		*out = (struct account){
			.drop = true, .uid = p->pw_uid, .gid = g ? g->gr_gid : p->pw_gid};
}

static void preflight_roles(
	struct config *c, struct account account[ROLE_COUNT], struct config_errors *errors)
{
	char program[CONFIG_PATH_MAX];

	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++) {
		int error = c->workers[r] ? spawn_program(role_name(r), program, sizeof(program))
		                          : 0;

		account[r] = (struct account){.uid = geteuid(), .gid = getegid()};
		if (error)
			config_error_add(errors, c->path, 0, "the program \"%s\" cannot be run: %s",
				program, error_text(error));
		if (c->workers[r] && geteuid() == 0)
			preflight_account(c, r, &account[r], errors);
	}
	if (*c->control_group && !getgrnam(c->control_group))
		config_error_add(errors, c->path, c->line.control_group,
			"control: group: there is no group \"%s\": make it with groupadd --system "
			"%s",
			c->control_group, c->control_group);
}

/* ---- folders ---- */

/* One that sipward uses, or makes where its parent is there. */
static void preflight_folder(struct config *c, const char *option, int line, const char *path,
	struct config_errors *errors)
{
	char copy[CONFIG_PATH_MAX];
	const char *parent;
	struct stat st;

	if (stat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			config_error_add(
				errors, c->path, line, "%s: \"%s\" is no folder", option, path);
		else if (state_folder_unsafe(&st))
			config_error_add(errors, c->path, line,
				"%s: \"%s\" must belong to the user that sipward starts as and be "
				"writable by nobody else",
				option, path);
		else if (access(path, R_OK | W_OK | X_OK) < 0)
			config_error_add(errors, c->path, line,
				"%s: \"%s\" cannot be written to: %s", option, path,
				error_text(-errno));
		return;
	}
	snprintf(copy, sizeof(copy), "%s", path);
	parent = dirname(copy);
	if (errno != ENOENT || access(parent, W_OK | X_OK) < 0)
		config_error_add(errors, c->path, line, "%s: \"%s\" cannot be made in \"%s\": %s",
			option, path, parent, error_text(-errno));
}

/* ---- ports ---- */

/* Whether a master answers, or would if we were permitted to ask. */
static bool preflight_is_running(const struct config *c)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool runs;

	if (fd < 0)
		return false;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->control_path);
	runs = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EACCES ||
	       errno == EAGAIN;
	close(fd);
	return runs;
}

static void preflight_listeners(struct config *c, bool runs, struct config_errors *errors)
{
	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];
		int error = listen_try(l);
		char text[ENDPOINT_TEXT_SIZE];

		if (error == 0 || (runs && error == -EADDRINUSE))
			continue;
		endpoint_text(&l->bind, text);
		config_error_add(errors, c->path, l->bind_line,
			"listener \"%s\": %s %s cannot be bound: %s", l->name,
			transport_name(l->transport), text, listen_error_text(error));
	}
}

static void preflight_web(struct config *c, bool runs, struct config_errors *errors)
{
	struct config_listener web = {.transport = TRANSPORT_TCP};

	if (!*c->web_bind || !config_web_endpoint(c->web_bind, &web.bind))
		return;
	int error = listen_try(&web);
	if (error && !(runs && error == -EADDRINUSE))
		config_error_add(errors, c->path, c->line.web_bind,
			"section web: bind: \"%s\" cannot be bound: %s", c->web_bind,
			listen_error_text(error));
}

int preflight(struct config *c, bool starts, struct config_errors *errors)
{
	struct account account[ROLE_COUNT] = {{0}};
	bool runs = preflight_is_running(c);

	preflight_roles(c, account, errors);
	if (starts && runs)
		config_error_add(errors, c->path, 0,
			"runtime-directory: another sipward runs in \"%s\"", c->runtime_directory);
	preflight_folder(
		c, "runtime-directory", c->line.runtime_directory, c->runtime_directory, errors);
	preflight_folder(c, "state-directory", c->line.state_directory, c->state_directory, errors);
	if (!starts || !runs) {
		preflight_listeners(c, runs, errors);
		preflight_web(c, runs, errors);
	}
	return errors->count ? -EINVAL : trial_run(c, account, errors);
}
