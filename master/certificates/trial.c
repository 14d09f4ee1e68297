/* trial.c - see trial.h. Blocks: there is nothing else to be done meanwhile. Each certificate is a
 * generation of its own, so that one check tells what is wrong with each. */
#include "trial.h"

#include "certificate_set.h"
#include "common/clock.h"
#include "common/counters.h"
#include "common/log.h"
#include "ipc/lifeline.h"
#include "ipc/slot.h"
#include "master/config/settings_builder.h"
#include "master/memfd.h"
#include "master/spawn.h"
#include "worker/jail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fds of each: its own, and none of a peer on the network. */
#define TRIAL_FDS 64
#define TRIAL_TEXT_MAX 600

struct trial_worker {
	unsigned role;
	pid_t pid; /* 0: none */
	int lifeline, page, settings;
	bool ready;
};

struct trial {
	struct config *config;
	const struct account *account;
	struct config_errors *errors;
	struct certificate_set *set;
	struct trial_worker tls, transport;
	struct lifeline_packet *packet;
	uint64_t deadline;
	char root[32];
	/* the answer that trial_wait has waited for */
	int error;
	int64_t not_after;
	char text[TRIAL_TEXT_MAX];
};

/* ---- what a worker says ---- */

static void trial_take_step(
	struct trial *t, const struct trial_worker *w, const struct lifeline_step *step)
{
	if (!t->config->jail_required || step->error >= 0 || step->step >= JAIL_STEP_COUNT)
		return;
	config_error_add(t->errors, t->config->path, 0,
		"require-jail = yes, but a %s worker cannot take the step \"%s\" of its jail: %s: "
		"start as root, or say require-jail = no",
		role_name(w->role), jail_step_name((enum jail_step)step->step),
		error_text(step->error));
}

/* Authorities that a transport worker cannot use. */
static void trial_take_authorities(struct trial *t, uint16_t listener, const char *text)
{
	const struct config *c = t->config;

	if (listener < c->listener_count)
		config_error_add(t->errors, c->path, c->listeners[listener].line,
			"listener \"%s\": client-ca: \"%s\" %s", c->listeners[listener].name,
			c->listeners[listener].client_ca, text);
	else
		config_error_add(
			t->errors, c->path, c->line.trust, "tls: trust: \"%s\" %s", c->trust, text);
}

/* Their text is for people: nothing in it that is not plain. */
static void trial_copy_text(struct trial *t, const char *from, size_t n)
{
	if (n > sizeof(t->text) - 1)
		n = sizeof(t->text) - 1;
	for (size_t i = 0; i < n; i++)
		t->text[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	t->text[n] = '\0';
}

/* True: it is the answer to the check of that number. */
static bool trial_take_result(struct trial *t, const struct trial_worker *w, uint32_t sequence)
{
	const struct lifeline_certificates_result *r = (const void *)t->packet->body;
	const char *rest = (const char *)(r + 1);
	size_t size = t->packet->size - sizeof(*r);

	t->not_after = 0;
	if (r->sequence == sequence && w->role == PEER_TLS && size >= sizeof(t->not_after) &&
		(r->error == 0 || r->error == -EKEYEXPIRED)) {
		memcpy(&t->not_after, rest, sizeof(t->not_after));
		rest += sizeof(t->not_after);
		size -= sizeof(t->not_after);
	}
	trial_copy_text(t, rest, size);
	if (r->sequence == 0)
		trial_take_authorities(t, r->index, t->text);
	t->error = r->error;
	return r->sequence == sequence;
}

/* Takes one packet. True: it is what is waited for, READY (sequence 0) or an answer. */
static bool trial_take_packet(struct trial *t, struct trial_worker *w, uint32_t sequence)
{
	struct lifeline_packet *p = t->packet;
	bool is_it = false;

	switch (p->type) {
	case LIFELINE_READY:
		w->ready = true;
		is_it = sequence == 0;
		break;
	case LIFELINE_STEP: trial_take_step(t, w, (const void *)p->body); break;
	case LIFELINE_CERTIFICATES_RESULT: is_it = trial_take_result(t, w, sequence); break;
	default: break; /* its log among them: what matters is in its answers */
	}
	for (unsigned i = 0; i < p->fds; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	return is_it;
}

static int trial_poll(const struct trial *t, const struct trial_worker *w, short events)
{
	struct pollfd p = {.fd = w->lifeline, .events = events};
	uint64_t now = clock_monotonic_ms();
	int n;

	if (now >= t->deadline)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)(t->deadline - now));
	if (n < 0 && errno != EINTR)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

static int trial_wait(struct trial *t, struct trial_worker *w, uint32_t sequence)
{
	for (;;) {
		int error = lifeline_receive(w->lifeline, false, t->packet);

		if (error == -EAGAIN)
			error = trial_poll(t, w, POLLIN);
		else if (error == 0 && trial_take_packet(t, w, sequence))
			return 0;
		if (error)
			return error;
	}
}

/* ---- what it is told ---- */

static int trial_tell(struct trial *t, struct trial_worker *w, enum lifeline_type type,
	const void *body, size_t size, int fd)
{
	int error;

	do {
		error = lifeline_send(w->lifeline, type, body, size, NULL, 0, &fd, fd >= 0);
	} while (error == -EAGAIN && (error = trial_poll(t, w, POLLOUT)) == 0 && (error = -EAGAIN));
	return error;
}

static int trial_tell_act(
	struct trial *t, struct trial_worker *w, uint32_t generation, uint16_t act)
{
	struct lifeline_certificates body = {
		.sequence = generation, .generation = generation, .act = act};

	return trial_tell(t, w, LIFELINE_CERTIFICATES, &body, sizeof(body), -1);
}

/* Tells of one certificate and has it checked. The answer is in t. */
static int trial_check_one(
	struct trial *t, struct trial_worker *w, size_t index, uint32_t generation, void *buffer)
{
	ssize_t n = certificate_packet(t->set, index, w->role == PEER_TLS, buffer);
	struct lifeline_certificate *head = buffer;
	int error;

	if (n < 0)
		return (int)n;
	head->index = 0;
	head->generation = generation;
	error = trial_tell(t, w, LIFELINE_CERTIFICATE, buffer, (size_t)n, -1);
	sodium_memzero(buffer, (size_t)n);
	if (error == 0)
		error = trial_tell_act(t, w, generation, CERTIFICATES_CHECK);
	return error ? error : trial_wait(t, w, generation);
}

/* ---- certificates ---- */

static void trial_judge(struct trial *t, size_t index)
{
	const struct config_certificate *k = &t->config->certificates[index];
	int line = t->error == -EKEYREJECTED  ? k->key_line
	           : t->error == -EKEYREVOKED ? k->ocsp_line
	                                      : k->chain_line;

	if (t->error == -EKEYEXPIRED)
		config_warn(
			t->config, line, "%s: peers that look at dates will refuse it", t->text);
	else if (t->error)
		config_error_add(t->errors, t->config->path, line, "%s",
			t->text[0] ? t->text : "a certificate is refused without a reason");
}

static int trial_check_all(struct trial *t)
{
	void *buffer = t->set->count ? sodium_malloc(LIFELINE_PACKET_MAX) : NULL;
	int error = t->set->count && !buffer ? -ENOMEM : 0;

	for (size_t i = 0; i < t->set->count && error == 0; i++) {
		uint32_t generation = (uint32_t)i + 1;

		error = trial_check_one(t, &t->tls, i, generation, buffer);
		if (error == 0 && (t->error == 0 || t->error == -EKEYEXPIRED)) {
			trial_judge(t, i);
			error = trial_check_one(t, &t->transport, i, generation, buffer);
			if (t->error == -EKEYEXPIRED) /* has been said */
				t->error = 0;
			if (error == 0)
				error = trial_tell_act(
					t, &t->transport, generation, CERTIFICATES_DROP);
		}
		if (error == 0)
			trial_judge(t, i);
		if (error == 0)
			error = trial_tell_act(t, &t->tls, generation, CERTIFICATES_DROP);
	}
	sodium_free(buffer);
	return error;
}

/* ---- the two workers ---- */

static int trial_tell_authorities(struct trial *t)
{
	int error = 0;

	for (size_t i = 0; i < t->set->authority_count && error == 0; i++) {
		struct lifeline_authorities body = {.listener = t->set->authority[i].listener};

		error = trial_tell(t, &t->transport, LIFELINE_AUTHORITIES, &body, sizeof(body),
			t->set->authority[i].fd);
	}
	return error;
}

/* All that a worker needs before GO. */
static int trial_configure(struct trial *t, struct trial_worker *w, int edge, unsigned peer)
{
	/* a config without TLS workers has looked up no account for them */
	const struct account *account =
		&t->account[t->config->workers[w->role] ? w->role : PEER_TRANSPORT];
	struct lifeline_welcome welcome = {
		.role = (uint8_t)w->role,
		.log_level = LOG_ERROR,
		.drop = account->drop,
		.uid = account->uid,
		.gid = account->gid,
		.fds_limit = TRIAL_FDS,
		.carrier = CARRIER_PAIRS,
	};
	struct lifeline_edge body = {.peer = (uint16_t)PEER(peer, 0)};
	struct lifeline_keys keys = {0};
	static const struct slot_map slots;
	int error;

	snprintf(welcome.root, sizeof(welcome.root), "%s", t->root);
	error = trial_tell(t, w, LIFELINE_WELCOME, &welcome, sizeof(welcome), w->page);
	if (error == 0 && role_has(w->role, ROLE_MESSAGES))
		error = trial_tell(t, w, LIFELINE_KEYS, &keys, sizeof(keys), -1);
	if (error == 0)
		error = trial_tell(t, w, LIFELINE_SETTINGS, NULL, 0, w->settings);
	if (error == 0)
		error = trial_tell(t, w, LIFELINE_KEY_EDGE, &body, sizeof(body), edge);
	if (error == 0 && w->role == PEER_TRANSPORT)
		error = trial_tell_authorities(t);
	if (error == 0 && role_has(w->role, ROLE_MESSAGES))
		error = trial_tell(t, w, LIFELINE_SLOTS, &slots, sizeof(slots), -1);
	if (error == 0)
		error = trial_tell(t, w, LIFELINE_GO, NULL, 0, -1);
	return error;
}

static int trial_start_worker(struct trial *t, struct trial_worker *w, int edge, unsigned peer)
{
	char program[CONFIG_PATH_MAX];
	int error = spawn_program(role_name(w->role), program, sizeof(program));

	if (error == 0)
		error = memfd_shared("sipward-page", sizeof(struct page), &w->page);
	if (error == 0)
		error = settings_build(t->config, (enum peer_role)w->role, 1, &w->settings);
	if (error == 0)
		error = spawn_worker(program, 0, &w->pid, &w->lifeline);
	return error ? error : trial_configure(t, w, edge, peer);
}

/* Makes an empty folder that nobody may write to, for the workers to be confined to. */
static int trial_make_root(struct trial *t)
{
	static const char *const folders[] = {"/run", "/tmp"};
	int error = -ENOENT;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(t->root, sizeof(t->root), "%s/sipward-check-XXXXXX", folders[i]);
		if (mkdtemp(t->root))
			return chmod(t->root, 0555) < 0 ? -errno : 0;
		error = -errno;
	}
	t->root[0] = '\0';
	return error;
}

static int trial_start_workers(struct trial *t)
{
	int pair[2], error = trial_make_root(t);

	if (error)
		return error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	error = trial_start_worker(t, &t->tls, pair[0], PEER_TRANSPORT);
	if (error == 0)
		error = trial_start_worker(t, &t->transport, pair[1], PEER_TLS);
	close(pair[0]);
	close(pair[1]);
	if (error == 0)
		error = trial_wait(t, &t->tls, 0);
	return error ? error : trial_wait(t, &t->transport, 0);
}

static void trial_end_worker(struct trial_worker *w)
{
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(w->lifeline);
	}
	if (w->page >= 0)
		close(w->page);
	if (w->settings >= 0)
		close(w->settings);
}

static const char *trial_error_text(int error)
{
	return error == -ETIMEDOUT ? "its workers did not answer in time"
	       : error == -EPIPE   ? "one of its workers ended"
	                           : error_text(error);
}

int trial_run(
	struct config *c, const struct account account[ROLE_COUNT], struct config_errors *errors)
{
	struct trial t = {.config = c,
		.account = account,
		.errors = errors,
		.tls = {.role = PEER_TLS, .lifeline = -1, .page = -1, .settings = -1},
		.transport = {.role = PEER_TRANSPORT, .lifeline = -1, .page = -1, .settings = -1},
		.deadline = clock_monotonic_ms() + TRIAL_MS};
	int error;

	if (!certificates_configured(c) && !c->jail_required)
		return 0;
	error = certificate_set_read(c, &t.set, errors);
	if (error)
		return error;
	t.packet = malloc(sizeof(*t.packet));
	error = t.packet ? trial_start_workers(&t) : -ENOMEM;
	if (error == 0)
		error = trial_check_all(&t);
	trial_end_worker(&t.tls);
	trial_end_worker(&t.transport);
	if (t.root[0])
		rmdir(t.root);
	free(t.packet);
	certificate_set_free(t.set);
	if (error)
		config_error_add(errors, c->path, 0, "the certificates cannot be checked: %s",
			trial_error_text(error));
	return error ? error : errors->count ? -EINVAL : 0;
}
