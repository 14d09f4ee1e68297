/* tls.c - what it costs that private keys live alone: full and resumed TLS 1.3 handshakes by a
 * transport worker whose key is in a TLS worker, against the same worker with the key in its own
 * process. CPU of the servers' processes only, both ways in turn in short rounds, medians.
 *
 * Usage: tls [-r ROUNDS] [-n HANDSHAKES in a round] [-c CONNECTIONS at once]
 *
 * The second way exists here alone: the linker wraps sign_provider_key, so that certificates get
 * the real key, and SSL_CTX_ctrl, so that no handshake runs in a fibre (a gateway with its keys at
 * hand had no use for one). Everything else is the gateway's: listeners, admission, streams, the
 * key edge and the TLS worker with its checks. Relies on processes that are forked before any of
 * them has used OpenSSL.
 */
#include "common/counters.h"
#include "common/log.h"
#include "ipc/lifeline.h"
#include "ipc/sign_packet.h"
#include "ipc/settings.h"
#include "worker-tls/sign_server.h"
#include "worker-transport/tls/certificates.h"
#include "worker-transport/tls/sign_provider.h"
#include "worker-transport/tls/sign_client.h"
#include "worker-transport/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME "sip.example.net"
#define CONNECTIONS_MAX 256
#define ROUNDS_MAX 200
#define WAIT_SECONDS 10

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				strerror(errno));                                                  \
			exit(EXIT_FAILURE);                                                        \
		}                                                                                  \
	} while (0)

enum way { ISOLATED, LOCAL, LOCAL_FIBRE };

/* ---- the switch ---- */

static EVP_PKEY *own_key;
static bool no_fibre;

int __wrap_sign_provider_key(struct sign_provider *k, EVP_PKEY *public, uint32_t generation,
	uint16_t certificate, EVP_PKEY **out);
int __real_sign_provider_key(struct sign_provider *k, EVP_PKEY *public, uint32_t generation,
	uint16_t certificate, EVP_PKEY **out);
long __wrap_SSL_CTX_ctrl(SSL_CTX *context, int command, long number, void *pointer);
long __real_SSL_CTX_ctrl(SSL_CTX *context, int command, long number, void *pointer);

int __wrap_sign_provider_key(struct sign_provider *k, EVP_PKEY *public, uint32_t generation,
	uint16_t certificate, EVP_PKEY **out)
{
	if (!own_key)
		return __real_sign_provider_key(k, public, generation, certificate, out);
	EVP_PKEY_up_ref(own_key);
	*out = own_key;
	return 0;
}

long __wrap_SSL_CTX_ctrl(SSL_CTX *context, int command, long number, void *pointer)
{
	if (no_fibre && command == SSL_CTRL_MODE)
		number &= ~(long)SSL_MODE_ASYNC;
	return __real_SSL_CTX_ctrl(context, command, number, pointer);
}

/* ---- the certificate ---- */

struct pair {
	char chain[8192], key[8192]; /* PEM */
};

static void write_pem(BIO *from, char *buffer, size_t size)
{
	int n = BIO_read(from, buffer, (int)size - 1);

	NEED(n > 0);
	buffer[n] = 0;
	BIO_free(from);
}

static void make_pair(const char *kind, struct pair *out)
{
	EVP_PKEY *key = strncmp(kind, "RSA", 3) == 0 ? EVP_RSA_gen((unsigned)atoi(kind + 4))
	                                             : EVP_EC_gen(kind);
	X509 *x = X509_new();
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:" NAME);
	BIO *chain = BIO_new(BIO_s_mem()), *text = BIO_new(BIO_s_mem());

	NEED(key && x && e);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_add_ext(x, e, -1);
	NEED(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(chain, x);
	PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL);
	write_pem(chain, out->chain, sizeof(out->chain));
	write_pem(text, out->key, sizeof(out->key));
}

/* The body of a CERTIFICATE packet. */
static size_t packet_of(const struct pair *pair, bool with_key, char *buffer)
{
	struct lifeline_certificate head = {.generation = 1,
		.names_size = (uint16_t)strlen(NAME),
		.chain_size = (uint32_t)strlen(pair->chain),
		.key_size = with_key ? (uint32_t)strlen(pair->key) : 0};
	char *at = buffer + sizeof(head);

	strcpy(head.name, "bench");
	memcpy(buffer, &head, sizeof(head));
	memcpy(at, NAME, head.names_size);
	memcpy(at + head.names_size, pair->chain, head.chain_size);
	memcpy(at + head.names_size + head.chain_size, pair->key, head.key_size);
	return sizeof(head) + head.names_size + head.chain_size + head.key_size;
}

/* ---- the servers ---- */

struct server {
	pid_t transport, tls;
	uint16_t port;
	struct page *page; /* of the transport worker */
};

static _Alignas(8) char buffer[LIFELINE_PACKET_MAX];

static void log_line(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg;
	if (level <= LOG_WARN)
		fprintf(stderr, "%.*s\n", (int)length, line);
}

static void child_begin(const char *name)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	log_init(name, -1, LOG_WARN, log_line, NULL);
	NEED(sodium_init() >= 0);
}

static _Noreturn void tls_main(const struct pair *pair, int fd, bool tickets)
{
	struct loop *loop;
	struct keystore *keys;
	struct sign_server *edge;
	unsigned char packet[SIGN_PACKET_MAX];
	struct sign_tickets t = {.count = 1};
	struct timespec now;

	child_begin("tls");
	NEED(keystore_begin() == 0 && loop_new(&loop) == 0 && keystore_new(&keys) == 0);
	NEED(keystore_take(keys, buffer, packet_of(pair, true, buffer)) == 0);
	NEED(sign_server_new(&edge, loop, fd, 0, keys) == 0);
	if (tickets) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		randombytes_buf(t.key[0].name,
			sizeof(t.key[0].name) + sizeof(t.key[0].aes) + sizeof(t.key[0].hmac));
		t.key[0].expires_ms = (uint64_t)now.tv_sec * 1000 + 3600000;
		sign_server_tickets(edge, packet, sign_tickets_encode(&t, packet));
	}
	loop_run(loop);
	exit(EXIT_FAILURE);
}

/* One TLS listener in a zone that bounds nothing. */
struct image {
	struct settings s;
	struct zone_settings zone;
	struct listener_settings listener;
	_Alignas(8) uint16_t certificate;
	char name[8];
};

static int no_record(
	void *arg, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	static _Alignas(8) char nowhere[131072];

	(void)arg, (void)peer, (void)type, (void)reserve;
	*data = nowhere;
	return size <= sizeof(nowhere) ? 0 : -ENOBUFS;
}

static _Noreturn void transport_main(enum way way, const struct pair *pair, int fd, int listener,
	bool tickets, struct page *page)
{
	static struct image i;
	static struct transport_worker t;
	struct text name = {.at = offsetof(struct image, name), .length = 3};

	child_begin("transport");
	counters_attach(page);
	NEED(sign_provider_begin() == 0);
	if (way != ISOLATED) {
		BIO *in = BIO_new_mem_buf(pair->key, -1);

		NEED((own_key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL)));
		BIO_free(in);
	}
	no_fibre = way == LOCAL;
	i.s = (struct settings){.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(i),
		.zones = {offsetof(struct image, zone), 1},
		.listeners = {offsetof(struct image, listener), 1},
		.workers = {[PEER_TRANSPORT] = 1, [PEER_SIP] = 1},
		.t1_ms = 500,
		.t2_ms = 4000,
		.t4_ms = 5000,
		.connect_ms = 2000,
		.idle_ms = 60000,
		.message_ms = 10000,
		.handshake_ms = 20000,
		.handshakes_max = 4096,
		.connections_max = 4096,
		.connection_queue = 262144,
		.message_max = MESSAGE_RAW_MAX,
		.tickets = tickets};
	i.zone = (struct zone_settings){.name = name, .connections_per_source = 4096};
	i.listener = (struct listener_settings){.name = name,
		.transport = TRANSPORT_TLS,
		.certificates = {offsetof(struct image, certificate), 1}};
	NEED(endpoint_parse_host(str_of("127.0.0.1"), 5061, &i.listener.bind) == 0);
	strcpy(i.name, "tls");
	NEED(settings_check(&i, sizeof(i)) == 0);
	t.settings = &i.s;
	t.fds_limit = 8192;
	t.incarnation = 1;
	t.upstream = (struct upstream){.record = no_record};
	NEED(loop_new(&t.loop) == 0 && loop_gather(t.loop) == 0 && transport_start(&t) == 0 &&
		loop_on_turn(t.loop, transport_turn, &t) == 0);
	NEED(sign_client_edge(t.sign_client, PEER(PEER_TLS, 0), fd) == 0);
	NEED(certificates_take(t.certificates, buffer, packet_of(pair, false, buffer)) == 0 &&
		certificates_commit(t.certificates, 1) == 0);
	NEED(transport_listen(&t, listener, 0) == 0);
	loop_run(t.loop);
	exit(EXIT_FAILURE);
}

static void start(struct server *s, enum way way, const struct pair *pair, bool tickets)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	s->page = mmap(
		NULL, sizeof(*s->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(s->page != MAP_FAILED);
	NEED(bind(listener, (struct sockaddr *)&address, length) == 0 &&
		listen(listener, 4096) == 0);
	NEED(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	s->port = ntohs(address.sin_port);
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
	fflush(NULL);
	s->tls = fork();
	NEED(s->tls >= 0);
	if (s->tls == 0) {
		close(fd[0]);
		tls_main(pair, fd[1], tickets);
	}
	s->transport = fork();
	NEED(s->transport >= 0);
	if (s->transport == 0) {
		close(fd[1]);
		transport_main(way, pair, fd[0], listener, tickets, s->page);
	}
	close(fd[0]);
	close(fd[1]);
	close(listener);
}

static void stop(struct server *s)
{
	kill(s->transport, SIGKILL);
	kill(s->tls, SIGKILL);
	waitpid(s->transport, NULL, 0);
	waitpid(s->tls, NULL, 0);
	munmap(s->page, sizeof(*s->page));
}

static double cpu_of(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	NEED(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the clients ---- */

static SSL_CTX *context;
static SSL_SESSION *session;
static bool wants_session;

static int on_session(SSL *ssl, SSL_SESSION *new)
{
	SSL_set_app_data(ssl, ssl); /* its ticket has come */
	if (session)
		return 0;
	session = new;
	return 1;
}

static void clients_begin(void)
{
	context = SSL_CTX_new(TLS_client_method());
	NEED(context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION));
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
}

static SSL *dial(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(context);

	NEED(fd >= 0 && ssl && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, NAME);
	SSL_set_connect_state(ssl);
	if (session) { /* a copy: OpenSSL has each session of TLS 1.3 used once only */
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		NEED(copy && SSL_set_session(ssl, copy) == 1);
		SSL_SESSION_free(copy);
	}
	return ssl;
}

/* True where it is over. */
static bool step(SSL *ssl)
{
	char byte;
	int r, error;

	ERR_clear_error();
	r = SSL_is_init_finished(ssl) ? 1 : SSL_do_handshake(ssl);
	if (r == 1 && (!wants_session || SSL_get_app_data(ssl)))
		return true;
	if (r == 1)
		r = SSL_read(ssl, &byte, 1);
	error = SSL_get_error(ssl, r);
	if (r == -1 && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE))
		return wants_session && SSL_get_app_data(ssl);
	fprintf(stderr, "handshake failed: %s\n", ERR_error_string(ERR_peek_error(), NULL));
	exit(EXIT_FAILURE);
}

static void hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static _Noreturn void stuck(const struct server *s)
{
	fprintf(stderr, "nothing comes any more; what the transport worker counted:\n");
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (s->page->counter[i])
			fprintf(stderr, "  %s %llu\n", counter_rows[i].name,
				(unsigned long long)s->page->counter[i]);
	exit(EXIT_FAILURE);
}

/* CPU seconds that n handshakes cost the server; *of_tls: those of the TLS worker among them. */
static double run(const struct server *s, unsigned n, unsigned at_once, double *of_tls)
{
	uint64_t before = __atomic_load_n(
		&s->page->counter[COUNTER_TLS_HANDSHAKES], __ATOMIC_RELAXED);
	double transport = cpu_of(s->transport), tls = cpu_of(s->tls);
	SSL *ssl[CONNECTIONS_MAX];
	struct pollfd poll_at[CONNECTIONS_MAX];
	unsigned open = 0, begun = 0;

	while (open || begun < n) {
		while (open < at_once && begun < n) {
			ssl[open] = dial(s->port);
			begun++;
			if (step(ssl[open])) { /* the answer may be there at once */
				hang_up(ssl[open]);
				continue;
			}
			poll_at[open] = (struct pollfd){
				.fd = SSL_get_fd(ssl[open]), .events = POLLIN};
			open++;
		}
		if (open && poll(poll_at, open, WAIT_SECONDS * 1000) <= 0)
			stuck(s);
		for (unsigned i = 0; i < open;) {
			if (poll_at[i].revents && step(ssl[i])) {
				hang_up(ssl[i]);
				open--;
				ssl[i] = ssl[open];
				poll_at[i] = poll_at[open];
			} else {
				i++;
			}
		}
	}
	for (unsigned i = 0;
		__atomic_load_n(&s->page->counter[COUNTER_TLS_HANDSHAKES], __ATOMIC_RELAXED) <
			before + n ||
		__atomic_load_n(&s->page->counter[COUNTER_TLS_HANDSHAKING], __ATOMIC_RELAXED);
		i++) {
		NEED(i < WAIT_SECONDS * 1000);
		usleep(1000);
	}
	usleep(5000); /* the last connections' ends */
	*of_tls = cpu_of(s->tls) - tls;
	return cpu_of(s->transport) - transport + *of_tls;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void scenario(const char *kind, bool resumed, unsigned rounds, unsigned n, unsigned at_once)
{
	static const char *const names[] = {"isolated", "same process", "same process, in a fibre"};
	struct pair *pair = mmap(
		NULL, sizeof(*pair), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct server s[3];
	double cost[3][ROUNDS_MAX], tls[3][ROUNDS_MAX], best[3], ratio[ROUNDS_MAX];
	int status;
	pid_t child = fork();

	NEED(child >= 0);
	if (child == 0) { /* the servers ready OpenSSL themselves */
		make_pair(kind, pair);
		_exit(0);
	}
	NEED(waitpid(child, &status, 0) == child && status == 0);
	for (unsigned i = 0; i < 3; i++)
		start(&s[i], i, pair, resumed);
	child = fork(); /* the clients too, for another scenario forks from here */
	NEED(child >= 0);
	if (child == 0) {
		clients_begin();
		for (unsigned i = 0; i < 3; i++) {
			run(&s[i], 64, 8, &tls[i][0]); /* warm, and the keys of tickets have come */
		}
		for (unsigned r = 0; r < rounds; r++)
			for (unsigned j = 0; j < 3; j++) {
				unsigned i = (r + j) % 3;
				uint64_t before;

				wants_session = resumed;
				if (resumed)
					run(&s[i], 1, 1, &tls[i][r]);
				before = s[i].page->counter[COUNTER_TLS_RESUMED];
				cost[i][r] = run(&s[i], n, at_once, &tls[i][r]) * 1e6 / n;
				tls[i][r] *= 1e6 / n;
				NEED(s[i].page->counter[COUNTER_TLS_RESUMED] - before ==
					(resumed ? n : 0));
				SSL_SESSION_free(session);
				session = NULL;
			}
		for (unsigned r = 0; r < rounds; r++)
			ratio[r] = cost[ISOLATED][r] / cost[LOCAL][r];
		printf("%s, %s, %u at once, %u rounds of %u:\n", kind, resumed ? "resumed" : "full",
			at_once, rounds, n);
		for (unsigned i = 0; i < 3; i++) {
			best[i] = median(cost[i], rounds);
			printf("  %-24s %7.1f us (least %.1f), of it TLS worker %.1f; %.0f "
			       "handshakes per CPU-second\n",
				names[i], best[i], cost[i][0], median(tls[i], rounds),
				1e6 / best[i]);
		}
		printf("  isolated against same process: %+.1f %% CPU (median of the rounds' "
		       "ratios %+.1f %%)\n",
			(best[ISOLATED] / best[LOCAL] - 1) * 100,
			(median(ratio, rounds) - 1) * 100);
		fflush(stdout);
		_exit(0);
	}
	NEED(waitpid(child, &status, 0) == child);
	for (unsigned i = 0; i < 3; i++)
		stop(&s[i]);
	munmap(pair, sizeof(*pair));
	if (status)
		exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	unsigned rounds = 15, n = 400, at_once = 32;
	int option;

	while ((option = getopt(argc, argv, "r:n:c:")) != -1) {
		unsigned value = option == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		*(option == 'r' ? &rounds : option == 'n' ? &n : &at_once) = value;
		if (value == 0)
			rounds = 0;
	}
	if (!rounds || rounds > ROUNDS_MAX || at_once > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: %s [-r ROUNDS] [-n HANDSHAKES] [-c CONNECTIONS AT ONCE]\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	scenario("P-256", false, rounds, n, at_once);
	scenario("RSA-2048", false, rounds, n, at_once);
	scenario("P-256", true, rounds, n, at_once);
	scenario("RSA-2048", true, rounds, n, at_once);
	return EXIT_SUCCESS;
}
