/* http.h - the HTTP server of sipward-web: GET of a page, of metrics and of the state as JSON.
 *
 * Everything is bounded: connections, the bytes and the time of a request, and how often the master
 * is asked, whatever comes in: an answer serves all who ask within WEB_FRESH_MS.
 */
#ifndef SIPWARD_WEB_HTTP_H
#define SIPWARD_WEB_HTTP_H

#include "worker/skeleton.h"

/* Connections at once; more wait in the socket's backlog. */
#define HTTP_CONNECTIONS_MAX 64
/* A request must be whole, and the next one of its connection, within this time. */
#define HTTP_REQUEST_MS 10000
/* Bytes of a request's head, and what a connection takes beside. */
#define HTTP_MEMORY 16384
/* An answer of the master is shown for so long; it is asked no more often. */
#define WEB_FRESH_MS 1000
/* The master has so long to answer; then it is 503. */
#define WEB_WAIT_MS 5000

struct http;

/* Serves on a listening socket, which it owns from then on. Before the jail is sealed. w outlives
 * it. -errno. */
int http_start(struct http **out, struct worker *w, int socket);
/* Ends all connections. NULL is a no-op. */
void http_stop(struct http *h);

/* An answer of the master; fd is a sealed memfd, which stays the caller's. -EPROTO: it was not
 * asked for that. */
int http_take(struct http *h, const struct lifeline_web *answer, int fd);

#endif
