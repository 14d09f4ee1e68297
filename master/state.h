/* state.h - the state directory: small files of the master, the SIP workers' folder, and the
 * numbers of lives. */
#ifndef SIPWARD_MASTER_STATE_H
#define SIPWARD_MASTER_STATE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Lives whose numbers are set aside with one write. */
#define STATE_LIVES_BLOCK 256

struct state {
	int fd;            /* the directory */
	uint32_t next;     /* the next life's number */
	uint32_t reserved; /* the first one not set aside yet */
};

/* Makes path (0750) and path/location where they are missing; location belongs to uid and gid, and
 * group gid may enter path (where the process is root). Logged. -errno. */
int state_open(struct state *s, const char *path, uid_t uid, gid_t gid);
void state_close(struct state *s);

/* Whether a folder is another user's, neither root's nor the master's, or writable by others: what
 * stands in it is not to be trusted then. */
bool state_folder_unsafe(const struct stat *st);

/* A number (24 bits, never 0) for the life of a worker that no life before it had, in this run or
 * an earlier one: flow ids, which are stored, contain it. */
uint32_t state_next_life(struct state *s);

/* Reads the whole of a file of exactly size bytes. -ENOENT; -EBADMSG another size, or not ours
 * alone to read; -errno. */
int state_read(int directory, const char *name, void *data, size_t size);
/* Replaces a file atomically, mode 0600, on disk before it returns. */
int state_write(int directory, const char *name, const void *data, size_t size);

#endif
