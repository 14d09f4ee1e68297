/* forwards.h - where calls to users go on: what the config says, and in its place what operators
 * and users have set, which is kept in the state directory. SIP workers get all of it as one image
 * (ipc/forwards.h), a new one with each change. */
#ifndef SIPWARD_MASTER_FORWARDS_H
#define SIPWARD_MASTER_FORWARDS_H

#include "ipc/forwards.h"

struct master;
struct config;
struct worker_slot;
struct lifeline_forward_order;

/* Orders of users that are carried out in a second: each is written to disk. */
#define FORWARD_ORDERS_MAX 10

/* One that was set. */
struct forward_set {
	char user[USER_NAME_MAX + 1];
	char domain[254];
	char to[FORWARD_TO_MAX + 1]; /* a URI */
	uint8_t when;                /* enum forward_when */
	uint16_t seconds;            /* of FORWARD_NO_ANSWER; else 0 */
	bool by_user;                /* with a star code */
};
struct forwards_set {
	struct forward_set *row;
	size_t count;
};

/* Reads what is kept in the state directory; a line that cannot be read is logged and left out.
 * Where there is no file nothing is set. -ENOMEM, -EBADMSG, -errno. */
int forwards_load(int directory, struct forwards_set *set);
void forwards_free(struct forwards_set *set);
/* Sets one in the place of what the user had set for the same; it is on disk before it is in force.
 * -ENOENT: the domain has no such user; -ENOSPC: there are FORWARDS_MAX; -EINVAL: it is not sane
 * (to, seconds); -ENOMEM, -errno. */
int forwards_set(struct master *m, const struct forward_set *row);
/* Forgets those of a user: for when, or all (FORWARD_WHENS). Returns how many there were; -errno.
 */
int forwards_clear(struct master *m, const char *user, const char *domain, enum forward_when when);

/* Carries out what a user has dialled, and answers the worker. False: no honest worker says that.
 */
bool forwards_order(
	struct master *m, struct worker_slot *w, const struct lifeline_forward_order *order);

/* Makes the image of a config and of what is set. -ENOMEM, -errno. Forwards of domains that there
 * are not are left out; where there are more than FORWARDS_MAX, the last ones are, and that is
 * logged. */
int forwards_build(const struct config *c, const struct forwards_set *set, int *memfd);

#endif
