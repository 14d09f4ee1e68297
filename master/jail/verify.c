/* verify.c - sipwardctl sandbox verify (verify.h).
 *
 * The probes are children of the master beside the workers: same program, same packets, same jail,
 * but no keys, no sockets of listeners and no edges. A few run at a time; each is killed when its
 * time is up. An act may end its process: then what the filter asked, or the signal, is the answer.
 */
#include "verify.h"

#include "common/log.h"

#include "worker/gate.h"
#include "jail_report.h"
#include "worker/jail.h"
#include "worker/probe.h"
#include "proc_confinement.h"
#include "master/master.h"
#include "master/memfd.h"
#include "master/spawn.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Probes at a time, and how long one may take. */
#define PROBES_MAX 4
#define PROBE_MS 20000
/* The index that a probe believes to have: no slot is its. */
#define PROBE_INDEX 255
#define VERDICT_MAX 96

/* One process. */
struct probe {
	struct verification *verification;
	uint8_t role;
	uint16_t act, variant;
	pid_t pid; /* 0: free */
	int lifeline;
	struct loop_source *source;
	struct notifier notifier;
	struct timer timer;
	bool answered, late;
	int error;        /* what it answered */
	char refused[32]; /* the system call that its filter did not allow */
	int16_t step_error[16];
};

/* The verdict on an act and a role so far. */
struct cell {
	unsigned tried, refused;
	char verdict[VERDICT_MAX]; /* of the first; "" none yet */
	bool various;              /* the others were refused otherwise */
};

struct verification {
	struct master *master;
	verify_done done;
	void *arg;
	struct probe probe[PROBES_MAX];
	struct cell cell[PROBE_COUNT][ROLE_COUNT];
	unsigned act, role, variant; /* the next to be started */
	int page, abstract;
	char abstract_name[48];
	json_t *live;
	unsigned bad;
	bool gate; /* the kernel lets programs of another architecture in: what it does not have is
	              prevented */
	bool closing;
};

static struct lifeline_packet *verify_packet(struct verification *x)
{
	return x->master->supervisor.packet;
}

static bool verify_permits(const struct verification *x, unsigned act, unsigned role)
{
	return probe_permitted(act, role, x->master->supervisor.carrier);
}

/* ---- what came of it ---- */

static void verify_judge(
	struct verification *x, const struct probe *p, const char *verdict, bool refused)
{
	struct cell *c = &x->cell[p->act][p->role];

	c->tried++;
	c->refused += refused;
	x->bad += !refused;
	/* People have to read what was possible: it wins over what was refused. */
	if (!c->verdict[0] || (!refused && c->refused == c->tried - 1))
		snprintf(c->verdict, sizeof(c->verdict), "%s", verdict);
	else if (strcmp(c->verdict, verdict) != 0)
		c->various = true;
}

/* A kernel that lets no program of another architecture in answers the attempt with SIGSEGV. */
static bool verify_found_no_gate(const struct verification *x, const struct probe *p, int status)
{
	return p->act == PROBE_OTHER_ARCHITECTURE && !x->gate && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGSEGV;
}

static void verify_judge_end(struct verification *x, const struct probe *p, int status)
{
	char text[VERDICT_MAX];

	if (p->act == PROBE_HOLD) {
		if (!p->answered)
			verify_judge(x, p, "NO PROBE STANDS", false);
		return;
	}
	if (p->refused[0]) {
		snprintf(text, sizeof(text), "ended by seccomp: %s", p->refused);
		verify_judge(x, p, text, true);
	} else if (p->answered && p->error == 0) {
		if (p->act == PROBE_SOCKET_FAMILY)
			snprintf(text, sizeof(text), "POSSIBLE: family %u", p->variant);
		else
			snprintf(text, sizeof(text), "POSSIBLE");
		verify_judge(x, p, text, false);
	} else if (p->answered) {
		snprintf(text, sizeof(text), "refused: %s", strerrorname_np(-p->error) ?: "?");
		verify_judge(x, p, text, true);
	} else if (verify_found_no_gate(x, p, status)) {
		verify_judge(x, p, "no such gate", true);
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		verify_judge(x, p, "ended by seccomp: SIGSYS", true);
	} else {
		snprintf(text, sizeof(text), "NO ANSWER: %s %d",
			p->late               ? "late"
			: WIFSIGNALED(status) ? "signal"
					      : "exit",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		verify_judge(x, p, text, false);
	}
}

/* The probe stands in its jail: do the live workers of its role stand in the same one? */
static void verify_compare(struct verification *x, const struct probe *p)
{
	const struct supervisor *s = &x->master->supervisor;
	char mine[CONFINEMENT_MAX], its[CONFINEMENT_MAX], difference[256], name[32];

	if (confinement_read(p->pid, mine) < 0)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *w = &s->worker[i];
		const char *verdict = "not running";
		bool same = false;

		if (w->role != p->role || w->retired)
			continue;
		if (w->state == WORKER_READY && confinement_read(w->pid, its) == 0) {
			same = confinement_same(mine, its, difference, sizeof(difference));
			for (int step = 1; same && step < JAIL_STEP_COUNT; step++)
				if (w->step_error[step] != p->step_error[step]) {
					snprintf(difference, sizeof(difference), "step %s",
						jail_step_name(step));
					same = false;
				}
			if (same && strcmp(jail_mode(w), "log") == 0) {
				snprintf(
					difference, sizeof(difference), "NOT ENFORCED: jail = log");
				same = false;
			}
			verdict = same ? "same" : difference;
		}
		x->bad += !same;
		snprintf(name, sizeof(name), "%s-%u", role_name(w->role), w->index);
		json_t *row = json_pack("{s:s, s:s}", "worker", name, "verdict", verdict);
		json_array_append_new(x->live,
			row ? row : json_pack("{s:s, s:s}", "worker", name, "verdict", "?"));
	}
}

/* ---- one probe ---- */

static void verify_start_more(struct verification *x);

static void probe_violated(void *arg, const struct violation *v)
{
	struct probe *p = arg;

	violation_call(v, p->refused);
	kill(p->pid, SIGKILL);
}

static void probe_hang_up(struct probe *p)
{
	if (p->lifeline < 0)
		return;
	loop_remove(p->verification->master->loop, p->source);
	close(p->lifeline);
	p->lifeline = -1;
	p->source = NULL;
}

static void probe_take(struct probe *p, struct lifeline_packet *packet)
{
	const struct lifeline_step *step = (const void *)packet->body;
	const struct lifeline_probe_result *result = (const void *)packet->body;

	switch (packet->type) {
	case LIFELINE_STEP:
		if (step->step < sizeof(p->step_error) / sizeof(p->step_error[0]))
			p->step_error[step->step] = (int16_t)-step->error;
		break;
	case LIFELINE_NOTIFIER:
		if (p->notifier.fd < 0) {
			notifier_open(&p->notifier, p->verification->master->loop, packet->fd[0],
				false, probe_violated, p);
			packet->fd[0] = -1;
		}
		break;
	case LIFELINE_PROBE_RESULT:
		if (result->act != p->act || result->variant != p->variant || p->answered)
			break;
		p->answered = true;
		p->error = result->error;
		if (p->act == PROBE_HOLD) {
			verify_compare(p->verification, p);
			probe_hang_up(p);
		}
		break;
	default: break;
	}
}

/* Reads what has come; the end of the process is told by SIGCHLD. */
static void probe_on_lifeline(void *arg, uint32_t events)
{
	struct probe *p = arg;
	struct lifeline_packet *packet = verify_packet(p->verification);
	int error = 0;

	(void)events;
	while (p->lifeline >= 0 && (error = lifeline_receive(p->lifeline, false, packet)) == 0) {
		probe_take(p, packet);
		for (unsigned i = 0; i < packet->fds; i++)
			if (packet->fd[i] >= 0)
				close(packet->fd[i]);
	}
	if (error != 0 && error != -EAGAIN)
		probe_hang_up(p);
}

static void probe_time_is_up(struct timer *t, void *arg)
{
	struct probe *p = arg;

	(void)t;
	p->late = true;
	kill(p->pid, SIGKILL);
}

/* At the endpoint of a SIP worker that is in the probe's root folder (that of worker 0, which has
 * no edge to itself), with a token that is good for another. */
static void probe_aim_at_mesh(
	const struct supervisor *s, const struct probe *p, struct lifeline_probe *body)
{
	unsigned listener = p->role == PEER_SIP ? 1 : 0, other = listener ? 0 : 1;
	const struct edge_token *edge =
		s->tokens.edge ? edge_tokens_of(&s->tokens, PEER(PEER_TRANSPORT, 0), other) : NULL;

	runtime_edge_path(listener, body->path);
	snprintf(body->user, sizeof(body->user), "%u", PEER(PEER_TRANSPORT, 0));
	if (edge && edge->state == EDGE_OPEN)
		memcpy(body->token, edge->token, sizeof(body->token));
	else
		randombytes_buf(body->token, sizeof(body->token));
}

/* Fills in the process, file or socket that the act is aimed at. */
static void probe_aim(struct verification *x, const struct probe *p, struct lifeline_probe *body)
{
	const struct master *m = x->master;
	const struct supervisor *s = &m->supervisor;
	const struct worker_slot *sibling = worker_find(s, p->role, 0);

	*body = (struct lifeline_probe){
		.act = p->act, .variant = p->variant, .pid = sibling ? sibling->pid : 1};
	switch (p->act) {
	case PROBE_OPEN_CONFIG:
		snprintf(body->path, sizeof(body->path), "%s", m->config->path);
		break;
	case PROBE_OPEN_STORE:
		snprintf(body->path, sizeof(body->path), "%s/%s", m->config->state_directory,
			role_has(p->role, ROLE_STORES) ? "keys" : "location/location.mdb");
		break;
	case PROBE_CONNECT_ABSTRACT:
		snprintf(body->path, sizeof(body->path), "%s", x->abstract_name);
		break;
	case PROBE_CONNECT_CONTROL:
		snprintf(body->path, sizeof(body->path), "%s", m->config->control_path);
		break;
	case PROBE_MESH_NO_TOKEN:
	case PROBE_MESH_OTHER_TOKEN: probe_aim_at_mesh(s, p, body); break;
	}
}

static int probe_tell(
	struct probe *p, enum lifeline_type type, const void *body, size_t size, int fd)
{
	return lifeline_send(p->lifeline, type, body, size, NULL, 0, &fd, fd >= 0);
}

/* All that a worker of the role is told before GO, with nothing in it that is secret. */
static int probe_tell_all(struct verification *x, struct probe *p)
{
	struct supervisor *s = &x->master->supervisor;
	const struct account *account = &s->account[p->role];
	struct lifeline_welcome welcome = {
		.role = p->role,
		.index = PROBE_INDEX,
		.log_level = LOG_ERROR,
		.drop = account->drop,
		.uid = account->uid,
		.gid = account->gid,
		.fds_limit = s->fds_limit[p->role],
		.carrier = s->carrier,
	};
	struct lifeline_keys keys = {0};
	struct lifeline_probe aimed;
	int error;

	runtime_root(s->runtime, s->carrier, p->role, 0, welcome.root);
	error = probe_tell(p, LIFELINE_WELCOME, &welcome, sizeof(welcome), x->page);
	if (error == 0 && role_has(p->role, ROLE_MESSAGES))
		error = probe_tell(p, LIFELINE_KEYS, &keys, sizeof(keys), -1);
	if (error == 0)
		error = probe_tell(p, LIFELINE_SETTINGS, NULL, 0, s->settings[p->role]);
	if (error == 0 && role_has(p->role, ROLE_USERS))
		error = probe_tell(p, LIFELINE_USERS, NULL, 0, s->users);
	if (error == 0 && role_has(p->role, ROLE_MESSAGES))
		error = probe_tell(p, LIFELINE_SLOTS, &s->slots, sizeof(s->slots), -1);
	probe_aim(x, p, &aimed);
	if (error == 0)
		error = probe_tell(p, LIFELINE_PROBE, &aimed, sizeof(aimed), -1);
	sodium_memzero(&aimed, sizeof(aimed)); /* a token */
	return error ? error : probe_tell(p, LIFELINE_GO, NULL, 0, -1);
}

static int verify_start_probe(struct verification *x, struct probe *p)
{
	struct loop *loop = x->master->loop;

	*p = (struct probe){.verification = x,
		.role = (uint8_t)x->role,
		.act = (uint16_t)x->act,
		.variant = (uint16_t)x->variant,
		.notifier = {.fd = -1}};
	for (size_t i = 0; i < sizeof(p->step_error) / sizeof(p->step_error[0]); i++)
		p->step_error[i] = -1;
	timer_init(&p->timer, probe_time_is_up, p);
	int error = spawn_worker(
		x->master->supervisor.program[p->role], PROBE_INDEX, &p->pid, &p->lifeline);
	if (error < 0) {
		p->pid = 0;
		p->lifeline = -1;
		return error;
	}
	loop_set(loop, &p->timer, PROBE_MS);
	error = loop_add(loop, p->lifeline, EPOLLIN, probe_on_lifeline, p, &p->source);
	if (error == 0)
		error = probe_tell_all(x, p);
	if (error < 0) /* its end is judged when it is reaped */
		kill(p->pid, SIGKILL);
	return 0;
}

/* ---- all of them ---- */

/* Goes on to the next act, role and variant. False: there is none. */
static bool verify_next(struct verification *x)
{
	if (++x->variant < probe_variants(x->act))
		return true;
	x->variant = 0;
	if (++x->role < ROLE_COUNT)
		return true;
	x->role = 0;
	return ++x->act < PROBE_COUNT;
}

static bool verify_wants(const struct verification *x)
{
	const struct supervisor *s = &x->master->supervisor;

	return x->act < PROBE_COUNT && x->role && s->role_count[x->role] &&
	       (x->act == PROBE_HOLD || !verify_permits(x, x->act, x->role));
}

static json_t *verify_text(const struct verification *x, unsigned act, unsigned role)
{
	const struct cell *c = &x->cell[act][role];
	char text[VERDICT_MAX + 64];

	if (verify_permits(x, act, role) && act != PROBE_HOLD)
		return json_string("permitted");
	if (c->refused < c->tried || c->tried <= 1)
		snprintf(text, sizeof(text), "%s", c->verdict[0] ? c->verdict : "NOT TRIED");
	else if (c->various)
		snprintf(text, sizeof(text), "all %u refused", c->tried);
	else
		snprintf(text, sizeof(text), "all %u %s", c->tried, c->verdict);
	json_t *value = json_string(text);
	return value ? value : json_string("?");
}

static json_t *verify_rows(struct verification *x)
{
	const struct supervisor *s = &x->master->supervisor;
	json_t *rows = json_array(), *row;
	size_t i;

	for (unsigned act = PROBE_HOLD + 1; act < PROBE_COUNT; act++) {
		row = json_pack("{s:s}", "act", probe_text(act));
		for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
			if (s->role_count[r])
				json_object_set_new(row, role_name(r), verify_text(x, act, r));
		json_array_append_new(rows, row);
	}
	json_array_foreach (x->live, i, row) {
		char act[64];
		const char *name = json_string_value(json_object_get(row, "worker"));
		char column[16];

		snprintf(column, sizeof(column), "%.*s", (int)strcspn(name, "-"), name);
		snprintf(act, sizeof(act), "jail of the live worker %s", name);
		json_t *live = json_pack("{s:s}", "act", act);
		json_object_set(live, column, json_object_get(row, "verdict"));
		json_array_append_new(rows, live);
	}
	return rows;
}

static void verify_end(struct verification *x)
{
	json_t *rows = verify_rows(x);

	x->master->verification = NULL;
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
		for (unsigned act = PROBE_HOLD + 1; act < PROBE_COUNT; act++)
			if (x->master->supervisor.role_count[r] && !verify_permits(x, act, r) &&
				!x->cell[act][r].tried)
				x->bad++;
	x->done(x->arg, rows, x->bad);
	json_decref(x->live);
	close(x->page);
	if (x->abstract >= 0)
		close(x->abstract);
	free(x);
}

static void verify_start_more(struct verification *x)
{
	bool left = false;

	for (unsigned i = 0; i < PROBES_MAX; i++) {
		struct probe *p = &x->probe[i];

		while (!p->pid && !x->closing && x->act < PROBE_COUNT) {
			if (verify_wants(x) && verify_start_probe(x, p) < 0)
				verify_judge(x, p, "NOT STARTED", false);
			verify_next(x);
		}
		left |= p->pid != 0;
	}
	if (!left)
		verify_end(x);
}

void verify_reaped(struct master *m, pid_t pid, int status)
{
	struct verification *x = m->verification;

	for (unsigned i = 0; x && i < PROBES_MAX; i++) {
		struct probe *p = &x->probe[i];

		if (p->pid != pid)
			continue;
		if (p->lifeline >= 0)
			probe_on_lifeline(p, EPOLLIN); /* its last words */
		verify_judge_end(x, p, status);
		probe_hang_up(p);
		notifier_close(&p->notifier);
		loop_unset(m->loop, &p->timer);
		p->pid = 0;
		verify_start_more(x);
		return;
	}
}

static int verify_listen(const struct sockaddr_un *a, socklen_t size, int *out)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)a, size) < 0 || listen(fd, 8) < 0) {
		int error = -errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

static int verify_prepare(struct verification *x)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];

	int error = memfd_shared("sipward-probe", sizeof(struct page), &x->page);

	if (error < 0)
		return error;
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	snprintf(x->abstract_name, sizeof(x->abstract_name), "@sipward-probe-%s", hex);
	memcpy(a.sun_path, x->abstract_name, strlen(x->abstract_name));
	a.sun_path[0] = '\0';
	return verify_listen(&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(x->abstract_name)),
		&x->abstract);
}

int verify_start(struct master *m, verify_done done, void *arg)
{
	if (m->verification)
		return -EBUSY;
	struct verification *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->master = m;
	x->done = done;
	x->arg = arg;
	x->page = x->abstract = -1;
	x->act = PROBE_HOLD;
	x->gate = gate_exists();
	x->live = json_array();
	int error = verify_prepare(x);
	if (error < 0) {
		log_error("sandbox-prepare", "error=\"%s\"", error_text(error));
		if (x->page >= 0)
			close(x->page);
		if (x->abstract >= 0)
			close(x->abstract);
		json_decref(x->live);
		free(x);
		return error;
	}
	m->verification = x;
	log_info("sandbox-verify", "begins=yes");
	verify_start_more(x);
	return 0;
}

void verify_close(struct master *m)
{
	struct verification *x = m->verification;

	if (!x)
		return;
	x->closing = true;
	for (unsigned i = 0; i < PROBES_MAX; i++) {
		struct probe *p = &x->probe[i];

		if (!p->pid)
			continue;
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
		probe_hang_up(p);
		notifier_close(&p->notifier);
		loop_unset(m->loop, &p->timer);
		p->pid = 0;
	}
	verify_end(x);
}
