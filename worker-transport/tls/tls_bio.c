/* tls_bio.c - OpenSSL's view of a stream's socket: plain reads and writes that never block.
 *
 * OpenSSL's own socket BIO would raise SIGPIPE where a peer has gone. Relies on nothing.
 */
#include "tls_bio.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

static int tls_bio_socket(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static int tls_bio_write(BIO *bio, const char *bytes, int size)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	do
		n = send(tls_bio_socket(bio), bytes, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)n;
}

static int tls_bio_read(BIO *bio, char *buffer, int size)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	do
		n = recv(tls_bio_socket(bio), buffer, (size_t)size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH: return 1;
	case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default: return 0;
	}
}

static int tls_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static bool tls_bio_set_functions(BIO_METHOD *method)
{
	bool good = BIO_meth_set_write(method, tls_bio_write);

	good = good && BIO_meth_set_read(method, tls_bio_read);
	good = good && BIO_meth_set_ctrl(method, tls_bio_control);
	return good && BIO_meth_set_create(method, tls_bio_create);
}

BIO_METHOD *tls_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(
		BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "stream");

	if (method && tls_bio_set_functions(method))
		return method;
	BIO_meth_free(method);
	return NULL;
}

BIO *tls_bio_new(const BIO_METHOD *method, int fd)
{
	BIO *bio = BIO_new(method);

	if (bio)
		BIO_set_data(bio, (void *)(intptr_t)fd);
	return bio;
}
