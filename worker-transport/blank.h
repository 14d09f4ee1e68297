/* blank.h - a message without what it takes to be somebody else, or to hear a call. */
#ifndef SIPWARD_TRANSPORT_BLANK_H
#define SIPWARD_TRANSPORT_BLANK_H

#include <stddef.h>

#define BLANK_BYTE 'x'

/* Puts BLANK_BYTE in place of each byte of the secrets in a message, wherever its lines stand, in
 * headers or in a body: response, rspauth, nc and cnonce of digest credentials, credentials of
 * other schemes wholly (RFC 3261 section 22, RFC 7616), tokens of Contacts at trunks (ipc/line.h)
 * that the start line or a Contact has, passwords in URIs (section 19.1.1), in the headers of URIs
 * such credentials and bodies wholly, keys for media in SDP (RFC 4568, 4567, 4566 section 5.12) and
 * passwords of ICE (RFC 8839). Sizes stay as they are. */
void blank_secrets(char *message, size_t size);

#endif
