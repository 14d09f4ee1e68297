/* tls.h - TLS 1.2 and 1.3 over a stream's socket: the layer of streams on tls: and wss: listeners,
 * and of connections out (RFC 3261 section 26.3, RFC 5922 section 7).
 *
 * The private key is in another process: a handshake that needs a signature is suspended until
 * sign_client.h has it. The master says which authorities we believe.
 */
#ifndef SIPWARD_TRANSPORT_TLS_TLS_H
#define SIPWARD_TRANSPORT_TLS_TLS_H

#include "worker-transport/stream.h"

struct tls;
struct tls_context_server;

/* Log lines about failed handshakes in one second, at most. A further line says how many were left
 * out. */
#define TLS_LOG_RATE 5

extern const struct stream_layer tls_layer;
/* The contexts of certificates answer handshakes by this. */
extern const struct tls_context_server tls_server;

/* Makes TLS without authorities for t, whose sign_client and certificates stand. 0; -ENOMEM, logged
 * where OpenSSL says more. */
int tls_new(struct tls **out, struct transport_worker *t);
/* To be called after all streams. NULL is a no-op. */
void tls_free(struct tls *tls);

/* Sets the authorities that sign the certificates of a listener's clients, or, for NONE_INDEX, of
 * the servers that we connect to: certificates in PEM form. They hold for new handshakes. 0;
 * -EBADMSG, logged: pem holds something else; -EINVAL: no such listener; -ENOMEM. */
int tls_authorities(struct tls *tls, uint16_t listener, struct str pem);
/* Whether that would take pem: 0; -EBADMSG; -ENOMEM. */
int tls_authorities_try(struct str pem);

/* Makes the layer's state for a connection over fd that came in (held: from admit_connect), or that
 * goes out. It counts among the handshakes in progress until it is open or ended. *state is for
 * stream_new. 0; -EBUSY: too many handshakes are in progress, in all or of that source; -ENOENT:
 * there is no certificate to show; -EINVAL: there is no such trunk, or its name is none; -ENOMEM.
 * Refusals are counted. */
int tls_accept(struct tls *tls, int fd, const struct flow *flow, struct source *held, void **state);
int tls_connect(struct tls *tls, int fd, const struct flow *to, void **state);
/* Frees a state that no stream was made of. NULL is a no-op. */
void tls_abandon(void *state);

/* Whether a connection out was made as the settings ask today: they may have changed since. */
bool tls_profile_holds(const struct stream *s);
/* The number of handshakes that are in progress. */
unsigned tls_handshakes(const struct tls *tls);

#endif
