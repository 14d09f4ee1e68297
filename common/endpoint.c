/* endpoint.c - addresses and ports: kernel form, text form, comparison.
 *
 * Relies on inet_pton being strict (four decimal parts, no leading zeros) and never asks a resolver
 * or, for interface names, the kernel: the text may be a stranger's and the jail may have no
 * socket().
 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#define IPV4_BITS 32
#define IPV6_BITS 128
#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static size_t endpoint_address_size(const struct endpoint *e)
{
	return e->family == 4 ? 4 : e->family == 6 ? 16 : 0;
}

/* fe80::/10 and the link-local multicast groups: the only ones that mean nothing without their
 * link. */
static bool endpoint_is_link_local(const uint8_t address[16])
{
	return (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) ||
	       (address[0] == 0xff && (address[1] & 0x0f) == 0x02);
}

static void endpoint_set_ipv4(struct endpoint *out, const void *address, uint16_t port)
{
	*out = (struct endpoint){.family = 4, .port = port};
	memcpy(out->address, address, 4);
}

static void endpoint_set_ipv6(
	struct endpoint *out, const uint8_t address[16], uint16_t port, uint32_t scope)
{
	if (memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		endpoint_set_ipv4(out, address + sizeof(mapped_prefix), port);
		return;
	}
	*out = (struct endpoint){
		.family = 6, .port = port, .scope = endpoint_is_link_local(address) ? scope : 0};
	memcpy(out->address, address, 16);
}

int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t length, struct endpoint *out)
{
	/* Copied out: sa may stand unaligned in a control message. */
	if (length >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		endpoint_set_ipv4(out, &in.sin_addr, ntohs(in.sin_port));
		return 0;
	}
	if (length >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		endpoint_set_ipv6(
			out, in6.sin6_addr.s6_addr, ntohs(in6.sin6_port), in6.sin6_scope_id);
		return 0;
	}
	return -EAFNOSUPPORT;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (e->family == 4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};

		memcpy(&in.sin_addr, e->address, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	if (e->family == 6) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
			.sin6_port = htons(e->port),
			.sin6_scope_id = e->scope};

		memcpy(&in6.sin6_addr, e->address, 16);
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

/* An IPv6 address with or without "%SCOPE", without brackets. The scope is a number. */
static int endpoint_parse_ipv6(struct str text, uint16_t port, struct endpoint *out)
{
	char buffer[INET6_ADDRSTRLEN];
	uint8_t address[16];
	uint64_t scope = 0;
	size_t percent = str_find(text, '%');

	if (percent < text.n &&
		(str_number(str_from(text, percent + 1), UINT32_MAX, &scope) || scope == 0))
		return -EINVAL;
	text.n = percent;
	if (str_copy(text, buffer, sizeof(buffer)) || strlen(buffer) != text.n ||
		inet_pton(AF_INET6, buffer, address) != 1)
		return -EINVAL;
	if (scope && !endpoint_is_link_local(address))
		return -EINVAL;
	endpoint_set_ipv6(out, address, port, (uint32_t)scope);
	return 0;
}

int endpoint_parse_host(struct str host, uint16_t port, struct endpoint *out)
{
	char buffer[INET_ADDRSTRLEN];
	uint8_t address[4];

	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		return endpoint_parse_ipv6((struct str){host.p + 1, host.n - 2}, port, out);
	if (str_find(host, ':') < host.n)
		return endpoint_parse_ipv6(host, port, out);
	if (str_copy(host, buffer, sizeof(buffer)) || strlen(buffer) != host.n ||
		inet_pton(AF_INET, buffer, address) != 1)
		return -EINVAL;
	endpoint_set_ipv4(out, address, port);
	return 0;
}

int endpoint_parse(struct str text, struct endpoint *out)
{
	struct str host = text;
	uint64_t port;

	/* The port follows the last colon. */
	while (host.n && host.p[host.n - 1] != ':')
		host.n--;
	if (host.n < 2)
		return -EINVAL;
	struct str digits = str_from(text, host.n);
	host.n--;
	/* Without brackets "2001:db8::1:5060" could be read in two ways. */
	if (host.p[0] != '[' && str_find(host, ':') < host.n)
		return -EINVAL;
	if (digits.n > 5 || str_number(digits, UINT16_MAX, &port))
		return -EINVAL;
	return endpoint_parse_host(host, (uint16_t)port, out);
}

/* Are all bits of address from position bits on zero? */
static bool prefix_zero_below(const uint8_t *address, size_t size, unsigned bits)
{
	for (size_t i = 0; i < size; i++) {
		unsigned kept = bits > i * 8 ? bits - (unsigned)i * 8 : 0;

		if (kept < 8 && (address[i] & (0xff >> kept)))
			return false;
	}
	return true;
}

int prefix_parse(struct str text, struct prefix *out)
{
	struct prefix p = {0};
	size_t slash = str_find(text, '/');
	struct str host = {text.p, slash};
	uint64_t bits;

	if (endpoint_parse_host(host, 0, &p.network))
		return -EINVAL;
	bool written_as_ipv6 = str_find(host, ':') < host.n;
	if (slash == text.n)
		bits = written_as_ipv6 ? IPV6_BITS : IPV4_BITS;
	else if (text.n - slash > 4 || str_number(str_from(text, slash + 1),
					       written_as_ipv6 ? IPV6_BITS : IPV4_BITS, &bits))
		return -EINVAL;
	if (written_as_ipv6 && p.network.family == 4) {
		/* An IPv4-mapped network: it became IPv4, and so must its length. */
		if (bits < MAPPED_BITS)
			return -EINVAL;
		bits -= MAPPED_BITS;
	}
	p.bits = (uint8_t)bits;
	if (!prefix_zero_below(p.network.address, endpoint_address_size(&p.network), p.bits))
		return -EINVAL;
	*out = p;
	return 0;
}

bool prefix_contains(const struct prefix *p, const struct endpoint *e)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	if (p->network.family == 0 || p->network.family != e->family ||
		(p->network.scope && p->network.scope != e->scope))
		return false;
	if (memcmp(p->network.address, e->address, whole) != 0)
		return false;
	return rest == 0 || ((p->network.address[whole] ^ e->address[whole]) >> (8 - rest)) == 0;
}

static size_t endpoint_write_decimal(char *p, unsigned number)
{
	char digit[10];
	size_t n = 0;

	do
		digit[n++] = (char)('0' + number % 10);
	while (number /= 10);
	for (size_t i = 0; i < n; i++)
		p[i] = digit[n - 1 - i];
	return n;
}

/* Addresses of our own go into every message, more than once: not by way of printf. */
static size_t endpoint_ipv4_text(const uint8_t address[4], char buffer[ENDPOINT_TEXT_SIZE])
{
	size_t n = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (i)
			buffer[n++] = '.';
		n += endpoint_write_decimal(buffer + n, address[i]);
	}
	buffer[n] = '\0';
	return n;
}

/* The host alone; a scope is written only where asked for. */
static size_t endpoint_write_host(
	const struct endpoint *e, bool with_scope, char buffer[ENDPOINT_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];
	int n;

	if (e->family == 4)
		return endpoint_ipv4_text(e->address, buffer);
	if (e->family == 6 && e->scope && with_scope)
		n = snprintf(buffer, ENDPOINT_TEXT_SIZE, "[%s%%%u]",
			inet_ntop(AF_INET6, e->address, address, sizeof(address)), e->scope);
	else if (e->family == 6)
		n = snprintf(buffer, ENDPOINT_TEXT_SIZE, "[%s]",
			inet_ntop(AF_INET6, e->address, address, sizeof(address)));
	else
		n = snprintf(buffer, ENDPOINT_TEXT_SIZE, "none");
	return (size_t)n;
}

size_t endpoint_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_SIZE])
{
	size_t n = endpoint_write_host(e, true, buffer);

	if (e->family) {
		buffer[n++] = ':';
		n += endpoint_write_decimal(buffer + n, e->port);
		buffer[n] = '\0';
	}
	return n;
}

size_t endpoint_host_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_SIZE])
{
	/* A scope id means nothing to the peer, and the IPv6reference of RFC 3261 section 25.1 has
	 * no place for it. */
	return endpoint_write_host(e, false, buffer);
}

size_t endpoint_address_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_SIZE])
{
	size_t n = endpoint_host_text(e, buffer);

	if (buffer[0] != '[')
		return n;
	memmove(buffer, buffer + 1, n - 2);
	buffer[n - 2] = '\0';
	return n - 2;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && endpoint_same_host(a, b);
}

bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

bool endpoint_is_wildcard(const struct endpoint *e)
{
	return e->family && prefix_zero_below(e->address, sizeof(e->address), 0);
}

bool endpoint_is_loopback(const struct endpoint *e)
{
	static const uint8_t loopback[16] = {[15] = 1};

	return e->family == 4 ? e->address[0] == 127
	                      : e->family == 6 && memcmp(e->address, loopback, 16) == 0;
}

bool endpoint_is_private(const struct endpoint *e)
{
	static const struct {
		uint8_t family, bits, network[4];
	} rows[] = {{4, 8, {10}}, {4, 12, {172, 16}}, {4, 16, {192, 168}}, {4, 10, {100, 64}},
		{4, 16, {169, 254}}, {6, 7, {0xfc}}, {6, 10, {0xfe, 0x80}}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct prefix p = {.network = {.family = rows[i].family}, .bits = rows[i].bits};

		memcpy(p.network.address, rows[i].network, sizeof(rows[i].network));
		if (prefix_contains(&p, e))
			return true;
	}
	return false;
}
