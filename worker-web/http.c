/* http.c - see http.h. libmicrohttpd runs within our loop: its epoll fd is one of ours. */
#include "http.h"

#include "common/counters.h"
#include "common/endpoint.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "drawing.h"
#include "page.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

/* How often connections are looked at that take too long. */
#define SWEEP_MS 1000
/* Lines a second about requests that are refused. */
#define HTTP_LOG_LINES 5

struct http_connection {
	struct MHD_Connection *handle; /* NULL: free */
	uint64_t since;                /* its request is waited for */
	uint16_t waits;                /* enum web_what that it waits for; 0: none */
	bool waited;
};

/* What the master is asked for. */
struct http_source {
	struct MHD_Response *response; /* NULL: none yet */
	uint64_t at;                   /* when it came */
	bool asked;
	struct timer timer; /* the master has so long */
	struct http *http;
};

struct http {
	struct worker *worker;
	struct MHD_Daemon *daemon;
	struct loop_source *source;
	struct timer timeout, sweep;
	unsigned count; /* of connections */
	struct log_limit refusals;
	struct http_connection connection[HTTP_CONNECTIONS_MAX];
	struct http_source from[WEB_WHAT_COUNT];
	char call[WEB_CALL_MAX]; /* of which the ladder is */
	struct MHD_Response *page;
};

static const char *const http_types[WEB_WHAT_COUNT] = {
	[WEB_METRICS] = "text/plain; version=0.0.4; charset=utf-8",
	[WEB_STATE] = "application/json",
	[WEB_LADDER] = "image/svg+xml",
};

/* ---- the loop ---- */

static void http_run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		loop_set(h->worker->loop, &h->timeout, ms);
	else
		loop_unset(h->worker->loop, &h->timeout);
}

static void http_on_events(void *arg, uint32_t events)
{
	(void)events;
	http_run(arg);
}

static void http_on_timeout(struct timer *t, void *arg)
{
	(void)t;
	http_run(arg);
}

/* status: of the answer; 0: there is none. why: static. */
static void http_log_refused(
	struct http *h, struct MHD_Connection *handle, unsigned status, const char *why)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	char peer[ENDPOINT_TEXT_SIZE] = "", text[128];
	struct endpoint from;
	uint64_t left_out;

	if (!log_limit_pass(&h->refusals, loop_now(h->worker->loop), HTTP_LOG_LINES,
		    LOG_LIMIT_SECOND, &left_out))
		return;
	if (info && endpoint_from_sockaddr(
			    info->client_addr, sizeof(struct sockaddr_storage), &from) == 0)
		endpoint_text(&from, peer);
	log_info("web-refused", "peer=%s status=%u reason=%s left_out=%llu", peer, status,
		log_value((struct str){why, strcspn(why, "\n")}, text, sizeof(text)),
		(unsigned long long)left_out);
}

/* libmicrohttpd's own time is one without a byte: who sends one now and then is never late. */
static void http_on_sweep(struct timer *t, void *arg)
{
	struct http *h = arg;
	uint64_t now = loop_now(h->worker->loop);

	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		struct http_connection *c = &h->connection[i];
		const union MHD_ConnectionInfo *info;

		if (!c->handle || c->waits || now - c->since < HTTP_REQUEST_MS)
			continue;
		info = MHD_get_connection_info(c->handle, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (!info)
			continue;
		count(WEB_SLOW);
		http_log_refused(h, c->handle, 0, "it took too long");
		shutdown(info->connect_fd, SHUT_RDWR);
		c->since = now;
	}
	if (h->count)
		loop_set(h->worker->loop, t, SWEEP_MS);
	http_run(h);
}

static void http_on_connection(void *arg, struct MHD_Connection *handle, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http *h = arg;
	struct http_connection *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED && c) {
		*c = (struct http_connection){0};
		h->count--;
	}
	for (unsigned i = 0; code == MHD_CONNECTION_NOTIFY_STARTED && i < HTTP_CONNECTIONS_MAX;
		i++) {
		c = &h->connection[i];
		if (c->handle)
			continue;
		*c = (struct http_connection){.handle = handle, .since = loop_now(h->worker->loop)};
		*context = c;
		if (h->count++ == 0)
			loop_set(h->worker->loop, &h->sweep, SWEEP_MS);
		break;
	}
	counter_set(COUNTER_WEB_CONNECTIONS, h->count);
}

static void http_on_done(void *arg, struct MHD_Connection *handle, void **request,
	enum MHD_RequestTerminationCode code)
{
	struct http *h = arg;
	struct http_connection *c = *request;

	(void)handle;
	(void)code;
	if (!c)
		return;
	c->since = loop_now(h->worker->loop);
	c->waited = false;
	*request = NULL;
}

/* ---- what is asked of the master ---- */

/* Those who wait for it go on. */
static void http_resume(struct http *h, uint16_t what)
{
	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		struct http_connection *c = &h->connection[i];

		if (!c->handle || !c->waits || c->waits != what)
			continue;
		c->waits = 0;
		c->since = loop_now(h->worker->loop);
		MHD_resume_connection(c->handle);
	}
	http_run(h);
}

static void http_on_no_answer(struct timer *t, void *arg)
{
	struct http_source *from = arg;

	(void)t;
	from->asked = false;
	http_resume(from->http, (uint16_t)(from - from->http->from));
}

struct http_mapping {
	void *at;
	size_t size;
};

static void http_unmap(void *arg)
{
	struct http_mapping *m = arg;

	munmap(m->at, m->size);
	free(m);
}

static void http_add_headers(struct MHD_Response *r, const char *type)
{
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(r, "Cross-Origin-Resource-Policy", "same-origin");
}

/* What the master has written is what is served. */
static int http_use_image(struct MHD_Response **out, int fd)
{
	struct http_mapping *m = malloc(sizeof(*m));
	const void *image;
	int error = m ? worker_map(fd, &image, &m->size) : -ENOMEM;

	if (error) {
		free(m);
		return error;
	}
	m->at = (void *)(uintptr_t)image;
	*out = MHD_create_response_from_buffer_with_free_callback_cls(
		m->size, m->at, http_unmap, m);
	return *out ? 0 : -ENOMEM;
}

/* A ladder is drawn from it. *out stays NULL where nothing is kept of the call. */
static int http_use_drawing(struct MHD_Response **out, int fd)
{
	const void *image;
	char *svg = NULL;
	size_t size, svg_size;
	int error = worker_map(fd, &image, &size);

	if (error)
		return error;
	error = drawing_make(image, size, &svg, &svg_size);
	munmap((void *)(uintptr_t)image, size);
	if (error)
		return error == -ENOENT ? 0 : error;
	*out = MHD_create_response_from_buffer(svg_size, svg, MHD_RESPMEM_MUST_FREE);
	if (!*out)
		return -ENOMEM;
	MHD_add_response_header(*out, "Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; sandbox");
	return 0;
}

static void http_forget(struct http_source *from)
{
	if (from->response)
		MHD_destroy_response(from->response);
	from->response = NULL;
}

/* Whether it is of the call that is asked for now, and not of one that was given up. */
static bool http_is_wanted(const struct http *h, const struct lifeline_web *answer)
{
	return answer->what != WEB_LADDER || memcmp(answer->call, h->call, sizeof(h->call)) == 0;
}

int http_take(struct http *h, const struct lifeline_web *answer, int fd)
{
	struct http_source *from;

	if (answer->what == WEB_NOTHING || answer->what >= WEB_WHAT_COUNT)
		return -EPROTO;
	from = &h->from[answer->what];
	if (!from->asked || !http_is_wanted(h, answer))
		return 0; /* it came too late */
	http_forget(from);
	int error = answer->what == WEB_LADDER ? http_use_drawing(&from->response, fd)
	                                       : http_use_image(&from->response, fd);
	if (error)
		return error;
	if (from->response)
		http_add_headers(from->response, http_types[answer->what]);
	from->at = loop_now(h->worker->loop);
	from->asked = false;
	loop_unset(h->worker->loop, &from->timer);
	http_resume(h, answer->what);
	return 0;
}

/* ---- requests ---- */

static enum MHD_Result http_answer(
	struct MHD_Connection *handle, unsigned status, const char *text, const char *allow)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	http_add_headers(r, "text/plain");
	if (allow)
		MHD_add_response_header(r, "Allow", allow);
	result = MHD_queue_response(handle, status, r);
	MHD_destroy_response(r);
	return result;
}

/* Whether the request names this server by an address or as localhost. A page of somewhere else
 * could have its own name lead here, and its script would read what we say (DNS rebinding). */
static bool http_host_is_ours(struct MHD_Connection *handle)
{
	const char *host = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Host"), *end;
	unsigned char address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN + 2];

	if (!host)
		return true; /* HTTP/1.0: no browser */
	if (*host == '[')
		end = strchr(++host, ']');
	else
		end = host + strcspn(host, ":");
	if (!end || (size_t)(end - host) >= sizeof(text))
		return false;
	memcpy(text, host, (size_t)(end - host));
	text[end - host] = '\0';
	return strcasecmp(text, "localhost") == 0 || inet_pton(AF_INET, text, address) == 1 ||
	       inet_pton(AF_INET6, text, address) == 1;
}

static enum MHD_Result http_refuse(struct http *h, struct MHD_Connection *handle, unsigned status,
	const char *text, const char *allow)
{
	count(WEB_REFUSED);
	http_log_refused(h, handle, status, text);
	return http_answer(handle, status, text, allow);
}

static bool http_is_fresh(const struct http *h, const struct http_source *from)
{
	return from->at && loop_now(h->worker->loop) - from->at < WEB_FRESH_MS;
}

static enum MHD_Result http_serve(struct http *h, struct http_connection *c,
	struct MHD_Connection *handle, enum web_what what)
{
	struct http_source *from = &h->from[what];
	struct lifeline_web body = {.what = (uint16_t)what};

	if (http_is_fresh(h, from))
		return from->response ? MHD_queue_response(handle, MHD_HTTP_OK, from->response)
		                      : http_answer(handle, MHD_HTTP_NOT_FOUND,
						"Nothing is kept of that call.\n", NULL);
	if (what == WEB_LADDER)
		memcpy(body.call, h->call, sizeof(body.call));
	if (c->waited) {
		count(WEB_UNANSWERED);
		http_log_refused(h, handle, MHD_HTTP_SERVICE_UNAVAILABLE, "the master is busy");
		return http_answer(handle, MHD_HTTP_SERVICE_UNAVAILABLE,
			"sipward is busy. Try again later.\n", NULL);
	}
	if (!from->asked) {
		if (worker_send(h->worker, LIFELINE_WEB_ASK, &body, sizeof(body), NULL, 0))
			return MHD_NO;
		from->asked = true;
		loop_set(h->worker->loop, &from->timer, WEB_WAIT_MS);
	}
	c->waits = (uint16_t)what;
	c->waited = true;
	MHD_suspend_connection(handle);
	return MHD_YES;
}

/* Whether text may be a Call-ID that the master is asked about. */
static bool http_is_call(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
			return false;
	return n > 0 && n < WEB_CALL_MAX;
}

/* One at a time, and for so long as it is fresh: who wants another one comes again. */
static enum MHD_Result http_serve_ladder(
	struct http *h, struct http_connection *c, struct MHD_Connection *handle)
{
	struct http_source *from = &h->from[WEB_LADDER];
	const char *call = MHD_lookup_connection_value(handle, MHD_GET_ARGUMENT_KIND, "call");

	if (!http_is_call(call))
		return http_refuse(h, handle, MHD_HTTP_BAD_REQUEST,
			"Expected /ladder.svg?call=CALL-ID.\n", NULL);
	if (strcmp(call, h->call) != 0) {
		if (from->asked || http_is_fresh(h, from))
			return http_refuse(h, handle, MHD_HTTP_SERVICE_UNAVAILABLE,
				"Another call is being drawn. Try again in a second.\n", NULL);
		memset(h->call, 0, sizeof(h->call));
		memcpy(h->call, call, strlen(call));
		http_forget(from);
		from->at = 0;
	}
	return http_serve(h, c, handle, WEB_LADDER);
}

static enum MHD_Result http_on_request(void *arg, struct MHD_Connection *handle, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **request)
{
	struct http *h = arg;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *c = info ? info->socket_context : NULL;

	(void)version;
	(void)upload;
	if (!c)
		return MHD_NO;
	if (!*request)
		count(WEB_REQUESTS);
	*request = c;
	if (*upload_size)
		return MHD_NO;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return http_refuse(h, handle, MHD_HTTP_METHOD_NOT_ALLOWED,
			"Only GET and HEAD: nothing can be changed here.\n", "GET, HEAD");
	if (!http_host_is_ours(handle))
		return http_refuse(h, handle, 421,
			"Name this server by its address, or as localhost.\n", NULL);
	if (strcmp(url, "/") == 0)
		return MHD_queue_response(handle, MHD_HTTP_OK, h->page);
	if (strcmp(url, "/metrics") == 0)
		return http_serve(h, c, handle, WEB_METRICS);
	if (strcmp(url, "/state.json") == 0)
		return http_serve(h, c, handle, WEB_STATE);
	if (strcmp(url, "/ladder.svg") == 0)
		return http_serve_ladder(h, c, handle);
	return http_refuse(h, handle, MHD_HTTP_NOT_FOUND,
		"There is / and /metrics, /state.json and /ladder.svg?call=CALL-ID.\n", NULL);
}

/* ---- begin and end ---- */

static int http_make_page(struct http *h)
{
	char policy[PAGE_POLICY_MAX];
	int error = page_policy(policy);

	if (error)
		return error;
	h->page = MHD_create_response_from_buffer(
		strlen(web_page), (void *)(uintptr_t)web_page, MHD_RESPMEM_PERSISTENT);
	if (!h->page)
		return -ENOMEM;
	http_add_headers(h->page, "text/html; charset=utf-8");
	MHD_add_response_header(h->page, "Content-Security-Policy", policy);
	return 0;
}

int http_start(struct http **out, struct worker *w, int socket)
{
	struct http *h = calloc(1, sizeof(*h));
	const union MHD_DaemonInfo *info;
	int error = h ? http_make_page(h) : -ENOMEM;

	if (error) {
		free(h);
		return error;
	}
	/* The C library reads the time zone once, with the first date: not from within the jail. */
	tzset();
	h->worker = w;
	timer_init(&h->timeout, http_on_timeout, h);
	timer_init(&h->sweep, http_on_sweep, h);
	for (unsigned i = 0; i < WEB_WHAT_COUNT; i++) {
		h->from[i].http = h;
		timer_init(&h->from[i].timer, http_on_no_answer, &h->from[i]);
	}
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		http_on_request, h, MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(HTTP_REQUEST_MS / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, h,
		MHD_OPTION_NOTIFY_COMPLETED, http_on_done, h, MHD_OPTION_END);
	info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	error = info ? loop_add(w->loop, info->epoll_fd, EPOLLIN, http_on_events, h, &h->source)
	             : -EIO;
	if (error) {
		http_stop(h);
		return error;
	}
	*out = h;
	return 0;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	for (uint16_t what = 1; what < WEB_WHAT_COUNT && h->daemon; what++)
		http_resume(h, what);
	loop_remove(h->worker->loop, h->source);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	for (unsigned i = 0; i < WEB_WHAT_COUNT; i++)
		http_forget(&h->from[i]);
	MHD_destroy_response(h->page);
	free(h);
}
