/* tls_connection.h - shared by the parts of TLS, tls.c and tls_peer.c. Nobody else includes it. */
#ifndef SIPWARD_TRANSPORT_TLS_TLS_CONNECTION_H
#define SIPWARD_TRANSPORT_TLS_TLS_CONNECTION_H

#include "common/log_limit.h"
#include "identity.h"
#include "ipc/settings.h"
#include "sign_client.h"

#include <openssl/ssl.h>

struct source;
struct stream;
struct transport_worker;

/* The most bytes of one TLS record (RFC 8446 section 5.1). What is queued in several pieces is put
 * together up to this. */
#define RECORD_MAX 16384
/* Bytes of the reason why a peer's certificate is not believed, with the NUL. */
#define REASON_MAX 192
#define DIGEST_SIZE 32

/* The authorities that may sign the certificates of a listener's clients. */
struct tls_authorities {
	X509_STORE *store;
	STACK_OF(X509_NAME) * names;
	unsigned char digest[DIGEST_SIZE]; /* of their text; zero: there are none */
};

struct tls {
	struct transport_worker *t;
	BIO_METHOD *bio;
	SSL_CTX *client;
	X509_STORE *nobody; /* for listeners that ask for a certificate and have no authority */
	struct tls_authorities authorities[LISTENERS_MAX];
	unsigned char trust[DIGEST_SIZE]; /* of the authorities that the client's store holds */
	unsigned handshakes;              /* in progress */
	struct log_limit limit;           /* of lines about handshakes */
	char record[RECORD_MAX];
};

/* A handshake in progress. */
struct tls_handshake {
	struct signing signing;
	struct source *held;
	uint64_t started;       /* ms */
	bool counted;           /* its failure is counted */
	char wrong[REASON_MAX]; /* why the peer's certificate is not believed; "": it is so far */
};

/* The state of the layer of one stream. */
struct tls_connection {
	struct tls *tls;
	SSL *ssl;
	struct stream *stream;
	struct tls_handshake *handshake; /* NULL once it is done */
	struct endpoint peer;
	uint16_t listener;
	bool outgoing;  /* we connected */
	bool connected; /* ... and the TCP connection stands */
	/* of a connection out: what the settings asked for when it was made */
	bool verify;
	uint16_t profile, certificate;
	char name[IDENTITY_MAX + 1];
};

/* Asks a client for its certificate, and believes the authorities of the connection's listener, as
 * its settings say. False: no memory. */
bool tls_set_authorities(struct tls_connection *c);
/* Lets a session be resumed only where it would be made anew: on a listener of that name, which
 * asks clients for the same. False: no memory. */
bool tls_set_session_context(struct tls_connection *c);
/* OpenSSL calls it for each certificate of the peer's chain, its own last of all. 1: go on. */
int tls_verify_peer(int good, X509_STORE_CTX *store);
/* Frees the authorities of all listeners. */
void tls_authorities_free(struct tls *tls);

#endif
