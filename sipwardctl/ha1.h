/* ha1.h - the stored form of a password (RFC 7616 section 3.4.2). Used by sipwardctl only, where
 * the operator types the password: the master links no libcrypto, and libsodium has no MD5. */
#ifndef SIPWARD_SIPWARDCTL_HA1_H
#define SIPWARD_SIPWARDCTL_HA1_H

#include "ipc/userfile.h"

/* Writes H(name ":" realm ":" password) as lower-case hex with a NUL. 0; -EINVAL for an unknown
 * algorithm; -EIO where the library refuses the algorithm. */
int ha1_compute(uint8_t algorithm, struct str name, struct str realm, struct str password,
	char out[HA1_TEXT_MAX + 1]);
/* Fills one entry per bit of algorithms (room for all). Returns how many, or as above; -EINVAL for
 * a bad name or realm. */
int ha1_entries(uint8_t algorithms, struct str name, struct str realm, struct str password,
	struct userfile_entry out[DIGEST_ALGORITHMS]);

#endif
