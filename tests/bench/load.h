/* load.h - the parts of the load generator. */
#ifndef SIPWARD_TESTS_BENCH_LOAD_H
#define SIPWARD_TESTS_BENCH_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 16384
#define BATCH 32
#define CALLEE_PORT 5080
#define PHONES_PORT 5090 /* of all who register: who comes again comes with the same Contact */
#define WHEEL 65536      /* ms */
#define T1 500
#define T2 4000
#define GIVE_UP 8000 /* ms: a call without answer has failed */
#define CONNECTIONS 16

/* The command line. */
struct options {
	struct sockaddr_in server;
	char server_text[32];
	double rate, seconds;
	unsigned hold, limit, window, users, spread, sdp, headers;
	bool tcp, stay, reuse, caller, callee, mixed;
	const char *domain;
};
extern struct options opt;

struct text {
	const char *p;
	size_t n;
};
#define T(t) (int)(t).n, (t).p

struct port {
	int fd;
	bool stream;
	struct sockaddr_in address;
	/* stream: what came and is not whole, what could not be written yet */
	char *in, *out;
	size_t in_used, out_used;
	/* datagrams that wait to be sent */
	unsigned queued;
	char (*text)[MESSAGE_MAX];
	size_t size[BATCH];
	struct sockaddr_in to[BATCH];
};

#define STREAM_BUFFER (1u << 22)

extern struct port caller[CONNECTIONS], callee, accepted[CONNECTIONS];
extern unsigned callers, accepts;
extern uint64_t sent, received;
extern const char *via_transport;

typedef void (*receiver)(struct port *p, const struct sockaddr_in *from, char *m, size_t size);

enum due { DUE_INVITE, DUE_INFO, DUE_BYE, DUE_BYE_AGAIN, DUE_ANSWER, DUE_REGISTER };
struct event {
	struct event *next;
	uint32_t n;
	uint16_t wait;
	uint8_t what;
};
extern uint64_t wheel_at, start_ns;

extern uint64_t succeeded, failed, retransmitted, out_of_order, stray;
extern char sdp[MESSAGE_MAX / 2];
extern size_t sdp_size;

/* load_text.c */
struct text message_header(const char *m, size_t size, const char *name, char compact, unsigned at);
struct text text_after(struct text t, const char *what, const char *stop);
char *text_keep(struct text t);

/* load_port.c */
void port_udp(struct port *p, uint16_t port);
void port_send(struct port *p, const struct sockaddr_in *to, const char *text, size_t size);
void port_open_streams(void);
void port_flush_all(void);
void port_wait(uint64_t until, receiver take);

/* load_wheel.c */
void wheel_add(unsigned what, uint32_t n, unsigned wait);
void wheel_turn(void);
uint64_t now_ns(void);

/* load_latency.c */
void latency_add(uint64_t ns);
void latency_print(void);

/* load_call.c */
void call_fire(const struct event *e);
void call_prepare(void);
void calls_run(void);

/* load_callee.c */
void callee_prepare(uint32_t calls);
void callee_take_request(struct port *p, const struct sockaddr_in *from, char *m, size_t size);
void callee_fire(const struct event *e);

/* load_options.c */
void options_run(void);

/* load_register.c */
void register_fire(const struct event *e);
void register_run(void);

/* load.c */
void die(const char *what);
void *need(size_t n, size_t size);
uint32_t user_number(uint32_t i);

#endif
