/* dns_answer.h - questions to the DNS, and what its answers say (RFC 1035; RFC 2782, SRV; RFC 3403,
 * NAPTR).
 *
 * The bytes come from the network and have been through a transport worker that believes nothing:
 * they are read strictly here. An answer that is malformed anywhere up to its last record that
 * matters says nothing at all.
 */
#ifndef SIPWARD_SIP_ROUTING_DNS_ANSWER_H
#define SIPWARD_SIP_ROUTING_DNS_ANSWER_H

#include "common/endpoint.h"
#include "ipc/dns.h"

/* Records of one answer that are kept; those behind them are left out. */
#define DNS_RECORDS_MAX 32
/* Records of an answer that are looked at, in all of its sections. */
#define DNS_RECORDS_READ_MAX 256
/* Aliases (CNAME) that are followed from the name that was asked for. */
#define DNS_ALIASES_MAX 8
/* Characters of the service field of NAPTR that are kept, with the NUL. Longer ones are none of
 * ours. */
#define DNS_SERVICE_SIZE 32

enum dns_outcome {
	DNS_FOUND,   /* there are records */
	DNS_NOTHING, /* the name exists and has none of that type */
	DNS_NO_NAME, /* there is no such name (NXDOMAIN) */
	DNS_FAILURE, /* the server has no answer (SERVFAIL, REFUSED and the like) */
};

struct dns_record {
	struct endpoint address;        /* A and AAAA; port 0 */
	uint16_t priority;              /* SRV; order of NAPTR */
	uint16_t weight;                /* SRV; preference of NAPTR */
	uint16_t port;                  /* SRV */
	char flag;                      /* NAPTR: its one flag in lower case; 0: none or several */
	char service[DNS_SERVICE_SIZE]; /* NAPTR, in upper case; empty: it is too long */
	char name[DNS_NAME_MAX + 1];    /* SRV: its target, NAPTR: its replacement; in lower case,
	                                   empty: the root, which stands for none */
};

struct dns_answer {
	enum dns_outcome outcome;
	uint32_t ttl; /* seconds: the shortest of the records and aliases; of nothing and no name
	                 the negative one (RFC 2308 section 5), 0 where none is told */
	unsigned count;
	unsigned left_out; /* records of that type that there was no room for */
	struct dns_record record[DNS_RECORDS_MAX];
};

/* Writes the query for the records of that type (DNS_A and so on) of a name of up to DNS_NAME_MAX
 * characters; its id is 0. Returns its length, at most DNS_QUERY_MAX; -EINVAL where the name is no
 * host name. */
int dns_question_write(uint8_t out[static DNS_QUERY_MAX], const char *name, uint16_t type);

/* Reads the answer to the question for that type of that name. 0, or -EBADMSG where it is malformed
 * or answers another question. */
int dns_answer_read(
	const void *bytes, size_t size, const char *name, uint16_t type, struct dns_answer *out);

#endif
