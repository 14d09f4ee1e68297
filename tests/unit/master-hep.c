/* master-hep.c - the socket to the collector of copies that the master opens. */
#include "common/loop.h"
#include "master/hep.h"
#include "master/master.h"

#include "master-config.h" /* its c is none of the headers above */

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refusal;

/* In the place of the system's: a firewall may refuse. */
int connect(int fd, const struct sockaddr *to, socklen_t length)
{
	if (to->sa_family != AF_INET) /* Criterion's own */
		return (int)syscall(SYS_connect, fd, to, length);
	errno = refusal;
	return refusal ? -1 : 0;
}

TestSuite(hep, .init = setup, .fini = teardown);

static void retries(struct master *m, int error, bool again)
{
	refusal = error;
	cr_expect_eq(hep_reopen(m), 0);
	cr_expect_eq(timer_armed(&m->hep_retry), again, "after %s", strerror(error));
	cr_expect_eq(m->supervisor.hep >= 0, !error);
	loop_unset(m->loop, &m->hep_retry);
}

Test(hep, a_collector_that_cannot_be_reached_is_tried_again)
{
	struct master *m = calloc(1, sizeof(*m));

	load(SANE "hep { collector = \"udp:127.0.0.1:9060\" }");
	m->config = c;
	m->supervisor.hep = -1;
	cr_assert_eq(loop_new(&m->loop), 0);
	hep_init(m);
	retries(m, 0, false);
	retries(m, ENETUNREACH, true);
	retries(m, EPERM, true);
	loop_free(m->loop);
	free(m);
}
