/* store.h - an LMDB file in the state directory, shared by all SIP workers: opening it, and knowing
 * when not to trust it.
 *
 * Opened without MDB_WRITEMAP: a full disk is then an error of one write and not a SIGBUS, the file
 * takes only what it needs, and a stray pointer of ours cannot write into it. What changes a
 * record's bytes only is written into the file in its place (store_overwrite). Without
 * synchronising: what is stored survives the crash of any process, and a power loss only where the
 * file system was kind. So the boot id is kept beside the file: a store of another boot is walked
 * through whole, in a child process (a torn B-tree can crash its reader), and set aside where it
 * is not clean.
 */
#ifndef SIPWARD_SIP_REGISTRAR_STORE_H
#define SIPWARD_SIP_REGISTRAR_STORE_H

#include "common/str.h"

#include <lmdb.h>

/* Reader slots: SIP workers, and those of dead ones until they are cleared. */
#define STORE_READERS_MAX 256
/* Seconds that walking through a store of another boot may take. */
#define STORE_CHECK_SECONDS 30

struct store {
	MDB_env *env;
	MDB_dbi dbi;
	const char *map; /* where the file lies in memory, found and proved by the first
	                    store_overwrite; NULL: not known yet */
	bool copies;     /* it could not be proved: store_overwrite changes nothing */
	int lock; /* shared lock, held as long as the store is open: whoever gets it exclusively
	             knows that nobody else has the store open */
};

/* True where a value may stand under this key. */
typedef bool (*store_clean)(struct str key, struct str value);

/* The id of this boot of the kernel; "" where it could not be read. */
#define BOOT_ID_SIZE 64
struct boot_id {
	char text[BOOT_ID_SIZE];
};
/* Reads it from /proc: before the root is changed. */
void boot_id_read(struct boot_id *out);

/* Opens (creates) directory/name.mdb with its companions name.mdb-lock, name.boot and name.lock.
 * map_size: bytes, the bound of the file. Must come before the jail closes (it may fork, waits for
 * a sibling that checks the store). boot: with "" the store is checked at each start. What is set
 * aside is renamed to name.mdb.aside, replacing an earlier one. -errno. */
int store_open(struct store *out, const char *directory, const char *name,
	const struct boot_id *boot, size_t map_size, store_clean clean);
/* Closes the file and gives its lock back. */
void store_close(struct store *s);
/* Pages that stay for removing: LMDB copies what it changes, and a map full to its last page cannot
 * even be emptied. */
#define STORE_RESERVE 64
/* True where `pages` more pages, besides STORE_RESERVE, may be taken for new content. The pages
 * that the last transaction freed do not count, as they cannot be used yet. read: a read
 * transaction on the newest state. */
bool store_may_grow(const struct store *s, MDB_txn *read, size_t pages);
/* Puts value in the place of one of the same size in the file itself, without copying its page and
 * every page on the way down, as LMDB does. The write lock is held meanwhile, so that no writer
 * copies the page. A reader may see a part of the old bytes and a part of the new ones, so that a
 * value must tell whether it is whole, and a reader that finds it is not reads it under the write
 * lock (store_read). The write is one system call within one page: a process that dies leaves all
 * of it or nothing. 0; -ENOENT where no value of this size stands there, or it crosses pages, or it
 * is not known where the file lies; another -errno where it was not written, or not whole. It must
 * be put then. */
int store_overwrite(struct store *s, struct str key, struct str value);
/* The value under key, copied while no process writes. Returns its size, -ENOENT, -EMSGSIZE where
 * it does not fit into buffer, or another -errno. */
long store_read(struct store *s, struct str key, char *buffer, size_t size);
/* The negative errno for what LMDB returned: -ENOSPC for a full map or disk, -EIO where LMDB gives
 * up (MDB_PANIC), -EBADMSG for a damaged file. */
int store_error(int lmdb);

#endif
