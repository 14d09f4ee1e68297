/* identity.h - what a certificate says its owner is: SIP domains and hosts (RFC 5922 section 7),
 * and names for choosing among certificates (RFC 6066 section 3). */
#ifndef SIPWARD_TRANSPORT_TLS_IDENTITY_H
#define SIPWARD_TRANSPORT_TLS_IDENTITY_H

#include "common/endpoint.h"

#include <openssl/x509.h>

/* The longest name, bytes (RFC 1035 section 2.3.4, in text form). */
#define IDENTITY_MAX 253

/* Whether the certificate is that of name: a SIP domain or host, or a numeric address. RFC 5922
 * sections 7.1 and 7.2: the URIs sip:NAME of subjectAltName; where there are none, its DNS names;
 * where there is no subjectAltName at all, the Common Name. Any case, whole names, and a wildcard
 * matches nothing. An address: the IP addresses of subjectAltName alone. */
bool identity_is(X509 *certificate, struct str name);

/* Calls visit with each name that a client may ask for by server name indication: SIP domains and
 * DNS names of subjectAltName, or else the Common Name. */
void identity_each(X509 *certificate, void (*visit)(void *arg, struct str name), void *arg);

/* Whether a server's name pattern ("sip.example.net", "*.example.net": any one label in front)
 * covers name. Any case. */
bool identity_covers(struct str pattern, struct str name);

#endif
