/* control.h - the control socket: local operators, one JSON request a line, one JSON answer a line.
 *
 * These may use it: root, the master's own user, and members of the control group (SO_PEERCRED and
 * SO_PEERGROUPS, asked of the kernel). A client has one request under way at a time.
 */
#ifndef SIPWARD_MASTER_CONTROL_CONTROL_H
#define SIPWARD_MASTER_CONTROL_CONTROL_H

#include "common/loop.h"

#include <jansson.h>
#include <sys/types.h>

#define CONTROL_CLIENTS_MAX 32
#define CONTROL_LINE_MAX 65536 /* bytes of a request */
#define CONTROL_IDLE_MS 60000  /* without a request, or without reading an answer */

struct control;
struct request;

/* Serves message, an object that the control keeps for the time of the call. Ends with
 * request_answer, then or later. */
typedef void (*control_dispatch)(void *arg, struct request *r, json_t *message);

/* Listens at path with that mode, owned by group ((gid_t)-1: nobody's but the master's). A stale
 * socket is replaced, a live one is -EADDRINUSE. Logged. */
int control_open(struct control **out, struct loop *loop, const char *path, mode_t mode,
	gid_t group, control_dispatch dispatch, void *arg);
void control_close(
	struct control *c); /* requests under way must have been answered; NULL is a no-op */

/* Sends answer (stolen) and ends r. A client that has gone meanwhile is no error. */
void request_answer(struct request *r, json_t *answer);
/* A question of the master's own, for a command that does not look at who asks; done gets the
 * answer, which is its own to json_decref. NULL: no memory. */
struct request *request_of_ours(void (*done)(void *arg, json_t *answer), void *arg);
uid_t request_uid(const struct request *r);
pid_t request_pid(const struct request *r);

#endif
