/* target_rows.h - the targets of a trunk as requests are sent to them: those that have an address
 * as they are written, those that are names by a row for each address (names.h). */
#ifndef SIPWARD_SIP_ROUTING_TARGET_ROWS_H
#define SIPWARD_SIP_ROUTING_TARGET_ROWS_H

#include "target.h"
#include "worker-sip/sip.h"

/* Writes the rows of that trunk, by priority; what there is no room for is left out. Returns their
 * number. */
unsigned target_rows_write(
	const struct sip *sip, unsigned trunk, struct target_settings rows[TARGETS_MAX]);

/* Where a request to that row of the trunk goes, with what its server's certificate must show. */
struct flow target_row_flow(
	const struct settings *s, unsigned trunk, const struct target_settings *row);

/* Writes what stands for the target in a URI: its name, with the port where that is written, or its
 * address and port (RFC 3263 section 4: what is looked up does not change the URI). Returns the
 * transport that the URI names, TRANSPORT_UDP where it is left out. */
uint8_t write_target_host(struct writer *w, const struct settings *s, unsigned trunk,
	const struct target_settings *row);
#define TARGET_HOST_SIZE 264

#endif
