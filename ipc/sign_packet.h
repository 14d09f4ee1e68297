/* sign_packet.h - encodes, decodes, sends and receives the packets of the key edge (sign.h). Used
 * by both of its sides.
 *
 * Decoding goes to the exact end: sizes, counts, zero fields and the kind all fit, or the packet is
 * refused as a whole.
 */
#ifndef SIPWARD_IPC_SIGN_PACKET_H
#define SIPWARD_IPC_SIGN_PACKET_H

#include "sign.h"

#include <sys/types.h>

/* Write one packet into buffer and return its size; 0 where the size of text or signature is out of
 * range. kind and size (and zero fields) are set here. */
size_t sign_request_encode(const struct sign_request *request, const void *text, size_t size,
	unsigned char buffer[SIGN_PACKET_MAX]);
/* error 0 with 1 to SIGNATURE_MAX bytes of signature, or a negative errno with none. */
size_t sign_reply_encode(uint32_t id, int32_t error, const void *signature, size_t size,
	unsigned char buffer[SIGN_PACKET_MAX]);
size_t sign_tickets_encode(
	const struct sign_tickets *tickets, unsigned char buffer[SIGN_PACKET_MAX]);

/* The kind that a packet says it has (enum sign_kind), or 0: too short or none of them. */
uint16_t sign_packet_kind(const void *packet, size_t size);

/* Decode one packet of size bytes. 0; -EBADMSG for anything but exactly one whole packet of this
 * kind, nothing is written then. *text and *signature point into packet (NULL where a reply is an
 * error). The structs are copies: the packet need not be aligned. */
int sign_request_decode(
	const void *packet, size_t size, struct sign_request *out, const unsigned char **text);
int sign_reply_decode(
	const void *packet, size_t size, struct sign_reply *out, const unsigned char **signature);
int sign_tickets_decode(const void *packet, size_t size, struct sign_tickets *out);

/* Sends one packet over the edge. Never blocks: -EAGAIN the peer does not read; -EPIPE it is gone;
 * another negative errno. */
int sign_packet_send(int fd, const void *packet, size_t size);
/* Receives one packet into buffer (bytes beyond are a packet too long to be one: -EBADMSG). Its
 * size (1 to SIGN_PACKET_MAX), or -EAGAIN nothing there, -EPIPE closed, another negative errno. Fds
 * sent along are refused by the kernel's having no room for them and closed. */
ssize_t sign_packet_receive(int fd, unsigned char buffer[SIGN_PACKET_MAX]);

#endif
