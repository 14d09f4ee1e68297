/* master-fixture.h - a worker of any role without any work, for tests of the master.
 *
 * The test's own program is that worker, where it is started by the name of one (a symbolic link
 * "sipward-ROLE" to it) with a lifeline: a constructor takes over before the tests' main. What it
 * does beyond the skeleton is told by QUERY's argument, so that the test stays in control of its
 * life.
 */
#ifndef SIPWARD_TESTS_UNIT_MASTER_FIXTURE_H
#define SIPWARD_TESTS_UNIT_MASTER_FIXTURE_H

#include "worker/skeleton.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fake {
	struct worker worker;
	unsigned settings, users, sockets, keys, edges, downs;
	unsigned refused; /* fingerprints in the last list */
};

static inline void fake_answer(struct fake *f, const struct lifeline_query *q)
{
	struct lifeline_reply reply = {.id = q->id, .last = 1};
	char text[512];

	if (strcmp(q->argument, "hang") == 0)
		for (;;)
			__asm__ volatile("");
	if (strcmp(q->argument, "stand still") == 0)
		for (;;)
			pause();
	if (strcmp(q->argument, "die") == 0)
		raise(SIGKILL);
	if (strcmp(q->argument, "exit") == 0)
		_exit(3);
	if (strcmp(q->argument, "silent") == 0)
		return;
	if (strncmp(q->argument, "hold ", 5) == 0) /* and does not let go */
		evidence_take(&f->worker.page->work, EVIDENCE_MESSAGE, q->argument + 5,
			strlen(q->argument + 5));
	if (strcmp(q->argument, "lie") == 0) /* as whoever has taken it over may */
		f->worker.page->work.what = (uint64_t)EVIDENCE_MESSAGE << 32 | 0xfffffff0;
	if (strcmp(q->argument, "nonsense") == 0) {
		worker_send(&f->worker, LIFELINE_READY, NULL, 0, NULL, 0);
		return;
	}
	if (strcmp(q->argument, "garbage") == 0)
		snprintf(text, sizeof(text), "{\"a\":1}\n[not json\n");
	else
		snprintf(text, sizeof(text),
			"{\"worker\":%u,\"settings\":%u,\"users\":%u,\"sockets\":%u,\"keys\":%u,"
			"\"edges\":%u,"
			"\"downs\":%u,\"refused\":%u}\n",
			f->worker.welcome.index, f->settings, f->users, f->sockets, f->keys,
			f->edges, f->downs, f->refused);
	worker_send(&f->worker, LIFELINE_REPLY, &reply, sizeof(reply), text, strlen(text));
}

static inline int fake_packet(void *arg, struct lifeline_packet *p)
{
	struct fake *f = arg;

	switch (p->type) {
	case LIFELINE_SETTINGS: f->settings++; break;
	case LIFELINE_USERS: f->users++; break;
	case LIFELINE_SOCKET: f->sockets++; break;
	case LIFELINE_KEYS: f->keys++; break;
	case LIFELINE_CONNECT:
	case LIFELINE_EDGE: f->edges++; break;
	case LIFELINE_ALLOW: {
		const struct lifeline_allow *allow = (const void *)p->body;
		struct lifeline_ack ack = {.sequence = allow->sequence};

		f->edges++;
		return worker_send(&f->worker, LIFELINE_ACK, &ack, sizeof(ack), NULL, 0);
	}
	case LIFELINE_PEER_DOWN: f->downs++; break;
	case LIFELINE_QUARANTINE:
		f->refused = ((const struct lifeline_quarantine *)(const void *)p->body)->count;
		break;
	case LIFELINE_QUERY: fake_answer(f, (const void *)p->body); break;
	default: break;
	}
	return 0;
}

static inline void fake_main(enum peer_role role)
{
	static struct fake fake;

	if (worker_begin(&fake.worker, role, fake_packet, NULL, &fake) ||
		worker_receive(&fake.worker) || jail_confine(&fake.worker.jail) ||
		jail_limit(&fake.worker.jail))
		_exit(1);
	_exit(worker_run(&fake.worker) ? 1 : 0);
}

static void __attribute__((constructor)) fake_worker(int argc, char **argv)
{
	const char *name = argc ? strrchr(argv[0], '/') : NULL;

	if (!name)
		return;
	if (strcmp(name, "/sipward-transport") == 0)
		fake_main(PEER_TRANSPORT);
	if (strcmp(name, "/sipward-sip") == 0)
		fake_main(PEER_SIP);
	if (strcmp(name, "/sipward-tls") == 0)
		fake_main(PEER_TLS);
	if (strcmp(name, "/sipward-broken") == 0)
		_exit(9);
}

#endif
