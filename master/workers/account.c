/* account.c - looks accounts up in the system's user database, once, at start. */
#include "account.h"
#include "common/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

int account_group(const char *group, gid_t *out)
{
	errno = 0;
	const struct group *g = getgrnam(group);
	if (!g)
		return errno ? -errno : -ENOENT;
	*out = g->gr_gid;
	return 0;
}

int account_find(const char *role, const char *user, const char *group, struct account *out)
{
	char quoted[128];
	struct account a = {.drop = geteuid() == 0, .uid = geteuid(), .gid = getegid()};

	if (!a.drop) {
		*out = a;
		return 0;
	}
	const struct passwd *p = getpwnam(user);
	if (!p) {
		log_error("account-missing",
			"role=%s user=%s hint=\"make it with: useradd --system --no-create-home "
			"--shell /usr/sbin/nologin %s\"",
			role, log_value(str_of(user), quoted, sizeof(quoted)), user);
		return -ENOENT;
	}
	a.uid = p->pw_uid;
	a.gid = p->pw_gid;
	if (*group && account_group(group, &a.gid) < 0) {
		log_error("account-missing",
			"role=%s group=%s hint=\"make it with: groupadd --system %s\"", role,
			log_value(str_of(group), quoted, sizeof(quoted)), group);
		return -ENOENT;
	}
	if (a.uid == 0 || a.gid == 0) {
		log_error("account-root",
			"role=%s user=%s hint=\"workers never run as root: name an account without "
			"privileges\"",
			role, log_value(str_of(user), quoted, sizeof(quoted)));
		return -EINVAL;
	}
	*out = a;
	return 0;
}
