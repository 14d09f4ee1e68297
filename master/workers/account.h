/* account.h - the accounts that workers run as. */
#ifndef SIPWARD_MASTER_WORKERS_ACCOUNT_H
#define SIPWARD_MASTER_WORKERS_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

struct account {
	bool drop; /* false: workers keep the master's uid and gid */
	uid_t uid;
	gid_t gid;
};

/* Started as root: the uid and gid of the config's user and group (group "": the user's own). An
 * account that does not exist, or that is root, is -ENOENT or -EINVAL, logged with what to do. Not
 * root: no drop. */
int account_find(const char *role, const char *user, const char *group, struct account *out);
/* The gid of a group by name. -ENOENT. */
int account_group(const char *group, gid_t *out);

#endif
