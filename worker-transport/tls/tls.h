/* tls.h - TLS 1.2 and 1.3 over a stream's socket: the layer of streams on tls: and wss: listeners,
 * and of connections out (RFC 3261 section 26.3, RFC 5922 section 7).
 *
 * The private key is elsewhere: a handshake that needs a signature is suspended until keys.c has
 * it. Who may show a client's certificate, and whom we believe, comes from the master.
 */
#ifndef SIPWARD_TRANSPORT_TLS_TLS_H
#define SIPWARD_TRANSPORT_TLS_TLS_H

#include "worker-transport/stream.h"

#include <openssl/ssl.h>

struct tls;

/* Lines about failed handshakes in one second, at most; how many were left out is said. */
#define TLS_LOG_RATE 5

extern const struct stream_layer tls_layer;

int tls_new(struct tls **out, struct transport_worker *t); /* -ENOMEM; -EIO, logged */
void tls_free(struct tls *tls);                            /* after all streams; NULL is a no-op */

/* Who may authenticate clients on a listener, or, for NONE_INDEX, servers that we connect to:
 * certificates in PEM form. Holds for new handshakes. -EBADMSG it is not what it should be, -EINVAL
 * no such listener; logged. */
int tls_authorities(struct tls *tls, uint16_t listener, struct str pem);

/* The layer's state for a connection that came in, or that is to go out, over fd. Counted among the
 * handshakes in progress until it is open or ended. -EBUSY: there are too many of them, in all or
 * of that source; -ENOENT: no certificate to show; -ENOMEM. Counted. */
int tls_accept(struct tls *tls, int fd, const struct flow *flow, struct source *held, void **state);
int tls_connect(struct tls *tls, int fd, const struct flow *to, void **state);
/* For a state that no stream was made of. */
void tls_abandon(void *state);

/* Whether a connection out is still what its profile asks for: the settings may have changed
 * since. */
bool tls_profile_holds(const struct stream *s);
/* Handshakes in progress. */
unsigned tls_handshakes(const struct tls *tls);

/* Callbacks of OpenSSL, for context.c: server name indication (RFC 6066 section 3), application
 * protocol (RFC 7301). */
int tls_server_name(SSL *ssl, int *alert, void *arg);
int tls_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
	const unsigned char *in, unsigned in_size, void *arg);

#endif
