/* redirect_contact.h - the Contacts of a redirection that passes to the caller (RFC 3261 section
 * 8.1.3.4). */
#ifndef SIPWARD_SIP_MESSAGE_REDIRECT_CONTACT_H
#define SIPWARD_SIP_MESSAGE_REDIRECT_CONTACT_H

#include "hosts.h"
#include "writer.h"

/* Writes each Contact of m, a redirection, with its q and nothing else of its parameters. One at a
 * host that the receiver must not see, or at one of ours, gets our own host and no parameters of
 * the way there: the call that follows comes to us, and goes by the caller's routes. What is
 * neither a SIP URI nor a telephone number is left out. */
void redirect_contact_write(struct writer *w, const struct message *m, const struct hosts *hosts);

#endif
