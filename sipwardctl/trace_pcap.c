/* trace_pcap.c - see trace_pcap.h. Relies on: common/endpoint.c. */
#include "trace_pcap.h"

#include "common/endpoint.h"

#include <string.h>

enum {
	PCAP_MAGIC = (int)0xa1b2c3d4,
	PCAP_RAW = 101,
	PCAP_SNAP = 65535,
	IP4_HEAD = 20,
	IP6_HEAD = 40,
	UDP_HEAD = 8,
	IP_UDP = 17,
	IP_TTL = 64,
};

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void write32(FILE *to, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, to);
}

static void write16(FILE *to, uint16_t value)
{
	fwrite(&value, sizeof(value), 1, to);
}

static uint32_t pcap_sum(uint32_t sum, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
	return sum;
}

static unsigned pcap_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Writes the head of the IP packet; returns its size. */
static size_t pcap_ip(
	unsigned char *p, const struct endpoint *from, const struct endpoint *to, size_t udp)
{
	if (from->family == 6 || to->family == 6) {
		memset(p, 0, IP6_HEAD);
		p[0] = 0x60;
		put16(p + 4, (unsigned)udp);
		p[6] = IP_UDP;
		p[7] = IP_TTL;
		memcpy(p + 8, from->address, 16);
		memcpy(p + 24, to->address, 16);
		return IP6_HEAD;
	}
	memset(p, 0, IP4_HEAD);
	p[0] = 0x45;
	put16(p + 2, (unsigned)(IP4_HEAD + udp));
	p[8] = IP_TTL;
	p[9] = IP_UDP;
	memcpy(p + 12, from->address, 4);
	memcpy(p + 16, to->address, 4);
	put16(p + 10, pcap_fold(pcap_sum(0, p, IP4_HEAD)));
	return IP4_HEAD;
}

static void pcap_message(const struct trace_event *e, FILE *to)
{
	static unsigned char packet[PCAP_SNAP];
	struct endpoint peer = {.family = 0}, local = {.family = 0};
	const struct endpoint *from = e->out ? &local : &peer, *till = e->out ? &peer : &local;
	size_t head, n = e->n, size, address;
	uint32_t sum;

	if (endpoint_parse(str_of(e->peer), &peer) || endpoint_parse(str_of(e->local), &local))
		return;
	if (n > PCAP_SNAP - IP6_HEAD - UDP_HEAD)
		n = PCAP_SNAP - IP6_HEAD - UDP_HEAD;
	head = pcap_ip(packet, from, till, UDP_HEAD + n);
	put16(packet + head, from->port);
	put16(packet + head + 2, till->port);
	put16(packet + head + 4, (unsigned)(UDP_HEAD + n));
	put16(packet + head + 6, 0);
	memcpy(packet + head + UDP_HEAD, e->bytes, n);
	/* over addresses, protocol, length and all of the datagram (RFC 768, RFC 8200 section 8.1)
	 */
	address = head == IP4_HEAD ? 4 : 16;
	sum = pcap_sum(IP_UDP + (uint32_t)(UDP_HEAD + n), packet + head - 2 * address, 2 * address);
	sum = pcap_fold(pcap_sum(sum, packet + head, UDP_HEAD + n));
	put16(packet + head + 6, sum ? sum : 0xffff);
	size = head + UDP_HEAD + n;
	write32(to, (uint32_t)(e->at_us / 1000000));
	write32(to, (uint32_t)(e->at_us % 1000000));
	write32(to, (uint32_t)size);
	write32(to, (uint32_t)(size + e->size - n));
	fwrite(packet, size, 1, to);
}

void trace_pcap(const struct trace_set *t, FILE *to)
{
	write32(to, (uint32_t)PCAP_MAGIC);
	write16(to, 2);
	write16(to, 4);
	write32(to, 0);
	write32(to, 0);
	write32(to, PCAP_SNAP);
	write32(to, PCAP_RAW);
	for (size_t i = 0; i < t->count; i++)
		if (!t->event[i].note)
			pcap_message(&t->event[i], to);
}
