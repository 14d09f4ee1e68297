/* tcp.h - TCP sockets (RFC 3261 section 18): listeners, and connections out for what is to be sent
 * where no flow leads. */
#ifndef SIPWARD_TRANSPORT_TCP_H
#define SIPWARD_TRANSPORT_TCP_H

#include <stdint.h>

struct tcp;
struct transport_worker;

/* Connections accepted from one listener before others get their turn. */
#define TCP_ACCEPT_TURN 64
/* Milliseconds that a listener rests when there is no fd or memory for another connection. */
#define TCP_ACCEPT_PAUSE_MS 100

/* Makes TCP without a listener, which connects for t->flows, over TLS too. 0; -ENOMEM. */
int tcp_new(struct tcp **out, struct transport_worker *t);
/* Closes the listeners. NULL is a no-op. */
void tcp_free(struct tcp *tcp);

/* Accepts connections from fd, the socket of the settings' listener with that index, and owns it on
 * success. 0; -EINVAL for an fd that does not listen; another negative errno. */
int tcp_add(struct tcp *tcp, int fd, uint16_t listener);
/* Closes the listener's socket, where it has one; its connections stay. */
void tcp_remove(struct tcp *tcp, uint16_t listener);

/* Accepts no more, and connects no more. */
void tcp_stop(struct tcp *tcp);

#endif
