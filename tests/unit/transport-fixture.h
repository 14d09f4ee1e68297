/* transport-fixture.h - a transport worker without master and mesh: settings made here, SIP workers
 * that only take notes, real sockets on the loopback addresses. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_FIXTURE_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_FIXTURE_H

#include "common/counters.h"
#include "common/log.h"
#include "ipc/mesh.h"
#include "patience.h"
#include "worker-transport/admit.h"
#include "worker-transport/flow.h"
#include "worker-transport/from_sip.h"
#include "worker-transport/stream.h"
#include "worker-transport/streams.h"
#include "worker-transport/transport.h"
#include "worker-transport/udp.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Zone access is open, zone core trusts 127.0.0.1 alone. */
enum { ZONE_ACCESS, ZONE_CORE, ZONES };
enum {
	ACCESS_UDP,
	ACCESS_TCP,
	CORE_UDP,
	CORE_TCP,
	ANY_UDP,
	ACCESS_WS,
	ACCESS_TLS,
	CORE_TLS,
	LISTENERS
};
/* Trunks to TLS peers. */
enum { TRUNK_NAMED, TRUNK_ADDRESS, TRUNK_UNVERIFIED, TRUNK_CERTIFIED, TRUNKS };

struct image {
	struct settings s;
	struct zone_settings zone[ZONES];
	struct listener_settings listener[LISTENERS];
	struct prefix source;
	struct text origin[2];
	struct text scanner[2];
	_Alignas(8) uint16_t certificates[4];
	struct trunk_settings trunk[TRUNKS];
	struct target_settings target;
	struct endpoint dns_server;
	_Alignas(8) struct emergency_settings emergency;
	char pool[512];
};

#define RECORDS_MAX 256
struct noted {
	uint16_t peer, type;
	bool reserve;
	size_t size;
	void *data;
};

struct fixture {
	struct image image;
	struct transport_worker t;
	int port[LISTENERS];
	/* what the SIP workers were given, and what they answer */
	struct noted noted[RECORDS_MAX];
	unsigned count;
	int full;         /* 0, or the error that every ordinary record meets */
	int full_reserve; /* the same for those that may use the reserve */
};

static inline uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Turns the loop until condition is true: one that does not come is a failure, not a hang. */
#define UNTIL(f, condition)                                                                        \
	do {                                                                                       \
		uint64_t end_ = clock_ms() + PATIENCE_MS;                                          \
		while (!(condition)) {                                                             \
			cr_assert_lt(clock_ms(), end_, "never came: %s", #condition);              \
			loop_once((f)->t.loop, 50);                                                \
		}                                                                                  \
	} while (0)
/* The counter of this process. */
#define COUNTED(id) (counters_page->counter[COUNTER_##id])

static inline struct endpoint at(const char *host, int port)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse_host(str_of(host), (uint16_t)port, &e), 0);
	return e;
}

static inline int note(
	void *arg, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	struct fixture *f = arg;
	struct noted *n = &f->noted[f->count];
	int error = reserve ? f->full_reserve : f->full;

	if (error)
		return error;
	cr_assert_lt(f->count, RECORDS_MAX);
	*n = (struct noted){.peer = peer,
		.type = type,
		.reserve = reserve,
		.size = size,
		.data = aligned_alloc(8, (size + 8) & ~(size_t)7)};
	f->count++;
	*data = n->data;
	return 0;
}

static inline void forget(struct fixture *f)
{
	for (unsigned i = 0; i < f->count; i++)
		free(f->noted[i].data);
	f->count = 0;
}

static inline const struct message *message_at(const struct fixture *f, unsigned i)
{
	cr_assert_lt(i, f->count);
	cr_assert_eq(f->noted[i].type, RECORD_MESSAGE);
	cr_assert_eq(message_check(f->noted[i].data, f->noted[i].size), 0);
	return f->noted[i].data;
}

static inline struct text text_in(struct image *image, uint32_t *used, const char *text)
{
	struct text t = {.at = (uint32_t)(offsetof(struct image, pool) + *used),
		.length = (uint32_t)strlen(text)};

	strcpy(image->pool + *used, text);
	*used += t.length + 1;
	return t;
}

static inline void make_settings(struct image *image)
{
	static const struct {
		const char *name, *host;
		uint8_t transport;
		uint16_t zone;
	} rows[LISTENERS] = {
		{"udp", "127.0.0.1", TRANSPORT_UDP, ZONE_ACCESS},
		{"tcp", "127.0.0.1", TRANSPORT_TCP, ZONE_ACCESS},
		{"core-udp", "127.0.0.1", TRANSPORT_UDP, ZONE_CORE},
		{"core-tcp", "127.0.0.1", TRANSPORT_TCP, ZONE_CORE},
		{"any", "0.0.0.0", TRANSPORT_UDP, ZONE_ACCESS},
		{"ws", "127.0.0.1", TRANSPORT_WS, ZONE_ACCESS},
		{"tls", "127.0.0.1", TRANSPORT_TLS, ZONE_ACCESS},
		{"core-tls", "127.0.0.1", TRANSPORT_TLS, ZONE_CORE},
	};
	uint32_t used = 1;

	memset(image, 0, sizeof(*image));
	image->s = (struct settings){.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(*image),
		.zones = {offsetof(struct image, zone), ZONES},
		.listeners = {offsetof(struct image, listener), LISTENERS},
		.workers = {[PEER_TRANSPORT] = 1, [PEER_SIP] = 2},
		.t1_ms = 500,
		.t2_ms = 4000,
		.t4_ms = 5000,
		.connect_ms = 2000,
		.idle_ms = 60000,
		.message_ms = 10000,
		.handshake_ms = 10000,
		.handshakes_max = 50,
		.connections_max = 100,
		.connection_queue = 262144,
		.message_max = MESSAGE_RAW_MAX};
	image->zone[ZONE_ACCESS] = (struct zone_settings){.auth = ZONE_AUTH_DIGEST,
		.ban_failures = 3,
		.ban_window_ms = 1000,
		.ban_ms = 60000,
		.connections_per_source = 50};
	image->zone[ZONE_ACCESS].name = text_in(image, &used, "access");
	image->zone[ZONE_CORE] = (struct zone_settings){
		.trust = 1, .sources = {offsetof(struct image, source), 1}};
	image->zone[ZONE_CORE].name = text_in(image, &used, "core");
	image->source = (struct prefix){.network = at("127.0.0.1", 0), .bits = 32};
	for (unsigned i = 0; i < LISTENERS; i++) {
		image->listener[i] = (struct listener_settings){.bind = at(rows[i].host, 5060),
			.zone = rows[i].zone,
			.transport = rows[i].transport};
		image->listener[i].name = text_in(image, &used, rows[i].name);
		if (rows[i].transport == TRANSPORT_TLS)
			image->listener[i].certificates = (struct array){
				offsetof(struct image, certificates), 3};
	}
	for (uint16_t i = 0; i < 4; i++)
		image->certificates[i] = i;
	image->s.trunks = (struct array){offsetof(struct image, trunk), TRUNKS};
	image->target = (struct target_settings){.endpoint = at("127.0.0.1", 5061),
		.transport = TRANSPORT_TLS,
		.listener = CORE_TLS};
	for (unsigned i = 0; i < TRUNKS; i++) {
		image->trunk[i] = (struct trunk_settings){
			.targets = {offsetof(struct image, target), 1},
			.zone = ZONE_CORE,
			.certificate = i == TRUNK_CERTIFIED ? 0 : NONE_INDEX,
			.verify = i != TRUNK_UNVERIFIED};
		image->trunk[i].name = text_in(image, &used, "trunk");
		if (i != TRUNK_ADDRESS)
			image->trunk[i].tls_name = text_in(image, &used, "pbx.example.net");
	}
	cr_assert_leq(used, sizeof(image->pool));
	cr_assert_eq(settings_check(image, sizeof(*image)), 0);
}

/* A socket bound to host:0, listening where it is a stream; *port: what the kernel gave it. */
static inline int bound(const char *host, int type, int *port)
{
	struct sockaddr_storage address;
	struct endpoint e = at(host, 0);
	socklen_t length = endpoint_to_sockaddr(&e, &address);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	length = sizeof(address);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	if (port)
		*port = ntohs(((struct sockaddr_in *)&address)->sin_port);
	return fd;
}

/* A server of streams at 127.0.0.1, as a trunk's; *port: what the kernel gave it. */
static inline int serving(int *port)
{
	int server = bound("127.0.0.1", SOCK_STREAM, port);

	cr_assert_eq(listen(server, 8), 0);
	return server;
}

static inline struct fixture *fixture_new(void (*adjust)(struct image *image))
{
	struct fixture *f = calloc(1, sizeof(*f));

	cr_assert_geq(sodium_init(), 0);
	make_settings(&f->image);
	if (adjust)
		adjust(&f->image);
	cr_assert_eq(loop_new(&f->t.loop), 0);
	f->t.settings = &f->image.s;
	f->t.index = 3;
	f->t.incarnation = 7;
	f->t.fds_limit = 1024;
	f->t.upstream = (struct upstream){.record = note, .arg = f};
	memset(&f->t.tag_key, 1, sizeof(f->t.tag_key));
	memset(&f->t.slot_key, 2, sizeof(f->t.slot_key));
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		f->t.slots.worker[i] = f->t.slots.next[i] = i % 2;
	cr_assert_eq(transport_start(&f->t), 0);
	cr_assert_eq(loop_on_turn(f->t.loop, transport_turn, &f->t), 0);
	for (uint16_t i = 0; i < LISTENERS; i++) {
		bool stream = transport_is_stream(f->image.listener[i].transport);
		int fd = bound(i == ANY_UDP ? "0.0.0.0" : "127.0.0.1",
			stream ? SOCK_STREAM : SOCK_DGRAM, &f->port[i]);

		if (stream)
			cr_assert_eq(listen(fd, 64), 0);
		cr_assert_eq(transport_listen(&f->t, fd, i), 0);
	}
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	f->full = f->full_reserve = 0;
	forget(f);
	transport_end(&f->t);
	forget(f);
	loop_free(f->t.loop);
	free(f);
}

/* ---- the other side ---- */

static inline int dial(const char *from, int port)
{
	struct sockaddr_storage address;
	struct endpoint own = at(from, 0), to = at("127.0.0.1", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(
		bind(fd, (struct sockaddr *)&address, endpoint_to_sockaddr(&own, &address)), 0);
	cr_assert_eq(
		connect(fd, (struct sockaddr *)&address, endpoint_to_sockaddr(&to, &address)), 0);
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static inline void throw_at(int fd, const char *host, int port, const void *bytes, size_t size)
{
	struct sockaddr_storage address;
	struct endpoint to = at(host, port);

	cr_assert_eq(sendto(fd, bytes, size, 0, (struct sockaddr *)&address,
			     endpoint_to_sockaddr(&to, &address)),
		(ssize_t)size);
}

/* Reads what lies on fd, with a NUL; -1: nothing yet; 0: ended. */
static inline ssize_t hear(int fd, char *buffer, size_t size)
{
	ssize_t n = recv(fd, buffer, size - 1, MSG_DONTWAIT);

	if (n >= 0)
		buffer[n] = 0;
	return n;
}

/* Says bytes on a stream, at once. */
static inline void tell(int fd, const void *bytes, size_t size)
{
	cr_assert_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Whether the other side has ended the stream; what it says before that is thrown away. */
static inline bool ended(int fd)
{
	static char rest[70000];

	return recv(fd, rest, sizeof(rest), MSG_DONTWAIT) == 0;
}

/* A request whose Call-ID, branch and tag are made from number. */
static inline size_t request(
	char buffer[2048], const char *method, unsigned number, const char *to_tag, const char *via)
{
	return (size_t)snprintf(buffer, 2048,
		"%s sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/%s "
		"192.0.2.9:5070;branch=z9hG4bK%u;rport\r\nMax-Forwards: 70\r\nFrom: \"A\" "
		"<sip:alice@example.net>;tag=f%u\r\n"
		"To: <sip:bob@example.net>%s%s\r\nCall-ID: call-%u@example\r\nCSeq: 1 "
		"%s\r\nContact: <sip:alice@192.0.2.9:5070>\r\nContent-Length: 0\r\n\r\n",
		method, via, number, number, to_tag ? ";tag=" : "", to_tag ? to_tag : "", number,
		method);
}

/* To a trunk at 127.0.0.1, by TCP. */
static inline struct flow flow_to_trunk(int port)
{
	return (struct flow){
		.transport = TRANSPORT_TCP, .listener = CORE_TCP, .peer = at("127.0.0.1", port)};
}

/* An order to send, as a SIP worker gives it. */
static inline void order(struct fixture *f, const struct flow *to, const void *bytes, size_t size,
	uint64_t cookie, bool end)
{
	struct record_send *r = calloc(1, sizeof(*r) + size);

	*r = (struct record_send){
		.flow = *to, .cookie = cookie, .size = (uint32_t)size, .close = end};
	memcpy(r + 1, bytes, size);
	from_sip_record(&f->t, PEER(PEER_SIP, 1), RECORD_SEND, r, sizeof(*r) + size);
	free(r);
}

/* The first failure noted for cookie, or 0. */
static inline int failure_of(const struct fixture *f, uint64_t cookie)
{
	for (unsigned i = 0; i < f->count; i++) {
		const struct record_send_failed *r = f->noted[i].data;

		if (f->noted[i].type == RECORD_SEND_FAILED && r->cookie == cookie)
			return r->error;
	}
	return 0;
}

#endif
