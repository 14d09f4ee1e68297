/* flow.c - the names of transports as Via spells them (RFC 3261 section 25.1, RFC 7118
 * section 5.2). */
#include "flow.h"

static const struct str names[TRANSPORT_COUNT] = {
	[TRANSPORT_UDP] = {"UDP", 3},
	[TRANSPORT_TCP] = {"TCP", 3},
	[TRANSPORT_TLS] = {"TLS", 3},
	[TRANSPORT_WS] = {"WS", 2},
	[TRANSPORT_WSS] = {"WSS", 3},
};

const char *transport_name(uint8_t transport)
{
	return transport && transport < TRANSPORT_COUNT ? names[transport].p : "?";
}

uint8_t transport_of(struct str name)
{
	for (unsigned t = TRANSPORT_UDP; t < TRANSPORT_COUNT; t++)
		if (str_equal_nocase(name, names[t]))
			return (uint8_t)t;
	return 0;
}
