/* control.c - the control socket.
 *
 * Clients are local and known to the kernel, but nothing here waits for one: requests and answers
 * are buffered within bounds and idle clients are closed. Relies on jansson's strict decoder.
 */
#include "control.h"
#include "master/runtime.h"

#include "common/counters.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Supplementary groups looked at. */
#define GROUPS_MAX 1024

static const char full[] = "{\"ok\":false,\"error\":\"too many control clients\"}\n";

struct client {
	struct client *next;
	struct control *control;
	int fd;
	struct ucred peer;
	struct loop_source *source;
	struct timer idle;
	uint64_t active;         /* when it last asked, or read of an answer */
	struct request *request; /* under way */
	char *line;              /* CONTROL_LINE_MAX */
	size_t have;
	char *answer; /* being written; NULL none */
	size_t answer_size, writer_text;
	bool ended; /* it has sent all it will */
};
struct request {
	struct client *client; /* NULL: it has gone, or the master itself asks */
	uid_t uid;
	pid_t pid;
	void (*done)(void *arg, json_t *answer); /* of the master itself */
	void *arg;
};
struct control {
	struct loop *loop;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	gid_t group;
	struct loop_source *source;
	struct client *first;
	unsigned count;
	control_dispatch dispatch;
	void *arg;
};

uid_t request_uid(const struct request *r)
{
	return r->uid;
}

pid_t request_pid(const struct request *r)
{
	return r->pid;
}

static void client_close(struct client *k)
{
	struct control *c = k->control;

	for (struct client **at = &c->first; *at; at = &(*at)->next)
		if (*at == k) {
			*at = k->next;
			break;
		}
	c->count--;
	if (k->request)
		k->request->client = NULL;
	loop_unset(c->loop, &k->idle);
	loop_remove(c->loop, k->source);
	close(k->fd);
	free(k->line);
	free(k->answer);
	free(k);
}

static void client_set_active(struct client *k)
{
	k->active = loop_now(k->control->loop);
	loop_set(k->control->loop, &k->idle, CONTROL_IDLE_MS);
}

static void client_idle_passed(struct timer *t, void *arg)
{
	struct client *k = arg;

	/* Its request has a time bound of its own. */
	if (k->request) {
		loop_set(k->control->loop, t, CONTROL_IDLE_MS);
		return;
	}
	count(CONTROL_SLOW);
	client_close(k);
}

static void client_watch(struct client *k)
{
	uint32_t events = k->answer ? EPOLLOUT : k->request || k->ended ? 0 : EPOLLIN;

	loop_modify(k->control->loop, k->source, events);
}

static void client_take_lines(struct client *k);

/* Writes what it takes. False: the client is closed. */
static bool client_write_answer(struct client *k)
{
	while (k->writer_text < k->answer_size) {
		ssize_t n = send(k->fd, k->answer + k->writer_text, k->answer_size - k->writer_text,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			client_watch(k);
			return true;
		}
		if (n <= 0) {
			client_close(k);
			return false;
		}
		k->writer_text += (size_t)n;
		client_set_active(k);
	}
	free(k->answer);
	k->answer = NULL;
	if (k->ended && !memchr(k->line, '\n', k->have)) {
		client_close(k);
		return false;
	}
	client_watch(k);
	return true;
}

/* Puts the answer in the client's buffer; writing is the caller's. False: it has been closed. */
static bool client_put_answer(struct client *k, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	if (!text) {
		client_close(k);
		return false;
	}
	size_t n = strlen(text);
	char *line = realloc(text, n + 2);
	if (!line) {
		free(text);
		client_close(k);
		return false;
	}
	line[n] = '\n';
	k->answer = line;
	k->answer_size = n + 1;
	k->writer_text = 0;
	return true;
}

struct request *request_of_ours(void (*done)(void *arg, json_t *answer), void *arg)
{
	struct request *r = malloc(sizeof(*r));

	if (r)
		*r = (struct request){.uid = geteuid(), .pid = getpid(), .done = done, .arg = arg};
	return r;
}

void request_answer(struct request *r, json_t *answer)
{
	struct client *k = r->client;
	const struct request asked = *r;

	free(r);
	if (asked.done) {
		asked.done(asked.arg, answer);
		return;
	}
	if (!k) {
		json_decref(answer);
		return;
	}
	k->request = NULL;
	client_set_active(k); /* it was the gateway's time, not this client's */
	/* Written from the loop: the caller may be deep inside the same client's reading. */
	if (client_put_answer(k, answer))
		client_watch(k);
}

static void client_serve(struct client *k, const char *text, size_t n)
{
	struct control *c = k->control;
	json_error_t where;
	json_t *message = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	struct request *r = malloc(sizeof(*r));

	if (!r) {
		json_decref(message);
		client_close(k);
		return;
	}
	*r = (struct request){.client = k, .uid = k->peer.uid, .pid = k->peer.pid};
	k->request = r;
	client_watch(k);
	if (json_is_object(message)) {
		count(CONTROL_REQUESTS);
		c->dispatch(c->arg, r, message);
	} else {
		count(CONTROL_BAD);
		request_answer(r, json_pack("{s:b, s:s}", "ok", 0, "error",
					  "a request is one JSON object on one line"));
	}
	json_decref(message);
}

/* Serves the first whole line, if there is one and nothing else is under way. */
static void client_take_lines(struct client *k)
{
	char *end = memchr(k->line, '\n', k->have);

	if (k->request || k->answer)
		return;
	if (!end) {
		if (k->have == CONTROL_LINE_MAX) {
			count(CONTROL_BAD);
			k->have = 0;
			k->ended = true;
			if (client_put_answer(k, json_pack("{s:b, s:s}", "ok", 0, "error",
							 "the request is too long")))
				client_watch(k);
		} else if (k->ended) {
			client_close(k);
		}
		return;
	}
	size_t n = (size_t)(end - k->line);
	char *text = malloc(n + 1);
	if (!text) {
		client_close(k);
		return;
	}
	memcpy(text, k->line, n);
	k->have -= n + 1;
	memmove(k->line, end + 1, k->have);
	client_set_active(k);
	client_serve(k, text, n);
	free(text);
}

static void client_event(void *arg, uint32_t events)
{
	struct client *k = arg;

	if ((events & EPOLLERR) || ((events & EPOLLHUP) && !(events & EPOLLIN))) {
		client_close(k);
		return;
	}
	if (events & EPOLLOUT) {
		if (k->answer && !client_write_answer(k))
			return;
		client_take_lines(k);
		return;
	}
	if (!(events & EPOLLIN) || k->request || k->answer)
		return;
	ssize_t n = recv(k->fd, k->line + k->have, CONTROL_LINE_MAX - k->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(k);
		return;
	}
	if (n == 0)
		k->ended = true;
	k->have += (size_t)n;
	client_take_lines(k);
}

/* As the kernel knows the peer; names are never looked up here. */
static bool control_permits(const struct control *c, int fd, struct ucred *peer)
{
	socklen_t length = sizeof(*peer);
	gid_t groups[GROUPS_MAX];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &length) < 0)
		return false;
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	if (c->group == (gid_t)-1)
		return false;
	if (peer->gid == c->group)
		return true;
	length = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0)
		return false;
	for (size_t i = 0; i < length / sizeof(groups[0]); i++)
		if (groups[i] == c->group)
			return true;
	return false;
}

/* Whoever has been idle longest makes room: many connections that ask nothing must not keep the
 * operator out. False: all are being served. */
static bool control_make_room(struct control *c)
{
	struct client *idlest = NULL;

	for (struct client *k = c->first; k; k = k->next)
		if (!k->request && (!idlest || k->active <= idlest->active))
			idlest = k;
	if (!idlest)
		return false;
	if (!idlest->answer)
		(void)!send(idlest->fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	client_close(idlest);
	return true;
}

static void control_accept(void *arg, uint32_t events)
{
	struct control *c = arg;
	struct ucred peer = {.pid = 0};

	(void)events;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (!control_permits(c, fd, &peer)) {
		static const char sorry[] =
			"{\"ok\":false,\"error\":\"permission denied: root, sipward's own user or "
			"a member of its control group\"}\n";

		count(CONTROL_REFUSED);
		log_warn("control-refused", "uid=%d pid=%d", (int)peer.uid, (int)peer.pid);
		(void)!send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	if (c->count >= CONTROL_CLIENTS_MAX) {
		count(CONTROL_FULL);
		if (!control_make_room(c)) {
			(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
			close(fd);
			return;
		}
	}
	struct client *k = calloc(1, sizeof(*k));
	char *line = malloc(CONTROL_LINE_MAX);
	if (!k || !line || loop_add(c->loop, fd, EPOLLIN, client_event, k, &k->source) < 0) {
		free(k);
		free(line);
		close(fd);
		return;
	}
	k->control = c;
	k->fd = fd;
	k->peer = peer;
	k->line = line;
	k->next = c->first;
	c->first = k;
	c->count++;
	timer_init(&k->idle, client_idle_passed, k);
	client_set_active(k);
}

/* Removes the socket of a master that was killed. -EADDRINUSE where somebody still listens, -EEXIST
 * where it is no socket. */
static int control_remove_stale(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int error = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	close(fd);
	if (error != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

int control_open(struct control **out, struct loop *loop, const char *path, mode_t mode,
	gid_t group, control_dispatch dispatch, void *arg)
{
	struct control *c = calloc(1, sizeof(*c));
	int error = 0;

	if (!c)
		return -ENOMEM;
	*c = (struct control){
		.loop = loop, .fd = -1, .group = group, .dispatch = dispatch, .arg = arg};
	if (strlen(path) >= sizeof(c->path))
		error = -ENAMETOOLONG;
	if (error == 0) {
		snprintf(c->path, sizeof(c->path), "%s", path);
		error = control_remove_stale(path);
	}
	/* Nobody but us until it has its group. */
	if (error == 0)
		error = listen_unix(path, 0600, &c->fd);
	if (error == 0 && ((group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0) ||
				  chmod(path, mode) < 0))
		error = -errno;
	if (error == 0)
		error = loop_add(loop, c->fd, EPOLLIN, control_accept, c, &c->source);
	if (error < 0) {
		log_error("control-open", "path=%s error=\"%s\"", path,
			error == -EADDRINUSE ? "another process listens there"
			: error == -EEXIST   ? "there is something that is not a socket"
					     : error_text(error));
		if (c->fd >= 0) {
			close(c->fd);
			unlink(path);
		}
		free(c);
		return error;
	}
	*out = c;
	return 0;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	while (c->first)                /* client_close takes it off the list */
		client_close(c->first); /* NOLINT(clang-analyzer-unix.Malloc) */
	loop_remove(c->loop, c->source);
	close(c->fd);
	unlink(c->path);
	free(c);
}
