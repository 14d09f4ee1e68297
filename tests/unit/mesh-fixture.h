/* mesh-fixture.h - one end of the mesh and what came in, for the tests of one carrier each
 * (mesh-pairs.c, mesh-zeromq.h). mesh-carriers.c has ends of its own, which can die. */
#ifndef SIPWARD_TESTS_UNIT_MESH_FIXTURE_H
#define SIPWARD_TESTS_UNIT_MESH_FIXTURE_H

#include "common/counters.h"
#include "ipc/mesh.h"
#include "patience.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* The test's, made by its set-up. */
static struct loop *loop;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#define RUN_UNTIL(condition)                                                                       \
	do {                                                                                       \
		uint64_t end_ = now_ms() + PATIENCE_MS;                                            \
		while (!(condition)) {                                                             \
			cr_assert_lt(now_ms(), end_, "waited in vain for " #condition);            \
			loop_once(loop, 20);                                                       \
		}                                                                                  \
	} while (0)

static uint64_t counted(enum counter c)
{
	return counters_page->counter[c];
}

/* One end: what came in. Each record carries a running number. */
struct end {
	struct mesh *mesh;
	uint64_t records, last, disorder;
	uint16_t peer;
	bool echo;
};

static void on_record(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	struct end *e = arg;
	const struct record_watch *w = data;
	void *buffer;

	e->peer = peer;
	cr_assert_eq((uintptr_t)data % 8, 0);
	if (type != RECORD_WATCH)
		return;
	if (e->records && w->flow != e->last + 1)
		e->disorder++;
	e->last = w->flow;
	e->records++;
	if (e->echo && mesh_record(e->mesh, peer, type, size, true, &buffer) == 0)
		memcpy(buffer, data, size);
}

#endif
