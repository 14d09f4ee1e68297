/* uri.h - URIs and hosts (RFC 3261 sections 19.1 and 25.1, RFC 3966), strict, over bytes in place.
 *
 * Nothing here allocates. Every function is linear in its input but uri_equal, which compares
 * lists of at most PARAMS_MAX parameters in the square of their length.
 */
#ifndef SIPWARD_IPC_URI_H
#define SIPWARD_IPC_URI_H

#include "common/str.h"

/* The most parameters of one URI, one address or one via-parm, and the most headers of a URI: more
 * is -E2BIG. Real ones have under twenty; whoever compares two lists of them does so in the square
 * of their length. */
#define PARAMS_MAX 64

enum uri_scheme { URI_NONE = 0, URI_SIP, URI_SIPS, URI_TEL, URI_OTHER };

/* Bytes [at, at + length) of the raw message. Absent: length 0. */
struct span {
	uint16_t at;
	uint16_t length;
};

/* A URI as its parts, all undecoded (RFC 3261 section 19.1). */
struct uri {
	struct span whole;
	struct span user;    /* without password; for tel: the number */
	struct span host;    /* an IPv6 reference with its brackets */
	struct span params;  /* from after the first ';' */
	struct span headers; /* from after the '?' */
	uint16_t port;       /* 0: none given */
	uint8_t scheme;      /* enum uri_scheme */
	uint8_t zero;
};
_Static_assert(sizeof(struct uri) == 24, "crosses process borders");

/* A URI as strings. */
struct uri_parts {
	struct str whole, user, password, host, params, headers;
	uint16_t port; /* 0: none */
	uint8_t scheme;
};

/* Parses all of text as an addr-spec: sip:, sips:, tel: and absolute URIs. Refuses control bytes,
 * bytes outside the URI grammar, broken escapes, ports outside 1..65535, broken IPv6 references.
 * "%00" is an escape like others: it is uri_unescape that refuses it. -EINVAL; -E2BIG. */
int uri_parse(struct str text, struct uri_parts *out);
/* The same for what a peer says of itself in a Contact, where nothing depends on more: "#" may
 * stand in the user part of a SIP URI as it is, and port 0 is taken for none. */
int uri_parse_contact(struct str text, struct uri_parts *out);

bool is_host(struct str s); /* hostname, IPv4address or IPv6reference */
bool is_ipv6(struct str s); /* IPv6address, without brackets */
/* Take a host, or a port of 1 to 65535, from the front of *rest. -EINVAL. */
int host_take(struct str *rest, struct str *host);
int port_take(struct str *rest, uint16_t *port);

/* Undoes %HH escapes of s into buffer; returns the length, or -EINVAL (broken escape, a NUL) or
 * -ENOBUFS. */
long uri_unescape(struct str s, char *buffer, size_t size);

/* The canonical address of record of a URI (RFC 3261 section 10.3): "sip:" user "@" host, user
 * unescaped, host in lower case, no port where it is the default, no parameters. Writes it with a
 * NUL, returns its length; -EINVAL for a URI without user, not sip/sips, or whose user has an
 * escaped control byte, NUL among them; -ENOBUFS. */
#define AOR_MAX 512
long aor_of(const struct uri_parts *uri, char buffer[AOR_MAX]);

/* Takes the next parameter "name" or "name=value" from *rest, the params of a URI that was parsed;
 * value.p is NULL where there is no '='. False at the end. Not param_next (syntax.h): what may
 * stand in a URI's parameter is not what may stand in a header's. */
bool uri_param_next(struct str *rest, struct str *name, struct str *value);
/* Whether a URI's parameter has that name, or a value that has no case (user=phone) is that one: in
 * any case and however it is escaped (RFC 3261 section 19.1.4). */
bool uri_param_is(struct str text, struct str wanted);
/* Finds a parameter of a URI by name, as uri_param_is compares. True and *value (may be NULL) where
 * it is there. */
bool uri_param_find(struct str params, struct str name, struct str *value);

/* Whether two URIs are equal by RFC 3261 section 19.1.4 (escapes, case, the parameters transport,
 * user, ttl, method, maddr), tel: URIs by RFC 3966 section 4 (without visual separators). */
bool uri_equal(const struct uri_parts *a, const struct uri_parts *b);

#endif
