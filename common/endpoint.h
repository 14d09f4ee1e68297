/* endpoint.h - an IP address and port of fixed layout, fit to cross process borders. */
#ifndef SIPWARD_COMMON_ENDPOINT_H
#define SIPWARD_COMMON_ENDPOINT_H

#include "str.h"

#include <sys/socket.h>

/* family 0 means "none". An IPv4 address stands in the first four bytes of address, the rest is
 * zero, so that two equal endpoints are equal bytes. IPv4-mapped IPv6 addresses are stored as
 * IPv4. */
struct endpoint {
	uint8_t family; /* 0, 4 or 6 */
	uint8_t zero;   /* always 0 */
	uint16_t port;  /* host byte order */
	uint32_t scope; /* scope id of a link-local IPv6 address, else 0 */
	uint8_t address[16];
};
_Static_assert(sizeof(struct endpoint) == 24, "crosses process borders");

/* A network: the first bits bits of an address. */
struct prefix {
	struct endpoint network; /* port 0 */
	uint8_t bits;            /* 0 to 32 or 0 to 128 */
	uint8_t zero[7];
};

/* Size of a buffer for the longest text of endpoint_text: "[" IPv6 "%" scope "]:65535" NUL. */
#define ENDPOINT_TEXT_SIZE 64

/* From and to the kernel's form. endpoint_from_sockaddr: -EAFNOSUPPORT for another family.
 * endpoint_to_sockaddr returns the length. */
int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t length, struct endpoint *out);
socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out);

/* Parses "192.0.2.1", "[2001:db8::1]" or "2001:db8::1" (no port) into *out with the given port.
 * -EINVAL where it is no numeric address; names are never resolved. A link-local IPv6 address may
 * carry "%SCOPE", a number; interface names are refused. */
int endpoint_parse_host(struct str host, uint16_t port, struct endpoint *out);

/* Parses "HOST:PORT" or "[HOST]:PORT". -EINVAL otherwise. */
int endpoint_parse(struct str text, struct endpoint *out);

/* Parses "ADDRESS" or "ADDRESS/BITS". -EINVAL otherwise, or where bits below the mask are set. */
int prefix_parse(struct str text, struct prefix *out);
bool prefix_contains(const struct prefix *p, const struct endpoint *e);

/* Writes "192.0.2.1:5060" or "[2001:db8::1]:5060" into buffer; returns the length without the NUL.
 */
size_t endpoint_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_SIZE]);
/* The same without the port; an IPv6 address in brackets and without its scope id (the host of a
 * URI or sent-by). */
size_t endpoint_host_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_SIZE]);
/* The same without brackets, as the received of a Via has it (RFC 3261 section 25.1), the config,
 * and what reads our log. */
size_t endpoint_address_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_SIZE]);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);     /* address and port */
bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b); /* address only */
bool endpoint_is_wildcard(const struct endpoint *e);                         /* 0.0.0.0 or :: */
bool endpoint_is_loopback(const struct endpoint *e); /* 127.0.0.0/8 or ::1 */
/* Of a network that others have, too: RFC 1918, RFC 6598, RFC 4193, or of one link. */
bool endpoint_is_private(const struct endpoint *e);

#endif
