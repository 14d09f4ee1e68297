/* load.c - makes SIP load for the benches and measures what comes of it; prints one JSON object.
 *
 *     load calls    --server IP:PORT --rate N [--seconds N] [--hold MS] [--limit N] [--tcp]
 *                   [--sdp LINES] [--headers N] [--mixed] [--stay] [--caller]
 *                   [--users N [--spread N]]
 *     load options  --server IP:PORT [--window N] [--seconds N]
 *     load register --server IP:PORT --users N [--spread N] [--rate N | --window N] [--seconds N]
 *                   [--reuse] [--domain NAME] [--callee]
 *
 * calls: caller and callee in one process (callee on 127.0.0.1:5080): INVITE with SDP, 180, 200,
 * ACK, hold, BYE, 200; with the retransmissions of RFC 3261. Calls start evenly spread. It counts
 * messages of one call and direction that overtake each other: a 180 after its 200, an ACK after
 * its BYE.
 *     --limit    so many calls in all
 *     --stay     calls are never ended; "up" is printed when the last stands
 *     --caller   somebody else is the callee
 *     --mixed    every call has an INFO, a re-INVITE and, beside it, an OPTIONS through the server
 *     --users    they are called one after the other, at the address of record; else bob
 *
 * options: asks the server itself, --window requests outstanding at any time.
 *
 * register: users u000000 and on with the password "secret": REGISTER, 401, REGISTER with digest
 * (MD5), 200. Who registered before refreshes, whichever run it was in.
 *     --reuse    a nonce is used again with the next count until the server finds it stale
 *     --spread   the users are that many, and those who register lie scattered among them
 *     --callee   from the callee's port, so that calls find it
 *
 * sipp does the same with 20 times the CPU, of which there is none to spare on the machine that the
 * server runs on too. Relies on loopback: nothing here checks what a peer says beyond what it
 * needs.
 */
#include "load.h"

struct options opt = {.rate = 0, .seconds = 8, .hold = 500, .window = 64, .domain = "example.net"};

void die(const char *what)
{
	perror(what);
	exit(1);
}

void *need(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("calloc");
	return p;
}

/* The number of the i-th user: a prime's multiples reach each once. */
uint32_t user_number(uint32_t i)
{
	return opt.spread ? (uint32_t)((uint64_t)i * 7919 % opt.spread) : i;
}

static double own_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int count, char **word)
{
	const char *mode = count > 1 ? word[1] : "";

	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 2; i < count; i++) {
		const char *w = word[i], *v = i + 1 < count ? word[i + 1] : "";

		if (!strcmp(w, "--tcp"))
			opt.tcp = true;
		else if (!strcmp(w, "--stay"))
			opt.stay = true;
		else if (!strcmp(w, "--caller"))
			opt.caller = true;
		else if (!strcmp(w, "--callee"))
			opt.callee = true;
		else if (!strcmp(w, "--mixed"))
			opt.mixed = true;
		else if (!strcmp(w, "--reuse"))
			opt.reuse = true;
		else if (i++, !strcmp(w, "--rate"))
			opt.rate = atof(v);
		else if (!strcmp(w, "--seconds"))
			opt.seconds = atof(v);
		else if (!strcmp(w, "--hold"))
			opt.hold = (unsigned)atoi(v);
		else if (!strcmp(w, "--limit"))
			opt.limit = (unsigned)atoi(v);
		else if (!strcmp(w, "--window"))
			opt.window = (unsigned)atoi(v);
		else if (!strcmp(w, "--users"))
			opt.users = (unsigned)atoi(v);
		else if (!strcmp(w, "--spread"))
			opt.spread = (unsigned)atoi(v);
		else if (!strcmp(w, "--sdp"))
			opt.sdp = (unsigned)atoi(v);
		else if (!strcmp(w, "--headers"))
			opt.headers = (unsigned)atoi(v);
		else if (!strcmp(w, "--domain"))
			opt.domain = v;
		else if (!strcmp(w, "--server") && strlen(v) < sizeof(opt.server_text) &&
			 strchr(v, ':')) {
			char host[32];

			snprintf(host, sizeof(host), "%.*s", (int)(strchr(v, ':') - v), v);
			strcpy(opt.server_text, v);
			opt.server = (struct sockaddr_in){.sin_family = AF_INET,
				.sin_port = htons((uint16_t)atoi(strchr(v, ':') + 1)),
				.sin_addr.s_addr = inet_addr(host)};
		} else {
			fprintf(stderr, "load: what is %s?\n", w);
			return 2;
		}
	}
	if (!opt.server.sin_port) {
		fprintf(stderr, "usage: load calls|options|register --server IP:PORT ... (see the "
				"head of load.c)\n");
		return 2;
	}
	if (!strcmp(mode, "calls"))
		call_prepare();
	else
		port_udp(&caller[0], opt.callee                 ? CALLEE_PORT
				     : strcmp(mode, "register") ? 0
								: PHONES_PORT);
	if (!opt.users && !strcmp(mode, "register"))
		opt.users = 1000;
	start_ns = now_ns();
	if (!strcmp(mode, "calls"))
		calls_run();
	else if (!strcmp(mode, "options"))
		options_run();
	else if (!strcmp(mode, "register"))
		register_run();
	else
		return 2;
	latency_print();
	printf(", \"cpu_s\": %.3f}\n", own_cpu());
	return 0;
}
