/* streams.h - all streams of a transport worker. */
#ifndef SIPWARD_TRANSPORT_STREAMS_H
#define SIPWARD_TRANSPORT_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

struct endpoint;
struct stream;
struct streams;
struct transport_worker;

/* Makes an empty set of streams for t, which outlives it. 0; -ENOMEM. */
int streams_new(struct streams **out, struct transport_worker *t);
/* Closes and frees all streams, then the set. NULL is a no-op. */
void streams_free(struct streams *ss);

/* The number of streams, lingering ones included. */
size_t streams_count(const struct streams *ss);
/* The most streams that there may be: the setting, or what the limit of file descriptors leaves. */
size_t streams_max(const struct streams *ss);
/* Bytes that are queued over all streams, the cost of keeping them included. */
size_t streams_queued(const struct streams *ss);

/* Calls visit for each stream that is not dead, the newest first. visit may close its stream. */
void streams_each(struct streams *ss, void (*visit)(struct stream *s, void *arg), void *arg);

/* Closes all streams of source (an address in the zone that it has on listener), which was
 * banned. */
void streams_close_source(struct streams *ss, unsigned listener, const struct endpoint *source);

/* Closes all streams that came from sources which an operator has banned. */
void streams_close_banned(struct streams *ss);

/* The end of a turn: reads what is left to be read, writes what is queued, and frees the dead. True
 * where something is left to be read that no event will announce. */
bool streams_flush(struct streams *ss);

/* Reads no more from now on. What is queued is still written. */
void streams_stop(struct streams *ss);

#endif
