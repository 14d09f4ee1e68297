/* certificate_set.c - reads the files of one generation of certificates. Relies on libsodium for
 * guarded memory. */
#include "certificate_set.h"

#include "master/memfd.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct lifeline_certificate) + NAMES_MAX * 256 + CHAIN_MAX + KEY_MAX <=
		       LIFELINE_PACKET_MAX,
	"a certificate fits a packet");
_Static_assert(STAPLE_MAX <= KEY_MAX, "as does one with its OCSP response in place of the key");

#define PEM_CERTIFICATE "-----BEGIN CERTIFICATE-----"
#define PEM_TRUSTED "-----BEGIN TRUSTED CERTIFICATE-----"
#define PEM_PRIVATE "PRIVATE KEY-----"
#define DER_SEQUENCE 0x30

/* The place that an error names. */
struct place {
	const struct config *config;
	struct config_errors *errors;
	int line, chain_line, key_line;
	const char *kind, *name, *option;
};

static int certificate_refuse(const struct place *p, const char *path, const char *why)
{
	config_error_add(p->errors, p->config->path, p->line, "%s \"%s\": %s: \"%s\" %s", p->kind,
		p->name, p->option, path, why);
	return -EINVAL;
}

static int certificate_check_file(
	const struct place *p, const char *path, int fd, size_t most, struct stat *st)
{
	char large[64];

	if (fstat(fd, st) < 0)
		return certificate_refuse(p, path, error_text(-errno));
	if (S_ISDIR(st->st_mode))
		return certificate_refuse(p, path, "is a folder, and no file");
	if (!S_ISREG(st->st_mode))
		return certificate_refuse(p, path, "is no regular file");
	if (st->st_size == 0)
		return certificate_refuse(p, path, "is empty");
	snprintf(large, sizeof(large), "has more than %zu bytes", most);
	return (uint64_t)st->st_size > most ? certificate_refuse(p, path, large) : 0;
}

/* Reads a whole file into guarded memory: text with *size bytes, the caller's to sodium_free. */
static int certificate_read_guarded(
	const struct place *p, const char *path, size_t most, char **text, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
	struct stat st;
	size_t n = 0;
	char *buffer;

	if (fd < 0)
		return certificate_refuse(p, path, error_text(-errno));
	error = certificate_check_file(p, path, fd, most, &st);
	if (error) {
		close(fd);
		return error;
	}
	buffer = sodium_malloc((size_t)st.st_size);
	if (!buffer) {
		close(fd);
		return -ENOMEM;
	}
	while (n < (size_t)st.st_size && error == 0) {
		ssize_t got = read(fd, buffer + n, (size_t)st.st_size - n);

		if (got > 0)
			n += (size_t)got;
		else if (got == 0)
			error = certificate_refuse(p, path, "was cut short while it was read");
		else if (errno != EINTR)
			error = certificate_refuse(p, path, error_text(-errno));
	}
	close(fd);
	if (error) {
		sodium_free(buffer);
		return error;
	}
	*text = buffer;
	*size = n;
	return 0;
}

static bool certificate_set_has(const char *text, size_t size, const char *word)
{
	return memmem(text, size, word, strlen(word)) != NULL;
}

static int certificate_set_read_chain(
	struct place *p, const char *path, struct certificate_entry *e)
{
	char *text;
	int error;

	p->option = "chain";
	p->line = p->chain_line;
	error = certificate_read_guarded(p, path, CHAIN_MAX, &text, &e->chain_size);
	if (error)
		return error;
	if (certificate_set_has(text, e->chain_size, PEM_PRIVATE))
		error = certificate_refuse(p, path,
			"holds a private key: the chain is given to every transport worker, so "
			"keep the key in the key file alone");
	else if (!certificate_set_has(text, e->chain_size, PEM_CERTIFICATE))
		error = certificate_refuse(p, path, "holds no certificate in PEM form");
	else if (!(e->chain = malloc(e->chain_size)))
		error = -ENOMEM;
	else
		memcpy(e->chain, text, e->chain_size);
	sodium_free(text);
	return error;
}

static int certificate_read_key(struct place *p, const char *path, struct certificate_entry *e)
{
	char *text;
	int error;

	p->option = "key";
	p->line = p->key_line;
	error = certificate_read_guarded(p, path, KEY_MAX, &text, &e->key_size);
	if (error)
		return error;
	error = certificate_set_has(text, e->key_size, PEM_PRIVATE)
	                ? memfd_of("sipward-key", text, e->key_size, &e->key)
	                : certificate_refuse(p, path,
				  certificate_set_has(text, e->key_size, PEM_CERTIFICATE)
					  ? "holds a certificate and no private key: perhaps "
					    "chain and key are swapped"
					  : "holds no private key in PEM form");
	sodium_free(text);
	return error;
}

static int certificate_read_staple(
	struct place *p, const char *path, int line, struct certificate_entry *e)
{
	char *text;
	int error;

	if (!path)
		return 0;
	p->option = "ocsp";
	p->line = line;
	error = certificate_read_guarded(p, path, STAPLE_MAX, &text, &e->staple_size);
	if (error)
		return error;
	if (certificate_set_has(text, e->staple_size, PEM_PRIVATE))
		error = certificate_refuse(p, path,
			"holds a private key and no OCSP response: it is given to every transport "
			"worker");
	else if (text[0] != DER_SEQUENCE)
		error = certificate_refuse(p, path, "holds no OCSP response in DER form");
	else if (!(e->staple = malloc(e->staple_size)))
		error = -ENOMEM;
	else
		memcpy(e->staple, text, e->staple_size);
	sodium_free(text);
	return error;
}

static int certificate_read(const struct config *c, const struct config_certificate *from,
	struct certificate_entry *e, struct config_errors *errors)
{
	struct place place = {.config = c,
		.errors = errors,
		.chain_line = from->chain_line,
		.key_line = from->key_line,
		.kind = "certificate",
		.name = from->name};
	size_t bytes = 1;
	int chain, key, staple;

	snprintf(e->name, sizeof(e->name), "%s", from->name);
	e->chain_line = from->chain_line;
	e->key_line = from->key_line;
	e->ocsp_line = from->ocsp_line;
	for (size_t i = 0; i < from->name_count; i++)
		bytes += strlen(from->names[i]) + 1;
	e->names = calloc(1, bytes);
	if (!e->names)
		return -ENOMEM;
	for (size_t i = 0, at = 0; i < from->name_count; i++)
		at += (size_t)snprintf(
			e->names + at, bytes - at, "%s%s", i ? " " : "", from->names[i]);
	/* All, so that one check tells all that is wrong. */
	chain = certificate_set_read_chain(&place, from->chain, e);
	key = certificate_read_key(&place, from->key, e);
	staple = certificate_read_staple(&place, from->ocsp, from->ocsp_line, e);
	return chain ? chain : key ? key : staple;
}

static int certificate_read_authorities(
	struct place *p, const char *path, uint16_t listener, struct certificate_set *s)
{
	struct authority_entry *a = &s->authority[s->authority_count];
	char *text;
	size_t size;
	int error = certificate_read_guarded(p, path, AUTHORITIES_MAX, &text, &size);

	if (error)
		return error;
	if (!certificate_set_has(text, size, PEM_CERTIFICATE) &&
		!certificate_set_has(text, size, PEM_TRUSTED))
		error = certificate_refuse(p, path, "holds no certificate in PEM form");
	else
		error = memfd_of("sipward-authorities", text, size, &a->fd);
	if (error == 0) {
		a->listener = listener;
		a->line = p->line;
		s->authority_count++;
	}
	sodium_free(text);
	return error;
}

static bool certificate_set_needs_trust(const struct config *c)
{
	for (size_t i = 0; i < c->trunk_count; i++)
		if (config_trunk_uses_tls(&c->trunks[i]) && c->trunks[i].verify)
			return true;
	return false;
}

bool certificates_configured(const struct config *c)
{
	return c->certificate_count != 0 || certificate_set_needs_trust(c);
}

int certificate_set_read(
	const struct config *c, struct certificate_set **out, struct config_errors *errors)
{
	struct certificate_set *s = calloc(1, sizeof(*s));
	int error = 0;

	if (!s)
		return -ENOMEM;
	s->tickets = c->tickets;
	for (size_t i = 0; i < c->certificate_count && error != -ENOMEM; i++) {
		int one;

		s->entry[i].key = -1;
		s->count = i + 1;
		one = certificate_read(c, &c->certificates[i], &s->entry[i], errors);
		error = one ? one : error;
	}
	for (size_t i = 0; i < c->listener_count && error != -ENOMEM; i++) {
		const struct config_listener *l = &c->listeners[i];
		struct place place = {.config = c,
			.errors = errors,
			.line = l->line,
			.kind = "listener",
			.name = l->name,
			.option = "client-ca"};
		int one = l->client_auth != CLIENT_AUTH_NONE ? certificate_read_authorities(&place,
								       l->client_ca, (uint16_t)i, s)
		                                             : 0;

		error = one ? one : error;
	}
	if (certificate_set_needs_trust(c) && error != -ENOMEM) {
		struct place place = {.config = c,
			.errors = errors,
			.kind = "tls",
			.name = "trust",
			.option = "trust"};
		int one = certificate_read_authorities(&place, c->trust, NONE_INDEX, s);

		error = one ? one : error;
	}
	if (error) {
		if (error != -EINVAL && error != -ENOMEM)
			config_error_add(errors, c->path, 0, "the certificates cannot be taken: %s",
				error_text(error));
		certificate_set_free(s);
		return error;
	}
	*out = s;
	return 0;
}

void certificate_set_free(struct certificate_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		free(s->entry[i].names);
		free(s->entry[i].chain);
		free(s->entry[i].staple);
		if (s->entry[i].key >= 0)
			close(s->entry[i].key);
	}
	for (size_t i = 0; i < s->authority_count; i++)
		close(s->authority[i].fd);
	free(s);
}

ssize_t certificate_packet(
	const struct certificate_set *s, size_t index, bool with_key, void *buffer)
{
	const struct certificate_entry *e = &s->entry[index];
	struct lifeline_certificate head = {
		.generation = s->generation,
		.index = (uint16_t)index,
		.names_size = (uint16_t)strlen(e->names),
		.chain_size = (uint32_t)e->chain_size,
		.key_size = with_key ? (uint32_t)e->key_size : 0,
		.staple_size = with_key ? 0 : (uint32_t)e->staple_size,
	};
	char *at = buffer;
	size_t n = 0;

	memcpy(head.name, e->name, sizeof(head.name));
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, e->names, head.names_size);
	at += head.names_size;
	memcpy(at, e->chain, e->chain_size);
	at += e->chain_size;
	if (head.staple_size)
		memcpy(at, e->staple, head.staple_size);
	while (n < head.key_size) {
		ssize_t got = pread(e->key, at + n, head.key_size - n, (off_t)n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		n += (size_t)got;
	}
	return (ssize_t)(sizeof(head) + head.names_size + head.chain_size + head.key_size +
			 head.staple_size);
}

const char *certificate_expiry_text(const struct certificate_entry *e, char buffer[DATE_TEXT_SIZE])
{
	if (e->not_after)
		return date_text(e->not_after, buffer);
	snprintf(buffer, DATE_TEXT_SIZE, "unknown");
	return buffer;
}
