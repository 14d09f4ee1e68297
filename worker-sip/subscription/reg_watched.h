/* reg_watched.h - the addresses of record that somebody watches (reg_watch.h). */
#ifndef SIPWARD_SIP_SUBSCRIPTION_REG_WATCHED_H
#define SIPWARD_SIP_SUBSCRIPTION_REG_WATCHED_H

#include "common/table.h"
#include "ipc/uri.h"
#include "worker-sip/sip.h"

struct reg_watch;

struct reg_watched {
	struct table_node node;
	struct reg_watch *first; /* of those who watch it; NULL: nobody */
	unsigned count;          /* their number */
	size_t length;
	char aor[AOR_MAX]; /* canonical */
};

static inline struct str reg_watched_aor(const struct reg_watched *a)
{
	return (struct str){a->aor, a->length};
}

/* Finds one in the table; NULL: nobody watches it. */
struct reg_watched *reg_watched_find(struct table *t, const struct sip *sip, struct str aor);
/* The same, and makes it where it is not there, without watchers. NULL: no memory. */
struct reg_watched *reg_watched_make(struct table *t, const struct sip *sip, struct str aor);
/* Frees it where nobody watches it any more. */
void reg_watched_trim(struct table *t, struct reg_watched *a);

#endif
