/* hep_packet.h - one message in the form of HEP version 3, the Homer encapsulation protocol: a
 * datagram of chunks, each with its vendor, type and size. */
#ifndef SIPWARD_TRANSPORT_HEP_PACKET_H
#define SIPWARD_TRANSPORT_HEP_PACKET_H

#include "ipc/flow.h"

/* The most bytes that a datagram over IPv4 carries: 65535 less both headers. */
#define HEP_PACKET_MAX 65507
#define HEP_CORRELATION_MAX 255
/* The most bytes of a packet beside its message and its password. */
#define HEP_HEAD_MAX (HEP_CORRELATION_MAX + 145)

struct hep_packet {
	struct endpoint from, to;
	uint64_t at_us; /* since 1970 */
	uint32_t capture_id;
	uint8_t transport;      /* enum transport; TLS and WebSockets are told as TCP */
	struct str password;    /* at most 255 bytes; empty: none */
	struct str correlation; /* what joins the messages of a call; cut to HEP_CORRELATION_MAX
	                         * bytes; empty: none */
	struct str message;
};

/* Writes the packet into out, which has room for HEP_PACKET_MAX bytes, and returns its size. Its
 * end is the message, or the first part of it where not all fits: *kept bytes. */
size_t hep_packet_write(const struct hep_packet *p, unsigned char *out, size_t *kept);

#endif
