/* userwatch.c - inotify on folders, not files: a file that is replaced by rename is another file.
 */
#include "userwatch.h"
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

static void userwatch_quiet(struct timer *t, void *arg)
{
	struct userwatch *u = arg;

	(void)t;
	u->changed(u->arg);
}

static bool userwatch_concerns(const struct userwatch *u, const struct inotify_event *e)
{
	/* Events were lost: it may have been any. */
	if (e->mask & IN_Q_OVERFLOW)
		return true;
	for (size_t i = 0; i < u->files && e->len; i++)
		if (u->file[i].folder == e->wd && strcmp(u->file[i].name, e->name) == 0)
			return true;
	return false;
}

static void userwatch_on_event(void *arg, uint32_t events)
{
	struct userwatch *u = arg;

	_Alignas(struct inotify_event) char
		buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	ssize_t n;

	(void)events;
	while ((n = read(u->fd, buffer, sizeof(buffer))) > 0)
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *e = (const void *)at;

			if (userwatch_concerns(u, e))
				loop_set(u->loop, &u->timer, USERWATCH_QUIET_MS);
			at += sizeof(*e) + e->len;
		}
}

static void userwatch_forget(struct userwatch *u)
{
	for (size_t i = 0; i < u->files; i++)
		free(u->file[i].name);
	free(u->file);
	u->file = NULL;
	u->files = 0;
}

static int userwatch_renew(struct userwatch *u)
{
	loop_remove(u->loop, u->source);
	u->source = NULL;
	if (u->fd >= 0)
		close(u->fd);
	u->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (u->fd < 0)
		return -errno;
	return loop_add(u->loop, u->fd, EPOLLIN, userwatch_on_event, u, &u->source);
}

int userwatch_open(struct userwatch *u, struct loop *loop, void (*changed)(void *arg), void *arg)
{
	*u = (struct userwatch){.loop = loop, .fd = -1, .changed = changed, .arg = arg};
	timer_init(&u->timer, userwatch_quiet, u);
	return userwatch_renew(u);
}

/* whose: the domain's or trunk's name, for the log. */
static void userwatch_add(struct userwatch *u, const char *path, const char *whose)
{
	char folder[CONFIG_PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", path);
	char *slash = strrchr(folder, '/');
	if (!slash)
		return;
	char *name = strdup(slash + 1);
	slash[slash == folder] = '\0';
	int wd = name ? inotify_add_watch(u->fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR)
	              : -1;
	if (wd < 0) {
		log_warn("users-watch", "of=%s error=\"%s\"", whose,
			error_text(name ? -errno : -ENOMEM));
		free(name);
		return;
	}
	u->file[u->files++] = (struct userwatch_file){.folder = wd, .name = name};
}

void userwatch_set(struct userwatch *u, const struct config *config)
{
	userwatch_forget(u);
	/* A new descriptor forgets all watches; one folder watched twice is one watch. */
	int error = userwatch_renew(u);
	if (error == 0) {
		u->file = calloc(config->domain_count + config->trunk_count + 1, sizeof(*u->file));
		if (!u->file)
			error = -ENOMEM;
	}
	if (error < 0) {
		log_warn("users-watch", "error=\"%s\"", error_text(error));
		return;
	}
	for (size_t i = 0; i < config->domain_count; i++)
		if (!config->domains[i].gone)
			userwatch_add(u, config->domains[i].users_path, config->domains[i].name);
	for (size_t i = 0; i < config->trunk_count; i++)
		if (config->trunks[i].credentials_path)
			userwatch_add(
				u, config->trunks[i].credentials_path, config->trunks[i].name);
}

void userwatch_close(struct userwatch *u)
{
	userwatch_forget(u);
	loop_unset(u->loop, &u->timer);
	loop_remove(u->loop, u->source);
	u->source = NULL;
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}
