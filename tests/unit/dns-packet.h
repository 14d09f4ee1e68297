/* dns-packet.h - answers of the DNS, put together record by record. */
#ifndef SIPWARD_TESTS_UNIT_DNS_PACKET_H
#define SIPWARD_TESTS_UNIT_DNS_PACKET_H

#include "ipc/dns.h"

#include <string.h>

static struct {
	uint8_t bytes[DNS_ANSWER_MAX + 1];
	size_t size;
} packet;

static void put_u16(unsigned value)
{
	packet.bytes[packet.size++] = (uint8_t)(value >> 8);
	packet.bytes[packet.size++] = (uint8_t)value;
}
static void put_u32(unsigned value)
{
	put_u16(value >> 16);
	put_u16(value & 0xffff);
}
static void put_string(const char *text)
{
	packet.bytes[packet.size++] = (uint8_t)strlen(text);
	memcpy(packet.bytes + packet.size, text, strlen(text));
	packet.size += strlen(text);
}
static void put_name(const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		packet.bytes[packet.size++] = (uint8_t)n;
		memcpy(packet.bytes + packet.size, name, n);
		packet.size += n;
		name += n + (name[n] == '.');
	}
	packet.bytes[packet.size++] = 0;
}

/* Begins an answer to the question for that type of that name. */
static void begin(const char *name, unsigned type, unsigned rcode)
{
	memset(&packet, 0, sizeof(packet));
	put_u16(0x1234);
	put_u16(0x8180 | rcode);
	put_u16(1);
	put_u16(0);
	put_u16(0);
	put_u16(0);
	put_name(name);
	put_u16(type);
	put_u16(DNS_CLASS_IN);
}

/* Begins a record of that section (6: answer, 8: authority); returns where its length stands. */
static size_t record_begin(unsigned section, const char *name, unsigned type, unsigned ttl)
{
	packet.bytes[section + 1]++;
	put_name(name);
	put_u16(type);
	put_u16(DNS_CLASS_IN);
	put_u32(ttl);
	put_u16(0);
	return packet.size;
}
static void record_end(size_t start)
{
	packet.bytes[start - 2] = (uint8_t)((packet.size - start) >> 8);
	packet.bytes[start - 1] = (uint8_t)(packet.size - start);
}

static inline void add_a(const char *name, unsigned ttl, unsigned address)
{
	size_t start = record_begin(6, name, DNS_A, ttl);

	put_u32(address);
	record_end(start);
}
static inline void add_alias(const char *name, unsigned ttl, const char *to)
{
	size_t start = record_begin(6, name, DNS_CNAME, ttl);

	put_name(to);
	record_end(start);
}
static inline void add_srv(const char *name, unsigned ttl, unsigned priority, unsigned weight,
	unsigned port, const char *target)
{
	size_t start = record_begin(6, name, DNS_SRV, ttl);

	put_u16(priority);
	put_u16(weight);
	put_u16(port);
	put_name(target);
	record_end(start);
}
static inline void add_naptr(const char *name, unsigned ttl, unsigned order, const char *flags,
	const char *service, const char *replacement)
{
	size_t start = record_begin(6, name, DNS_NAPTR, ttl);

	put_u16(order);
	put_u16(50);
	put_string(flags);
	put_string(service);
	put_string("");
	put_name(replacement);
	record_end(start);
}
static inline void add_soa(const char *name, unsigned ttl, unsigned least)
{
	size_t start = record_begin(8, name, DNS_SOA, ttl);

	put_name("ns.example");
	put_name("admin.example");
	for (unsigned i = 0; i < 4; i++)
		put_u32(1);
	put_u32(least);
	record_end(start);
}

#endif
