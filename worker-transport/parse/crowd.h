/* crowd.h - a request that has more header lines than are read, without those that it can do
 * without. */
#ifndef SIPWARD_TRANSPORT_PARSE_CROWD_H
#define SIPWARD_TRANSPORT_PARSE_CROWD_H

#include "ipc/message.h"

/* Writes raw, a request whose lines end as they should, with MESSAGE_HEADERS_MAX header lines at
 * most into size bytes of out, which may be raw's own: first those that it needs (parse_needs.h)
 * have a place, then those with a name that is known, then the others, each in their order. m: as
 * much of it as the parser has read, its method at least. Returns how many bytes that are, and in
 * *left_out how many lines; 0 where the lines that are needed are too many themselves, and where
 * out is too small. */
size_t crowd_thin(
	struct str raw, const struct message *m, char *out, size_t size, unsigned *left_out);

/* Whether m, which has been read so, may be served without them: it ends or confirms what stands,
 * or is of a dialog. What begins something new is refused for them. */
bool crowd_is_served(const struct message *m);

#endif
