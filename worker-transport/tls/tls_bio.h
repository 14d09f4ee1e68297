/* tls_bio.h - a BIO over a non-blocking socket, whose fd stays its owner's. */
#ifndef SIPWARD_TRANSPORT_TLS_TLS_BIO_H
#define SIPWARD_TRANSPORT_TLS_TLS_BIO_H

#include <openssl/bio.h>

/* The method of such BIOs. NULL: no memory. The caller's to BIO_meth_free. */
BIO_METHOD *tls_bio_method(void);

/* A BIO over fd by that method. NULL: no memory. The caller's to BIO_free; fd is not closed. */
BIO *tls_bio_new(const BIO_METHOD *method, int fd);

#endif
