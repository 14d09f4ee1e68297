/* location.h - the location store: address of record -> bindings, in LMDB shared by all SIP workers
 * (RFC 3261 section 10). */
#ifndef SIPWARD_SIP_REGISTRAR_LOCATION_H
#define SIPWARD_SIP_REGISTRAR_LOCATION_H

#include "worker-sip/sip.h"
#include "binding.h"
#include "store.h"

/* The bound of the store, bytes: some two million bindings of phones. The file takes what it
 * needs. */
#define LOCATION_MAP_SIZE ((size_t)1 << 30)
struct location;

/* Opens (creates) the store in directory, before the jail closes. A store of another boot that does
 * not check clean is set aside. -errno. */
int location_open(struct location **out, const char *directory, const struct boot_id *boot,
	struct loop *loop);
/* Opens it with a bound of its own on the store, bytes. */
int location_open_bounded(struct location **out, const char *directory, const struct boot_id *boot,
	struct loop *loop, size_t map_size);
/* changed is called for each record that is put, whatever it says, and not for those that are only
 * refreshed; at most one for a store. */
void location_on_change(struct location *l, void (*changed)(void *arg, struct str aor), void *arg);
/* Closes the store. Puts that are pending are lost, and nobody is told. NULL is a no-op. */
void location_close(struct location *l);

/* Takes the listeners of the settings, which records name: before the first one is read or put, and
 * whenever there are others. */
void location_listeners(struct location *l, const struct settings *s);

/* Passes of location_tend, milliseconds apart at least. */
#define LOCATION_TEND_MIN_MS 60000
/* From now on this process tends the records that mine() says are its own (of its slots): expired
 * bindings are removed, some records a pass, and seen (may be NULL) is called for each live one,
 * which goes where it returns false. A first pass starts soon; call it again when slots have come
 * to this process. Later passes come at the earliest expiry, at least LOCATION_TEND_MIN_MS apart,
 * and only while the store has records. mine NULL: tends none from now on. */
void location_tend(struct location *l, bool (*mine)(void *arg, struct str aor),
	bool (*seen)(void *arg, struct str aor, const struct binding *b), void *arg);

/* Calls visit for each binding of a canonical address of record that has not expired; strings are
 * valid during the call only, which must not look up or list. Returns their number (0: registered
 * nowhere), or -errno (-EBADMSG: the record is damaged, counted). Whether the flow's listener
 * exists is the caller's to check: another process wrote the record. */
int location_lookup(struct location *l, struct str aor,
	void (*visit)(void *arg, const struct binding *b), void *arg);
/* Replaces the bindings of aor by the given ones (count 0: removes it). Grouped: there for other
 * processes at the end of the loop's turn, or where many follow each other within 3 ms, visible to
 * this one at once; done (may be NULL) is called then with 0 or -errno (-ENOSPC: the store is
 * full). An error returned at once means that nothing was taken and done will not be called:
 * -EAGAIN too many in this turn, -EINVAL what binding.h refuses, -ENAMETOOLONG, -ENOMEM. */
int location_put(struct location *l, struct str aor, const struct binding *b, unsigned count,
	void (*done)(void *arg, int error), void *arg);
/* Replaces them at once and without grouping, where the store can change the record in its place:
 * a refresh changes nothing in size. 0: stored, for this process and the others. -ENOENT: it
 * is no refresh, or what was put for aor is pending; another -errno: it could not be written. It
 * must be put then. */
int location_refresh(struct location *l, struct str aor, const struct binding *b, unsigned count);
/* True where what was put for aor has not been stored yet: it may still be lost. */
bool location_pending(const struct location *l, struct str aor);
/* Lets no put wait for others any longer than this turn. To be called before the loop ends. */
void location_hurry(struct location *l);
/* Visits all that is stored, page by page, for sipwardctl registrations. Starts after key `after`
 * (empty: at the start); returns the number visited, at most limit (at least BINDINGS_MAX: an
 * address of record is never split over two pages); 0: the end. */
int location_list(struct location *l, struct str after, unsigned limit,
	void (*visit)(void *arg, struct str aor, const struct binding *b), void *arg);
/* A sibling died: frees its reader slots. */
void location_reader_check(struct location *l);

#endif
