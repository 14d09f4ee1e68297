/* worker_table.c - see worker_table.h. */
#include "worker_table.h"

#include "common/log.h"
#include "ipc/limit_page.h"
#include "master/memfd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int worker_make_page(struct worker_slot *w)
{
	int error = memfd_shared("sipward-page", sizeof(struct page), &w->page_fd);
	void *at;

	if (error == 0) {
		at = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, w->page_fd,
			0);
		if (at == MAP_FAILED)
			error = -errno;
		else
			w->page = at;
	}
	if (error < 0)
		log_error("worker-page", "peer=%s-%u error=\"%s\"", role_name(w->role), w->index,
			error_text(error));
	return error;
}

int worker_table_add(struct supervisor *s, unsigned role, unsigned index, timer_callback fired)
{
	struct worker_slot *w = &s->worker[s->count];
	int error;

	*w = (struct worker_slot){.supervisor = s,
		.role = (uint8_t)role,
		.index = (uint8_t)index,
		.lifeline = -1,
		.page_fd = -1,
		.endpoint = -1,
		.notifier = {.fd = -1}};
	error = worker_make_page(w);
	if (error < 0) {
		if (w->page_fd >= 0)
			close(w->page_fd);
		return error;
	}
	outbox_init(&w->outbox);
	timer_init(&w->timer, fired, w);
	s->count++;
	return 0;
}

static void worker_unmake(struct worker_slot *w)
{
	munmap(w->page, sizeof(*w->page));
	close(w->page_fd);
	if (w->endpoint >= 0)
		close(w->endpoint);
}

/* ---- over ZeroMQ ---- */

static int worker_make_endpoint(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (s->carrier != CARRIER_ZEROMQ || w->role != PEER_SIP || w->endpoint >= 0)
		return 0;
	return runtime_endpoint(s->runtime, w->index, &w->endpoint);
}

/* The root folder of a worker that connects. */
static int worker_make_edges(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	const struct account *a = &s->account[w->role];
	uint32_t sips = 0;
	int error;

	if (s->carrier != CARRIER_ZEROMQ || !role_has(w->role, ROLE_MESSAGES))
		return 0;
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].endpoint >= 0)
			sips |= UINT32_C(1) << s->worker[i].index;
	error = runtime_edges(s->runtime, w->role, w->index, sips, a->uid, a->gid);
	w->has_edges = error == 0;
	return error;
}

/* Lets all that connect reach the endpoint of a SIP worker that came later. */
static int worker_link_endpoint(const struct worker_slot *sip)
{
	struct supervisor *s = sip->supervisor;
	int error = 0;

	for (unsigned i = 0; i < s->count && error == 0; i++) {
		const struct worker_slot *w = &s->worker[i];

		if (w != sip && w->has_edges)
			error = runtime_edge_add(s->runtime, w->role, w->index, sip->index);
	}
	return error;
}

int worker_table_equip(struct worker_slot *w)
{
	int error = 0;

	if (w->has_edges)
		return 0;
	error = worker_make_endpoint(w);
	if (error == 0 && w->endpoint >= 0)
		error = worker_link_endpoint(w);
	return error == 0 ? worker_make_edges(w) : error;
}

/* ---- the table ---- */

/* Endpoints first: the folders have links to them. */
static int table_equip_all(struct supervisor *s)
{
	int error = 0;

	for (unsigned i = 0; i < s->count && error == 0; i++)
		error = worker_make_endpoint(&s->worker[i]);
	for (unsigned i = 0; i < s->count && error == 0; i++)
		error = worker_make_edges(&s->worker[i]);
	return error;
}

int worker_table_open(struct supervisor *s, timer_callback fired)
{
	unsigned n = 0;
	int error = 0;

	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
		n += role_rows[r].greatest;
	s->worker = calloc(n, sizeof(*s->worker));
	if (!s->worker)
		error = -ENOMEM;
	if (error == 0 && s->carrier == CARRIER_ZEROMQ)
		error = runtime_mesh(s->runtime);
	if (error == 0) {
		error = memfd_shared("sipward-limits", sizeof(struct limit_page), &s->limit_page);
		if (error < 0)
			log_error("limits-page", "error=\"%s\"", error_text(error));
	}
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT && error == 0; r++)
		for (unsigned i = 0; i < s->role_count[r] && error == 0; i++)
			error = worker_table_add(s, r, i, fired);
	/* for as many workers as there may ever be */
	if (error == 0 && s->carrier == CARRIER_ZEROMQ)
		error = edge_tokens_new(&s->tokens, role_rows[PEER_TRANSPORT].greatest,
			role_rows[PEER_SIP].greatest);
	if (error == 0)
		error = table_equip_all(s);
	return error;
}

void worker_table_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *w = &s->worker[i];

		loop_unset(s->loop, &w->timer);
		worker_unmake(w);
	}
	free(s->worker);
	edge_tokens_free(&s->tokens);
	if (s->limit_page > 0)
		close(s->limit_page);
	s->limit_page = 0;
	s->worker = NULL;
	s->count = 0;
}
