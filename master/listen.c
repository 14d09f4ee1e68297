/* listen.c - binds the SIP listeners. The master never reads from these sockets. */
#include "listen.h"
#include "common/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct listen_row {
	struct endpoint bind;
	uint8_t transport;
	bool open, fresh; /* fresh: since the last listen_commit */
	char name[NAME_MAX_LENGTH + 1];
};

static int listen_set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* One socket bound to a listener's address. share: with SO_REUSEPORT. */
static int listen_bind(const struct listen_row *listener, bool share, int *out)
{
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(&listener->bind, &address);
	bool stream = transport_is_stream(listener->transport);
	int fd = socket(address.ss_family,
		(stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	/* Connections of an earlier run in TIME_WAIT must not keep a listener from coming back; a
	 * datagram socket has none, and there the option would share the port. */
	if (stream)
		error = listen_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (error == 0 && share)
		error = listen_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	/* IPv4 has listeners of its own: a source must not appear in two forms. */
	if (error == 0 && address.ss_family == AF_INET6)
		error = listen_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (error == 0 && !stream) {
		/* The address a datagram came to: the one to answer from. */
		error = address.ss_family == AF_INET6
		                ? listen_set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
		                : listen_set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
		/* Beyond net.core.rmem_max only with CAP_NET_ADMIN; less room is no reason not to
		 * start. */
		if (listen_set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, LISTEN_RECEIVE_BUFFER) < 0)
			(void)listen_set_option(fd, SOL_SOCKET, SO_RCVBUF, LISTEN_RECEIVE_BUFFER);
	}
	if (error == 0 && bind(fd, (struct sockaddr *)&address, length) < 0)
		error = -errno;
	if (error == 0 && stream && share && listen(fd, LISTEN_BACKLOG) < 0)
		error = -errno;
	if (error < 0) {
		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

const char *listen_error_text(int error)
{
	switch (error) {
	case -EADDRINUSE: return "another process holds this port";
	case -EADDRNOTAVAIL: return "no interface has this address";
	case -EACCES:
		return "the port is below 1024 (net.ipv4.ip_unprivileged_port_start), which takes "
		       "root or CAP_NET_BIND_SERVICE";
	default: return error_text(error);
	}
}

static void listen_log_failed(const struct listen_row *listener, int error)
{
	char text[ENDPOINT_TEXT_SIZE], name[80];

	endpoint_text(&listener->bind, text);
	log_error("listener-failed", "listener=%s bind=%s:%s error=\"%s\"",
		log_value(str_of(listener->name), name, sizeof(name)),
		transport_name(listener->transport), text, listen_error_text(error));
}

static int *listen_at(const struct listen *l, unsigned worker, unsigned listener)
{
	return &l->fd[worker * LISTENERS_MAX + listener];
}

int listen_resume(struct listen *l, unsigned worker)
{
	l->away &= ~(UINT32_C(1) << worker);
	if (worker >= l->workers)
		l->workers = worker + 1;
	for (unsigned i = 0; i < l->listeners; i++) {
		int *fd = listen_at(l, worker, i);

		if (*fd >= 0 || !l->row[i].open)
			continue;
		int error = listen_bind(&l->row[i], true, fd);
		if (error < 0) {
			listen_log_failed(&l->row[i], error);
			return error;
		}
	}
	return 0;
}

/* Notes a listener, and looks whether its port is free. */
static int listen_probe(struct listen_row *row, const struct config_listener *from)
{
	int probe, error;

	row->bind = from->bind;
	row->transport = from->transport;
	snprintf(row->name, sizeof(row->name), "%s", from->name);
	error = listen_bind(row, false, &probe);
	if (error < 0)
		listen_log_failed(row, error);
	else
		close(probe);
	return error;
}

static void listen_close_socket(struct listen *l, unsigned worker, unsigned listener)
{
	int *fd = listen_at(l, worker, listener);

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void listen_close_listener(struct listen *l, unsigned listener)
{
	for (unsigned w = 0; w < l->workers; w++)
		listen_close_socket(l, w, listener);
	l->row[listener].open = l->row[listener].fresh = false;
}

void listen_suspend(struct listen *l, unsigned worker)
{
	for (unsigned i = 0; i < l->listeners; i++)
		listen_close_socket(l, worker, i);
	l->away |= UINT32_C(1) << worker;
}

bool listen_is_suspended(const struct listen *l, unsigned worker)
{
	return l->away >> worker & 1;
}

int listen_follow(
	struct listen *l, const struct config_listener *rows, unsigned listeners, unsigned *failed)
{
	int error = 0;

	for (unsigned i = 0; i < listeners && error == 0; i++) {
		if (rows[i].gone || (i < l->listeners && l->row[i].open))
			continue;
		*failed = i;
		error = listen_probe(&l->row[i], &rows[i]);
		l->row[i].open = l->row[i].fresh = true;
		if (i >= l->listeners)
			l->listeners = i + 1;
	}
	/* one that stays away gets its sockets with the others of its own, when it is back */
	for (unsigned w = 0; w < l->workers && error == 0; w++)
		if (!listen_is_suspended(l, w))
			error = listen_resume(l, w);
	if (error < 0)
		listen_abort(l);
	return error;
}

bool listen_commit(struct listen *l)
{
	bool any = false;

	for (unsigned i = 0; i < l->listeners; i++) {
		any |= l->row[i].fresh;
		l->row[i].fresh = false;
	}
	l->offered = l->listeners;
	return any;
}

void listen_abort(struct listen *l)
{
	for (unsigned i = 0; i < l->listeners; i++)
		if (l->row[i].fresh)
			listen_close_listener(l, i);
	l->listeners = l->offered;
}

bool listen_is_open(const struct listen *l, unsigned listener)
{
	return listener < l->listeners && l->row[listener].open;
}

int listen_try(const struct config_listener *row)
{
	struct listen_row listener = {.bind = row->bind, .transport = row->transport};
	int fd, error = listen_bind(&listener, false, &fd);

	if (error == 0)
		close(fd);
	return error;
}

int listen_open(
	struct listen *l, const struct config_listener *rows, unsigned listeners, unsigned workers)
{
	/* room for as many as there may ever be */
	size_t n = (size_t)LISTENERS_MAX * role_rows[PEER_TRANSPORT].greatest;
	struct listen mine = {.workers = workers};
	unsigned failed;

	mine.fd = malloc(n * sizeof(*mine.fd));
	mine.row = calloc(LISTENERS_MAX, sizeof(*mine.row));
	if (!mine.fd || !mine.row) {
		free(mine.fd);
		free(mine.row);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		mine.fd[i] = -1;
	int error = listen_follow(&mine, rows, listeners, &failed);
	if (error < 0) {
		listen_close(&mine);
		return error;
	}
	listen_commit(&mine);
	*l = mine;
	return 0;
}

void listen_close(struct listen *l)
{
	if (!l->fd)
		return;
	for (unsigned w = 0; w < l->workers; w++)
		listen_suspend(l, w);
	free(l->fd);
	free(l->row);
	*l = (struct listen){0};
}

int listen_socket(const struct listen *l, unsigned worker, unsigned listener)
{
	if (worker >= l->workers || listener >= l->listeners)
		return -1;
	return *listen_at(l, worker, listener);
}

uint8_t listen_transport(const struct listen *l, unsigned listener)
{
	return l->row[listener].transport;
}

bool listen_pending(const struct listen *l, unsigned worker)
{
	for (unsigned i = 0; i < l->listeners; i++) {
		struct pollfd p = {.fd = listen_socket(l, worker, i), .events = POLLIN};

		if (p.fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
			return true;
	}
	return false;
}
