/* address_of_record.h - under which address of record a URI's user is known here (RFC 3261 section
 * 10.2: it names a domain, and our own address stands for the first one of the config). Found the
 * same way in every process: the slot of a REGISTER and the key of its bindings are made of it. */
#ifndef SIPWARD_IPC_ADDRESS_OF_RECORD_H
#define SIPWARD_IPC_ADDRESS_OF_RECORD_H

#include "settings.h"
#include "syntax.h"

/* Like aor_of, with the first domain in the place of host and port where these are an address of a
 * listener and no domain has their name. settings NULL: nothing stands for anything. */
long address_of_record(
	const struct settings *settings, const struct uri_parts *uri, char buffer[AOR_MAX]);

#endif
