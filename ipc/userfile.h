/* userfile.h - a domain's users file: one line per user and digest algorithm,
 * "name:realm:algorithm:ha1", or "name:realm:algorithm:ha1:group,group" of a user who is in groups.
 *
 * ha1 is H(name ":" realm ":" password) in hex (RFC 7616 section 3.4.2, RFC 8760); the password
 * itself is nowhere. algorithm is MD5, SHA-256 or SHA-512-256. Empty lines and lines that begin
 * with # are comments. The text is secret like a password: it is wiped before it is freed.
 */
#ifndef SIPWARD_IPC_USERFILE_H
#define SIPWARD_IPC_USERFILE_H

#include "common/str.h"
#include "ipc/settings.h"
#include "common/config_errors.h"

#define USERFILE_MAX (128u << 20) /* bytes: some million users with two algorithms each */
#define USERFILE_LINE_MAX 1024
#define REALM_MAX 255
#define USERFILE_GROUPS_MAX 160 /* bytes of the names of a user's groups, with their commas */

struct userfile_entry {
	char name[USER_NAME_MAX + 1];
	char realm[REALM_MAX + 1];
	int line;
	uint8_t algorithm;                    /* enum digest_algorithm */
	char ha1[HA1_TEXT_MAX + 1];           /* lower case */
	char groups[USERFILE_GROUPS_MAX + 1]; /* as they are written; all lines of a user name the
	                                         same */
};
struct userfile {
	struct userfile_entry *entries; /* in the order of the file */
	size_t count;
};

/* Reads and checks the file. Bad and duplicate lines are added to errors (with their line; never
 * their ha1), all of them. 0 and *out (userfile_free); -EINVAL where lines were bad; another -errno
 * where the file cannot be read (nothing is added to errors then: the caller knows who named the
 * file). */
int userfile_load(const char *path, struct userfile *out, struct config_errors *errors);
void userfile_free(struct userfile *f);

/* "MD5", "SHA-256", "SHA-512-256"; NULL for another value. digest_algorithm_of (any case): 0 for an
 * unknown name. digest_ha1_length: 32 or 64. */
const char *digest_algorithm_name(uint8_t algorithm);
uint8_t digest_algorithm_of(struct str name);
size_t digest_ha1_length(uint8_t algorithm);

/* 1 to USER_NAME_MAX (REALM_MAX) bytes of UTF-8 or ASCII without colons, control characters, and
 * for realms without quotes and backslashes; no space at either end; a name does not begin with
 * '#'. */
bool userfile_name_valid(struct str name);
bool userfile_realm_valid(struct str realm);

/* The name of a group: 1 to GROUP_NAME_MAX letters, digits, dots, hyphens and underscores. */
bool userfile_group_valid(struct str name);
/* The next of the names in groups; false where there is none. */
bool userfile_group_next(struct str *groups, struct str *name);

/* Puts the count entries (line is not looked at) into the file, replacing lines of the same name,
 * realm and algorithm; other lines stay as they are, comments too. An entry without groups gets
 * those that the file has of its user. The file is made (mode 0640) where it is missing; otherwise
 * mode and owner are kept. Atomic: a temporary file beside it, fsync, rename. -EINVAL for a bad
 * entry; -EAGAIN while somebody else edits a file in that folder; -errno. *replaced (may be NULL):
 * lines that went. */
int userfile_put(
	const char *path, const struct userfile_entry *entries, size_t count, size_t *replaced);
/* Takes all lines of name in realm (NULL: any realm) out, the same way. 0 or -errno; -ENOENT where
 * there was none. */
int userfile_remove(const char *path, const char *name, const char *realm, size_t *removed);

#endif
