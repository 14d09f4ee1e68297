/* main.c - sipward, the master (sipward(8)): owns every listening socket, starts the workers, and
 * starts them again.
 *
 * One thread, one loop. It reads nothing from the network, and links neither libzmq nor OpenSSL nor
 * libosip2.
 */
#include "master/workers/drain.h"
#include "master/config/load.h"
#include "master/workers/supervise.h"
#include "master/control/commands.h"
#include "master/jail/master_jail.h"
#include "master/control/control.h"
#include "master/control/web.h"
#include "master/workers/quarantine.h"
#include "preflight.h"
#include "cdr.h"
#include "hep.h"
#include "reload.h"
#include "removed_listeners.h"
#include "role_setup.h"
#include "master/jail/verify.h"
#include "spawn.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The most that the stop of workers takes, kind by kind, and what follows it. */
#define STOP_WORKERS_MAX_MS (ROLE_COUNT * (STOP_GRACE_MS + STOP_GRACE_MS / 2))

static struct master master = {
	.runtime = {.fd = -1, .lock = -1},
	.state = {.fd = -1},
	.userwatch = {.fd = -1},
	.service_manager = {.fd = -1},
	.signals = -1,
};

static void main_on_signal(void *arg, uint32_t events)
{
	struct master *m = arg;
	struct signalfd_siginfo info;
	bool reap = false;

	(void)events;
	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD: reap = true; break;
		case SIGHUP: {
			static struct config_errors errors;

			if (!drain_is_stop(&m->supervisor))
				reload_config(m, &errors);
			break;
		}
		case SIGUSR1:
			if (!m->supervisor.stopping) {
				cdr_reopen(m);
				hep_reopen(m);
			}
			break;
		default:
			log_info("stopping", "signal=%s from_pid=%d",
				sigabbrev_np((int)info.ssi_signo), (int)info.ssi_pid);
			service_manager_stopping(&m->service_manager,
				m->config->stop_grace_ms + DRAIN_STOP_MAX_MS + STOP_WORKERS_MAX_MS);
			verify_close(m);
			/* Told twice: at once. */
			if (drain_is_stop(&m->supervisor))
				supervise_stop(&m->supervisor, true);
			else
				drain_stop(&m->supervisor, m->config->stop_grace_ms);
		}
	}
	if (reap)
		supervise_reap(&m->supervisor);
}

static int main_watch_signals(struct master *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signals < 0)
		return -errno;
	return loop_add(m->loop, m->signals, EPOLLIN, main_on_signal, m, &m->signal_source);
}

static void main_on_reply(void *arg, struct worker_slot *w, uint32_t id, bool last, struct str text)
{
	query_reply(&((struct master *)arg)->queries, w, id, last, text);
}

static void main_on_died(void *arg, struct worker_slot *w)
{
	query_died(&((struct master *)arg)->queries, w);
}

static void main_on_stranger(void *arg, pid_t pid, int status)
{
	verify_reaped(arg, pid, status);
}

/* Whoever reads it may count on all that the config asks for. */
static void main_on_up(void *arg)
{
	struct master *m = arg;

	log_info("started", "version=%s pid=%d after_ms=%llu", SIPWARD_VERSION, (int)getpid(),
		(unsigned long long)(loop_now(m->loop) - m->started));
	service_manager_ready(&m->service_manager);
}

static void main_on_stopped(void *arg)
{
	loop_stop(((struct master *)arg)->loop);
}

static bool main_on_web_ask(void *arg, struct worker_slot *w, const struct lifeline_web *ask)
{
	return web_ask(arg, w, ask);
}

static bool main_on_forward_order(
	void *arg, struct worker_slot *w, const struct lifeline_forward_order *order)
{
	return forwards_order(arg, w, order);
}

static void main_on_cdr_lost(void *arg)
{
	const struct master *m = arg;

	cdr_connect(m->config, m->supervisor.cdr);
}

static void main_on_users_changed(void *arg)
{
	static struct config_errors errors;

	reload_users(arg, &errors);
}

/* Of a role that has no worker yet a reload that brings one finds them. */
static int main_prepare_roles(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	int error = 0;

	role_setup_begin();
	s->carrier = (enum carrier)m->config->carrier;
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT && error == 0; r++) {
		s->role_count[r] = m->config->workers[r];
		if (s->role_count[r])
			error = role_setup(s, m->config, r);
	}
	return error;
}

/* What was set before this start; of users that the config has. */
static int main_load_forwards(struct master *m)
{
	int error = forwards_load(m->state.fd, &m->forwards), fd = -1;

	if (error == 0)
		error = forwards_build(m->config, &m->forwards, &fd);
	if (error) {
		log_error("forwards", "error=\"%s\"", error_text(error));
		return error;
	}
	if (m->supervisor.forwards >= 0)
		close(m->supervisor.forwards);
	m->supervisor.forwards = fd;
	return 0;
}

static int main_start(struct master *m, struct config *config, struct config_errors *errors)
{
	struct supervisor *s = &m->supervisor;
	int error = loop_new(&m->loop);

	if (error == 0)
		error = main_watch_signals(m);
	if (error) {
		log_error("loop", "error=\"%s\"", error_text(error));
		return error;
	}
	m->started = loop_now(m->loop);
	service_manager_open(&m->service_manager, m->loop);
	*s = (struct supervisor){
		.loop = m->loop,
		.runtime = &m->runtime,
		.lives = &m->state,
		.listen = &m->listen,
		.reply = main_on_reply,
		.died = main_on_died,
		.stranger = main_on_stranger,
		.up = main_on_up,
		.stopped = main_on_stopped,
		.web = -1,
		.web_ask = main_on_web_ask,
		.cdr = -1,
		.hep = -1,
		.forward_order = main_on_forward_order,
		.cdr_lost = main_on_cdr_lost,
		.arg = m,
		.users = -1,
		.forwards = -1,
	};
	for (unsigned r = 0; r < ROLE_COUNT; r++)
		s->settings[r] = -1;
	queries_init(&m->queries, m->loop, s);
	removed_listeners_init(m);
	hep_init(m);
	error = reload_use(m, config);
	if (error) {
		config_free(config);
		return error;
	}
	error = cdr_reopen(m);
	if (error == 0)
		error = hep_reopen(m);
	if (error == 0)
		error = main_prepare_roles(m);
	if (error == 0)
		error = runtime_open(&m->runtime, config->runtime_directory);
	if (error == 0)
		error = state_open(&m->state, config->state_directory, s->account[PEER_SIP].uid,
			s->account[PEER_SIP].gid);
	if (error == 0)
		error = keys_open(m->state.fd, (uint64_t)clock_realtime_s(), &m->keys);
	s->keys = m->keys;
	if (error == 0)
		error = main_load_forwards(m);
	if (error == 0)
		error = quarantine_open(&m->quarantine, m->state.fd);
	s->quarantine = m->quarantine;
	if (error == 0)
		error = listen_open(&m->listen, config->listeners, (unsigned)config->listener_count,
			config->workers[PEER_TRANSPORT]);
	if (error == 0)
		error = web_listen(config, &s->web);
	if (error == 0) {
		error = reload_start_certificates(m, errors);
		if (error < 0)
			config_errors_print(errors, stderr);
	}
	if (error == 0)
		error = supervise_open(s);
	if (error == 0)
		error = commands_open(m);
	if (error == 0) {
		error = userwatch_open(&m->userwatch, m->loop, main_on_users_changed, m);
		if (error < 0)
			log_error("users-watch", "error=\"%s\"", error_text(error));
	}
	if (error < 0)
		return error;
	userwatch_set(&m->userwatch, m->config);
	reload_log_warnings(config);
	/* A kernel that cannot do all of it is no reason to stay away, unless the config says
	 * so. */
	error = master_jail_enter();
	if (error < 0 && config->jail_required)
		return error;
	supervise_start(s);
	return 0;
}

static void main_finish(struct master *m)
{
	struct supervisor *s = &m->supervisor;

	if (m->loop) {
		verify_close(m);
		queries_close(&m->queries);
		m->supervisor.certificates = NULL;
		certificates_free(m->certificates);
		control_close(m->control);
		service_manager_close(&m->service_manager);
		if (m->userwatch.fd >= 0)
			userwatch_close(&m->userwatch);
		if (s->worker)
			supervise_close(s);
		loop_remove(m->loop, m->signal_source);
		loop_free(m->loop);
		for (unsigned r = 0; r < ROLE_COUNT; r++)
			if (s->settings[r] > 0)
				close(s->settings[r]);
		if (s->users > 0)
			close(s->users);
		if (s->forwards > 0)
			close(s->forwards);
		if (s->cdr > 0)
			close(s->cdr);
		if (s->hep > 0)
			close(s->hep);
		if (s->web > 0)
			close(s->web);
		web_free(m->web);
	}
	listen_close(&m->listen);
	quarantine_close(m->quarantine);
	keys_close(m->keys);
	state_close(&m->state);
	runtime_close(&m->runtime);
	metric_labels_free(&m->labels);
	forwards_free(&m->forwards);
	config_free(m->config);
}

static int main_usage(FILE *to)
{
	fprintf(to,
		"usage: sipward [-c FILE] [-n]\n"
		"       sipward init [OPTION ...]\n"
		"  -c FILE  the configuration (%s)\n"
		"  -n       check it and end\n"
		"  -V       version\n"
		"  -h       this help\n"
		"  init     write a first configuration; init --help lists its options\n",
		CONFIG_PATH_DEFAULT);
	return to == stdout ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The same for a check and a start. */
static int main_load(
	const char *path, bool starts, struct config **out, struct config_errors *errors)
{
	struct config *config;
	int error = config_load(path, &config, errors);

	if (error) {
		if (errors->count == 0)
			config_error_add(errors, path, 0, "%s", error_text(error));
		return error;
	}
	error = preflight(config, starts, errors);
	if (error)
		config_free(config);
	else
		*out = config;
	return error;
}

static int main_print_checked(struct config *config)
{
	for (size_t i = 0; i < config->warning_count; i++)
		printf("%s\n", config->warnings[i]);
	printf("%s: ok\n", config->path);
	config_free(config);
	return EXIT_SUCCESS;
}

/* A program of its own: it asks, and starts others. */
static int main_init(char **argv)
{
	char path[CONFIG_PATH_MAX];
	int error = spawn_program("init", path, sizeof(path));

	if (error == 0) {
		argv[1] = path;
		execv(path, argv + 1);
		error = -errno;
	}
	fprintf(stderr, "sipward: sipward-init cannot be run: %s\n", strerror(-error));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct master *m = &master;
	static struct config_errors errors;
	struct config *config = NULL;
	bool check = false;
	int option;

	if (argc > 1 && strcmp(argv[1], "init") == 0)
		return main_init(argv);
	m->config_path = CONFIG_PATH_DEFAULT;
	while ((option = getopt(argc, argv, "c:nVh")) != -1)
		switch (option) {
		case 'c': m->config_path = optarg; break;
		case 'n': check = true; break;
		case 'V': puts("sipward " SIPWARD_VERSION); return EXIT_SUCCESS;
		case 'h': return main_usage(stdout);
		default: return main_usage(stderr);
		}
	if (optind != argc)
		return main_usage(stderr);
	if (sodium_init() < 0) {
		fprintf(stderr, "sipward: libsodium cannot be initialised\n");
		return EXIT_FAILURE;
	}
	/* It holds keys and tokens. */
	prctl(PR_SET_DUMPABLE, 0);
	log_init("master", -1, LOG_INFO, NULL, NULL);
	if (main_load(m->config_path, !check, &config, &errors) < 0) {
		config_errors_print(&errors, stderr);
		return EXIT_FAILURE;
	}
	if (check)
		return main_print_checked(config);
	int error = main_start(m, config, &errors);
	if (error == 0) {
		log_info("starting", "version=%s pid=%d", SIPWARD_VERSION, (int)getpid());
		error = loop_run(m->loop);
		if (error < 0)
			log_error("loop", "error=\"%s\"", error_text(error));
	}
	if (m->supervisor.refused)
		error = -EPERM;
	main_finish(m);
	if (error == 0)
		log_info("stopped", "pid=%d", (int)getpid());
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
