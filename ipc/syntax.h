/* syntax.h - the SIP grammar of header values (RFC 3261 section 25), strict, over bytes in place;
 * used by the parser and by the SIP worker.
 *
 * Nothing here allocates or decodes. LWS may be folded (CRLF and white space). Every function is
 * linear in its input.
 */
#ifndef SIPWARD_IPC_SYNTAX_H
#define SIPWARD_IPC_SYNTAX_H

#include "uri.h"

/* One name-addr or addr-spec with its header parameters. */
struct address {
	struct str display; /* as written, with its quotes; n == 0: none */
	struct uri_parts uri;
	struct str params; /* after the first ';' following the URI; n == 0: none */
	struct str whole;  /* this element */
	bool bracketed;    /* the URI stood in < > */
};
/* Parses the next element of a comma list of addresses from *rest and moves *rest past it and its
 * comma. Empty elements are skipped, here and in the other lists but Via. 0; -ENOENT at the end;
 * -EINVAL. In the addr-spec form a ';' or '?' ends the URI (RFC 3261
 * section 20.10). -E2BIG: too many parameters. */
int address_next(struct str *rest, struct address *out);
/* The same for a Contact's value, whose URI is read by uri_parse_contact. */
int contact_next(struct str *rest, struct address *out);

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
/* Whether params (after their first ';') is a list of generic-params and of at most PARAMS_MAX. 0,
 * -EINVAL, -E2BIG. */
int params_check(struct str params);

/* What stands before the parameters of a header's value, without blanks around it. */
struct str value_without_params(struct str value);

/* Takes the next parameter "name" or "name=value" (token, host or quoted string) of a ';' list from
 * *rest, which starts at a name. value.p is NULL where there is no '='; a quoted value keeps its
 * quotes. 0; -ENOENT at the end; -EINVAL. */
int param_next(struct str *rest, struct str *name, struct str *value);
/* Finds a parameter by name (any case). True and *value, whose p is NULL where it has no '=', where
 * it is there. */
bool param_find(struct str params, struct str name, struct str *value);

/* The next item of a comma list of tokens or of anything without quotes and brackets, trimmed. 0;
 * -ENOENT. */
int list_next(struct str *rest, struct str *item);
/* Whether a comma list has an empty element; commas in quoted strings and angle brackets separate
 * nothing. */
bool list_has_empty(struct str value);
/* The next element of such a list, trimmed, whatever it is. closed: its quoted strings and angle
 * brackets are. False at the end. */
bool list_element_next(struct str *rest, struct str *element, bool *closed);
/* True where the comma list in value has token (any case). */
bool list_has(struct str value, struct str token);

/* The next auth-param "name=value" of a comma list (credentials after their scheme); value without
 * quotes where it was quoted (escapes stay). 0; -ENOENT; -EINVAL. */
int auth_param_next(struct str *rest, struct str *name, struct str *value);

/* Whether control bytes other than tab, CR and LF stand only in quoted-pairs of quoted strings that
 * are closed (RFC 3261 section 25.1). */
bool controls_quoted(struct str text);

bool is_token(struct str s); /* RFC 3261 token, at least one byte */

#endif
