/* certificate_set.h - the files of one generation of certificates, as read: chains, keys,
 * authorities.
 *
 * The master looks at no more than that a file is PEM of the right kind; what it says is for the
 * workers to check. No key stays in the master's memory: it is read into guarded memory, moved into
 * a sealed memfd that is mapped nowhere, and wiped. From there it goes to each new life of a TLS
 * worker, byte for byte what was checked, whatever has become of the file.
 */
#ifndef SIPWARD_MASTER_CERTIFICATES_CERTIFICATE_SET_H
#define SIPWARD_MASTER_CERTIFICATES_CERTIFICATE_SET_H

#include "common/date.h"
#include "master/config/config.h"

/* Bytes of a chain, of a key, of an OCSP response, and of a file of authorities. One certificate
 * fits a packet of the lifeline. */
#define CHAIN_MAX 32768
#define KEY_MAX 12288
#define STAPLE_MAX 12288
#define AUTHORITIES_MAX (8u << 20)

struct certificate_entry {
	char name[64]; /* of the section */
	char *names;   /* separated by spaces */
	char *chain;   /* PEM */
	char *staple;  /* DER, or NULL: it has no OCSP response */
	size_t chain_size, staple_size;
	size_t key_size;
	int key;                             /* sealed memfd */
	int chain_line, key_line, ocsp_line; /* of the config */
	int64_t not_after;                   /* unix seconds; 0: no TLS worker has told yet */
};
struct authority_entry {
	uint16_t listener; /* NONE_INDEX: the trust store */
	int line;          /* of the config; 0: none */
	int fd;            /* sealed memfd */
};
struct certificate_set {
	uint32_t generation; /* 0: not given yet */
	bool tickets;
	size_t count, authority_count;
	struct certificate_entry entry[CERTIFICATES_MAX];
	struct authority_entry authority[LISTENERS_MAX + 1];
};

/* Reads all files that the config names. 0 and *out, to be freed with certificate_set_free; -EINVAL
 * with errors added ("FILE:LINE: certificate "main": ..."); -ENOMEM. */
int certificate_set_read(
	const struct config *c, struct certificate_set **out, struct config_errors *errors);
void certificate_set_free(struct certificate_set *s); /* NULL is a no-op */

/* Writes the body of the CERTIFICATE packet of one certificate into buffer (LIFELINE_PACKET_MAX
 * bytes, guarded: the caller wipes it), with its key or without. Its size, or -errno. */
ssize_t certificate_packet(
	const struct certificate_set *s, size_t index, bool with_key, void *buffer);

/* Writes when a certificate expires as date_text does, or "unknown" where no TLS worker has told
 * yet; returns buffer. */
const char *certificate_expiry_text(const struct certificate_entry *e, char buffer[DATE_TEXT_SIZE]);

/* Whether a config has anything that such a set would hold. */
bool certificates_configured(const struct config *c);

#endif
