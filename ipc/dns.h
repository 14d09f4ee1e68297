/* dns.h - what SIP and transport workers have in common of the DNS: the bounds of what they send
 * each other. The SIP worker writes a query and reads the answer (worker-sip/routing/dns_answer.h);
 * the transport worker sends it and hands on what matches it. */
#ifndef SIPWARD_IPC_DNS_H
#define SIPWARD_IPC_DNS_H

#include <stdint.h>

#define DNS_HEADER 12
/* Characters of a name without the dot at its end (RFC 1035 section 2.3.4). */
#define DNS_NAME_MAX 253
/* Header, name, type and class, and the OPT record that says how much may come (RFC 6891). */
#define DNS_QUERY_MAX (DNS_HEADER + DNS_NAME_MAX + 2 + 4 + DNS_OPT_SIZE)
#define DNS_OPT_SIZE 11
/* What we say may come in a datagram: no larger one is fragmented on the way. */
#define DNS_DATAGRAM_MAX 1232
/* The largest answer, over TCP. */
#define DNS_ANSWER_MAX 8192

/* Sockets of a transport worker for datagrams, of each family: queries at once. */
#define DNS_SOCKETS 4

#define DNS_A 1
#define DNS_CNAME 5
#define DNS_SOA 6
#define DNS_AAAA 28
#define DNS_SRV 33
#define DNS_NAPTR 35
#define DNS_CLASS_IN 1

/* bits of the flags in a header */
#define DNS_RESPONSE 0x8000
#define DNS_OPCODE 0x7800
#define DNS_TRUNCATED 0x0200
#define DNS_RECURSION_DESIRED 0x0100
#define DNS_RCODE 0x000f

#define DNS_RCODE_NO_ERROR 0
#define DNS_RCODE_NO_NAME 3

static inline uint16_t dns_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t dns_u32(const uint8_t *p)
{
	return (uint32_t)dns_u16(p) << 16 | dns_u16(p + 2);
}

#endif
