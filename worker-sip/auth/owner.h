/* owner.h - whose a request says it is: the address of record that its sender must have credentials
 * for. Of a REGISTER that is To, of any other request From, unless that says nothing: who does not
 * want to be named writes a URI of a host that cannot be (RFC 3323 section 4.1.1.3). */
#ifndef SIPWARD_SIP_AUTH_OWNER_H
#define SIPWARD_SIP_AUTH_OWNER_H

#include "worker-sip/sip.h"

/* The URI that names the owner. */
struct uri_parts owner_uri(const struct message *m);
/* Whether From names nobody, as sip:anonymous@anonymous.invalid; never of a REGISTER. */
bool owner_is_anonymous(const struct message *m);
/* The domain whose users may be the owner, which is challenged for: that of an anonymous one is in
 * P-Preferred-Identity (RFC 3325 section 5), where it says so. The first domain where none is
 * named; there must be one. */
unsigned owner_domain(const struct settings *settings, const struct message *m);
/* Whether that user of a domain is the owner, or may be an anonymous one. */
bool owner_is(
	const struct settings *settings, const struct message *m, unsigned domain, struct str user);

#endif
