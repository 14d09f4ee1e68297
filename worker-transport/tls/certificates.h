/* certificates.h - the certificates that this worker shows, in generations: a generation is staged,
 * checked, and taken into use all at once (doc/ARCHITECTURE.md).
 *
 * A certificate has its chain and, in the place of its private key, a key of sign_provider.h.
 * Handshakes and connections that began with an earlier generation keep what they need of it.
 */
#ifndef SIPWARD_TRANSPORT_TLS_CERTIFICATES_H
#define SIPWARD_TRANSPORT_TLS_CERTIFICATES_H

#include "ipc/lifeline.h"
#include "ipc/settings.h"
#include "ipc/sign.h"

#include <openssl/ssl.h>

struct certificates;
struct tls_context_server;
struct transport_worker;

/* Bytes of what a check says is wrong, with the NUL. */
#define CERTIFICATES_TEXT_MAX 512

struct certificate {
	char name[64];    /* of the section in the config */
	char *names;      /* names that it serves, each with a NUL at its end, the last with two */
	SSL_CTX *context; /* for servers that show it */
	X509 *leaf;
	STACK_OF(X509) * chain; /* without the leaf */
	EVP_PKEY *key;          /* of sign_provider.h */
	int64_t not_after;      /* unix seconds: the earliest of its chain */
	char *wrong;            /* NULL, or why it cannot be used */
	bool wrong_staple;      /* and that its OCSP response is why */
};

/* Makes an empty set of certificates for t, whose sign_provider stands. server answers the
 * handshakes in which they are shown. 0; -ENOMEM. */
int certificates_new(struct certificates **out, struct transport_worker *t,
	const struct tls_context_server *server);
/* Frees all generations. To be called after all connections. NULL is a no-op. */
void certificates_free(struct certificates *c);

/* Takes the body (size bytes) of a CERTIFICATE packet into its generation, which is made where it
 * is new. A fault in chain or names is kept for certificates_check. 0; -EBADMSG: sizes that do not
 * add up, or an index out of order; -ENOSPC: more than GENERATIONS_MAX generations; -ENOMEM. */
int certificates_take(struct certificates *c, const void *body, size_t size);

/* Checks a generation: that its chains parse, its dates hold, its names are covered, and that for
 * each certificate a TLS worker makes a test signature which the certificate's public key verifies.
 * done is called from the loop or at once, with sequence as it was given. error: 0, or a negative
 * errno with the index of the certificate that is wrong (NONE_INDEX: none in particular) and a text
 * for people. An earlier check of the same generation that still runs is given up without a call of
 * its done. */
typedef void (*certificates_done)(
	void *arg, uint32_t sequence, int error, uint16_t index, const char *text);
void certificates_check(struct certificates *c, uint32_t generation, uint32_t sequence,
	certificates_done done, void *arg);

/* New handshakes use that generation from now on. 0; -ENOENT: there is no such generation;
 * -EBADMSG, logged: it has a certificate that cannot be used. */
int certificates_commit(struct certificates *c, uint32_t generation);
/* Forgets a generation. One that is not there is no error; the one in use stays until another is in
 * use. */
void certificates_drop(struct certificates *c, uint32_t generation);

/* The certificate with that index of the generation in use, or NULL. Valid until the loop turns. */
const struct certificate *certificates_at(const struct certificates *c, unsigned index);
/* The certificate that a listener shows to a client that asks for name (n == 0: it asks for none):
 * the first that serves exactly this name, else the first whose wildcard covers it, else the
 * listener's first. NULL: the listener has none. Valid until the loop turns. */
const struct certificate *certificates_choose(
	const struct certificates *c, const struct listener_settings *l, struct str name);
/* The number of the generation in use; 0: none is. */
uint32_t certificates_generation(const struct certificates *c);

#endif
