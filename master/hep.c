/* hep.c - see hep.h. */
#include "hep.h"

#include "common/log.h"
#include "master.h"
#include "master/config/collector.h"
#include "workers/supervise.h"

#include <errno.h>
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
	supervise_hep(&m->supervisor, fd, &how);
	explicit_bzero(&how, sizeof(how));
	return 0;
}
