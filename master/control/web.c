/* web.c - see web.h. The state is what commands answer (commands.h), asked one after the other. */
#include "web.h"

#include "web_ladder.h"
#include "answer.h"
#include "commands.h"
#include "master/workers/trunk_commands.h"
#include "common/log.h"
#include "control.h"
#include "ipc/flow.h"
#include "master/certificates/certificates.h"
#include "master/master.h"
#include "master/memfd.h"
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that may wait for the worker. */
#define WEB_BACKLOG 64
#define WEB_ENDED "30" /* calls that have ended last, of each SIP worker */

struct web {
	struct master *master;
	struct worker_slot *worker; /* that asked for the state; NULL: nothing is gathered */
	uint32_t incarnation;       /* of that life */
	unsigned step;
	json_t *state;
	struct worker_slot *ladder_worker; /* that asked for a ladder; NULL: none is gathered */
	uint32_t ladder_incarnation;
	struct lifeline_web ladder_ask;
	uint64_t answered[WEB_WHAT_COUNT]; /* loop time */
};

/* ---- the socket ---- */

static int web_bind(const struct endpoint *to)
{
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(to, &address);
	int one = 1, fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, WEB_BACKLOG) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

int web_listen(const struct config *c, int *fd)
{
	struct endpoint to;
	int error;

	*fd = -1;
	if (!*c->web_bind || !config_web_endpoint(c->web_bind, &to))
		return 0;
	error = web_bind(&to);
	if (error < 0) {
		log_error("web-listen", "bind=%s error=\"%s\"", c->web_bind,
			listen_error_text(error));
		return error;
	}
	*fd = error;
	return 0;
}

/* ---- answers ---- */

static void web_answer_of(
	struct worker_slot *w, const struct lifeline_web *ask, const char *text, size_t size)
{
	struct lifeline_web body = *ask;
	int fd = -1, error = memfd_of("sipward-web", text, size, &fd);

	if (error) {
		log_error("web-answer", "error=\"%s\"", error_text(error));
		return; /* the worker gives up by itself */
	}
	worker_tell(w, LIFELINE_WEB_ANSWER, &body, sizeof(body), fd);
	close(fd);
}

static void web_answer(struct worker_slot *w, enum web_what what, const char *text, size_t size)
{
	web_answer_of(w, &(struct lifeline_web){.what = (uint16_t)what}, text, size);
}

static void web_answer_metrics(struct master *m, struct worker_slot *w)
{
	const struct metrics_source from = {.supervisor = &m->supervisor,
		.certificates = certificates_committed(m->certificates),
		.labels = &m->labels,
		.generation = m->generation};
	char *text;
	size_t size;

	if (metrics_text(&from, &text, &size))
		return;
	web_answer(w, WEB_METRICS, text, size);
	free(text);
}

/* ---- the state ---- */

static bool web_few(const struct master *m, enum counter gauge)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->supervisor.count; i++)
		sum += metrics_load(&m->supervisor.worker[i].page->counter[gauge]);
	return sum <= WEB_LIST_MAX;
}

static const struct {
	const char *name;
	void (*command)(struct master *m, struct request *r, json_t *arguments);
	int gauge;          /* of what it lists; -1: never many */
	const char *filter; /* an argument; NULL: none */
} web_steps[] = {
	{"status", command_status, -1, NULL},
	{"workers", command_workers, -1, NULL},
	{"trunks", command_trunks_list, -1, NULL},
	{"targets", trunk_targets_list, -1, NULL},
	{"calls", command_calls, COUNTER_CALLS_ACTIVE, NULL},
	{"ended", command_trace_calls, -1, "last:" WEB_ENDED},
	{"registrations", command_registrations, COUNTER_BINDINGS, NULL},
};
#define WEB_STEPS (sizeof(web_steps) / sizeof(web_steps[0]))

static void web_next(struct web *web);

static void web_done(struct web *web)
{
	struct worker_slot *w = web->worker;
	char *text = json_dumps(web->state, JSON_COMPACT);

	/* It may have died meanwhile: its successor did not ask. */
	if (text && w->incarnation == web->incarnation && worker_lives(w))
		web_answer(w, WEB_STATE, text, strlen(text));
	free(text);
	json_decref(web->state);
	web->state = NULL;
	web->worker = NULL;
}

/* Keeps what is shown, and says how many more there are: the lists that workers have cut, too. */
static void web_cut(json_t *answer)
{
	json_t *rows = json_object_get(answer, "rows");
	size_t n = json_array_size(rows);
	json_int_t matched = json_integer_value(json_object_get(answer, "matched")),
		   all = matched > (json_int_t)n ? matched : (json_int_t)n;

	for (; n > WEB_ROWS_MAX; n--)
		json_array_remove(rows, n - 1);
	if (all > (json_int_t)n)
		json_object_set_new(answer, "more", json_integer(all - (json_int_t)n));
}

static void web_on_answer(void *arg, json_t *answer)
{
	struct web *web = arg;

	web_cut(answer);
	json_object_set_new(web->state, web_steps[web->step].name, answer);
	web->step++;
	web_next(web);
}

static void web_next(struct web *web)
{
	struct master *m = web->master;

	while (web->step < WEB_STEPS && web_steps[web->step].gauge >= 0 &&
		!web_few(m, (enum counter)web_steps[web->step].gauge)) {
		json_object_set_new(web->state, web_steps[web->step].name, json_null());
		web->step++;
	}
	if (web->step == WEB_STEPS) {
		web_done(web);
		return;
	}
	struct request *r = request_of_ours(web_on_answer, web);
	json_t *arguments = NULL;
	if (r && web_steps[web->step].filter)
		arguments = json_pack("{s:s}", "filter", web_steps[web->step].filter);
	if (r)
		web_steps[web->step].command(m, r, arguments);
	else
		web_done(web); /* with what there is */
	json_decref(arguments);
}

/* ---- a ladder ---- */

static void web_on_ladder(void *arg, json_t *object)
{
	struct web *web = arg;
	struct worker_slot *w = web->ladder_worker;
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (text && w->incarnation == web->ladder_incarnation && worker_lives(w))
		web_answer_of(w, &web->ladder_ask, text, strlen(text));
	free(text);
	json_decref(object);
	web->ladder_worker = NULL;
}

/* Whether it names a call where it has to, and nothing else. */
static bool web_ask_is_sound(const struct lifeline_web *ask)
{
	size_t n = strnlen(ask->call, sizeof(ask->call));

	if (ask->what != WEB_LADDER)
		return n == 0;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)ask->call[i] <= ' ' || (unsigned char)ask->call[i] >= 0x7f)
			return false;
	return n > 0 && n < sizeof(ask->call);
}

bool web_ask(struct master *m, struct worker_slot *w, const struct lifeline_web *ask)
{
	struct web *web = m->web;
	uint64_t now = loop_now(m->loop);

	if (w->role != PEER_WEB || ask->what == WEB_NOTHING || ask->what >= WEB_WHAT_COUNT ||
		!web_ask_is_sound(ask))
		return false;
	if (!web)
		web = m->web = calloc(1, sizeof(*web));
	if (!web)
		return true;
	/* Unanswered: the worker that keeps to its own bounds never gets here. */
	if (web->answered[ask->what] && now - web->answered[ask->what] < WEB_ASK_MIN_MS) {
		count(WEB_TOO_OFTEN);
		return true;
	}
	if (ask->what == WEB_METRICS) {
		web_answer_metrics(m, w);
	} else if (ask->what == WEB_LADDER) {
		if (!web->ladder_worker) {
			web->ladder_worker = w;
			web->ladder_incarnation = w->incarnation;
			web->ladder_ask = *ask;
			web_ladder_gather(m, web->ladder_ask.call, web_on_ladder, web);
		}
	} else if (!web->worker) {
		web->master = m;
		web->worker = w;
		web->incarnation = w->incarnation;
		web->step = 0;
		web->state = json_object();
		web_next(web);
	}
	web->answered[ask->what] = now;
	return true;
}

void web_free(struct web *web)
{
	if (web)
		json_decref(web->state);
	free(web);
}
