/* hep_packet.c - see hep_packet.h. Numbers are in network byte order. */
#include "hep_packet.h"

#include <netinet/in.h>
#include <string.h>

#define HEP_ID "HEP3"
#define HEP_ID_SIZE 4
#define HEP_PACKET_HEAD (HEP_ID_SIZE + 2) /* and the size of the packet */
#define HEP_CHUNK_HEAD 6
#define HEP_PROTOCOL_SIP 1
#define US_PER_S 1000000u

/* Chunks of vendor 0. */
enum hep_chunk {
	HEP_FAMILY = 1,
	HEP_PROTOCOL,
	HEP_FROM_IPV4,
	HEP_TO_IPV4,
	HEP_FROM_IPV6,
	HEP_TO_IPV6,
	HEP_FROM_PORT,
	HEP_TO_PORT,
	HEP_SECONDS,
	HEP_MICROSECONDS,
	HEP_PAYLOAD_IS,
	HEP_CAPTURE_ID,
	HEP_PASSWORD = 14,
	HEP_PAYLOAD,
	HEP_CORRELATION = 17,
};

static unsigned char *hep_put_u16(unsigned char *out, size_t value)
{
	out[0] = (unsigned char)(value >> 8);
	out[1] = (unsigned char)value;
	return out + 2;
}

static unsigned char *hep_put(
	unsigned char *out, enum hep_chunk chunk, const void *value, size_t size)
{
	out = hep_put_u16(out, 0);
	out = hep_put_u16(out, chunk);
	out = hep_put_u16(out, HEP_CHUNK_HEAD + size);
	memcpy(out, value, size);
	return out + size;
}

/* A value of one, two or four bytes. */
static unsigned char *hep_put_number(
	unsigned char *out, enum hep_chunk chunk, uint32_t value, size_t size)
{
	unsigned char bytes[4];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(value >> 8 * (size - 1 - i));
	return hep_put(out, chunk, bytes, size);
}

static unsigned char *hep_put_endpoints(unsigned char *out, const struct hep_packet *p)
{
	bool six = p->from.family == 6 || p->to.family == 6;
	size_t size = six ? 16 : 4;

	out = hep_put_number(out, HEP_FAMILY, six ? AF_INET6 : AF_INET, 1);
	out = hep_put_number(
		out, HEP_PROTOCOL, p->transport == TRANSPORT_UDP ? IPPROTO_UDP : IPPROTO_TCP, 1);
	out = hep_put(out, six ? HEP_FROM_IPV6 : HEP_FROM_IPV4, p->from.address, size);
	out = hep_put(out, six ? HEP_TO_IPV6 : HEP_TO_IPV4, p->to.address, size);
	out = hep_put_number(out, HEP_FROM_PORT, p->from.port, 2);
	return hep_put_number(out, HEP_TO_PORT, p->to.port, 2);
}

size_t hep_packet_write(const struct hep_packet *p, unsigned char *out, size_t *kept)
{
	unsigned char *end = out + HEP_PACKET_HEAD;
	size_t room, size;

	end = hep_put_endpoints(end, p);
	end = hep_put_number(end, HEP_SECONDS, (uint32_t)(p->at_us / US_PER_S), 4);
	end = hep_put_number(end, HEP_MICROSECONDS, (uint32_t)(p->at_us % US_PER_S), 4);
	end = hep_put_number(end, HEP_PAYLOAD_IS, HEP_PROTOCOL_SIP, 1);
	end = hep_put_number(end, HEP_CAPTURE_ID, p->capture_id, 4);
	if (p->password.n)
		end = hep_put(end, HEP_PASSWORD, p->password.p, p->password.n);
	if (p->correlation.n)
		end = hep_put(end, HEP_CORRELATION, p->correlation.p,
			p->correlation.n < HEP_CORRELATION_MAX ? p->correlation.n
							       : HEP_CORRELATION_MAX);
	room = HEP_PACKET_MAX - (size_t)(end - out) - HEP_CHUNK_HEAD;
	*kept = p->message.n < room ? p->message.n : room;
	end = hep_put(end, HEP_PAYLOAD, p->message.p, *kept);
	size = (size_t)(end - out);
	memcpy(out, HEP_ID, HEP_ID_SIZE);
	hep_put_u16(out + HEP_ID_SIZE, size);
	return size;
}
