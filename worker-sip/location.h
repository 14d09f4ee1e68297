/* location.h - the location store: address of record -> bindings, in LMDB shared by all SIP workers (RFC 3261 section 10). */
#ifndef SIPWARD_SIP_LOCATION_H
#define SIPWARD_SIP_LOCATION_H

#include "sip.h"

#define BINDINGS_MAX 32          /* of one address of record, whatever the config says */
#define BINDING_CONTACT_MAX 512
#define BINDING_PATH_MAX 1024

/* One binding. The strings belong to the store's read transaction or to the caller. */
struct binding {
	struct flow flow;        /* that it registered from: the only way to reach it */
	uint64_t expires_at;     /* milliseconds of CLOCK_REALTIME */
	uint32_t cseq;
	uint32_t reg_id;         /* 0: none (RFC 5626) */
	uint16_t q;              /* 0 to 1000 */
	struct str contact;      /* URI */
	struct str call_id;
	struct str path;         /* value of the Path headers, comma list; may be empty */
	struct str instance;     /* +sip.instance; may be empty */
	struct str user_agent;
};

struct location;

/* Opens (creates) the store in directory, before the jail closes. A store of another boot that does not check clean is set aside. -errno. */
int location_open(struct location **out, const char *directory, struct loop *loop);
void location_close(struct location *l);

/* Calls visit for each binding of a canonical address of record that has not expired; strings are valid during the call only. Returns their number (0: registered nowhere), or -errno. */
int location_lookup(struct location *l, struct str aor, void (*visit)(void *arg, const struct binding *b), void *arg);
/* Replaces the bindings of aor by the given ones (count 0: removes it). Grouped: durable for other processes at the end of the loop's turn, visible to this one at once; done is called then with 0 or -errno. */
int location_put(struct location *l, struct str aor, const struct binding *b, unsigned count, void (*done)(void *arg, int error), void *arg);
/* All that is stored, page by page: for sipwardctl registrations. Starts after key `after` (empty: at the start); returns the number visited, at most limit. */
int location_list(struct location *l, struct str after, unsigned limit, void (*visit)(void *arg, struct str aor, const struct binding *b), void *arg);
/* A sibling died: frees its reader slots. */
void location_reader_check(struct location *l);

#endif
