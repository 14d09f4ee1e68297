/* hep.c - see hep.h. */
#include "hep.h"

#include "common/counters.h"
#include "common/log.h"
#include "master.h"
#include "master/config/collector.h"
#include "workers/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define HEP_RETRY_MS 10000

/* A socket to the collector, *out; or a negative errno. */
static int hep_connect(const struct endpoint *to, int *out)
{
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(to, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, length) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

static void hep_on_retry(struct timer *t, void *arg)
{
	(void)t;
	hep_reopen(arg);
}

void hep_init(struct master *m)
{
	timer_init(&m->hep_retry, hep_on_retry, m);
}

int hep_reopen(struct master *m)
{
	const struct config *c = m->config;
	struct lifeline_hep how = {.capture_id = c->hep_capture_id};
	struct endpoint to;
	int fd = -1, error = 0;

	if (collector_endpoint(c->hep_collector, &to)) {
		error = collector_password(c->hep_password_file, &how);
		if (error) {
			log_error("hep-password", "path=%s error=\"%s\"", c->hep_password_file,
				error_text(error));
			return error;
		}
		error = hep_connect(&to, &fd);
	}
	if (error) {
		log_warn("hep-unreachable", "collector=%s error=\"%s\"", c->hep_collector,
			error_text(error));
		loop_set(m->loop, &m->hep_retry, HEP_RETRY_MS);
	}
	m->hep_error = error;
	supervise_hep(&m->supervisor, fd, &how);
	explicit_bzero(&how, sizeof(how));
	return 0;
}

bool hep_state(const struct master *m, char *text, size_t size)
{
	const struct supervisor *s = &m->supervisor;
	struct endpoint to;
	uint64_t losing = 0;

	if (!collector_endpoint(m->config->hep_collector, &to))
		return false;
	for (unsigned i = 0; i < s->count; i++)
		losing += __atomic_load_n(
			&s->worker[i].page->counter[COUNTER_HEP_LOSING], __ATOMIC_RELAXED);
	if (m->hep_error)
		snprintf(text, size, "%s: cannot be reached: %s", m->config->hep_collector,
			error_text(m->hep_error));
	else
		snprintf(text, size, "%s: %s", m->config->hep_collector,
			losing ? "copies are being lost, the log (hep-dropped) says why"
			       : "in use");
	return true;
}
