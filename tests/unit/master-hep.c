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

static void says(const struct master *m, const char *words)
{
	char text[256] = "";

	cr_expect(hep_state(m, text, sizeof(text)));
	cr_expect(strstr(text, words), "%s in %s", words, text);
}

static void retries(struct master *m, int error, bool again)
{
	refusal = error;
	cr_expect_eq(hep_reopen(m), 0);
	cr_expect_eq(timer_armed(&m->hep_retry), again, "after %s", strerror(error));
	cr_expect_eq(m->supervisor.hep >= 0, !error);
	says(m, error ? strerror(error) : "127.0.0.1:9060: in use");
	loop_unset(m->loop, &m->hep_retry);
}

Test(hep, a_collector_that_cannot_be_reached_is_tried_again)
{
	struct master *m = calloc(1, sizeof(*m));
	struct worker_slot slot = {.page = calloc(1, sizeof(struct page))};

	load(SANE "hep { collector = \"udp:127.0.0.1:9060\" }");
	m->config = c;
	m->supervisor.hep = -1;
	cr_assert_eq(loop_new(&m->loop), 0);
	hep_init(m);
	retries(m, 0, false);
	retries(m, ENETUNREACH, true);
	retries(m, EPERM, true);
	refusal = 0;
	cr_expect_eq(hep_reopen(m), 0);
	slot.page->counter[COUNTER_HEP_LOSING] = 1;
	m->supervisor.worker = &slot;
	m->supervisor.count = 1;
	says(m, "copies are being lost");
	m->supervisor.count = 0;
	free(slot.page);
	load(SANE);
	m->config = c;
	cr_expect_not(hep_state(m, (char[8]){0}, 8));
	loop_free(m->loop);
	free(m);
}
