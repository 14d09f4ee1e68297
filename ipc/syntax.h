/* syntax.h - the SIP grammar of header values (RFC 3261 section 25), strict, over bytes in place;
 * used by the parser and by the SIP worker.
 *
 * Nothing here allocates or decodes. LWS may be folded (CRLF and white space). Every function is
 * linear in its input.
 */
#ifndef SIPWARD_IPC_SYNTAX_H
#define SIPWARD_IPC_SYNTAX_H

#include "message.h"

/* The most parameters of one URI, one address or one via-parm, and the most headers of a URI: more
 * is -E2BIG. Real ones have under twenty; whoever compares two lists of them does so in the square
 * of their length. */
#define SYNTAX_PARAMS_MAX 64

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

/* One name-addr or addr-spec with its header parameters. */
struct address {
	struct str display; /* as written, with its quotes; n == 0: none */
	struct uri_parts uri;
	struct str params; /* after the first ';' following the URI; n == 0: none */
	struct str whole;  /* this element */
	bool bracketed;    /* the URI stood in < > */
};
/* Parses the next element of a comma list of addresses from *rest and moves *rest past it and its
 * comma. 0; -ENOENT at the end; -EINVAL. In the addr-spec form a ';' or '?' ends the URI (RFC 3261
 * section 20.10). -E2BIG: too many parameters. */
int address_next(struct str *rest, struct address *out);

/* One via-parm (RFC 3261 section 20.42). */
struct via {
	struct str whole;     /* this element */
	struct str transport; /* "UDP", ... or another token */
	struct str host;      /* of sent-by; an IPv6 reference with its brackets */
	struct str params;    /* from the first ';' on, the ';' included; n == 0: none */
	struct str branch;    /* n == 0: none */
	uint16_t port;        /* 0: none */
	bool rport;           /* rport without a value (RFC 3581) */
};
/* Parses the next via-parm from *rest and moves *rest past it and its comma. 0; -ENOENT at the end;
 * -EINVAL: a broken sent-by, a broken parameter, a branch that is empty, nothing but the magic
 * cookie, or there twice; -E2BIG: too many parameters; -EPROTONOSUPPORT: well-formed, but of
 * another version than SIP/2.0 (*out and *rest are set: a 505 is sent by it). */
int via_next(struct str *rest, struct via *out);
/* The front of a via-parm, sent-protocol and sent-by, where what follows may be anything: enough to
 * answer by. *out: whole is all of text, params all behind sent-by, whatever it is; no branch, no
 * rport. -EINVAL. */
int via_front(struct str text, struct via *out);
/* Whether params (after their first ';') is a list of generic-params and of at most
 * SYNTAX_PARAMS_MAX. 0, -EINVAL, -E2BIG. */
int params_check(struct str params);

/* Takes the next parameter "name" or "name=value" (token, host or quoted string) of a ';' list from
 * *rest, which starts at a name. value.p is NULL where there is no '='; a quoted value keeps its
 * quotes. 0; -ENOENT at the end; -EINVAL. */
int param_next(struct str *rest, struct str *name, struct str *value);
/* Finds a parameter by name (any case). True and *value (may be NULL) where it is there. */
bool param_find(struct str params, struct str name, struct str *value);

/* The next item of a comma list of tokens or of anything without quotes and brackets, trimmed. 0;
 * -ENOENT; -EINVAL for an empty item. */
int list_next(struct str *rest, struct str *item);
/* True where the comma list in value has token (any case). */
bool list_has(struct str value, struct str token);

/* The next auth-param "name=value" of a comma list (credentials after their scheme); value without
 * quotes where it was quoted (escapes stay). 0; -ENOENT; -EINVAL. */
int auth_param_next(struct str *rest, struct str *name, struct str *value);

/* Whether control bytes other than tab, CR and LF stand only in quoted-pairs of quoted strings that
 * are closed (RFC 3261 section 25.1). */
bool controls_quoted(struct str text);

bool is_token(struct str s); /* RFC 3261 token, at least one byte */
bool is_host(struct str s);  /* hostname, IPv4address or IPv6reference */
bool is_ipv6(struct str s);  /* IPv6address, without brackets */
/* Take a host, or a port of 1 to 65535, from the front of *rest. -EINVAL. */
int host_take(struct str *rest, struct str *host);
int port_take(struct str *rest, uint16_t *port);

/* Undoes %HH escapes of s into room; returns the length, or -EINVAL (broken escape, a NUL) or
 * -ENOBUFS. */
long uri_unescape(struct str s, char *buffer, size_t size);

/* The canonical address of record of a URI (RFC 3261 section 10.3): "sip:" user "@" host, user
 * unescaped, host in lower case, no port where it is the default, no parameters. Writes it with a
 * NUL, returns its length; -EINVAL for a URI without user, not sip/sips, or whose user has an
 * escaped control byte, NUL among them; -ENOBUFS. */
#define AOR_MAX 512
long aor_of(const struct uri_parts *uri, char buffer[AOR_MAX]);

/* The parts of one of the message's typed URIs as strings. */
struct uri_parts uri_of(const struct message *m, const struct uri *uri);

/* Whether two URIs are equal by RFC 3261 section 19.1.4 (escapes, case, the parameters transport,
 * user, ttl, method, maddr), tel: URIs by RFC 3966 section 4 (without visual separators). */
bool uri_equal(const struct uri_parts *a, const struct uri_parts *b);

#endif
