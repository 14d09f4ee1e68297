/* certificates.h - the certificates that this worker shows, in generations: staged, checked, taken
 * into use all at once (DESIGN.md section 7).
 *
 * A certificate is its chain and, for the private key, a key of the keyless provider. Handshakes
 * and connections that began with an earlier generation keep what they need of it.
 */
#ifndef SIPWARD_TRANSPORT_TLS_CERTIFICATES_H
#define SIPWARD_TRANSPORT_TLS_CERTIFICATES_H

#include "ipc/lifeline.h"
#include "ipc/settings.h"
#include "ipc/sign.h"

#include <openssl/ssl.h>

struct certificates;
struct transport_worker;

/* Bytes of what a check says is wrong, with the NUL. */
#define CERTIFICATES_TEXT_MAX 512

struct certificate {
	char name[64];    /* of the section in the config */
	char *names;      /* what it serves, each with a NUL at its end, the last with two */
	SSL_CTX *context; /* for servers that show it */
	X509 *leaf;
	STACK_OF(X509) * chain; /* the rest */
	EVP_PKEY *key;          /* keyless */
	int64_t not_after;      /* unix seconds: the earliest of its chain */
	char *wrong;            /* NULL, or why it cannot be used */
};

int certificates_new(struct certificates **out,
	struct transport_worker *t);            /* -ENOMEM. t->sign_provider stands. */
void certificates_free(struct certificates *c); /* NULL is a no-op */

/* Takes the body of a CERTIFICATE packet into its generation. What is wrong with its content is
 * kept for the check. 0; -EBADMSG sizes that do not add up, or an index out of order; -ENOSPC;
 * -ENOMEM. */
int certificates_take(struct certificates *c, const void *body, size_t size);

/* Checks a generation: chains parse, dates, names, a test signature by a TLS worker over its key
 * edge that the certificate's public key verifies. done is called from the loop or at once: error
 * 0, or a negative errno with the index of the certificate that is wrong (NONE_INDEX: none in
 * particular) and a text for people. A check of the same generation that still runs ends without
 * being told. */
typedef void (*certificates_done)(
	void *arg, uint32_t sequence, int error, uint16_t index, const char *text);
void certificates_check(struct certificates *c, uint32_t generation, uint32_t sequence,
	certificates_done done, void *arg);

/* New handshakes use that generation from now on. -ENOENT; -EBADMSG: it has a certificate that
 * cannot be used. */
int certificates_commit(struct certificates *c, uint32_t generation);
/* Forgets a generation; one that is not there is no error; the one in use stays until another
 * is. */
void certificates_drop(struct certificates *c, uint32_t generation);

/* A certificate of the generation in use, or NULL. Valid until the loop turns. */
const struct certificate *certificates_at(const struct certificates *c, unsigned index);
/* The one that a listener shows to a client that asks for name (n 0: asks for none): the first that
 * serves exactly it, else the first with a wildcard that does, else the listener's default. NULL:
 * it has none. */
const struct certificate *certificates_choose(
	const struct certificates *c, const struct listener_settings *l, struct str name);
/* Of the generation in use; 0: none. */
uint32_t certificates_generation(const struct certificates *c);

#endif
