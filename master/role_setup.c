/* role_setup.c - see role_setup.h. */
#include "role_setup.h"

#include "common/log.h"
#include "master/workers/account.h"
#include "spawn.h"

#include <sys/resource.h>

/* Fds that one packet on a Unix socket can carry (SCM_MAX_FD). */
#define FDS_PACKET_MAX 253

static char program[ROLE_COUNT][CONFIG_PATH_MAX];

static rlim_t role_setup_fds_most(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) < 0 ? 1024 : r.rlim_max;
}

/* The master holds every socket of every worker. */
void role_setup_begin(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* Fds that a worker may have beside so many transport workers. Over ZeroMQ a SIP worker has room
 * for all connections that these could make to it, were they taken over: each as many as it may
 * have open, and as many again that it has passed on to somewhere and that nobody has received (the
 * kernel allows a user that many, and what one more packet holds). */
static uint64_t role_setup_fds_wanted(const struct config *c, unsigned role, unsigned transports)
{
	uint64_t fds = role_rows[role].fds;

	if (role_has(role, ROLE_NETWORK))
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): reload_use set it */
		fds += c->connections_max;
	if (role == PEER_SIP && c->carrier == CARRIER_ZEROMQ)
		fds += transports *
		       (2 * role_setup_fds_wanted(c, PEER_TRANSPORT, 0) + FDS_PACKET_MAX);
	return fds;
}

int role_setup(struct supervisor *s, const struct config *c, unsigned role)
{
	rlim_t most = role_setup_fds_most();
	/* a reload may bring more transport workers, and lives keep their limit */
	uint64_t fds = role_setup_fds_wanted(c, role, role_rows[PEER_TRANSPORT].greatest),
		 now = role_setup_fds_wanted(c, role, c->workers[PEER_TRANSPORT]);
	int error;

	if (s->program[role])
		return 0;
	if (now > most)
		log_warn("fds-limit", "role=%s wanted=%llu possible=%llu", role_name(role),
			(unsigned long long)now, (unsigned long long)most);
	s->fds_limit[role] = (uint32_t)(fds < most ? fds : most);
	error = account_find(role_name(role), c->user[role], c->group[role], &s->account[role]);
	if (error < 0)
		return error;
	error = spawn_program(role_name(role), program[role], sizeof(program[role]));
	if (error < 0) {
		log_error("program-missing", "path=%s error=\"%s\"", program[role],
			error_text(error));
		return error;
	}
	s->program[role] = program[role];
	return 0;
}
