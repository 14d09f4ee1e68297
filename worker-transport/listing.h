/* listing.h - the streams as JSON objects, one a line: what `sipwardctl flows` shows. */
#ifndef SIPWARD_TRANSPORT_LISTING_H
#define SIPWARD_TRANSPORT_LISTING_H

#include "transport.h"

/* Listings under way at once. */
#define LISTINGS_MAX 4
/* Text handed on in one piece, bytes at most. */
#define LISTING_PIECE 32768

/* Takes a piece of text of whole lines; last: nothing follows, size may be 0. 0; -EAGAIN no room
 * now: asked again later; another -errno ends the listing. */
typedef int (*listing_take)(void *arg, uint32_t id, const char *text, size_t size, bool last);

struct listings;

int listings_new(struct listings **out, struct transport_worker *t, listing_take take,
	void *arg); /* -ENOMEM */
void listings_free(struct listings *l);

/* Lists all streams under the query's id. -EBUSY where too many listings run. */
int listing_start(struct listings *l, uint32_t id);

#endif
