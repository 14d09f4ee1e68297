/* carrier.c - the carriers' names. */
#include "carrier.h"

#include <stddef.h>

static const char *const names[CARRIER_COUNT] = {
	[CARRIER_ZEROMQ] = "zeromq",
	[CARRIER_PAIRS] = "pairs",
};

const char *carrier_name(unsigned carrier)
{
	return carrier < CARRIER_COUNT ? names[carrier] : "?";
}
