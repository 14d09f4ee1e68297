/* name_lookup.h - the steps from a target's name to its addresses (RFC 3263 section 4): NAPTR says
 * which services there are, SRV which hosts serve them, A and AAAA where these are. It says what is
 * to be asked next, and takes the answers; it sends nothing. */
#ifndef SIPWARD_SIP_ROUTING_NAME_LOOKUP_H
#define SIPWARD_SIP_ROUTING_NAME_LOOKUP_H

#include "dns_answer.h"
#include "ipc/record.h"
#include "ipc/settings.h"

#define NAME_SERVICES_MAX 8 /* of NAPTR */
#define NAME_HOSTS_MAX 8    /* of SRV */

enum name_stage { NAME_NAPTR, NAME_SRV, NAME_AAAA, NAME_A, NAME_DONE };

struct name_service {
	char name[DNS_NAME_MAX + 1];
	uint8_t transport;
};
struct name_host {
	char name[DNS_NAME_MAX + 1];
	uint16_t priority, weight, port;
};

struct name_lookup {
	const struct settings *settings;
	uint16_t trunk, written;
	enum name_stage stage;
	uint8_t transport; /* of the hosts */
	bool by_service;   /* which SRV says */
	uint32_t ttl;      /* seconds: the shortest of what led to addresses */
	uint32_t negative; /* seconds: the shortest of what there is not */
	bool missing;      /* the name itself does not exist */
	int error;         /* negative errno: a server failed for a host */
	struct name_service service[NAME_SERVICES_MAX];
	unsigned services, service_at;
	struct name_host host[NAME_HOSTS_MAX];
	unsigned hosts, host_at;
	struct endpoint address[2 * ADDRESSES_MAX]; /* of the host so far */
	unsigned addresses;
	struct record_addresses found;
	struct dns_answer answer;
};

/* Begins with that target of the settings, which is a name. */
void name_lookup_begin(
	struct name_lookup *l, const struct settings *s, unsigned trunk, unsigned written);
/* What is to be asked next: a name, and *type. NULL: all is done; found has the addresses, error
 * or missing say why there are none. */
const char *name_lookup_question(const struct name_lookup *l, uint16_t *type);
/* Takes the answer to that question, which stands in l->answer. 0, or -EREMOTEIO: the server
 * failed, and the whole look-up has. */
int name_lookup_take(struct name_lookup *l);

#endif
