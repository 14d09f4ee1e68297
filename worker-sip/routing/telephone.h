/* telephone.h - a telephone number, however a URI writes it: tel: (RFC 3966), or the user part of a
 * SIP URI (RFC 3261 section 19.1.6), with the parameters that belong to it: phone-context, the
 * routing number of a ported one (RFC 4694), a trunk group (RFC 4904). */
#ifndef SIPWARD_SIP_ROUTING_TELEPHONE_H
#define SIPWARD_SIP_ROUTING_TELEPHONE_H

#include "ipc/uri.h"
#include "worker-sip/message/writer.h"

/* Writes the number alone, as rules compare it: unescaped, without visual separators (RFC 3966
 * section 5.1.1) and parameters. A SIP URI has one where it says user=phone, begins with "+", or
 * has parameters in its user part, and what stands before these is a number. Returns its length;
 * -EINVAL: no number; -ENOBUFS. */
long telephone_digits(const struct uri_parts *uri, char *buffer, size_t size);
/* Whether a text is digits and nothing else, but for a "+" before them. */
bool telephone_is_number(struct str text);

/* Writes the user part of a SIP URI that means what uri means: its own as it is written; of tel:
 * its number and parameters, escaped where they must be. */
void telephone_write_user(struct writer *w, const struct uri_parts *uri);

/* Writes the URI parameters, each with its ";", that belong to the target and not to the way there:
 * user, cause (RFC 4458) and others, but not transport, maddr, lr and their like. For tel:
 * user=phone. */
void telephone_write_params(struct writer *w, const struct uri_parts *uri);

#endif
