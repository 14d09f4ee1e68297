/* service_manager.c - see service_manager.h. */
#include "service_manager.h"

#include "common/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* WATCHDOG is said so many times within the time in which it has to come. */
#define WATCHDOG_SHARE 3
#define MESSAGE_MAX 160
#define USEC_PER_MS 1000

/* Never waits. What the manager's full queue costs is one message: the next WATCHDOG comes in
 * time. */
static int service_manager_send(struct service_manager *s, const char *text)
{
	uint64_t left_out;

	if (s->fd < 0 || send(s->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	int error = -errno;
	if (log_limit_pass(&s->limit, loop_now(s->loop), 1, LOG_LIMIT_SECOND, &left_out))
		log_warn("service-manager-away", "error=\"%s\" left_out=%llu", error_text(error),
			(unsigned long long)left_out);
	return error;
}

static void service_manager_timer_fired(struct timer *t, void *arg)
{
	struct service_manager *s = arg;

	(void)t;
	service_manager_send(s, "WATCHDOG=1");
	loop_set(s->loop, &s->timer, s->watchdog_ms);
}

/* "@name" is a socket without a file: its address begins with a zero byte. */
static int service_manager_connect(const char *name, int *out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || length < 2)
		return -EINVAL;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (connect(fd, (struct sockaddr *)&address, size) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

/* WATCHDOG_PID, where it is there, names the process that is watched. */
static uint64_t service_manager_watchdog_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
	char *end;

	if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	unsigned long long n = strtoull(usec, &end, 10);
	if (!n || *end) {
		log_warn("watchdog-time-bad", "usec=\"%.32s\"", usec);
		return 0;
	}
	n /= WATCHDOG_SHARE * USEC_PER_MS;
	return n ? n : 1;
}

int service_manager_open(struct service_manager *s, struct loop *l)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int error = 0;

	*s = (struct service_manager){.loop = l, .fd = -1};
	timer_init(&s->timer, service_manager_timer_fired, s);
	if (name) {
		error = service_manager_connect(name, &s->fd);
		if (error)
			log_warn("service-manager-away", "socket=\"%.108s\" error=\"%s\"", name,
				error_text(error));
		else
			s->watchdog_ms = service_manager_watchdog_ms();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	/* The manager counts from the start on. */
	if (s->watchdog_ms)
		service_manager_timer_fired(&s->timer, s);
	return error;
}

void service_manager_close(struct service_manager *s)
{
	if (s->fd < 0)
		return;
	loop_unset(s->loop, &s->timer);
	close(s->fd);
	s->fd = -1;
}

void service_manager_ready(struct service_manager *s)
{
	s->ready = true;
	service_manager_send(s, "READY=1\nSTATUS=serving");
}

static bool service_manager_hears_of_reloads(const struct service_manager *s)
{
	return s->ready && !s->stopping;
}

void service_manager_reload_begins(struct service_manager *s)
{
	char text[MESSAGE_MAX];
	struct timespec now;

	if (!service_manager_hears_of_reloads(s))
		return;
	/* its clock, by which a manager tells this reload from an earlier one */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
		(unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	service_manager_send(s, text);
}

void service_manager_reload_ends(struct service_manager *s)
{
	if (service_manager_hears_of_reloads(s))
		service_manager_send(s, "READY=1\nSTATUS=serving");
}

void service_manager_stopping(struct service_manager *s, uint64_t most_ms)
{
	char text[MESSAGE_MAX];

	if (s->stopping)
		return;
	s->stopping = true;
	snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=stopping",
		(unsigned long long)most_ms * USEC_PER_MS);
	service_manager_send(s, text);
}
