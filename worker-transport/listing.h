/* listing.h - the streams, the bans and the messages that are kept as JSON objects, one in each
 * line: the answers to a QUERY_FLOWS, a QUERY_BANS and a QUERY_TRACE. */
#ifndef SIPWARD_TRANSPORT_LISTING_H
#define SIPWARD_TRANSPORT_LISTING_H

#include "transport_worker.h"

/* Listings that may run at once. */
#define LISTINGS_MAX 4
/* Bytes of the text that is handed on in one piece, at most. */
#define LISTING_PIECE 32768

/* Takes a piece of text, size bytes of whole lines, for the query with that id. last: nothing
 * follows, and size may be 0. 0; -EAGAIN: there is no room now, and it is asked again later;
 * another negative errno ends the listing. */
typedef int (*listing_take)(void *arg, uint32_t id, const char *text, size_t size, bool last);

struct listings;

enum listing_kind { LISTING_STREAMS, LISTING_BANS, LISTING_TRACE };

/* Makes an empty set of listings of what t has, whose text goes to take with arg. 0; -ENOMEM. */
int listings_new(struct listings **out, struct transport_worker *t, listing_take take, void *arg);
/* Ends all listings without another call of their take. NULL is a no-op. */
void listings_free(struct listings *l);

/* Begins to list all streams or bans for the query with that id. 0; -EBUSY: too many listings run;
 * -ENOMEM. */
int listing_start(struct listings *l, uint32_t id, enum listing_kind kind);
/* The same for the messages that are kept and that filter asks for (ipc/trace_filter.h). A message
 * has a line for each LISTING_TEXT bytes of it. -EINVAL as well. */
int listing_start_trace(struct listings *l, uint32_t id, struct str filter);
#define LISTING_TEXT 4096

#endif
